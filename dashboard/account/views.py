"""The pages of an account that are about neither calls nor credits: home, mails, company, help."""

from copy import copy
from typing import cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from billing.accounts.members import switch_credit_mails
from billing.accounts.opening import COMPANY_FACTS, change_account
from billing.models import User
from billing.notices.levels import level_of, thresholds_of
from billing.notices.thresholds import add_threshold, remove_threshold
from billing.payments.receipts import buyer
from billing.refusals import Refusal
from dashboard.access import AccountRequest, account_page, accounts_of, last_seen
from dashboard.account.form import CompanyForm, ThresholdForm
from dashboard.account.overview import overview
from dashboard.refusals import add_refusal


@require_safe
@login_required
def landing(request: HttpRequest) -> HttpResponse:
    """Go to the account that the person saw last, else to the first of theirs."""
    membership = last_seen(request, accounts_of(cast(User, request.user)))
    if membership is None:
        return render(request, "dashboard/account/no_account.html")
    return redirect("dashboard:home", membership.account.slug)


@account_page()
def home(request: AccountRequest) -> HttpResponse:
    """Show how the account stands: balance, this cycle's use, the latest rows."""
    context = {"overview": overview(account=request.account, frame=request.frame)}
    return render(request, "dashboard/account/home.html", context)


@account_page()
def troubleshooting(request: AccountRequest) -> HttpResponse:
    """Explain what people ask about their credits."""
    return render(request, "dashboard/account/troubleshooting.html")


# ── Mails about credits ───────────────────────────────────────────────────────────────────────
def _save(request: AccountRequest) -> HttpResponse:
    """Do what the form that was sent is for.

    Everyone switches the mails on and off for themselves; only those who pay set the thresholds of
    the account.
    """
    sent = request.POST.get("form", "")
    if sent == "mails":
        wanted = "wants_credit_mails" in request.POST
        switch_credit_mails(membership=request.membership, wanted=wanted)
        messages.success(request, f"Mails about credits are {'on' if wanted else 'off'}.")
        return redirect("dashboard:notifications", request.account.slug)
    if not request.membership.may_pay:
        raise PermissionDenied
    form = ThresholdForm(request.POST if sent == "add" else None)
    if sent == "remove":
        remove_threshold(
            account=request.account,
            percent_of_plan=_whole(request.POST.get("percent", "")),
            credits=_whole(request.POST.get("credits", "")),
        )
    elif not form.is_valid():
        return _notifications(request, form, status=422)
    else:
        try:
            add_threshold(account=request.account, threshold=form.threshold)
        except Refusal as refusal:
            add_refusal(form, refusal, inputs={"threshold": "number"})
            return _notifications(request, form, status=422)
    messages.success(request, "The warnings of the account are saved.")
    return redirect("dashboard:notifications", request.account.slug)


@account_page(acts_when_closed=True, action=_save)
def notifications(request: AccountRequest) -> HttpResponse:
    """Show who gets which mails about the account's credits, and when the account is warned."""
    return _notifications(request, ThresholdForm())


def _notifications(
    request: AccountRequest, form: ThresholdForm, *, status: int = 200
) -> HttpResponse:
    per_cycle = request.frame.credits_per_cycle
    thresholds = [
        {"threshold": threshold, "level": level_of(threshold, credits_per_cycle=per_cycle)}
        for threshold in thresholds_of(request.account)
    ]
    context = {
        "form": form,
        "thresholds": thresholds,
        "mails_per_day_max": settings.MAILS_PER_DAY_MAX,
    }
    return render(request, "dashboard/account/notifications.html", context, status=status)


def _whole(text: str) -> int | None:
    return int(text) if text.removeprefix("-").isdecimal() and len(text) <= 12 else None


# ── The company on receipts ───────────────────────────────────────────────────────────────────
def _save_company(request: AccountRequest) -> HttpResponse:
    """Store what receipts say of the company from now on."""
    form = CompanyForm(request.POST, instance=copy(request.account))
    if not form.is_valid():
        return _company(request, form, status=422)
    change_account(account=form.instance, facts=COMPANY_FACTS)
    messages.success(request, "Saved. Receipts name the company like this from now on.")
    return redirect("dashboard:company", request.account.slug)


@account_page(pays=True, action=_save_company)
def company(request: AccountRequest) -> HttpResponse:
    """Show which company the account's receipts name, and change it."""
    return _company(request, CompanyForm(instance=request.account))


def _company(request: AccountRequest, form: CompanyForm, *, status: int = 200) -> HttpResponse:
    context = {"form": form, "buyer": buyer(request.account)}
    return render(request, "dashboard/account/company.html", context, status=status)

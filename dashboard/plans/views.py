"""The pages about plans: what is on offer and can be asked for, and what the account has."""

from datetime import timedelta
from typing import Any, cast

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from billing import clock
from billing.models import Plan, PlanRequest, PlanRequestState, User
from billing.plans import requests
from billing.plans.offers import PlanOffer, plan_offers
from billing.plans.overview import subscription_page
from billing.refusals import Refusal
from dashboard.access import AccountRequest, account_page
from dashboard.contact import contact_url
from dashboard.plans.change_words import change_in_words
from dashboard.plans.last_days import last_days

# How long the page says that a request was declined.
DECLINED_SHOWN_FOR = timedelta(days=30)
ID_LENGTH_MAX = 18
NO_SUCH_PLAN = "There is no such plan. Choose one of those below."
NO_SUCH_REQUEST = "There is no such request."


def _ask_or_withdraw(request: AccountRequest) -> HttpResponse:
    """Ask for the plan that the person has looked at, or withdraw what was asked for."""
    account, now = request.account, clock.now()
    try:
        if request.POST.get("do") == "withdraw":
            asked = requests.withdraw(request=_request_named(request), now=now)
            messages.success(request, f"Your request for {asked.plan} is withdrawn.")
        else:
            asked = requests.ask(
                account=account,
                plan=_plan_named(request.POST.get("plan", "")),
                by=cast(User, request.user),
                seen=request.POST.get("seen", ""),
                now=now,
            )
            messages.success(request, f"You asked for {asked.plan}. We answer by e-mail.")
    except Refusal as refusal:
        return _plans(request, problem=refusal.message, status=409)
    return redirect("dashboard:plans", account.slug)


@account_page(pays=True, action=_ask_or_withdraw)
def plans(request: AccountRequest) -> HttpResponse:
    """Show what the plans include, and what the last 30 days would have cost on each.

    Where the address names a plan, also what would happen if the account changed to it.
    """
    return _plans(request)


def _plans(request: AccountRequest, *, problem: str = "", status: int = 200) -> HttpResponse:
    frame, account = request.frame, request.account
    offers = plan_offers(agreement=frame.agreement, upcoming=frame.upcoming, now=frame.now)
    asked = requests.latest_request(account)
    is_old = asked is not None and asked.state_since < frame.now - DECLINED_SHOWN_FOR
    context: dict[str, Any] = {
        "offers": offers,
        "last_days": last_days(account=account, offers=offers, now=frame.now),
        "contact_url": contact_url(),
        "asked": None if is_old and asked and asked.state != PlanRequestState.OPEN else asked,
        "askable": _askable(request, offers, asked),
        "problem": problem,
    }
    named = request.GET.get("plan") or (request.POST.get("plan") if problem else "")
    if named and not (asked and asked.state == PlanRequestState.OPEN):
        try:
            change = requests.change_to(account=account, plan=_plan_named(named), now=frame.now)
            context |= {"change": change, "change_words": change_in_words(change)}
        except Refusal as refusal:
            context["problem"] = problem or refusal.message
            status = 409 if status == 200 else status
    return render(request, "dashboard/plans/plans.html", context, status=status)


def _askable(
    request: AccountRequest, offers: list[PlanOffer], asked: PlanRequest | None
) -> set[int]:
    """The ids of the plans that can be asked for: `requests.change_to` has the last word."""
    frame = request.frame
    if request.account.closed_at is not None:
        return set()
    own = frame.agreement.subscription if frame.agreement else None
    if asked is not None and asked.state == PlanRequestState.OPEN:
        return set()
    if any(one.agreement.subscription != own for one in frame.upcoming):
        return set()
    return {
        offer.plan.pk
        for offer in offers
        if offer.plan.is_active
        and not offer.is_current
        and offer.terms is not None
        and offer.terms.price_in(request.account.currency) is not None
        and offer.terms.credits_per_cycle is not None
    }


def _plan_named(text: str) -> Plan:
    """The plan with that id. Raises PlanRequestError."""
    plan = Plan.objects.filter(pk=_id(text)).first()
    if plan is None:
        raise requests.PlanRequestError(NO_SUCH_PLAN)
    return plan


def _request_named(request: AccountRequest) -> PlanRequest:
    """The account's request that the form names. Raises PlanRequestError."""
    own = PlanRequest.objects.filter(account=request.account)
    found = own.filter(pk=_id(request.POST.get("request", ""))).first()
    if found is None:
        raise requests.PlanRequestError(NO_SUCH_REQUEST)
    return found


def _id(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= ID_LENGTH_MAX else 0


@account_page(pays=True)
def subscription(request: AccountRequest) -> HttpResponse:
    """Show the account's plan, its cycle, and which credits are left until when."""
    frame = request.frame
    page = subscription_page(account=request.account, agreement=frame.agreement, now=frame.now)
    context = {"page": page, "contact_url": contact_url()}
    return render(request, "dashboard/plans/subscription.html", context)

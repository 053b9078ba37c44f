"""What a person is told by e-mail about an account's credits, and when the account is warned.

Everyone switches the mails on and off for themselves; only those who pay set the account's
thresholds.
"""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render

from billing.models import CreditThreshold, Membership
from billing.models.top_up import CREDITS_MAX
from billing.notices import warnings
from billing.notices.levels import level_of, thresholds_of
from billing.refusals import Refusal
from dashboard.access import AccountRequest, account_page
from dashboard.refusals import add_refusal

PERCENT_MAX = 100


class ThresholdForm(forms.Form):
    """A threshold to add: a number, and what it counts. Valid, it is `threshold`."""

    CREDITS = "credits"
    PERCENT = "percent"

    number = forms.IntegerField(
        label="Warn at",
        min_value=0,
        max_value=CREDITS_MAX,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
        error_messages={"required": "Enter a number.", "invalid": "Enter a whole number."},
    )
    unit = forms.ChoiceField(
        label="Of what", choices=[(CREDITS, "credits"), (PERCENT, "% of the plan's credits")]
    )

    def clean(self) -> dict[str, Any]:
        """A share is from 1 to 100 percent."""
        number = self.cleaned_data.get("number")
        is_share = self.cleaned_data.get("unit") == self.PERCENT
        if is_share and number is not None and not 1 <= number <= PERCENT_MAX:
            self.add_error("number", f"Enter a share from 1 to {PERCENT_MAX} %.")
        return self.cleaned_data

    @property
    def threshold(self) -> CreditThreshold:
        """What was entered, unsaved."""
        number = self.cleaned_data["number"]
        if self.cleaned_data["unit"] == self.PERCENT:
            return CreditThreshold(percent_of_plan=number)
        return CreditThreshold(credits=number)


def _save(request: AccountRequest) -> HttpResponse:
    """Do what the form that was sent is for."""
    sent = request.POST.get("form", "")
    if sent == "mails":
        wanted = "wants_credit_mails" in request.POST
        Membership.objects.filter(pk=request.membership.pk).update(wants_credit_mails=wanted)
        messages.success(request, f"Mails about credits are {'on' if wanted else 'off'}.")
        return redirect("dashboard:notifications", request.account.slug)
    if not request.membership.may_pay:
        raise PermissionDenied
    form = ThresholdForm(request.POST if sent == "add" else None)
    if sent == "remove":
        warnings.remove_threshold(
            account=request.account,
            percent_of_plan=_whole(request.POST.get("percent", "")),
            credits=_whole(request.POST.get("credits", "")),
        )
    elif not form.is_valid():
        return _page(request, form, status=422)
    else:
        try:
            warnings.add_threshold(account=request.account, threshold=form.threshold)
        except Refusal as refusal:
            add_refusal(form, refusal, inputs={"threshold": "number"})
            return _page(request, form, status=422)
    messages.success(request, "The warnings of the account are saved.")
    return redirect("dashboard:notifications", request.account.slug)


@account_page(action=_save)
def notifications(request: AccountRequest) -> HttpResponse:
    """Show who is told what about the account's credits."""
    return _page(request, ThresholdForm())


def _page(request: AccountRequest, form: ThresholdForm, *, status: int = 200) -> HttpResponse:
    assert request.frame is not None
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
    return render(request, "dashboard/notifications.html", context, status=status)


def _whole(text: str) -> int | None:
    return int(text) if text.removeprefix("-").isdecimal() and len(text) <= 12 else None

"""An operator adds or takes credits, for a reason that the account reads."""

import uuid
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.template.defaultfilters import pluralize
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextInputWidget

from billing import clock
from billing.models import Account
from billing.plans.movements import adjust
from dashboard.operations.accounts.action import AccountAction
from dashboard.operations.record_actions import Outcome, Preview, reason_field
from dashboard.templatetags.figures import signed

ADJUSTMENT_CREDITS_MAX = 100_000_000
EXPIRY_YEARS_MAX = 20


class AdjustmentForm(forms.Form):
    """Credits to give or take, and why."""

    credits = forms.IntegerField(
        min_value=-ADJUSTMENT_CREDITS_MAX,
        max_value=ADJUSTMENT_CREDITS_MAX,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="500 adds, -500 takes. Taking more than there is leaves a debt.",
    )
    reason = reason_field("The account reads it in its call log.")
    expires_on = forms.DateField(
        label="Last day of use",
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}),
        help_text="Of credits added, in the account’s time zone. Empty: they never expire.",
    )
    # A form that is sent twice posts once.
    key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    def expires_at(self, account: Account) -> datetime | None:
        """The end of the last day of use."""
        day = self.cleaned_data["expires_on"]
        if day is None:
            return None
        return datetime.combine(day + timedelta(days=1), time.min, account.zone).astimezone(UTC)

    def clean_expires_on(self) -> Any:
        """Refuse years that are typing errors."""
        day = self.cleaned_data["expires_on"]
        if day and day.year > clock.now().year + EXPIRY_YEARS_MAX:
            raise forms.ValidationError(
                f"More than {EXPIRY_YEARS_MAX} years ahead: leave it empty."
            )
        return day


class PostAdjustment(AccountAction):
    """Add or take credits, for a reason."""

    name = "post_adjustment"
    path = "adjust"
    label = "Post an adjustment"
    inputs = {"expires_at": "expires_on"}

    def form(self, data: Any) -> AdjustmentForm:
        return AdjustmentForm(data)

    def preview(self) -> Preview:
        return self.account_preview(
            title="Post an adjustment",
            about=["Posted at once, and never edited: to take it back, post the opposite."],
            button="Post adjustment",
        )

    def do(self, form: AdjustmentForm) -> Outcome:
        credits, reason = form.cleaned_data["credits"], form.cleaned_data["reason"]
        is_new = adjust(
            account=self.record,
            credits=credits,
            reason=reason,
            reference=f"operator-{self.request.user.pk}:{form.cleaned_data['key']}",
            at=self.now,
            expires_at=form.expires_at(self.record),
        )
        if not is_new:
            return Outcome(
                told="This adjustment was posted already; nothing was posted now. "
                "Open the form anew for another one.",
                level=messages.WARNING,
            )
        moved = f"{signed(credits)} credit{pluralize(credits)}: {reason}"
        return Outcome(told=f"Posted {moved}", recorded=f"Posted an adjustment of {moved}")

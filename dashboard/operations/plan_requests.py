"""Requests for plans of all accounts for operators: approved, or declined with a reason."""

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.http import HttpResponse
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter

from billing.models import PlanRequest, PlanRequestState, User
from billing.money import format_money
from billing.notices import requests as mails
from billing.plans import requests
from billing.texts import in_credits
from dashboard.operations.base import RecordAdmin
from dashboard.operations.filters import ChosenFilter
from dashboard.operations.record_actions import Outcome, Preview, RecordAction, reason_field
from dashboard.plans.change_words import change_in_words


class PlanRequestAction(RecordAction[PlanRequest]):
    """An action whose page names the account, the plan and who asked, and what would happen."""

    @classmethod
    def is_offered(cls, record: PlanRequest) -> bool:
        return record.state == PlanRequestState.OPEN

    def instead(self) -> HttpResponse | None:
        """Lead back where it is decided, or was withdrawn."""
        if self.request.method == "GET" and self.record.state != PlanRequestState.OPEN:
            return self.back(f"This request is {self.record.get_state_display().lower()} already.")
        return None

    def record_name(self) -> str:
        return "the request"

    @property
    def subject(self) -> str:
        """The request in a line."""
        person = self.record.asked_by
        whose = f" · {person.email}" if person is not None else ""
        return f"{self.record.account} · {self.record.plan}{whose}"

    @property
    def operator(self) -> User:
        """Who decides."""
        return cast(User, self.request.user)

    def summary(self) -> list[str]:
        """What the customer was shown, as it is now; or why it can't be approved any more."""
        try:
            return change_in_words(requests.change_of(request=self.record, now=self.now))
        except requests.PlanRequestError as refused:
            return [refused.message]


class ApproveRequest(PlanRequestAction):
    """Put the account on the plan it asked for, at once."""

    name = "approve"
    path = "approve"
    label = "Approve"

    def preview(self) -> Preview:
        return Preview(
            title="Approve this request",
            subject=self.subject,
            about=[*self.summary(), "The account’s Superadmins are told by e-mail."],
            button=f"Put {self.record.account} on {self.record.plan}",
        )

    def do(self, form: Any) -> Outcome:
        requests.approve(request=self.record, by=self.operator, now=self.now)
        return Outcome(
            told=f"{self.record.account} is on {self.record.plan} now.", recorded="Approved."
        )


class DeclineForm(forms.Form):
    """Why it is declined."""

    reason = reason_field("The account reads it.")


class DeclineRequest(PlanRequestAction):
    """Decline the request with a reason."""

    name = "decline"
    path = "decline"
    label = "Decline"

    def form(self, data: Any) -> DeclineForm:
        return DeclineForm(data)

    def preview(self) -> Preview:
        return Preview(
            title="Decline this request",
            subject=self.subject,
            about=[
                "If it were approved:",
                *self.summary(),
                "Declined, nothing changes. The account’s Superadmins are told the reason by "
                "e-mail, and can ask again.",
            ],
            button="Decline it",
        )

    def do(self, form: DeclineForm) -> Outcome:
        reason = form.cleaned_data["reason"]
        requests.decline(request=self.record, by=self.operator, reason=reason, now=self.now)
        return Outcome(told="The request is declined.", recorded="Declined.")


class AttentionFilter(ChosenFilter):
    """The requests that an operator may have to do something about."""

    title = "attention"
    parameter_name = "attention"
    chosen = {
        "answer": ("Waits for an answer", lambda now: requests.open_requests()),
        "mail": ("Its mail does not go out", lambda now: mails.late(now=now)),
    }


@admin.register(PlanRequest)
class PlanRequestAdmin(RecordAdmin):
    """Every request for a plan, newest first."""

    list_display = ("account", "plan", "asked_for", "asked_by", "asked_at", "state")
    list_filter = (
        ("account", AutocompleteSelectFilter),
        ("state", ChoicesDropdownFilter),
        AttentionFilter,
    )
    list_filter_submit = True
    list_select_related = ("account", "plan", "asked_by")
    record_actions = (ApproveRequest, DeclineRequest)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("account", "plan"),
                    ("asked_for", "tariff"),
                    ("asked_by", "asked_at"),
                    ("state", "state_since"),
                    ("decided_by", "reason"),
                )
            },
        ),
    )

    @admin.display(description="At")
    def asked_for(self, request: PlanRequest) -> str:
        """The price and credits that were asked for."""
        price = format_money(request.price_minor, request.currency)
        return f"{price} a month with {in_credits(request.credits_per_cycle)}"

    @admin.display(description="A call costs")
    def tariff(self, request: PlanRequest) -> str:
        """The tariff that was asked for."""
        return f"{in_credits(request.credits_per_increment)} per {request.increment_seconds:,} s"

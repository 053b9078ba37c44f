"""Calls for operators: what is known of each, its frozen charge, and how to withdraw one."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    ChoicesDropdownFilter,
    DropdownFilter,
)

from billing.texts import in_credits
from calls.models import Call
from calls.usage import words
from calls.withdrawing import withdraw_calls
from dashboard.operations.base import RecordAdmin
from dashboard.operations.filters import ACCOUNT_PARAMETER
from dashboard.operations.record_actions import Outcome, Preview, RecordAction, reason_field


class WithdrawnFilter(DropdownFilter):
    """Calls that are withdrawn, or those that count."""

    title = "withdrawal"
    parameter_name = "withdrawn"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        return [("yes", "Withdrawn"), ("no", "Not withdrawn")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """Keep the calls that are, or are not; an index has those that are."""
        if self.value() not in ("yes", "no"):
            return queryset
        return queryset.filter(withdrawn_at__isnull=self.value() == "no")


class WithdrawalForm(forms.Form):
    """Why a call should not be there."""

    reason = reason_field("The account reads it in its call log.")


class WithdrawCall(RecordAction[Call]):
    """Take a call back that should not be there: it costs and counts nothing, and stays visible."""

    name = "withdraw"
    path = "withdraw"
    label = "Withdraw"

    def form(self, data: Any) -> WithdrawalForm:
        return WithdrawalForm(data)

    def record_name(self) -> str:
        return f"call {self.record.call_id}"

    def preview(self) -> Preview:
        call = self.record
        subject = f"{call.account} · call {call.call_id} · {in_credits(call.credits)}"
        if call.withdrawn_at is not None:
            said = words.in_full(call, zone=call.account.zone)
            return Preview(title="Withdraw a call", subject=subject, about=[said], button="")
        return Preview(
            title="Withdraw a call",
            subject=subject,
            about=[
                f"{in_credits(call.credits)} come back, to where they came from. What credits "
                "that have ended had paid becomes new ones, valid for 12 months.",
                "From then on the call costs and counts nothing, and stays in the log as "
                "withdrawn. This can't be undone, but the same call ID may come again.",
            ],
            button="Withdraw call",
        )

    def do(self, form: WithdrawalForm) -> Outcome:
        call = self.record
        done = withdraw_calls(
            account_id=call.account_id,
            call_ids=[call.call_id],
            reason=form.cleaned_data["reason"],
            now=self.now,
        )
        if not done.withdrawn:
            return Outcome(told="It was withdrawn already.", level=messages.WARNING)
        return Outcome(
            told=f"Withdrawn: {in_credits(done.credits)} came back.",
            recorded=f"Withdrawn, {in_credits(done.credits)} back: {form.cleaned_data['reason']}",
        )


@admin.register(Call)
class CallAdmin(RecordAdmin):
    """Every call, latest recorded first."""

    record_actions = (WithdrawCall,)
    shows_seconds = True
    list_display = (
        "call_id",
        "account",
        "started_at",
        "usage_type",
        "status",
        "agent",
        "billed",
        "credits",
        "plan_name",
        "corrections",
        "withdrawn_at",
    )
    list_filter = (
        ("account", AutocompleteSelectFilter),
        ("usage_type", ChoicesDropdownFilter),
        ("status", ChoicesDropdownFilter),
        WithdrawnFilter,
    )
    list_filter_submit = True
    search_fields = ("call_id",)
    search_help_text = "Start of a call ID"
    identified_by = (("call_id", True),)
    fieldsets = (
        (
            "Call",
            {
                "fields": (
                    ("call_id", "account"),
                    ("usage_type", "agent"),
                    ("from_number", "to_number", "numbers_deleted"),
                    ("status", "remarks"),
                    "started_at",
                    ("connected_at", "ended_at"),
                )
            },
        ),
        (
            "Charge",
            {
                "fields": (
                    "arithmetic",
                    ("billable_seconds", "billed_seconds"),
                    ("increments", "increment_seconds"),
                    ("credits_per_increment", "credits"),
                    ("plan_name", "entries"),
                )
            },
        ),
        ("Record", {"fields": (("recorded_at", "revised_at"), ("corrections", "withdrawn_at"))}),
    )

    @admin.display(description="Billed")
    def billed(self, call: Call) -> str:
        """How its time was rounded up."""
        if not call.increments:
            return "–"
        return f"{call.increments:,} × {call.increment_seconds:,} s"

    @admin.display(description="In words")
    def arithmetic(self, call: Call) -> str:
        """How the charge was computed."""
        return words.in_full(call, zone=call.account.zone)

    @admin.display(description="Ledger")
    def entries(self, call: Call) -> SafeString:
        """The entries that this call caused."""
        query = {ACCOUNT_PARAMETER: call.account_id, "q": call.call_id}
        address = reverse("admin:billing_ledgerentry_changelist", query=query)
        return format_html('<a href="{}" class="text-link">Its entries</a>', address)

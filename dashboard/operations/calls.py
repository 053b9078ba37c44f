"""Calls for operators, to read: what is known of each, and the charge frozen with it."""

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter

from calls.models import Call
from calls.usage import words
from dashboard.operations.base import RecordAdmin
from dashboard.operations.filters import ACCOUNT_PARAMETER


@admin.register(Call)
class CallAdmin(RecordAdmin):
    """Every call, latest recorded first."""

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
    )
    list_filter = (
        ("account", AutocompleteSelectFilter),
        ("usage_type", ChoicesDropdownFilter),
        ("status", ChoicesDropdownFilter),
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
                    ("from_number", "to_number"),
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
        ("Record", {"fields": (("recorded_at", "revised_at"), "corrections")}),
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
        return words.in_full(call)

    @admin.display(description="Ledger")
    def entries(self, call: Call) -> SafeString:
        """The entries that this call caused."""
        query = {ACCOUNT_PARAMETER: call.account_id, "q": call.call_id}
        address = reverse("admin:billing_ledgerentry_changelist", query=query)
        return format_html('<a href="{}" class="text-link">Its entries</a>', address)

"""The ledger for operators, to read: entries, balances, grants and daily usage.

Nothing here can be added, changed or deleted. An adjustment is posted from the account's page.
"""

from django.contrib import admin
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    ChoicesDropdownFilter,
)

from billing.models import Balance, CreditGrant, DailyUsage, LedgerEntry
from billing.texts import grouped
from dashboard.operations.base import RecordAdmin, local_time
from dashboard.operations.filters import AccountDayFilter, StandingFilter
from dashboard.templatetags.figures import signed


@admin.register(LedgerEntry)
class LedgerEntryAdmin(RecordAdmin):
    """Every movement of credits, newest first."""

    list_display = (
        "occurred_at",
        "account",
        "kind",
        "signed_credits",
        "balance",
        "reference",
        "remarks",
    )
    list_filter = (
        ("account", AutocompleteSelectFilter),
        ("kind", ChoicesDropdownFilter),
        ("usage_type", ChoicesDropdownFilter),
        ("occurred_at", AccountDayFilter),
    )
    list_filter_submit = True
    search_fields = ("reference",)
    search_help_text = "Start of a call ID, or a whole reference"
    identified_by = (("call_id", True), ("reference", False))
    ordering_within_account = ("-occurred_at", "-id")
    fields = (
        "account",
        "seq",
        "kind",
        "signed_credits",
        "balance",
        "reference",
        "occurred_at",
        "posted_at",
        "remarks",
        "call_id",
        "usage_type",
        "agent",
        "billed_seconds",
    )

    @admin.display(description="Credits")
    def signed_credits(self, entry: LedgerEntry) -> str:
        """Added with a plus, used with a minus."""
        return signed(entry.credits)

    @admin.display(description="Balance after")
    def balance(self, entry: LedgerEntry) -> str:
        """What it left."""
        return grouped(entry.balance_after)


@admin.register(CreditGrant)
class CreditGrantAdmin(RecordAdmin):
    """What came in, and what calls have left of it."""

    list_display = (
        "granted_at",
        "account",
        "source",
        "credits",
        "remaining",
        "expires",
        "expired",
    )
    list_filter = (
        ("account", AutocompleteSelectFilter),
        ("source", ChoicesDropdownFilter),
    )
    list_filter_submit = True
    fields = ("account", "source", "credits", "remaining", "granted_at", "expires", "expired")

    @admin.display(description="Expires")
    def expires(self, grant: CreditGrant) -> SafeString | str:
        """When what is left of it goes."""
        return local_time(grant.expires_at, grant.account.zone) if grant.expires_at else "never"


@admin.register(Balance)
class BalanceAdmin(RecordAdmin):
    """What each account has now."""

    list_display = ("account", "credits", "owed", "last_seq")
    list_filter = (("account", AutocompleteSelectFilter), StandingFilter)
    list_filter_submit = True
    ordering_within_account = ("-pk",)
    fields = ("account", "credits", "owed", "last_seq")

    @admin.display(description="Owed")
    def owed(self, balance: Balance) -> int:
        """Credits below zero."""
        return balance.debt


@admin.register(DailyUsage)
class DailyUsageAdmin(RecordAdmin):
    """The sums that the customers' page is made of."""

    list_display = (
        "day",
        "account",
        "kind",
        "usage_type",
        "agent",
        "entries",
        "calls",
        "credits_used",
        "credits_added",
        "billed_seconds",
    )
    list_filter = (
        ("account", AutocompleteSelectFilter),
        ("kind", ChoicesDropdownFilter),
        ("usage_type", ChoicesDropdownFilter),
    )
    list_filter_submit = True
    ordering_within_account = ("-day", "-id")

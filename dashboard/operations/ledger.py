"""The ledger for operators, to read: entries, balances, grants and daily usage.

Nothing here can be added, changed or deleted. An adjustment is posted from the account's page.
"""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    ChoicesDropdownFilter,
)
from unfold.views import ChangeList

from billing.models import Balance, CreditGrant, DailyUsage, LedgerEntry
from billing.texts import grouped
from calls.usage import payers, words
from calls.usage.entries import Entry, is_withdrawn, other_number
from dashboard.operations.base import RecordAdmin, local_time
from dashboard.operations.filters import AccountDayFilter, MonthFilter, StandingFilter
from dashboard.operations.months import Month
from dashboard.templatetags.figures import signed


class EntryList(ChangeList):
    """The list of entries, with what is said of each on the page."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        """Read the page, then all that its words need at once."""
        super().get_results(request)
        self.result_list = list(self.result_list)
        put_into_words(self.result_list)


def put_into_words(entries: Sequence[Any]) -> None:
    """Give each of ``entries`` the attributes ``words`` and ``paid_words``; at most two queries.

    Expects their accounts to be read.
    """
    facts = {entry.pk: Entry.of(entry) for entry in entries}
    grants = words.expired_grants(facts.values())
    paid = payers.payments_of([(entry.account_id, entry.seq) for entry in facts.values()])
    for entry in entries:
        zone = entry.account.zone
        own = [one for one in paid if (one.account_id, one.seq) == (entry.account_id, entry.seq)]
        year = entry.occurred_at.astimezone(zone).year
        entry.words = words.of_entry(facts[entry.pk], grants=grants, zone=zone)
        entry.paid_words = payers.in_words(own, year=year, zone=zone)


@admin.register(LedgerEntry)
class LedgerEntryAdmin(RecordAdmin):
    """Every movement of credits, newest first."""

    list_display = (
        "occurred_at",
        "account",
        "kind",
        "signed_credits",
        "balance",
        "in_words",
        "paid_with",
        "reference",
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
        "in_words",
        "paid_with",
        "remarks",
        "call_id",
        "usage_type",
        "agent",
        "call_status",
        "billable_us",
        "increment_seconds",
        "billed_seconds",
        "plan_name",
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return EntryList

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """The entries, each with whether another undoes it, which its words tell."""
        entries: QuerySet = (
            super()
            .get_queryset(request)
            .annotate(is_withdrawn=is_withdrawn(), other_number=other_number())
        )
        return entries

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> LedgerEntry | None:
        """The entry with what is said of it."""
        entry: LedgerEntry | None = super().get_object(request, object_id, from_field)
        if entry is not None:
            put_into_words([entry])
        return entry

    @admin.display(description="In words")
    def in_words(self, entry: Any) -> str:
        """What the account reads, remarks included."""
        said: str = entry.words
        return said

    @admin.display(description="Paid with")
    def paid_with(self, entry: Any) -> str:
        """Which grants its credits came from or returned to; empty where it moved none of them."""
        said: str = entry.paid_words
        return said

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
        "expired",
        "expires",
    )
    list_filter = (
        ("account", AutocompleteSelectFilter),
        ("source", ChoicesDropdownFilter),
    )
    list_filter_submit = True
    fields = ("account", "source", "credits", "remaining", "expired", "granted_at", "expires")

    @admin.display(description="Expires")
    def expires(self, grant: CreditGrant) -> SafeString | str:
        """When what is left of it goes."""
        return local_time(grant.expires_at, grant.account.zone) if grant.expires_at else "never"


@admin.register(Balance)
class BalanceAdmin(RecordAdmin):
    """What each account has now."""

    list_display = ("account", "available", "owed", "last_seq")
    list_filter = (("account", AutocompleteSelectFilter), StandingFilter)
    list_filter_submit = True
    ordering_within_account = ("-pk",)
    fields = ("account", "available", "owed", "last_seq")

    @admin.display(description="Credits")
    def available(self, balance: Balance) -> str:
        """What is left, with a minus where some are owed."""
        return grouped(balance.credits)

    @admin.display(description="Owed")
    def owed(self, balance: Balance) -> str:
        """Credits below zero."""
        return grouped(balance.debt)


class DayFilter(MonthFilter):
    """Days of a month."""

    title = "month"
    parameter_name = "month"

    def in_month(self, month: Month) -> Q:
        return Q(day__range=(month.days.first_day, month.days.last_day))


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
        DayFilter,
    )
    list_filter_submit = True
    ordering_within_account = ("-day", "-id")

"""This month's figures of the whole installation, each with the list that it sums."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse

from billing.models import Account
from billing.money import format_prices
from billing.payments.sales import sold
from billing.texts import grouped
from calls.usage.counts import used_by_all
from dashboard.operations.accounts.pages import OpenedFilter, opened_in
from dashboard.operations.ledger import DayFilter
from dashboard.operations.months import Month
from dashboard.operations.top_ups.records import CreditedFilter


@dataclass(frozen=True, slots=True)
class Figure:
    """One number, called as on the customers' pages, and what it is made of."""

    name: str
    number: str
    note: str
    url: str


@dataclass(frozen=True, slots=True)
class MonthSoFar:
    """The figures of the month that ``now`` is in."""

    words: str
    figures: Sequence[Figure]


def month_so_far(*, now: datetime) -> MonthSoFar:
    """Read the figures of this month; three queries, each by an index of days or times."""
    month = Month.of(now)
    used = used_by_all(days=month.days)
    sales = sold(since=month.starts_at, until=month.ends_at)
    opened = Account.objects.filter(opened_in(month)).count()
    days = reverse(
        "admin:billing_dailyusage_changelist", query={DayFilter.parameter_name: month.name}
    )
    paid = format_prices(sales.paid_minor)
    return MonthSoFar(
        month.words,
        [
            Figure("Total Calls", grouped(used.calls), "of all accounts", days),
            Figure("Credits Used", grouped(used.credits_used), "by these calls", days),
            Figure(
                "Credits Sold",
                grouped(sales.credits),
                f"for {paid}, tax included" if paid else "no top-up was credited",
                reverse(
                    "admin:billing_topup_changelist",
                    query={CreditedFilter.parameter_name: month.name},
                ),
            ),
            Figure(
                "New Accounts",
                grouped(opened),
                "opened here",
                reverse(
                    "admin:billing_account_changelist",
                    query={OpenedFilter.parameter_name: month.name},
                ),
            ),
        ],
    )

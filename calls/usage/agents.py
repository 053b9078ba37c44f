"""What each agent used: the counts of a period by agent."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Sum

from billing.models import Account
from billing.models.ledger import USAGE_KINDS
from calls.usage.filters import UsageFilters
from calls.usage.periods import Period


@dataclass(frozen=True, slots=True)
class AgentUsage:
    """What the agent of that name (empty: none was named) used in a period."""

    agent: str
    calls: int
    credits_used: int
    billed_seconds: int


def usage_by_agent(
    *,
    account: Account,
    period: Period,
    filters: UsageFilters,
    after: str | None = None,
    limit: int,
) -> Sequence[AgentUsage]:
    """At most ``limit`` agents that had any row in ``period``, by name, ``after`` one; one query.

    From the same counts by day as the pages, so together they are the period's totals.
    """
    rows = filters.daily_usage(account).filter(
        day__range=(period.first_day, period.last_day), kind__in=USAGE_KINDS
    )
    if after is not None:
        rows = rows.filter(agent__gt=after)
    sums = (
        rows.order_by("agent")
        .values("agent")
        .annotate(
            sum_of_calls=Sum("calls"),
            sum_of_credits_used=Sum("credits_used"),
            sum_of_billed_seconds=Sum("billed_seconds"),
        )
    )
    return [
        AgentUsage(
            agent=row["agent"],
            calls=int(row["sum_of_calls"]),
            credits_used=int(row["sum_of_credits_used"]),
            billed_seconds=int(row["sum_of_billed_seconds"]),
        )
        for row in sums[:limit]
    ]

"""What each agent used in a period, from the same counts as the totals: together they are these."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any

from django.db.models import Count, Q, Sum

from billing.ledger import references
from billing.models import Account, Kind
from billing.models.ledger import USAGE_KINDS
from calls.usage.filters import UsageFilters
from calls.usage.periods import DAY, Days, Period
from calls.usage.search import Found


@dataclass(frozen=True, slots=True)
class AgentUsage:
    """What the ``agent`` of that name (empty: none was named) used.

    ``used_before``: its credits in as many days right before the period; None where these were not
    counted. ``share`` is its part of all credits used, None where none were.
    """

    agent: str
    calls: int
    credits_used: int
    billed_seconds: int
    used_before: int | None
    share: Fraction | None

    @property
    def billed_minutes(self) -> float:
        """Billed time in minutes, to one decimal."""
        return round(self.billed_seconds / 60, 1)

    @property
    def credits_per_call(self) -> Fraction | None:
        """The credits of an average call, None without calls."""
        return Fraction(self.credits_used, self.calls) if self.calls else None

    @property
    def trend(self) -> Fraction | None:
        """By which part more (or less) was used than before, None where nothing was."""
        if self.used_before is None or self.used_before <= 0:
            return None
        return Fraction(self.credits_used - self.used_before, self.used_before)


class AgentOrder(StrEnum):
    """What agents can be sorted by, as it stands in an address; the largest come first."""

    AGENT = "agent"
    CALLS = "calls"
    MINUTES = "minutes"
    CREDITS = "credits"
    PER_CALL = "per_call"
    TREND = "trend"


def _or_least(number: Fraction | None) -> Fraction | float:
    return float("-inf") if number is None else number


_KEYS: dict[AgentOrder, Callable[[AgentUsage], Any]] = {
    AgentOrder.AGENT: lambda row: row.agent.casefold(),
    AgentOrder.CALLS: lambda row: row.calls,
    AgentOrder.MINUTES: lambda row: row.billed_seconds,
    AgentOrder.CREDITS: lambda row: row.credits_used,
    AgentOrder.PER_CALL: lambda row: _or_least(row.credits_per_call),
    AgentOrder.TREND: lambda row: _or_least(row.trend),
}


def sorted_agents(agents: Iterable[AgentUsage], *, order: AgentOrder) -> list[AgentUsage]:
    """Return ``agents`` in ``order``: names from A on, numbers from the largest; equals by name."""
    by_name = sorted(agents, key=_KEYS[AgentOrder.AGENT])
    if order is AgentOrder.AGENT:
        return by_name
    return sorted(by_name, key=_KEYS[order], reverse=True)


def usage_of_agents(
    *,
    account: Account,
    period: Period,
    filters: UsageFilters,
    found: Sequence[Found] | None,
    newer: Iterable[Found],
) -> list[AgentUsage]:
    """Count what the agents of ``account`` used in ``period`` under ``filters``: at most one query.

    ``found`` is what a search for a call ID found, None where none is made; ``newer`` was booked
    after the state that is shown. Days before the period are counted where the counts by day are.
    """
    numbers: dict[str, Counter[str]] = defaultdict(Counter)
    if found is not None:
        _add(numbers, found, period)
        return _agents_of(numbers, has_before=False)
    if filters.import_id is not None:
        for agent, of_import in _counted_of_import(account, period, filters):
            numbers[agent].update(of_import)
        return _agents_of(numbers, has_before=False)
    length = len(Days(period.first_day, period.last_day))
    inside = Q(day__gte=period.first_day)
    rows = (
        filters.daily_usage(account)
        .filter(day__range=(period.first_day - length * DAY, period.last_day), kind__in=USAGE_KINDS)
        .order_by()
        .values("agent")
        .annotate(
            sum_of_calls=Sum("calls", filter=inside, default=0),
            sum_of_credits_used=Sum("credits_used", filter=inside, default=0),
            sum_of_billed_seconds=Sum("billed_seconds", filter=inside, default=0),
            sum_of_entries=Sum("entries", filter=inside, default=0),
            used_before=Sum("credits_used", filter=~inside, default=0),
        )
    )
    for row in rows:
        numbers[row["agent"]].update(
            calls=int(row["sum_of_calls"]),
            credits_used=int(row["sum_of_credits_used"]),
            billed_seconds=int(row["sum_of_billed_seconds"]),
            entries=int(row["sum_of_entries"]),
            used_before=int(row["used_before"]),
        )
    _add(numbers, newer, period, sign=-1)
    return _agents_of(numbers, has_before=True)


def _add(
    numbers: dict[str, Counter[str]], rows: Iterable[Found], period: Period, sign: int = 1
) -> None:
    """Count ``rows``: those before ``period`` for the comparison alone."""
    for row in rows:
        if not Kind(row.kind).is_usage:
            continue
        of_agent = numbers[row.agent]
        if row.occurred_at < period.starts_at:
            length = len(Days(period.first_day, period.last_day))
            day = row.occurred_at.astimezone(period.zone).date()
            if day >= period.first_day - length * DAY:
                of_agent["used_before"] += sign * -row.credits
            continue
        of_agent["entries"] += sign
        of_agent["calls"] += sign * row.calls
        of_agent["credits_used"] += sign * -row.credits
        of_agent["billed_seconds"] += sign * row.billed_seconds


def _counted_of_import(
    account: Account, period: Period, filters: UsageFilters
) -> Iterator[tuple[str, dict[str, int]]]:
    withdrawn_charge = Q()
    for prefix in references.OF_WITHDRAWN_CHARGES:
        withdrawn_charge |= Q(reference__startswith=prefix)
    rows = (
        filters.entries(account)
        .filter(occurred_at__gte=period.starts_at, occurred_at__lt=period.ends_at)
        .order_by()
        .values("agent")
        .annotate(
            entries=Count("id"),
            charges=Count("id", filter=Q(kind=Kind.CALL)),
            withdrawn=Count("id", filter=Q(kind=Kind.WITHDRAWAL) & withdrawn_charge),
            sum_of_credits=Sum("credits"),
            sum_of_billed_seconds=Sum("billed_seconds"),
        )
    )
    for row in rows:
        yield (
            row["agent"],
            {
                "entries": row["entries"],
                "calls": row["charges"] - row["withdrawn"],
                "credits_used": -int(row["sum_of_credits"]),
                "billed_seconds": int(row["sum_of_billed_seconds"]),
            },
        )


def _agents_of(numbers: dict[str, Counter[str]], *, has_before: bool) -> list[AgentUsage]:
    counted = {agent: of_agent for agent, of_agent in numbers.items() if of_agent["entries"]}
    used = sum(of_agent["credits_used"] for of_agent in counted.values())
    return [
        AgentUsage(
            agent=agent,
            calls=of_agent["calls"],
            credits_used=of_agent["credits_used"],
            billed_seconds=of_agent["billed_seconds"],
            used_before=of_agent["used_before"] if has_before else None,
            share=Fraction(of_agent["credits_used"], used) if used > 0 else None,
        )
        for agent, of_agent in counted.items()
    ]

"""What was counted: the numbers under every total, bar and page of the log.

They come from the rollup by day, which is kept with every posting. No entry is counted here, except
those of one import, and the bounded number that was booked since a page was read.
"""

from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any, NamedTuple

from django.contrib.postgres.fields import ArrayField
from django.db import connection
from django.db.models import (
    BigIntegerField,
    Count,
    DateTimeField,
    F,
    Func,
    IntegerField,
    Q,
    Sum,
    Value,
)
from django.db.models.functions import Cast

from billing.bulk import as_array
from billing.kept_plans import kept
from billing.ledger import references
from billing.models import Account, Balance, DailyUsage, Kind
from billing.prepared import Parameter, Prepared
from calls.usage.filters import UsageFilters
from calls.usage.periods import Days, Period, day_starts_at

AGENTS_MAX = 500
NEW_ENTRIES_MAX = 10_000


class Counted(NamedTuple):
    """What was counted on one day for one kind and usage type. (A named tuple, because a page has
    hundreds.)"""

    day: date
    kind: str
    usage_type: str
    entries: int
    calls: int
    credits_used: int
    credits_added: int
    billed_seconds: int


def counted_by_day(*, account: Account, period: Period, filters: UsageFilters) -> list[Counted]:
    """Return the counts of each day of ``period`` under ``filters``, leaving the call ID aside."""
    if filters.import_id is not None:
        return _counted_of_import(account, period, filters)
    rows = _counted(filters.shape)(
        account_id=account.pk,
        first_day=period.first_day,
        last_day=period.last_day,
        **filters.columns,
    )
    return [
        Counted(
            day=row["day"],
            kind=row["kind"],
            usage_type=row["usage_type"],
            entries=row["sum_of_entries"],
            calls=row["sum_of_calls"],
            credits_used=row["sum_of_credits_used"],
            credits_added=row["sum_of_credits_added"],
            billed_seconds=row["sum_of_billed_seconds"],
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class UsedByAll:
    """What the accounts of an installation used together."""

    calls: int
    credits_used: int


def used_by_all(*, days: Days) -> UsedByAll:
    """Return what all accounts used on ``days``, each of them days of its own clock; one query.

    It is the sum of what *Total Calls* and *Credits Used* say on each account's own page.
    """
    of_days = DailyUsage.objects.filter(day__range=(days.first_day, days.last_day))
    sums = of_days.aggregate(sum_of_calls=Sum("calls"), sum_of_credits_used=Sum("credits_used"))
    return UsedByAll(int(sums["sum_of_calls"] or 0), int(sums["sum_of_credits_used"] or 0))


@cache
def _counted(shape: UsageFilters) -> Prepared[Any]:
    """The counts of days under filters of this `UsageFilters.shape`."""
    return Prepared(
        lambda: (
            shape.daily_usage(Parameter("account_id"))
            .filter(day__range=(Parameter("first_day"), Parameter("last_day")))
            .order_by("day", "kind", "usage_type")
            .values("day", "kind", "usage_type")
            .annotate(
                # A sum can't have the name of its column.
                sum_of_entries=_whole_sum("entries"),
                sum_of_calls=_whole_sum("calls"),
                sum_of_credits_used=_whole_sum("credits_used"),
                sum_of_credits_added=_whole_sum("credits_added"),
                sum_of_billed_seconds=_whole_sum("billed_seconds"),
            )
        ),
        plan_is_kept=True,
    )


def _whole_sum(column: str) -> Cast:
    """A sum as the integer that it is, which is read faster than PostgreSQL's numeric."""
    return Cast(Sum(column), BigIntegerField())


def rows_in(*, account: Account, period: Period, filters: UsageFilters) -> int:
    """How many rows of the log pass, the call ID left aside; one query."""
    counted = counted_by_day(account=account, period=period, filters=filters)
    return sum(day.entries for day in counted)


def _counted_of_import(account: Account, period: Period, filters: UsageFilters) -> list[Counted]:
    """Count the entries of one import; one query, which an index of their own answers."""
    days = period.days
    starts = as_array(day_starts_at(day, period.zone) for day in days)
    withdrawn_charge = Q()
    for prefix in references.OF_WITHDRAWN_CHARGES:
        withdrawn_charge |= Q(reference__startswith=prefix)
    rows = (
        filters.entries(account)
        .filter(occurred_at__gte=period.starts_at, occurred_at__lt=period.ends_at)
        .annotate(
            place=Func(
                F("occurred_at"),
                Cast(Value(starts), ArrayField(DateTimeField())),
                function="width_bucket",
                output_field=IntegerField(),
            )
        )
        .order_by("place", "kind", "usage_type")
        .values("place", "kind", "usage_type")
        .annotate(
            entries=Count("id"),
            charges=Count("id", filter=Q(kind=Kind.CALL)),
            withdrawn=Count("id", filter=Q(kind=Kind.WITHDRAWAL) & withdrawn_charge),
            sum_of_credits=Sum("credits"),
            sum_of_billed_seconds=Sum("billed_seconds"),
        )
    )
    return [
        Counted(
            day=days[row["place"] - 1],
            kind=row["kind"],
            usage_type=row["usage_type"],
            entries=row["entries"],
            calls=row["charges"] - row["withdrawn"],
            credits_used=-int(row["sum_of_credits"]),
            credits_added=0,  # imports bring usage alone
            billed_seconds=int(row["sum_of_billed_seconds"]),
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Past:
    """What there ever was in an account, whatever the period.

    ``with_calls``: the days from the first call to the latest; None where there never was one.
    ``has_withdrawals``: whether anything was ever withdrawn.
    ``agents``: the names of the agents that ever had a call, the first `AGENTS_MAX` of them, and
    whether there are ``more_agents``.
    """

    with_calls: Days | None
    has_withdrawals: bool
    agents: list[str]
    more_agents: bool


_PAST = kept(
    f"""
    SELECT (SELECT day FROM billing_dailyusage
             WHERE account_id = %s AND kind = '{Kind.CALL}' ORDER BY day LIMIT 1),
           (SELECT day FROM billing_dailyusage
             WHERE account_id = %s AND kind = '{Kind.CALL}' ORDER BY day DESC LIMIT 1),
           EXISTS (SELECT FROM billing_ledgerentry
                    WHERE account_id = %s AND kind = '{Kind.WITHDRAWAL}'
                      AND kind <> '{Kind.CALL}'),  -- as the index of the few such rows says
           ARRAY (
              WITH RECURSIVE name (agent) AS (
                 (SELECT agent FROM billing_ledgerentry
                   WHERE account_id = %s AND agent <> '' ORDER BY agent LIMIT 1)
                 UNION ALL
                 SELECT (SELECT entry.agent FROM billing_ledgerentry entry
                          WHERE entry.account_id = %s AND entry.agent <> ''
                            AND entry.agent > name.agent
                          ORDER BY entry.agent LIMIT 1)
                   FROM name WHERE name.agent IS NOT NULL
              )
              SELECT agent FROM name WHERE agent IS NOT NULL LIMIT {AGENTS_MAX + 1}
           )
    """
)


def past_of(*, account: Account) -> Past:
    """Read what there ever was in ``account``, by single steps into indexes; one query.

    From one agent's name it steps to the next, so it costs as many look-ups as there are names.
    """
    with connection.cursor() as cursor:
        cursor.execute(_PAST, [account.pk] * _PAST.count("%s"))
        first_day, last_day, has_withdrawals, agents = cursor.fetchone()
    return Past(
        with_calls=Days(first_day, last_day) if first_day is not None else None,
        has_withdrawals=has_withdrawals,
        agents=agents[:AGENTS_MAX],
        more_agents=len(agents) > AGENTS_MAX,
    )


def new_rows(
    *, balance: Balance, period: Period, filters: UsageFilters, since: str
) -> dict[str, int]:
    """Count what was booked after ``since``, the `UsageReport.last_seq` of an open page; one query.

    ``rows`` are those that the page would show, counted among the first `NEW_ENTRIES_MAX` only;
    ``balance`` is the account's, ``seq`` the new `UsageReport.last_seq`.
    """
    known = (
        int(since) if since.isascii() and since.isdigit() and len(since) < 19 else balance.last_seq
    )
    new = filters.entries(balance.account).filter(
        seq__gt=known,
        seq__lte=known + NEW_ENTRIES_MAX,
        occurred_at__gte=period.starts_at,
        occurred_at__lt=period.ends_at,
    )
    if filters.call_id:
        new = new.filter(call_id__istartswith=filters.call_id)
    rows = new.count() if known < balance.last_seq else 0
    return {"rows": rows, "balance": balance.credits, "seq": balance.last_seq}

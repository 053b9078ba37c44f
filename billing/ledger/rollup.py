"""The rollup `DailyUsage`: the entries of each day of an account, summed as they are posted.

It is a function of the entries. `daily_usage_of_entries` says it in SQL, to rebuild the stored rows
and to prove them; `DailyTotals` computes the same in Python, for the entries that are being added.
"""

from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.db.models import Max, Min, OuterRef, QuerySet, Subquery

from billing.bulk import Statement, arrays_of, as_array, as_arrays
from billing.ledger import references
from billing.ledger.grants import lock_accounts
from billing.ledger.postings import Posting, calls_of
from billing.models import Account, DailyUsage, Kind, LedgerEntry
from billing.models.ledger import USAGE_KINDS
from billing.zones import offsets_between

ROLLUP_KEY = ("account_id", "day", "kind", "usage_type", "agent")
ROLLUP_SUMS = (
    "entries",
    "calls",
    "credits_used",
    "credits_added",
    "billed_seconds",
    "entries_by_hour",
)
ROLLUP_COLUMNS = (*ROLLUP_KEY, *ROLLUP_SUMS)

HOURS = range(24)

_COLUMNS = ", ".join(ROLLUP_COLUMNS)
_IS_USAGE = "kind IN ({})".format(", ".join(f"'{kind.value}'" for kind in USAGE_KINDS))

# Summed by hours first: those are few rows, so counting each hour apart costs nothing.
_DAILY_USAGE_OF_ENTRIES = f"""
    WITH zone AS MATERIALIZED (
         SELECT name, changes::timestamptz[] AS changes, offsets::interval[] AS offsets
           FROM unnest(%s::text[], %s::text[], %s::text[]) AS given (name, changes, offsets))
    SELECT account_id, day, kind, usage_type, agent,
           sum(entries) AS entries,
           coalesce(sum(entries) FILTER (WHERE kind = '{Kind.CALL}'), 0) - sum(withdrawn) AS calls,
           coalesce(-sum(credits) FILTER (WHERE {_IS_USAGE}), 0) AS credits_used,
           coalesce(sum(credits) FILTER (WHERE NOT {_IS_USAGE}), 0) AS credits_added,
           sum(billed_seconds) AS billed_seconds,
           ARRAY[{
    ", ".join(f"coalesce(sum(entries) FILTER (WHERE hour = {hour}), 0)" for hour in HOURS)
}]::integer[] AS entries_by_hour
      FROM (SELECT account_id, hour::date AS day, extract(hour FROM hour) AS hour,
                   kind, usage_type, agent, entries, withdrawn, credits, billed_seconds
              FROM (SELECT entry.account_id,
                           date_trunc('hour', entry.occurred_at AT TIME ZONE 'UTC' + zone.offsets[
                               width_bucket(entry.occurred_at, zone.changes) + 1]) AS hour,
                           entry.kind, entry.usage_type, entry.agent,
                           count(*) AS entries,
                           count(*) FILTER (
                               WHERE entry.kind = '{Kind.WITHDRAWAL}'
                                 AND {references.is_of_withdrawn_charge_sql("entry.reference")}
                           ) AS withdrawn,
                           sum(entry.credits) AS credits,
                           sum(entry.billed_seconds) AS billed_seconds
                      FROM billing_ledgerentry entry
                      JOIN billing_account account ON account.id = entry.account_id
                      JOIN zone ON zone.name = account.time_zone
                     GROUP BY 1, 2, 3, 4, 5) AS by_hour) AS hourly
     GROUP BY 1, 2, 3, 4, 5
"""

# The type in which each column travels; an array of arrays would have to be a rectangle.
_SENT_AS = {
    "account_id": "bigint",
    "day": "date",
    "kind": "text",
    "usage_type": "text",
    "agent": "text",
    "entries": "bigint",
    "calls": "bigint",
    "credits_used": "bigint",
    "credits_added": "bigint",
    "billed_seconds": "bigint",
    "entries_by_hour": "text",
}

_ADD = f"""
    INSERT INTO billing_dailyusage AS daily ({_COLUMNS})
    SELECT {_COLUMNS.replace("entries_by_hour", "entries_by_hour::integer[]")}
      FROM unnest({", ".join(f"%s::{_SENT_AS[column]}[]" for column in ROLLUP_COLUMNS)})
           AS new ({_COLUMNS})
    ON CONFLICT ({", ".join(ROLLUP_KEY)}) DO UPDATE
       SET entries = daily.entries + excluded.entries,
           calls = daily.calls + excluded.calls,
           credits_used = daily.credits_used + excluded.credits_used,
           credits_added = daily.credits_added + excluded.credits_added,
           billed_seconds = daily.billed_seconds + excluded.billed_seconds,
           entries_by_hour = ARRAY[{
    ", ".join(
        f"daily.entries_by_hour[{hour + 1}] + excluded.entries_by_hour[{hour + 1}]"
        for hour in HOURS
    )
}]
"""

# Where a batch is spread over many accounts, most days have one entry.
_hours_as_array = lru_cache(maxsize=1024)(as_array)


@dataclass(slots=True)
class _DailyTotal:
    """What entries add to one row of the rollup: its columns."""

    account_id: int
    day: date
    kind: Kind
    usage_type: str
    agent: str
    is_usage: bool
    entries: int = 0
    calls: int = 0
    credits_used: int = 0
    credits_added: int = 0
    billed_seconds: int = 0
    by_hour: list[int] = field(default_factory=lambda: [0] * len(HOURS))

    @property
    def entries_by_hour(self) -> str:
        """The text of a PostgreSQL array."""
        return _hours_as_array(tuple(self.by_hour))


class DailyTotals:
    """What entries add to the rollup, until it is stored."""

    def __init__(self) -> None:
        self._totals: dict[tuple[int, date, Kind, str, str], _DailyTotal] = {}

    def add(self, posting: Posting, zone: ZoneInfo) -> None:
        """Count an entry of an account in ``zone``."""
        local = posting.occurred_at.astimezone(zone)
        kind = posting.kind
        key = (posting.account_id, local.date(), kind, posting.usage_type, posting.agent)
        total = self._totals.get(key)
        if total is None:
            total = self._totals[key] = _DailyTotal(*key, is_usage=kind.is_usage)
        total.entries += 1
        total.calls += calls_of(kind, posting.reference)
        if total.is_usage:
            total.credits_used -= posting.credits
        else:
            total.credits_added += posting.credits
        total.billed_seconds += posting.billed_seconds
        total.by_hour[local.hour] += 1

    def store(self) -> list[Statement]:
        """Return what adds everything counted to the stored rows, for `execute_as_one`. It needs
        the locks on the accounts."""
        totals = list(self._totals.values())
        return [Statement(_ADD, arrays_of(totals, *ROLLUP_COLUMNS))] if totals else []


def rebuild_daily_usage(*, account: Account) -> None:
    """Sum the account's entries into days again, after its time zone has changed.

    One transaction, under the account's lock, so that no posting falls between the two zones.
    """
    with transaction.atomic():
        lock_accounts([account.pk])
        DailyUsage.objects.filter(account=account).delete()
        daily_usage, parameters = daily_usage_of_entries(
            accounts=Account.objects.filter(pk=account.pk)
        )
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                INSERT INTO billing_dailyusage ({_COLUMNS})
                SELECT {_COLUMNS} FROM ({daily_usage}) AS daily WHERE account_id = %s
                """,
                [*parameters, account.pk],
            )


def daily_usage_of_entries(*, accounts: QuerySet[Account]) -> tuple[str, list[str]]:
    """SQL, with its parameters, that makes the rollup of ``accounts`` (and of others in the same
    zones) out of their entries: columns named like ROLLUP_COLUMNS.

    What the clock of a zone showed, Python alone says: see `billing.zones`. Raises
    ZoneInfoNotFoundError where it does not know one.
    """
    instants = LedgerEntry.objects.filter(account=OuterRef("pk")).values("occurred_at")
    spans = (
        accounts.order_by("time_zone")
        .values_list("time_zone")
        .annotate(
            first=Min(Subquery(instants.order_by("occurred_at")[:1])),
            last=Max(Subquery(instants.order_by("-occurred_at")[:1])),
        )
    )
    zones = []
    for name, first, last in spans:
        if first is None:  # none of its accounts has an entry
            continue
        changes, offsets = offsets_between(ZoneInfo(name), first, last)
        seconds = (f"{offset.total_seconds()} s" for offset in offsets)
        zones.append((name, as_array(changes), as_array(seconds)))
    return _DAILY_USAGE_OF_ENTRIES, as_arrays(zones) if zones else ["{}"] * 3

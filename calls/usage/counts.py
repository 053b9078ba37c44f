"""The numbers of the page Call Usage & Credits: tiles, graph and log of one account.

All of them come from one snapshot and the same counts, so they always agree: the tiles are the
sums of the graph's bars, and the bars count the log's rows. Only the search for a call ID reads
entries to count them, a bounded number.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.db import connection
from django.db.models import Sum

from billing.ledger.balances import balance_of
from billing.models import Account, Balance, DailyUsage, Kind, LedgerEntry
from billing.snapshot import snapshot
from calls.usage.filters import UsageFilters
from calls.usage.graph import Bar, Counted, bars_of
from calls.usage.log import (
    Entry,
    LogRow,
    Paging,
    log_rows,
    page_of_entries,
    paging_of,
    read_newest_first,
)
from calls.usage.periods import Granularity, Period
from calls.usage.search import Search, count_found, search_calls

AGENTS_MAX = 500
NEW_ENTRIES_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Tiles:
    """The three numbers on top. Available credits are those of now, whatever the period.

    The two others are None where a search found more than can be counted.
    """

    total_calls: int | None
    available_credits: int
    credits_used: int | None


@dataclass(frozen=True, slots=True)
class UsagePage:
    """Everything that the page shows. ``last_seq`` names the state of the account it was read in:
    rows booked later have a higher one. ``counted`` is what the bars are made of. ``has_calls``:
    whether there ever was a call."""

    tiles: Tiles
    granularity: Granularity
    days: Sequence[Bar]
    counted: Sequence[Counted]
    rows: Sequence[LogRow]
    paging: Paging
    agents: Sequence[str]
    search: Search | None
    has_calls: bool
    last_seq: int

    @property
    def is_new_account(self) -> bool:
        """Whether nothing was ever booked, so that no other period or filter would show a row."""
        return self.last_seq == 0


def usage_page(
    *, account: Account, period: Period, filters: UsageFilters, page_number: str = "1"
) -> UsagePage:
    """Read the page of ``account``, at most six queries however many calls there are; eight where
    a search has to look for them within the period.

    ``page_number`` is what the link says; the nearest page that exists is shown.
    """
    with snapshot():
        balance = balance_of(account)
        search = None
        if filters.call_id:
            search = search_calls(account=account, filters=filters, period=period)
            counted = count_found(found=search.found, zone=period.zone)
        else:
            counted = counted_by_day(account=account, period=period, filters=filters)
        paging = paging_of(rows_total=sum(row.entries for row in counted), asked=page_number)
        if search is not None:
            entries = _entries_found(search, paging)
        else:
            entries = page_of_entries(
                entries=filters.entries(account),
                daily_usage=filters.daily_usage(account),
                period=period,
                rows_by_day=_rows_by_day(counted),
                paging=paging,
            )
        agents = agents_of(account=account)
        has_calls = DailyUsage.objects.filter(account=account, kind=Kind.CALL).exists()
    bars = bars_of(period=period, counted=counted)
    is_counted = search is None or not search.too_many
    return UsagePage(
        tiles=Tiles(
            total_calls=sum(bar.calls for bar in bars) if is_counted else None,
            available_credits=balance.credits,
            credits_used=sum(bar.credits_used for bar in bars) if is_counted else None,
        ),
        granularity=period.granularity,
        days=bars,
        counted=counted,
        rows=log_rows(account=account, entries=entries),
        paging=paging,
        agents=agents,
        search=search,
        has_calls=has_calls,
        last_seq=balance.last_seq,
    )


def counted_by_day(*, account: Account, period: Period, filters: UsageFilters) -> list[Counted]:
    """What was counted on each day of ``period`` under ``filters`` (the call ID left aside)."""
    rows = (
        filters.daily_usage(account)
        .filter(day__range=(period.first_day, period.last_day))
        .order_by("day", "kind", "usage_type")
        .values_list("day", "kind", "usage_type")
        .annotate(*(Sum(column) for column in Counted._fields[3:]))
    )
    return [Counted(day, kind, usage, *map(int, sums)) for day, kind, usage, *sums in rows]


def agents_of(*, account: Account) -> list[str]:
    """The names of the agents that ever had a call, at most `AGENTS_MAX`.

    Steps from one name to the next in the index, so it costs as many look-ups as there are names.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH RECURSIVE name (agent) AS (
                (SELECT agent FROM billing_ledgerentry
                  WHERE account_id = %(account)s AND agent <> '' ORDER BY agent LIMIT 1)
                UNION ALL
                SELECT (SELECT entry.agent FROM billing_ledgerentry entry
                         WHERE entry.account_id = %(account)s AND entry.agent <> ''
                           AND entry.agent > name.agent
                         ORDER BY entry.agent LIMIT 1)
                  FROM name WHERE name.agent IS NOT NULL
            )
            SELECT agent FROM name WHERE agent IS NOT NULL LIMIT %(names_max)s
            """,
            {"account": account.pk, "names_max": AGENTS_MAX},
        )
        return [name for (name,) in cursor.fetchall()]


def new_rows(
    *, balance: Balance, period: Period, filters: UsageFilters, since: str
) -> dict[str, int]:
    """What was booked after ``since``, the `UsagePage.last_seq` of an open page; one query.

    ``rows`` are those that the page would show, counted among the `NEW_ENTRIES_MAX`
    first; ``balance`` is the account's, ``seq`` the new `UsagePage.last_seq`.
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
        new = new.filter(call_id__startswith=filters.call_id)
    rows = new.count() if known < balance.last_seq else 0
    return {"rows": rows, "balance": balance.credits, "seq": balance.last_seq}


def _rows_by_day(counted: Sequence[Counted]) -> list[tuple[date, int]]:
    rows: dict[date, int] = defaultdict(int)
    for row in counted:
        rows[row.day] += row.entries
    return sorted(rows.items())


def _entries_found(search: Search, paging: Paging) -> list[Entry]:
    ids = [row.id for row in search.found[paging.offset : paging.last_row]]
    if not ids:
        return []
    return read_newest_first(LedgerEntry.objects.filter(id__in=ids))

"""The rows of the call log: how one is shown, and how any page of millions is found at once.

Nothing here counts entries. How many rows a day and each of its hours have is known (`billing`
keeps it), so the hour that holds an offset is found by adding up, and only inside that hour rows
are skipped, from its nearer end, in an index and without reading the rows themselves.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from operator import add
from typing import NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from django.db.models import QuerySet

from billing.models import Account, DailyUsage, Kind, LedgerEntry
from billing.models.ledger import USAGE_TYPES
from calls.usage.periods import Period, hour_starts_at, hours_in_order

ROWS_PER_PAGE = 10
DIGITS_MAX = 18  # of a page number; Python refuses to read thousands

KIND_LABELS = {kind.value: kind.label for kind in Kind}
TYPE_LABELS = dict(USAGE_TYPES)

Time = TypeVar("Time", date, range)


class Entry(NamedTuple):
    """What the log needs of a `LedgerEntry`, without the cost of the model: exports read millions.

    ``Entry.read(queryset)`` reads them.
    """

    id: int
    seq: int
    occurred_at: datetime
    posted_at: datetime
    kind: str
    call_id: str
    usage_type: str
    agent: str
    billed_seconds: int
    credits: int
    balance_after: int
    remarks: str

    @classmethod
    def read(cls, entries: QuerySet[LedgerEntry]) -> list["Entry"]:
        """Read ``entries`` in their order, one query."""
        return [cls._make(row) for row in entries.values_list(*cls._fields)]


@dataclass(frozen=True, slots=True)
class LogRow:
    """One line of the log of the account named ``slug``, times in the account's zone.

    Credits are signed: a correction downwards is a negative use, an expiry a negative addition.
    """

    slug: str
    seq: int
    occurred_at: datetime
    posted_at: datetime
    kind: str
    kind_label: str
    call_id: str
    usage_type: str
    usage_type_label: str
    agent: str
    billed_seconds: int
    credits_used: int
    credits_added: int
    balance_after: int
    remarks: str

    @property
    def is_call(self) -> bool:
        """Whether the line is a call itself: neither a correction of one nor other credits."""
        return self.kind == Kind.CALL


@dataclass(frozen=True, slots=True)
class Paging:
    """Where in the log a page is. Rows are counted from 1; without rows all of them are 0."""

    number: int
    last_number: int
    rows_total: int
    first_row: int
    last_row: int

    @property
    def previous_number(self) -> int | None:
        """The page of newer rows."""
        return self.number - 1 if self.number > 1 else None

    @property
    def next_number(self) -> int | None:
        """The page of older rows."""
        return self.number + 1 if self.number < self.last_number else None

    @property
    def offset(self) -> int:
        """How many rows are newer than this page's."""
        return (self.number - 1) * ROWS_PER_PAGE


def paging_of(*, rows_total: int, asked: str) -> Paging:
    """The page that ``asked`` (whatever stands in the link) means; the nearest that exists."""
    last_number = max(1, -(-rows_total // ROWS_PER_PAGE))
    number = min(max(1, _page_number(asked)), last_number)
    first = (number - 1) * ROWS_PER_PAGE
    return Paging(
        number=number,
        last_number=last_number,
        rows_total=rows_total,
        first_row=first + 1 if rows_total else 0,
        last_row=min(first + ROWS_PER_PAGE, rows_total),
    )


def _page_number(asked: str) -> int:
    digits = asked.strip().lstrip("0")
    if not (digits.isascii() and digits.isdigit()):
        return 1
    return int(digits) if len(digits) <= DIGITS_MAX else 10**DIGITS_MAX


def page_of_entries(
    *,
    entries: QuerySet[LedgerEntry],
    daily_usage: QuerySet[DailyUsage],
    period: Period,
    rows_by_day: Sequence[tuple[date, int]],
    paging: Paging,
) -> list[Entry]:
    """The entries of a page, newest first; two queries, none where the page is empty.

    ``entries`` and ``daily_usage`` are filtered but not by time; ``rows_by_day`` counts them, days
    ascending, for exactly the days of ``period`` that have any.
    """
    size = paging.last_row - paging.offset
    if size <= 0:
        return []
    newest_day, from_newest = _locate(reversed(rows_by_day), paging.offset)
    oldest_day, from_oldest = _locate(rows_by_day, paging.rows_total - paging.last_row)
    rows_by_hours = _rows_by_hours(
        daily_usage.filter(day__in={newest_day, oldest_day}), period.zone
    )
    newest_hours, from_newest = _locate(reversed(rows_by_hours[newest_day]), from_newest)
    oldest_hours, from_oldest = _locate(rows_by_hours[oldest_day], from_oldest)
    if from_newest <= from_oldest:
        ids = entries.filter(
            occurred_at__gte=period.starts_at,
            occurred_at__lt=hour_starts_at(newest_day, newest_hours.stop, period.zone),
        ).order_by("-occurred_at", "-id")[from_newest : from_newest + size]
    else:
        ids = entries.filter(
            occurred_at__gte=hour_starts_at(oldest_day, oldest_hours.start, period.zone),
            occurred_at__lt=period.ends_at,
        ).order_by("occurred_at", "id")[from_oldest : from_oldest + size]
    return read_newest_first(LedgerEntry.objects.filter(id__in=ids.values("id")))


def read_newest_first(entries: QuerySet[LedgerEntry]) -> list[Entry]:
    """Read ``entries`` in the order of the log."""
    return Entry.read(entries.order_by("-occurred_at", "-id"))


def _rows_by_hours(
    daily_usage: QuerySet[DailyUsage], zone: ZoneInfo
) -> dict[date, list[tuple[range, int]]]:
    """How many rows the hours of each day have, in order of time; one query."""
    by_hour: dict[date, list[int]] = {}
    for day, counted in daily_usage.values_list("day", "entries_by_hour"):
        known = by_hour.get(day)
        by_hour[day] = counted if known is None else [*map(add, known, counted)]
    return {
        day: [(hours, sum(rows[hours.start : hours.stop])) for hours in hours_in_order(day, zone)]
        for day, rows in by_hour.items()
    }


def _locate(rows_by_time: Iterable[tuple[Time, int]], offset: int) -> tuple[Time, int]:
    """The day or hour in which the row at ``offset`` lies, and how many of its rows come before."""
    for time, rows in rows_by_time:
        if offset < rows:
            return time, offset
        offset -= rows
    raise AssertionError("the offset is beyond the rows that were counted")


def log_rows(*, account: Account, entries: Iterable[Entry]) -> list[LogRow]:
    """``entries`` of ``account`` as lines of the log, times in its zone."""
    zone = account.zone
    return [log_row(account=account, entry=entry, zone=zone) for entry in entries]


def log_row(*, account: Account, entry: Entry, zone: ZoneInfo) -> LogRow:
    """One entry as a line of the log, times in ``zone``."""
    is_usage = Kind(entry.kind).is_usage
    return LogRow(
        slug=account.slug,
        seq=entry.seq,
        occurred_at=entry.occurred_at.astimezone(zone),
        posted_at=entry.posted_at.astimezone(zone),
        kind=entry.kind,
        kind_label=KIND_LABELS[entry.kind],
        call_id=entry.call_id,
        usage_type=entry.usage_type,
        usage_type_label=TYPE_LABELS.get(entry.usage_type, ""),
        agent=entry.agent,
        billed_seconds=entry.billed_seconds,
        credits_used=-entry.credits if is_usage else 0,
        credits_added=0 if is_usage else entry.credits,
        balance_after=entry.balance_after,
        remarks=entry.remarks,
    )

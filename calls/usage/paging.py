"""Pages of the log: how any page of millions of rows is found at once.

Nothing here counts entries. How many rows a day and each of its hours have is known (`billing`
keeps it), so the hour that holds an offset is found by adding up, and only inside that hour rows
are skipped, from its nearer end, in an index and without reading the rows themselves.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from functools import cache
from operator import add
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from django.core.paginator import Page, Paginator

from billing.models import Account
from billing.prepared import Parameter, Prepared
from calls.usage.counts import Counted, Past
from calls.usage.filters import UsageFilters
from calls.usage.log import LogRow, read_newest_first
from calls.usage.periods import Period, hour_starts_at, hours_in_order

ROWS_PER_PAGE = 10
DIGITS_MAX = 18  # of a page number; Python refuses to read thousands

Time = TypeVar("Time", date, range)
Read = Callable[[int, int], list[LogRow]]


class LogPaginator(Paginator):
    """Pages of rows that are counted already: ``count`` is known, and ``read`` finds them.

    ``read(first, end)`` returns the rows from the one at offset ``first`` to before ``end``.
    """

    def __init__(self, *, count: int, read: Read) -> None:
        super().__init__((), ROWS_PER_PAGE)
        self.count = count
        self._read = read

    def page(self, number: int | str) -> Page[LogRow]:
        """Read a page. Raises InvalidPage where there is none of that number."""
        number = self.validate_number(number)
        first = (number - 1) * self.per_page
        end = min(first + self.per_page, self.count)
        return Page(self._read(first, end) if first < end else [], number, self)

    def get_page(self, number: float | str | None) -> Page[LogRow]:
        """Read the page that ``number``, whatever stands in a link, means: the nearest that exists.

        Django's own shows the last page for numbers below 1, and the first for endless ones.
        """
        digits = str(number).strip().lstrip("0")
        asked = int(digits[:DIGITS_MAX]) if digits.isascii() and digits.isdigit() else 1
        return self.page(min(max(1, asked), self.num_pages))


def pages_of_log(
    *,
    account: Account,
    period: Period,
    filters: UsageFilters,
    counted: Sequence[Counted],
    past: Past,
    newer_at: Sequence[datetime] = (),
) -> LogPaginator:
    """Return the pages of the log of ``period`` under ``filters``, leaving the call ID aside.

    ``counted`` are the counts of the same, ``past`` is the account's. ``newer_at`` are the times of
    the rows that were booked after the state that is shown, which the counts of hours still hold.
    Reading a page takes three queries, an empty one none.
    """
    rows_by_day = _rows_by_day(counted)
    count = sum(rows for _, rows in rows_by_day)
    if filters.import_id is not None:
        return _pages_of_import(account, period, filters, count, past)

    def read(first: int, end: int) -> list[LogRow]:
        newest_day, from_newest = _locate(reversed(rows_by_day), first)
        oldest_day, from_oldest = _locate(rows_by_day, count - end)
        rows_by_hours = _rows_by_hours(
            _hours_of(filters.shape)(
                account_id=account.pk, first=newest_day, second=oldest_day, **filters.columns
            ),
            period.zone,
            newer_at,
        )
        newest_hours, from_newest = _locate(reversed(rows_by_hours[newest_day]), from_newest)
        oldest_hours, from_oldest = _locate(rows_by_hours[oldest_day], from_oldest)
        since, until = period.starts_at, period.ends_at
        is_nearer_newest = from_newest <= from_oldest
        if is_nearer_newest:
            until = hour_starts_at(newest_day, newest_hours.stop, period.zone)
        else:
            since = hour_starts_at(oldest_day, oldest_hours.start, period.zone)
        return _rows_of(
            account,
            filters,
            past,
            since=since,
            until=until,
            newest_first=is_nearer_newest,
            skipped=min(from_newest, from_oldest),
            rows=end - first,
        )

    return LogPaginator(count=count, read=read)


def _pages_of_import(
    account: Account, period: Period, filters: UsageFilters, count: int, past: Past
) -> LogPaginator:
    """Pages of the rows of one import, which has an index of its own; each takes two queries."""

    def read(first: int, end: int) -> list[LogRow]:
        return _rows_of(
            account,
            filters,
            past,
            since=period.starts_at,
            until=period.ends_at,
            newest_first=first <= count - end,
            skipped=min(first, count - end),
            rows=end - first,
        )

    return LogPaginator(count=count, read=read)


def _rows_of(
    account: Account,
    filters: UsageFilters,
    past: Past,
    *,
    since: datetime,
    until: datetime,
    newest_first: bool,
    skipped: int,
    rows: int,
) -> list[LogRow]:
    """Read ``rows`` of those between two instants, after ``skipped`` from one end of them."""
    ids = _ids_of(filters.entry_shape, newest_first=newest_first).between(
        skipped,
        skipped + rows,
        account_id=account.pk,
        since=since,
        until=until,
        **filters.entry_values,
    )
    return read_newest_first(
        account=account,
        ids=ids,
        last_seq=filters.until_seq,
        may_be_withdrawn=past.has_withdrawals,
    )


@cache
def _ids_of(shape: UsageFilters, *, newest_first: bool) -> Prepared[int]:
    """The entries between two instants under filters of this `UsageFilters.entry_shape`."""
    order = ("-occurred_at", "-id") if newest_first else ("occurred_at", "id")
    return Prepared(
        lambda: (
            shape.entries(Parameter("account_id"))
            .filter(occurred_at__gte=Parameter("since"), occurred_at__lt=Parameter("until"))
            .order_by(*order)
            .values_list("id", flat=True)
        )
    )


def _rows_by_day(counted: Iterable[Counted]) -> list[tuple[date, int]]:
    """Return how many rows each day has, oldest first."""
    rows: Counter[date] = Counter()
    for row in counted:
        rows[row.day] += row.entries
    return sorted(rows.items())


@cache
def _hours_of(shape: UsageFilters) -> Prepared[tuple[date, list[int]]]:
    """The counts of the hours of two days under filters of this `UsageFilters.shape`."""
    days: list[Any] = [Parameter("first"), Parameter("second")]
    return Prepared(
        lambda: (
            shape.daily_usage(Parameter("account_id"))
            .filter(day__in=days)
            .order_by()
            .values_list("day", "entries_by_hour")
        ),
        plan_is_kept=True,
    )


def _rows_by_hours(
    hours_of_days: Iterable[tuple[date, list[int]]], zone: ZoneInfo, newer_at: Iterable[datetime]
) -> dict[date, list[tuple[range, int]]]:
    """Return how many rows the hours of each day have, in order of time.

    Those at ``newer_at`` are left out.
    """
    by_hour: dict[date, list[int]] = {}
    for day, counted in hours_of_days:
        known = by_hour.get(day)
        by_hour[day] = counted if known is None else [*map(add, known, counted)]
    for at in newer_at:
        local = at.astimezone(zone)
        if hours_of_day := by_hour.get(local.date()):
            hours_of_day[local.hour] -= 1
    return {
        day: [(hours, sum(rows[hours.start : hours.stop])) for hours in hours_in_order(day, zone)]
        for day, rows in by_hour.items()
    }


def _locate(rows_by_time: Iterable[tuple[Time, int]], offset: int) -> tuple[Time, int]:
    """Return the day or hour in which the row at ``offset`` lies, and how many of its rows come
    before that row."""
    for time, rows in rows_by_time:
        if offset < rows:
            return time, offset
        offset -= rows
    raise AssertionError("the offset is beyond the rows that were counted")

"""The log as a CSV file: exactly the rows of the table, all pages of them.

Its last columns are what a record of the row's call must tell, so that the file can be imported:
`calls.sources.canonical.OwnExport`. They are empty where there is no call, and where it has been
withdrawn.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

from django.db.models import Q, QuerySet

from billing.ledger.balances import balance_of
from billing.models import Account, LedgerEntry
from billing.texts import sheet_text
from calls.models import Call
from calls.usage.entries import Entry
from calls.usage.filters import UsageFilters
from calls.usage.log import LogRow, log_rows
from calls.usage.periods import Period
from calls.usage.search import search_calls

ROWS_PER_READ = 2_000


class TooManyFoundError(Exception):
    """A search found more calls than are counted: a file could not be the whole of them."""


class _Facts(NamedTuple):
    """What is known of a call now, in the order of the columns."""

    status: str
    started_at: datetime
    connected_at: datetime | None
    ended_at: datetime | None
    from_number: str
    to_number: str
    remarks: str


class _Line:
    """A file for the csv module that hands each line over instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def export_csv(*, account: Account, period: Period, filters: UsageFilters) -> Iterator[str]:
    """Yield the log as CSV text in pieces, newest row first, in constant memory.

    The first five columns are those of the table. The file shows the account in one state, now or
    the one that ``filters`` ask for: entries
    are never changed, so leaving out those booked later does what a transaction would, without
    keeping one open for as long as the reader takes. Only the facts of a call, which the last
    columns tell, are those of the moment in which they are read. Raises `TooManyFoundError`.
    """
    if filters.until_seq is None:
        filters = replace(filters, until_seq=balance_of(account).last_seq)
    entries = filters.entries(account).filter(
        occurred_at__gte=period.starts_at, occurred_at__lt=period.ends_at
    )
    if filters.call_id:
        search = search_calls(account=account, filters=filters, period=period)
        if search.too_many:
            raise TooManyFoundError
        entries = entries.filter(id__in=[row.id for row in search.found])
    return _lines(account, period, entries)


def _lines(account: Account, period: Period, entries: QuerySet[LedgerEntry]) -> Iterator[str]:
    writer = csv.writer(_Line())
    # The mark tells spreadsheets that the text is UTF-8.
    yield "\ufeff" + writer.writerow(_head(period))
    for chunk in _chunks(entries):
        facts = _facts_of_calls(account, chunk)
        rows = log_rows(account=account, entries=chunk)
        yield "".join(
            writer.writerow((*_cells(row), *_record_cells(facts.get(row.call_id)))) for row in rows
        )


def _facts_of_calls(account: Account, entries: Iterable[Entry]) -> dict[str, _Facts]:
    """Read the calls of ``entries`` by their IDs, without those withdrawn: one query, or none."""
    call_ids = {entry.call_id for entry in entries if entry.call_id}
    if not call_ids:
        return {}
    calls = Call.objects.filter(account=account, call_id__in=call_ids, withdrawn_at=None)
    rows = calls.order_by().values_list("call_id", *_Facts._fields)
    return {call_id: _Facts(*facts) for call_id, *facts in rows}


def _chunks(entries: QuerySet[LedgerEntry]) -> Iterator[list[Entry]]:
    """Read ``entries`` newest first, each time from the last one on: every read costs the same."""
    newest_first = entries.order_by("-occurred_at", "-id")
    chunk = Entry.read(newest_first[:ROWS_PER_READ])
    while chunk:
        yield chunk
        if len(chunk) < ROWS_PER_READ:
            return
        last = chunk[-1]
        older = Q(occurred_at__lt=last.occurred_at) | Q(id__lt=last.id)
        chunk = Entry.read(
            newest_first.filter(older, occurred_at__lte=last.occurred_at)[:ROWS_PER_READ]
        )


def _head(period: Period) -> list[str]:
    return [
        f"Date & Time ({period.zone.key})",
        "Call ID",
        "Credits Used",
        "Credits Added",
        "Remarks",
        "Kind",
        "Usage type",
        "Agent",
        "Billed seconds",
        "Balance after",
        "Time (UTC)",
        "Booked (UTC)",
        "Status",
        "Started (UTC)",
        "Answered (UTC)",
        "Ended (UTC)",
        "From",
        "To",
        "Remarks of the record",
    ]


def _cells(row: LogRow) -> Iterable[str | int]:
    return (
        row.occurred_at.isoformat(" ")[:19],
        sheet_text(row.call_id),
        row.credits_used,
        row.credits_added,
        sheet_text(row.words),
        row.kind_label,
        row.usage_type_label,
        sheet_text(row.agent),
        row.billed_seconds,
        row.balance_after,
        row.occurred_at.astimezone(UTC).isoformat(),
        row.posted_at.astimezone(UTC).isoformat(),
    )


def _record_cells(facts: _Facts | None) -> Iterable[str]:
    if facts is None:
        return ("",) * len(_Facts._fields)
    return (
        facts.status,
        _in_utc(facts.started_at),
        _in_utc(facts.connected_at),
        _in_utc(facts.ended_at),
        sheet_text(facts.from_number),
        sheet_text(facts.to_number),
        sheet_text(facts.remarks),
    )


def _in_utc(at: datetime | None) -> str:
    return "" if at is None else at.astimezone(UTC).isoformat()

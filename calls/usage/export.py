"""The log as a CSV file: exactly the rows of the table, all pages of them.

Its last columns are what a record of the row's call must tell, so that the file can be imported:
`calls.sources.canonical.OwnExport`. They are empty where there is no call, and where it has been
withdrawn.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NamedTuple

from django.db.models import QuerySet

from billing.ledger.balances import balance_of
from billing.models import Account, LedgerEntry
from billing.texts import sheet_text
from calls.models import Call
from calls.usage.entries import Entry
from calls.usage.filters import UsageFilters
from calls.usage.log import LogRow, log_rows
from calls.usage.periods import Period
from calls.usage.places import Place
from calls.usage.search import search_calls

ROWS_PER_READ = 2_000

# Files of more rows are made by a worker (`calls.exports`); a search never finds so many.
STREAMED_ROWS_MAX = 5_000


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
    carrier_id: str


class _Line:
    """A file for the csv module that hands each line over instead of keeping it."""

    def write(self, line: str) -> str:
        return line


@dataclass(frozen=True, slots=True)
class Selection:
    """The rows of a file: those of ``period`` that pass ``filters`` (the call ID left aside).

    ``last_seq`` names the state of the account that the file shows: entries are never changed, so
    leaving out those booked later does what a transaction would, without keeping one open. Days
    and times are in the zone of ``period``.
    """

    account: Account
    period: Period
    filters: UsageFilters
    last_seq: int

    @property
    def entries(self) -> QuerySet[LedgerEntry]:
        """The rows, in no order."""
        of_state = replace(self.filters, until_seq=self.last_seq)
        return of_state.entries(self.account).filter(
            occurred_at__gte=self.period.starts_at, occurred_at__lt=self.period.ends_at
        )


class Piece(NamedTuple):
    """Some of a file: its text, how many rows that is, and the place of the last one.

    No place: the file has no rows at all.
    """

    text: str
    rows: int
    last: Place | None


def export_csv(*, account: Account, period: Period, filters: UsageFilters) -> Iterator[str]:
    """Yield the log as CSV text in pieces, newest row first, in constant memory.

    The first five columns are those of the table. The file shows the account as it is now, or in
    the state that ``filters`` ask for; see `Selection`. Only the facts of a call, which the last
    columns tell, are those of the moment in which they are read. Raises `TooManyFoundError`.
    """
    until = filters.until_seq
    last_seq = balance_of(account).last_seq if until is None else until
    selection = Selection(account, period, filters, last_seq)
    entries = selection.entries
    if filters.call_id:
        search = search_calls(account=account, filters=filters, period=period)
        if search.too_many:
            raise TooManyFoundError
        entries = entries.filter(id__in=[row.id for row in search.found])
    return (piece.text for piece in _written(selection, entries))


def pieces_of(selection: Selection, *, after: Place | None = None) -> Iterator[Piece]:
    """Yield the file of ``selection`` in pieces of at most ROWS_PER_READ rows, from ``after`` on.

    All pieces together are what `export_csv` would have sent. Each is read for itself, so that
    whoever stores them may go on after any of them.
    """
    return _written(selection, selection.entries, after=after)


def _written(
    selection: Selection, entries: QuerySet[LedgerEntry], *, after: Place | None = None
) -> Iterator[Piece]:
    writer = csv.writer(_Line())
    # The mark tells spreadsheets that the text is UTF-8.
    head = "" if after else "\ufeff" + writer.writerow(_head(selection.period))
    account, zone = selection.account, selection.period.zone
    for chunk in _chunks(entries, last_seq=selection.last_seq, after=after):
        facts = _facts_of_calls(account, chunk)
        rows = log_rows(account=account, entries=chunk, zone=zone)
        text = "".join(
            writer.writerow((*_cells(row), *_record_cells(facts.get(row.call_id)))) for row in rows
        )
        last = chunk[-1]
        yield Piece(head + text, len(chunk), Place(last.occurred_at, last.id))
        head = ""
    if head:
        yield Piece(head, 0, None)


def _facts_of_calls(account: Account, entries: Iterable[Entry]) -> dict[str, _Facts]:
    """Read the calls of ``entries`` by their IDs, without those withdrawn: one query, or none."""
    call_ids = {entry.call_id for entry in entries if entry.call_id}
    if not call_ids:
        return {}
    calls = Call.objects.filter(account=account, call_id__in=call_ids, withdrawn_at=None)
    rows = calls.order_by().values_list("call_id", *_Facts._fields)
    return {call_id: _Facts(*facts) for call_id, *facts in rows}


def _chunks(
    entries: QuerySet[LedgerEntry], *, last_seq: int, after: Place | None
) -> Iterator[list[Entry]]:
    """Read ``entries`` newest first, each time from the last one on: every read costs the same."""
    newest_first = entries.order_by("-occurred_at", "-id")
    while True:
        rest = newest_first
        if after is not None:
            rest = newest_first.filter(after.is_before)
        chunk = Entry.read(rest[:ROWS_PER_READ], last_seq=last_seq)
        if chunk:
            yield chunk
        if len(chunk) < ROWS_PER_READ:
            return
        after = Place(chunk[-1].occurred_at, chunk[-1].id)


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
        "Carrier's ID",
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
        sheet_text(facts.carrier_id),
    )


def _in_utc(at: datetime | None) -> str:
    return "" if at is None else at.astimezone(UTC).isoformat()

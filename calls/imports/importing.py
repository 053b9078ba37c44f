"""Importing a file of call records: any size, in bounded memory, safe to interrupt and to repeat.

Two passes. The first reads the file from end to end and stages its records: a file that is broken
anywhere is refused before anything is recorded. The second reads what is staged call by call with
the rules of its source, and records it in batches, each its own transaction.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, BinaryIO, NamedTuple

from django.utils import timezone

from billing.notices.quiet import import_under_way
from billing.texts import storable
from calls.charging import Outcome, Result, record_calls
from calls.imports.staging import StagedRecord, Staging
from calls.notations import BadFileError, RawRecord, Reader
from calls.records import CallRecord, Note, Rejected
from calls.sources import Source

BATCH_SIZE = 1_000
STAGED_AT_ONCE = 1_000

# All lines of one call are read together, so they must fit into memory together.
LINES_PER_CALL_MAX = 1_000

TORN = (
    "is where the file ends, perhaps in the middle of it. If the line is whole, end it with a line "
    "break, then import the file again."
)


@dataclass(slots=True)
class Noted:
    """How many calls a note is about, and which was the first."""

    first_call_id: str
    calls: int = 0


@dataclass(slots=True)
class Summary:
    """What an import has done so far.

    ``lines`` counts the records of the file, ``joined`` those that only complete the call of
    another line. Created, unchanged, corrected and rejected add up to the rest of them.
    """

    lines: int = 0
    joined: int = 0
    created: int = 0
    unchanged: int = 0
    corrected: int = 0
    rejected: int = 0
    credits: int = 0
    notes: dict[Note, Noted] = field(default_factory=dict)

    @property
    def lines_done(self) -> int:
        """How many lines have come to their end, good or bad."""
        return self.joined + self.created + self.unchanged + self.corrected + self.rejected

    @property
    def has_many_corrections(self) -> bool:
        """Whether more than a tenth of the lines changed a known call: their IDs may be reused."""
        return 10 * self.corrected > self.lines


class RejectedLine(NamedTuple):
    """A line that was not recorded, and why."""

    line: int
    field: str
    reason: str
    text: str


class Progress(NamedTuple):
    """A step of an import: how far it is, and the lines that this step rejected."""

    bytes_read: int
    summary: Summary
    rejected: Sequence[RejectedLine] = ()


def import_calls(
    *,
    file: BinaryIO,
    source: Source[Any],
    now: datetime,
    batch_size: int = BATCH_SIZE,
    revise: bool = False,
    clock: Callable[[], datetime] = timezone.now,
) -> Iterator[Progress]:
    """Record the calls in ``file``, written as ``source``, while the caller iterates.

    Each step but the reading ones is a batch recorded for good. Stopping early is safe, and so is
    a second import of the file: it finds recorded calls unchanged. With ``revise`` the file is the
    last word about its calls: `calls.charging.record_calls`. Nobody is warned of the account's
    credits until it ends; ``clock`` tells when it has moved on.

    Raises BadFileError where the file as a whole can't be read; then nothing has been recorded.
    """
    try:
        with Staging() as staging:
            reader = source.reader(file)
            summary = Summary()
            batch = _Batch(summary, source, revise)
            yield from _stage(reader, source, staging, batch)
            with import_under_way(account_id=source.account_id, clock=clock) as moved:
                for raw in _calls(staging, reader):
                    batch.add(raw)
                    # All records of one call are in one batch: there the last of them decides.
                    if batch.size >= batch_size:
                        yield Progress(reader.bytes_read, summary, batch.record(now))
                        moved()
                        batch = _Batch(summary, source, revise)
                yield Progress(reader.bytes_read, summary, batch.record(now))
    except sqlite3.Error as error:
        raise BadFileError(
            f"The file can't be staged in the temporary directory ({error}). "
            "Set TMPDIR to a directory with more room than the file takes."
        ) from error


def _stage(
    reader: Reader[Any], source: Source[Any], staging: Staging, batch: "_Batch"
) -> Iterator[Progress]:
    """Stage all records but a torn one, which ``batch`` rejects when the file has been read."""
    summary = batch.summary
    records = iter(reader)
    while some := list(islice(records, STAGED_AT_ONCE)):
        staging.add(
            StagedRecord(raw.number, source.call_id(raw.values) or None, raw.text)
            for raw in some
            if not raw.is_torn
        )
        for raw in some:
            if raw.is_torn:
                batch.reject_torn(raw)
        summary.lines += len(some)
        yield Progress(reader.bytes_read, summary)
    most = staging.find_repeated()
    if most is not None and most.lines > LINES_PER_CALL_MAX:
        raise BadFileError(
            f"The call ID “{storable(most.call_id[:60])}” stands on {most.lines:,} lines; more "
            f"than {LINES_PER_CALL_MAX:,} are taken for a mistake."
        )


def _calls(staging: Staging, reader: Reader[Any]) -> Iterator[list[RawRecord[Any]]]:
    for call in staging.calls():
        values = reader.values_of([staged.text for staged in call])
        yield [
            RawRecord(staged.number, staged.text, own)
            for staged, own in zip(call, values, strict=True)
        ]


@dataclass(slots=True)
class _Batch:
    """Calls on their way into one transaction, and the lines that did not make it."""

    summary: Summary
    source: Source[Any]
    revise: bool
    records: list[CallRecord] = field(default_factory=list)
    raw: list[Sequence[RawRecord[Any]]] = field(default_factory=list)  # of each record
    rejected: list[RejectedLine] = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.records) + len(self.rejected)

    def add(self, raw: Sequence[RawRecord[Any]]) -> None:
        """Read all that the file says about one call."""
        for read in self.source.read(raw):
            if isinstance(read.record, Rejected):
                self._reject(read.raw, read.record.field, read.record.reason)
            elif isinstance(read.record, CallRecord):
                self.records.append(read.record)
                self.raw.append(read.raw)

    def reject_torn(self, raw: RawRecord[Any]) -> None:
        """Reject the last line of a file that may end in the middle of it."""
        self._reject([raw], "line", TORN)

    def record(self, now: datetime) -> list[RejectedLine]:
        """Record the calls, count what became of them, and return the lines rejected."""
        outcomes = record_calls(
            records=self.records,
            now=now,
            are_legs=self.source.tells_legs,
            revise=self.revise,
        )
        summary = self.summary
        for outcome, raw, record in zip(outcomes, self.raw, self.records, strict=True):
            if outcome.result is Result.REJECTED:
                self._reject(raw, outcome.field, outcome.reason)
                continue
            self._note(outcome, record.call_id)
            summary.joined += len(raw) - 1
            summary.credits += outcome.credits
            if outcome.result is Result.CREATED:
                summary.created += 1
            elif outcome.result is Result.CORRECTED:
                summary.corrected += 1
            else:
                summary.unchanged += 1
        summary.rejected += len(self.rejected)
        return self.rejected

    def _note(self, outcome: Outcome, call_id: str) -> None:
        for note in outcome.notes:
            named = note._replace(field=self.source.field_name(note.field))
            self.summary.notes.setdefault(named, Noted(call_id)).calls += 1

    def _reject(self, raw: Sequence[RawRecord[Any]], field: str, reason: str) -> None:
        name = self.source.field_name(field)
        self.rejected.extend(RejectedLine(one.number, name, reason, one.text) for one in raw)

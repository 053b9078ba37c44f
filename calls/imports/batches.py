"""From staged lines to call records and their outcomes, batch by batch: for trial and import alike.

A trial run and an import differ in nothing but the function that is given the records.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

from calls.charging import Outcome, Result
from calls.imports.staging import Staged, StagedRecord, Staging
from calls.imports.summaries import Summary
from calls.notations import RawRecord, Reader
from calls.notations.totals import says_total
from calls.records import CallRecord, Rejected
from calls.sources import Ignored, Source

STAGED_AT_ONCE = 1_000
LINES_AT_ONCE = 200

TORN = (
    "is where the file ends, perhaps in the middle of it. If the line is whole, end it with a line "
    "break, then import the file again."
)


class RejectedLine(NamedTuple):
    """A line that was not recorded, and why."""

    line: int
    field: str
    reason: str
    text: str


class ReadCall(NamedTuple):
    """A call record with the lines that it was read from."""

    record: CallRecord
    raw: Sequence[RawRecord[Any]]
    agrees: bool | None


def staged(records: Iterator[RawRecord[Any]], source: Source[Any]) -> Iterator[list[StagedRecord]]:
    """Make of raw ``records`` what is staged of them, some at a time."""
    while some := list(islice(records, STAGED_AT_ONCE)):
        yield [_staged(raw, source) for raw in some]


def _staged(raw: RawRecord[Any], source: Source[Any]) -> StagedRecord:
    if raw.is_torn and _says_total(raw):
        return StagedRecord(raw.number, None, raw.text)  # nothing of it is missing that matters
    if raw.is_torn or raw.defect:
        return StagedRecord(raw.number, None, raw.text, raw.defect or TORN)
    return StagedRecord(raw.number, source.call_id(raw.values) or None, raw.text)


def _says_total(raw: RawRecord[Any]) -> bool:
    """Whether a record that is none is a row of totals: whatever source it is of."""
    return isinstance(raw.values, list) and says_total(raw.values)


@dataclass(slots=True)
class Batch:
    """Calls on their way into one transaction, and the lines that did not make it.

    ``position`` is that of its last call.
    """

    source: Source[Any]
    read_calls: list[ReadCall] = field(default_factory=list)
    rejected: list[RejectedLine] = field(default_factory=list)
    ignored: int = 0
    equal_rows: int = 0
    position: int = 0

    @property
    def size(self) -> int:
        """How much is in it."""
        return len(self.read_calls) + len(self.rejected) + self.ignored

    @property
    def records(self) -> list[CallRecord]:
        """The records, to be recorded."""
        return [read.record for read in self.read_calls]

    def add(self, call: Sequence[Staged], values: Iterator[Any]) -> None:
        """Read all that the file says about one call; ``values`` gives those of its lines."""
        first = call[0]
        self.position = first.position
        if first.problem:  # such a line is alone: nobody knows its call
            self._reject([RawRecord(first.number, first.text, None)], "line", first.problem)
            return
        if first.occurrence > 1:
            self.equal_rows += 1
        raw = [
            RawRecord(line.number, line.text, next(values), False, "", line.occurrence)
            for line in call
        ]
        for read in self.source.read_certain(raw):
            if isinstance(read.record, Rejected) and all(map(_says_total, read.raw)):
                self.ignored += len(read.raw)
            elif isinstance(read.record, Rejected):
                self._reject(read.raw, read.record.field, read.record.reason)
            elif isinstance(read.record, Ignored):
                self.ignored += len(read.raw)
            else:
                self.read_calls.append(ReadCall(read.record, read.raw, read.agrees))

    def count(self, outcomes: Sequence[Outcome], summary: Summary) -> Summary:
        """Return ``summary`` with what became of the calls, and add lines that were rejected."""
        summary = summary.copy()
        for outcome, read in zip(outcomes, self.read_calls, strict=True):
            if outcome.result is Result.REJECTED:
                self._reject(read.raw, outcome.field, outcome.reason)
                continue
            for note in outcome.notes:
                named = note._replace(field=self.source.field_name(note.field))
                summary.note(named, read.record.call_id)
            summary.joined += len(read.raw) - 1
            summary.credits += outcome.credits
            if outcome.result is Result.CREATED:
                summary.created += 1
            elif outcome.result is Result.CORRECTED:
                summary.corrected += 1
            elif outcome.result is Result.LINKED:
                summary.linked += 1
            else:
                summary.unchanged += 1
        summary.ignored += self.ignored
        summary.rejected += len(self.rejected)
        return summary

    def _reject(self, raw: Sequence[RawRecord[Any]], field: str, reason: str) -> None:
        name = self.source.field_name(field)
        self.rejected.extend(RejectedLine(one.number, name, reason, one.text) for one in raw)


def batches(
    staging: Staging,
    source: Source[Any],
    reader: Reader[Any],
    *,
    size: int,
    after: int = -1,
) -> Iterator[Batch]:
    """Read what is staged, from position ``after`` on, in batches of about ``size``.

    All records of one call are in one batch: there the last of them decides.
    """
    batch = Batch(source)
    every = staging.calls(after=after)
    while calls := _some(every):
        # One reader of texts for many calls: to make one takes longer than to read a line.
        values = reader.values_of(line.text for call in calls for line in call if not line.problem)
        for call in calls:
            batch.add(call, values)
            if batch.size >= size:
                yield batch
                batch = Batch(source)
    if batch.size:
        yield batch


def _some(calls: Iterator[list[Staged]]) -> list[list[Staged]]:
    """The next calls, about LINES_AT_ONCE lines in all."""
    some: list[list[Staged]] = []
    lines = 0
    for call in calls:
        some.append(call)
        lines += len(call)
        if lines >= LINES_AT_ONCE:
            break
    return some

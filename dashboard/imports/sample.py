"""The first lines of a file as they are understood, for the table that shows them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from billing.texts import storable
from calls.imports.previewing import Preview, PreviewRow
from calls.records import CallRecord, Rejected
from calls.sources import Ignored
from dashboard.imports.words import STATUS_WORDS, USAGE_TYPE_WORDS

VALUES_SHOWN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRow:
    """A line: the call that comes of it, or why there is none, with what stands in it."""

    number: int
    call: CallRecord | None = None
    direction: str = ""
    outcome: str = ""
    talk: timedelta | None = None
    reason: str = ""
    is_left_out: bool = False
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The first lines. ``problem``: why they can't be read so, "" where they can."""

    rows: Sequence[SampleRow] = ()
    problem: str = ""

    @property
    def said(self) -> str:
        """How many of them are calls, in a few words."""
        if not self.rows:
            return ""
        calls = sum(row.call is not None for row in self.rows)
        if len(self.rows) == 1:
            return f"The first line is {'a call' if calls else 'no call'}"
        return f"{calls} of the first {len(self.rows)} lines are calls"


def sample_of(found: Preview) -> Sample:
    """Make rows of what was read."""
    return Sample(rows=[_row(each) for each in found.rows], problem=found.said)


def _row(read: PreviewRow) -> SampleRow:
    record = read.record
    if isinstance(record, Rejected):
        return SampleRow(
            number=read.number,
            reason=storable(f"{record.field}: {record.reason}"),
            text=_in_line(read.values),
        )
    if isinstance(record, Ignored):
        return SampleRow(
            number=read.number,
            reason=f"No call: {record.reason}",
            is_left_out=True,
            text=_in_line(read.values),
        )
    talk = None
    if record.connected_at is not None and record.ended_at is not None:
        talk = record.ended_at - record.connected_at
    return SampleRow(
        number=read.number,
        call=record,
        direction=USAGE_TYPE_WORDS.get(record.usage_type, record.usage_type),
        outcome=STATUS_WORDS.get(record.status, record.status),
        talk=talk,
    )


def _in_line(values: Mapping[str, str]) -> str:
    """What stands in the line, by column, as much as helps to find it."""
    said = [f"{name}: {value}" for name, value in values.items() if value]
    more = " …" if len(said) > VALUES_SHOWN else ""
    return storable(" · ".join(said[:VALUES_SHOWN])) + more

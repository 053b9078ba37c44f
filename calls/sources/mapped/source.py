"""Any file of call records, read by a profile.

An instance reads one file, whose layout names the columns. Reasons name the file's own columns.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import repeat
from operator import attrgetter
from typing import BinaryIO, Final, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

from django.template.defaultfilters import pluralize

from billing.texts import storable
from calls.legs import joined
from calls.notations import BadFileError, RawRecord, Reader
from calls.notations.clock import may_be_torn
from calls.notations.delimited import Row
from calls.notations.layout import DELIMITED, Layout
from calls.notations.reading import reader_for
from calls.notations.totals import holds_totals
from calls.records import CallRecord, Rejected
from calls.sources import Ignored, Read, Source
from calls.sources.mapped.identifying import check_told_id, made_id, numbered, told_id
from calls.sources.mapped.profile import Profile
from calls.sources.mapped.reading import ReadRecord, RecordReader
from calls.sources.mapped.words import WordTable

Record: TypeAlias = Row | Mapping[str, str]
NAMED_MAX: Final = 8
TOTALS: Final = "It holds totals."
# What no column of the file is named for.
IN_WORDS: Final = {
    "started_at": "start",
    "connected_at": "answer",
    "ended_at": "end",
    "usage_type": "direction",
    "status": "outcome",
}
WHOLE_LENGTH: Final = re.compile(r"[0-9]+:[0-9]{2}:[0-9]{2}")


class _Leg(NamedTuple):
    """A record that was read, with what it says."""

    raw: RawRecord[Record]
    record: CallRecord


class MappedSource(Source[Record]):
    """Reads rows or documents of one file by ``profile``, for one account."""

    name = "mapped"
    label = "By a profile"

    def __init__(
        self,
        *,
        account_id: int,
        zone: ZoneInfo,
        now: datetime,
        profile: Profile,
        layout: Layout,
        reporter: str = "",
    ) -> None:
        """Raises BadFileError where the file has not the columns that the profile needs.

        ``reporter`` is that of the records, where it is known before they are recorded.
        """
        super().__init__(account_id=account_id, zone=zone, now=now)
        self.profile = profile
        self.layout = layout
        self.tells_legs = bool(profile.group)
        self.equal_rows_are_calls = len(profile.call_id.columns) != 1
        self._columns = columns_of(profile, layout)
        self._places = _places(profile, self._columns, is_delimited=layout.notation == DELIMITED)
        self._names = tuple(self._places)  # in the order of their places, of documents
        self._prefix = profile.call_id.prefix
        self._id_columns = profile.call_id.columns
        self._group = profile.group
        self._ignored = frozenset(map(_alike, profile.ignore))
        self._kept = [
            (name, place)
            for place, name in enumerate(self._columns)
            if _alike(name) not in self._ignored
        ]
        self._skips = [
            (skip.column, self._places[skip.column], WordTable([(True, skip.values)]))
            for skip in profile.skip
        ]
        self._reader = RecordReader(
            profile=profile,
            places=self._places,
            account_id=account_id,
            zone=zone,
            now=now,
            reporter=reporter,
        )
        self._field_names = _field_names(profile)
        self._told = _told_places(profile, self._places)

    def field_name(self, field: str) -> str:
        """The file's own columns, where it has any for it; else what people call it."""
        return self._field_names.get(field) or IN_WORDS.get(field, field)

    def reader(self, file: BinaryIO) -> Reader[Record]:
        """Rows or documents, cut as the layout says, without what the profile ignores."""
        written = self.layout.columns
        ignored = {
            written[place]
            for place, name in enumerate(self._columns)
            if _alike(name) in self._ignored
        }
        return reader_for(
            self.layout,
            file,
            ignored={*self.profile.ignore, *ignored},
            may_be_torn=self.may_be_torn,
        )

    def may_be_torn(self, last: Sequence[str], is_closed: bool) -> bool:
        """Whether the ``last`` row misses a column, or a part of one that matters.

        An ID may always go on; a time unless it names an offset, a length unless it is written
        h:mm:ss, a word unless it is known, and none of them where it stands in quotation marks
        (``is_closed``). A text may be cut, but nothing is charged by it.
        """
        if self._told and holds_totals(last, self._told):
            return False
        if len(last) != len(self._columns):
            return len(last) < len(self._columns)
        profile, place, value = self.profile, len(last) - 1, last[-1].strip()

        def is_last(names: Iterable[str]) -> bool:
            return any(self._places.get(name) == place for name in names)

        if is_last((*profile.call_id.columns, profile.group)):
            return True
        if is_closed:
            return False
        moments = (profile.started_at, profile.connected_at, profile.ended_at, profile.revised_at)
        if any(is_last(moment.all_columns) for moment in moments if moment):
            return bool(value) and may_be_torn(value)
        for choice in (profile.usage_type, profile.status):
            if is_last(choice.columns):
                return WordTable(choice.words).meaning(value) is None
        if is_last(profile.essential_columns):
            return WHOLE_LENGTH.fullmatch(value) is None
        return not profile.call_id.columns and _alike(self._columns[-1]) not in self._ignored

    def call_id(self, values: Record) -> str:
        """The ID of the call; of a leg, that of the call which it belongs to."""
        if isinstance(values, list):
            return self._call_id(values, values) if len(values) >= len(self._columns) else ""
        return self._call_id(self._picked(values), values)

    def _call_id(self, row: Sequence[str], values: Record) -> str:
        columns, places = self._id_columns, self._places
        if len(columns) == 1:
            call_id = told_id(row[places[columns[0]]])
            if self._group:
                call_id = told_id(row[places[self._group]]) or call_id
        elif columns:
            call_id = made_id((name, row[places[name]]) for name in columns)
        else:
            call_id = made_id(self._whole(values))
        return f"{self._prefix}{call_id}" if call_id else ""

    def read(self, raw: Sequence[RawRecord[Record]]) -> Iterator[Read[Record]]:
        """Read each record by itself, or the legs of a call together."""
        if self._group:
            yield from self._read_legs(raw)
            return
        for one in raw:
            try:
                told = self._read(one)
            except Rejected as rejected:
                yield Read([one], rejected)
                continue
            if isinstance(told, Ignored):
                yield Read([one], told)
            else:
                yield Read([one], told.record, told.agrees)

    def read_one(self, values: Mapping[str, str]) -> CallRecord | Ignored:
        """Read a document by itself, where calls have no legs. Raises Rejected."""
        told = self._read_row(self._picked(values), values)
        return told if isinstance(told, Ignored) else told.record

    def _read(self, raw: RawRecord[Record]) -> ReadRecord | Ignored:
        try:
            return self._read_call(raw)
        except Rejected:
            if isinstance(raw.values, list) and self._told and holds_totals(raw.values, self._told):
                return Ignored(TOTALS)
            raise

    def _read_call(self, raw: RawRecord[Record]) -> ReadRecord | Ignored:
        if raw.defect:
            raise Rejected("line", raw.defect)
        values = raw.values
        if isinstance(values, list):
            if len(values) != len(self._columns):
                self._check_width(values)
            row: Sequence[str] = values
        else:
            row = self._picked(values)
        return self._read_row(row, values, raw.occurrence)

    def _read_row(
        self, row: Sequence[str], values: Record, occurrence: int = 1
    ) -> ReadRecord | Ignored:
        for column, place, words in self._skips:
            if words.meaning(row[place]):
                return Ignored(f"“{column}” is “{storable(row[place].strip()[:40])}”.")
        call_id = self._call_id(row, values)
        if self.equal_rows_are_calls:
            call_id = numbered(call_id, occurrence)
        else:
            check_told_id(call_id)
        return self._reader.read(row, call_id)

    def _read_legs(self, raw: Sequence[RawRecord[Record]]) -> Iterator[Read[Record]]:
        """Join the legs of one call. If one can't be read, none is recorded.

        A part of a call would be charged as if it were all. A leg that does not touch the others in
        time is rejected by itself.
        """
        legs: list[_Leg] = []
        unreadable: dict[int, Rejected] = {}
        agreeing: list[bool] = []
        for one in raw:
            try:
                told = self._read(one)
            except Rejected as rejected:
                unreadable[one.number] = rejected
                continue
            if isinstance(told, Ignored):
                yield Read([one], told)
                continue
            legs.append(_Leg(one, told.record))
            if told.agrees is not None:
                agreeing.append(told.agrees)
        if unreadable:
            because = _because_of(unreadable)
            part_of_it = unreadable.keys() | {leg.raw.number for leg in legs}
            for one in raw:
                if one.number in part_of_it:
                    yield Read([one], unreadable.get(one.number, because))
            return
        if not legs:
            return
        legs.sort(key=attrgetter("record.started_at"))
        (first, call), *rest = legs
        joining = [first]
        for one, record in rest:
            try:
                call = joined(call, record)
                joining.append(one)
            except Rejected as rejected:
                yield Read([one], rejected)
        agrees = all(agreeing) if agreeing else None
        yield Read(sorted(joining, key=attrgetter("number")), call, agrees)

    def _whole(self, values: Record) -> Iterable[tuple[str, str]]:
        """All that a record says, but what is ignored."""
        if isinstance(values, list):
            return ((name, values[place]) for name, place in self._kept)
        return (pair for pair in values.items() if _alike(pair[0]) not in self._ignored)

    def _picked(self, values: Mapping[str, str]) -> list[str]:
        return list(map(values.get, self._names, repeat("")))

    def _check_width(self, values: Row) -> None:
        columns = len(self._columns)
        if len(values) < columns or any(map(str.strip, values[columns:])):
            raise Rejected(
                "line",
                f"has {len(values)} value{pluralize(len(values))}, the header names {columns} "
                "columns.",
            )


def columns_of(profile: Profile, layout: Layout) -> tuple[str, ...]:
    """The names of the columns: those of the header, else those that the profile gives them."""
    if layout.has_header or not profile.columns or layout.notation != DELIMITED:
        return layout.columns
    own = profile.columns[: len(layout.columns)]
    return (*own, *layout.columns[len(own) :])


def _places(profile: Profile, columns: Sequence[str], *, is_delimited: bool) -> Mapping[str, int]:
    """Where each column of the profile stands in a row.

    Names are compared exactly, then without case and blanks. Columns of texts may be missing, as
    exports of another version have others; so may any in a document, which leaves out what is
    empty. Raises BadFileError where another is missing.
    """
    if not is_delimited:
        return {name: place for place, name in enumerate(profile.needed_columns)}
    exact = {name: place for place, name in enumerate(columns)}
    alike = {_alike(name): place for name, place in reversed(exact.items())}
    places = {}
    for name in profile.needed_columns:
        place = exact.get(name, alike.get(_alike(name)))
        if place is not None:
            places[name] = place
    missing = [name for name in profile.essential_columns if name not in places]
    if missing:
        raise BadFileError(f"The file has no column {_named(missing)}; it has {_named(columns)}.")
    return places


def _told_places(profile: Profile, places: Mapping[str, int]) -> tuple[int, ...]:
    """Where a record tells which call it is, when, of whom and how it ended: all but lengths.

    Empty where it tells nothing but lengths, in which totals could not be told from a record.
    """
    amounts = {amount.column for amount in (profile.total, profile.talk, profile.waiting) if amount}
    return tuple(place for name, place in places.items() if name not in amounts)


def _alike(name: str) -> str:
    return "".join(name.casefold().split())


def _named(columns: Sequence[str]) -> str:
    names = ", ".join(f"“{storable(name[:40])}”" for name in columns[:NAMED_MAX])
    return f"{names} …" if len(columns) > NAMED_MAX else names


def _field_names(profile: Profile) -> dict[str, str]:
    """The columns that tell what the rules of a record call by our names."""
    told = {
        "call_id": profile.call_id.columns,
        "usage_type": profile.usage_type.columns,
        "status": profile.status.columns,
        "agent": profile.agent,
        "from": profile.from_number,
        "to": profile.to_number,
        "remarks": profile.remarks,
        "carrier_id": profile.carrier_id,
    }
    for field in ("total", "talk", "waiting"):
        amount = getattr(profile, field)
        told[field] = (amount.column,) if amount else ()
    for field in ("started_at", "connected_at", "ended_at", "revised_at"):
        moment = getattr(profile, field)
        told[field] = moment.columns if moment else ()
    # Where a time is computed, what it is computed from is what has to be mended.
    told["ended_at"] = told["ended_at"] or told["talk"] or told["total"]
    told["connected_at"] = told["connected_at"] or told["waiting"] or told["talk"]
    return {field: ", ".join(columns) for field, columns in told.items() if columns}


def _because_of(lines: Mapping[int, Rejected]) -> Rejected:
    """Why a line is rejected that is well by itself."""
    numbers = ", ".join(map(str, lines))
    return Rejected(
        "line",
        f"is of the same call as line{pluralize(len(lines))} {numbers}, which can't be read; a "
        "part of a call is not charged as if it were all.",
    )

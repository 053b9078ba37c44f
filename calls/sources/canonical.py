"""The product's own CSV: what an export from any other system should be turned into.

The first line names the columns, in any order. Values are separated by commas; semicolons and tabs
are recognised. UTF-8, with or without a byte order mark. Empty columns at the end, as spreadsheets
write them, are left out.

==============  ========  =========================================================================
column          needed    value
==============  ========  =========================================================================
call_id         yes       unique within the account, at most 200 printable characters
usage_type      yes       outbound, inbound, translation
status          yes       completed, no_answer, busy, failed, blocked
started_at      yes       when the call was made or received
connected_at    *         when it was answered; of completed calls only (translation: started_at)
ended_at        *         when it ended
agent           no        name of the AI agent; shortened to 100 characters
from, to        no        numbers or addresses; each shortened to 100 characters
remarks         no        shown in the call log; shortened to 500 characters
revised_at      no        when this record was last changed: an older one never replaces a newer one
carrier_id      no        the carrier's own ID of the call, by which another report of it is found
==============  ========  =========================================================================

``*`` needed of completed calls. Times are ISO 8601: ``2026-11-23T14:05:09``
or ``2026-11-23 14:05:09.250+05:30``. With an offset (or ``Z``) they are taken as they are; without,
they are on the wall clock of the time zone of the import, which is the account's unless another is
named. A wall-clock time that the clocks skipped is rejected; of one that they repeated, that of the
two is taken with which the call is shorter, or else the first: nobody pays for an hour in doubt.

The last line should end with a line break like all others. Without one it may be cut off: then it
is rejected where its last value may go on, as an ID may, and a time without an offset.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from operator import itemgetter
from typing import BinaryIO, NamedTuple
from zoneinfo import ZoneInfo

from django.template.defaultfilters import pluralize

from billing.texts import from_sheet_text, storable
from calls.notations import BadFileError, RawRecord, Reader
from calls.notations.clock import may_be_torn, meanings, read_time
from calls.notations.delimited import Row
from calls.notations.layout import Layout
from calls.records import STATUSES, USAGE_TYPES, CallRecord, Instant, Rejected, validate
from calls.sources import Ignored, Read, Source, open_reader

REQUIRED = ("call_id", "usage_type", "status", "started_at")
OPTIONAL = (
    "connected_at",
    "ended_at",
    "agent",
    "from",
    "to",
    "remarks",
    "revised_at",
    "carrier_id",
)
TIMES = ("started_at", "connected_at", "ended_at", "revised_at")
IDS = ("call_id", "carrier_id")
WORDS: Mapping[str, Container[str]] = {"usage_type": USAGE_TYPES, "status": STATUSES}
DELIMITERS = ",;\t"


# Our own export, `calls.usage.export`: its columns that tell a record.
EXPORTED = {
    "call_id": "call_id",
    "usage_type": "usage_type",
    "agent": "agent",
    "status": "status",
    "started_(utc)": "started_at",
    "answered_(utc)": "connected_at",
    "ended_(utc)": "ended_at",
    "from": "from",
    "to": "to",
    "remarks_of_the_record": "remarks",
    "carrier's_id": "carrier_id",
}
EXPORTED_LATER = ("carrier's_id",)  # which earlier exports do not have
EXPORT_ONLY = frozenset({"credits_used", "credits_added", "balance_after", "kind"})
NO_CALL = "is no call that counts: a movement of credits, or of a call that was withdrawn."


class _Instants(NamedTuple):
    """The instants of one call, or what is written of them."""

    started_at: Instant | None
    connected_at: Instant | None
    ended_at: Instant | None


class CanonicalCsv(Source[Row]):
    """Reads the canonical CSV for one account. Each row is a record of its own."""

    name = "csv"
    label = "CSV with our columns"

    def __init__(
        self, *, account_id: int, zone: ZoneInfo, now: datetime, layout: Layout | None = None
    ) -> None:
        super().__init__(account_id=account_id, zone=zone, now=now)
        self._layout = layout
        self._columns: list[str] = []

    def reader(self, file: BinaryIO) -> Reader[Row]:
        """Text with a header, delimited by comma, semicolon or tab."""
        return open_reader(
            file,
            self._layout,
            delimiters=DELIMITERS,
            takes_as_header=self.takes_as_header,
            may_be_torn=self.may_be_torn,
        )

    def may_be_torn(self, last: Sequence[str], is_closed: bool) -> bool:
        """Whether the ``last`` line misses a column, or a part of one that matters.

        A time may go on unless it names an offset or stands in quotation marks (``is_closed``), an
        ID may always; a text may be cut, but nothing is charged by it.
        """
        if len(last) != len(self._columns):
            return len(last) < len(self._columns)
        column, value = self._columns[-1], last[-1].strip()
        if column in TIMES:
            return bool(value) and not is_closed and may_be_torn(value)
        if column in WORDS:
            return _word(value, WORDS[column]) not in WORDS[column]
        return column in IDS

    def takes_as_header(self, first: Sequence[str]) -> bool:
        """Always: learn the order of the columns. Raises BadFileError where one is not ours."""
        columns = [_as_word(name) for name in first]
        while columns and not columns[-1]:
            columns.pop()
        unknown = [name for name in columns if name not in REQUIRED + OPTIONAL]
        missing = [name for name in REQUIRED if name not in columns]
        twice = sorted({name for name in columns if columns.count(name) > 1})
        if len(unknown) == len(columns):
            raise BadFileError(
                "The first line does not name the columns. "
                f"It must have at least: {', '.join(REQUIRED)}."
            )
        if "" in columns:
            raise BadFileError(f"Column {columns.index('') + 1} has no name.")
        if unknown:
            names = ", ".join(f"“{storable(name[:40])}”" for name in unknown[:5])
            raise BadFileError(
                f"Unknown columns: {names}. Known are: {', '.join(REQUIRED + OPTIONAL)}."
            )
        if missing:
            raise BadFileError(f"Missing columns: {', '.join(missing)}.")
        if twice:
            raise BadFileError(f"Columns that stand twice: {', '.join(twice)}.")
        self._columns = columns
        return True

    def call_id(self, values: Row) -> str:
        """The value of its column."""
        column = self._columns.index("call_id")
        return values[column] if column < len(values) else ""

    def read(self, raw: Sequence[RawRecord[Row]]) -> Iterator[Read[Row]]:
        """Read each row by itself."""
        for row in raw:
            try:
                if row.defect:
                    raise Rejected("line", row.defect)
                yield Read([row], self._record(row.values))
            except Rejected as rejected:
                yield Read([row], rejected)

    def _record(self, values: Row) -> CallRecord:
        columns = len(self._columns)
        if len(values) < columns or any(map(str.strip, values[columns:])):
            raise Rejected(
                "line",
                f"has {len(values)} value{pluralize(len(values))}, the header names {columns} "
                "columns.",
            )
        row = dict(zip(self._columns, values, strict=False))
        instants = self._instants_of_call(row)
        return validate(
            account_id=self.account_id,
            call_id=row["call_id"],
            usage_type=_word(row["usage_type"], USAGE_TYPES),
            status=_word(row["status"], STATUSES),
            started_at=instants.started_at,
            connected_at=instants.connected_at,
            ended_at=instants.ended_at,
            agent=row.get("agent", ""),
            from_number=row.get("from", ""),
            to_number=row.get("to", ""),
            remarks=row.get("remarks", ""),
            revised_at=self._revised_at(row),
            carrier_id=row.get("carrier_id", ""),
            now=self.now,
        )

    def _instants_of_call(self, row: dict[str, str]) -> _Instants:
        told = _Instants._make([_told(field, row) for field in _Instants._fields])
        if all(instant is None or instant.at.tzinfo is UTC for instant in told):
            return told  # as most files have it
        possible = (
            [None] if instant is None else meanings(field, instant, self.zone)
            for field, instant in zip(_Instants._fields, told, strict=True)
        )
        every = list(map(_Instants._make, product(*possible)))
        if len(every) == 1:
            return every[0]
        in_order = [(length, one) for one in every if (length := _length(one)) is not None]
        return min(in_order, key=itemgetter(0))[1] if in_order else every[0]

    def _revised_at(self, row: dict[str, str]) -> Instant | None:
        """Where its hour happened twice, the first of the two."""
        told = _told("revised_at", row)
        return None if told is None else meanings("revised_at", told, self.zone)[0]


class OwnExport(CanonicalCsv):
    """Reads what the page *Call Usage & Credits* exports: rows that are no calls are ignored.

    So are calls that were withdrawn. A correction's row tells its call as it is now, like the row
    of the call itself.
    """

    name = "export"
    label = "Our own export of calls and credits"

    def takes_as_header(self, first: Sequence[str]) -> bool:
        """Always: learn the columns. Raises BadFileError where this is no such export."""
        names = [_as_word(name.removeprefix("\ufeff")) for name in first]
        if not is_own_export(first):
            raise BadFileError(
                "The first line does not name the columns of an export of calls and credits."
            )
        missing = [name for name in EXPORTED if name not in (*names, *EXPORTED_LATER)]
        if missing:
            raise BadFileError(
                "This export has too few columns to read calls from it: an earlier version wrote "
                "it. Export the period once more."
            )
        self._columns = [EXPORTED.get(name, f"({name})") for name in names]
        return True

    def may_be_torn(self, last: Sequence[str], is_closed: bool) -> bool:
        """Whether the ``last`` line misses a column; a part of the last one matters to nobody."""
        return len(last) < len(self._columns)

    def call_id(self, values: Row) -> str:
        """The value of its column, without what keeps a spreadsheet from running it."""
        return from_sheet_text(super().call_id(values))

    def read(self, raw: Sequence[RawRecord[Row]]) -> Iterator[Read[Row]]:
        """Read each row by itself, if it is a call."""
        place = self._columns.index("status")
        for row in raw:
            if len(row.values) > place and not row.values[place]:
                yield Read([row], Ignored(NO_CALL))
            else:
                yield from super().read([row._replace(values=[*map(from_sheet_text, row.values)])])


def is_own_export(columns: Sequence[str]) -> bool:
    """Whether a header is that of our own export."""
    return {_as_word(name) for name in columns} >= EXPORT_ONLY


def is_canonical(columns: Sequence[str]) -> bool:
    """Whether a header names all that the canonical CSV needs, and only what it knows."""
    names = {_as_word(name) for name in columns} - {""}
    return names.issuperset(REQUIRED) and names.issubset(REQUIRED + OPTIONAL)


def _told(field: str, row: Mapping[str, str]) -> Instant | None:
    """The time as it is written, if there is one."""
    text = row.get(field, "").strip()
    return read_time(field, text) if text else None


def _length(instants: Sequence[Instant | None]) -> timedelta | None:
    """From the first to the last of them; None where they do not follow each other."""
    known = [instant for instant in instants if instant is not None]
    if known != sorted(known):
        return None
    return known[-1].at - known[0].at if known else timedelta()


def _word(text: str, known: Container[str]) -> str:
    """The known word that ``text`` means: ``No answer`` and ``no-answer`` are ``no_answer``."""
    if text in known:
        return text
    word = _as_word(text)
    return word if word in known else text


def _as_word(text: str) -> str:
    return text.strip().lower().replace(" ", "_").replace("-", "_")

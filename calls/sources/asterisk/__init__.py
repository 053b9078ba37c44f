"""Asterisk's ``Master.csv``, as its module ``cdr_csv`` writes it: 16 to 18 columns, no header.

The first 16 are always there. ``uniqueid`` and ``userfield`` are optional, each for itself; a 17th
column alone is the ``uniqueid`` where it looks like one. Without it a call gets an ID made from its
line, the same each time. Lines with the same ``uniqueid`` that follow each other (a call that was
transferred) are one call, also when they stand in different files: `calls.legs`. Nothing in the
file says who called whom: the import names the direction, as a whole or by dialplan context.

Times are whole seconds on the wall clock of the import's time zone (UTC for ``usegmtime=yes``).
They decide; ``duration`` and ``billsec`` must agree with them to a second, as Asterisk truncates.
The ``disposition`` is that of the last attempt to reach somebody: a line with an ``answer`` and
seconds of talk was answered, whatever became of that attempt. Without talk the disposition decides.
"""

import hashlib
import re
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import product
from operator import attrgetter
from typing import BinaryIO, NamedTuple
from zoneinfo import ZoneInfo

from django.template.defaultfilters import pluralize

from billing.plans.rating import UsageType
from billing.texts import storable
from calls.legs import joined
from calls.models import Status
from calls.notations import BadFileError, RawRecord
from calls.notations.clock import meanings, read_time
from calls.notations.delimited import DelimitedReader, Row
from calls.records import CallRecord, Instant, Rejected, not_one_of, validate
from calls.sources import Option, Read, Source

COLUMNS = (
    "accountcode",
    "src",
    "dst",
    "dcontext",
    "clid",
    "channel",
    "dstchannel",
    "lastapp",
    "lastdata",
    "start",
    "answer",
    "end",
    "duration",
    "billsec",
    "disposition",
    "amaflags",
)
COLUMNS_MAX = len(COLUMNS) + 2

# Seconds since 1970 and a counter, perhaps after the system's name: pbx1-1270167992.0
UNIQUEID = re.compile(r"(?:.+-)?\d{9,}\.\d+")

STATUSES = {
    "ANSWERED": Status.COMPLETED,
    "NO ANSWER": Status.NO_ANSWER,
    "BUSY": Status.BUSY,
    "FAILED": Status.FAILED,
    "CONGESTION": Status.FAILED,
}

TOLERANCE = timedelta(seconds=1)

# What the rules of a record call by our names, in the names of the file.
FIELDS = {
    "call_id": "uniqueid",
    "status": "disposition",
    "started_at": "start",
    "connected_at": "answer",
    "ended_at": "end",
    "from": "src",
    "to": "dst",
    "remarks": "userfield",
}


class _Leg(NamedTuple):
    """The instants of one line: a call, or the part of it before or after a transfer."""

    started_at: Instant
    connected_at: Instant | None
    ended_at: Instant | None
    status: Status


class _ReadLine(NamedTuple):
    """A line with what it says."""

    raw: RawRecord[Row]
    record: CallRecord


class _Optional(NamedTuple):
    """The columns that not every file has; empty where it does not."""

    uniqueid: str = ""
    userfield: str = ""


class AsteriskCsv(Source[Row]):
    """Reads Master.csv for one account. A line is a part of a call, never a correction of another.

    Calls are of ``usage_type``, except those from ``inbound_contexts``, which are inbound.
    """

    name = "asterisk"
    label = "Asterisk's Master.csv"
    options = (
        Option(
            name="usage_type",
            argument="--usage-type",
            help="what the calls are (outbound).",
            choices=tuple(UsageType),
        ),
        Option(
            name="inbound_contexts",
            argument="--inbound-context",
            help="calls from this dialplan context are inbound. Can be repeated.",
            metavar="NAME",
            is_list=True,
        ),
    )
    tells_legs = True

    def __init__(
        self,
        *,
        account_id: int,
        zone: ZoneInfo,
        now: datetime,
        usage_type: str = UsageType.OUTBOUND,
        inbound_contexts: Collection[str] = (),
    ) -> None:
        super().__init__(account_id=account_id, zone=zone, now=now)
        self._usage_type = UsageType(usage_type)
        self._inbound_contexts = frozenset(inbound_contexts)

    def reader(self, file: BinaryIO) -> DelimitedReader:
        """Text without a header, delimited by commas."""
        return DelimitedReader(
            file,
            delimiters=",",
            takes_as_header=self.takes_as_header,
            may_be_torn=self.may_be_torn,
        )

    def may_be_torn(self, last: Sequence[str], is_closed: bool) -> bool:
        """Whether a uniqueid may be missing in the ``last`` line, in part or as a whole.

        Without it, or with a part of it, the call would be another one, and charged once more when
        its whole line comes.
        """
        return len(last) < COLUMNS_MAX - 1 or (len(last) == COLUMNS_MAX - 1 and not is_closed)

    def takes_as_header(self, first: Sequence[str]) -> bool:
        """Where somebody has added one; a first line with other columns is no Master.csv."""
        if not len(COLUMNS) <= len(first) <= COLUMNS_MAX:
            raise BadFileError(
                f"The first line has {len(first)} columns; Asterisk's Master.csv has "
                f"{len(COLUMNS)} to {COLUMNS_MAX}."
            )
        return tuple(name.strip().lower() for name in first[: len(COLUMNS)]) == COLUMNS

    def field_name(self, field: str) -> str:
        """The name in Asterisk's documentation."""
        return FIELDS.get(field, field)

    def call_id(self, values: Row) -> str:
        """The uniqueid, or an ID made from the 16 columns that are always there."""
        if uniqueid := _optional(values).uniqueid:
            return uniqueid
        line = "\x1f".join(values[: len(COLUMNS)]).encode(errors="surrogatepass")
        return f"asterisk-{hashlib.sha256(line).hexdigest()[:32]}"

    def read(self, raw: Sequence[RawRecord[Row]]) -> Iterator[Read[Row]]:
        """Lines that follow each other are one call; if one can't be read, none is.

        Recording the others would charge a part of the call as if it were all. A line that is far
        from the rest is rejected by itself: it has the ID of a call that it is no part of.
        """
        legs = []
        unreadable = {}
        for line in raw:
            try:
                legs.append(_ReadLine(line, self._record(line.values)))
            except Rejected as rejected:
                unreadable[line.number] = rejected
        if unreadable:
            because = _because_of(unreadable)
            yield from (Read([line], unreadable.get(line.number, because)) for line in raw)
            return
        legs.sort(key=attrgetter("record.started_at"))
        (first, call), *rest = legs
        joining = [first]
        for line, record in rest:
            try:
                call = joined(call, record)
                joining.append(line)
            except Rejected as rejected:
                yield Read([line], rejected)
        yield Read(sorted(joining, key=attrgetter("number")), call)

    def _record(self, values: Row) -> CallRecord:
        leg = self._leg(values)
        row = dict(zip(COLUMNS, values, strict=False))
        inbound = row["dcontext"] in self._inbound_contexts
        return validate(
            account_id=self.account_id,
            call_id=self.call_id(values),
            usage_type=UsageType.INBOUND if inbound else self._usage_type,
            status=leg.status,
            started_at=leg.started_at,
            connected_at=leg.connected_at,
            ended_at=leg.ended_at,
            from_number=row["src"],
            to_number=row["dst"],
            remarks=_optional(values).userfield,
            revised_at=leg.ended_at,  # when Asterisk wrote the line
            now=self.now,
        )

    def _leg(self, values: Row) -> _Leg:
        if not len(COLUMNS) <= len(values) <= COLUMNS_MAX:
            raise Rejected(
                "line",
                f"has {len(values)} column{pluralize(len(values))} instead of {len(COLUMNS)} to "
                f"{COLUMNS_MAX}.",
            )
        row = dict(zip(COLUMNS, values, strict=False))
        status = STATUSES.get(row["disposition"].strip().upper())
        if status is None:
            raise Rejected("disposition", not_one_of(row["disposition"].strip(), STATUSES))
        duration = _seconds("duration", row["duration"])
        billsec = _seconds("billsec", row["billsec"])
        for field in ("start", "end"):
            if not row[field]:
                raise Rejected(field, "is missing.")
        if status is Status.COMPLETED and not row["answer"]:
            raise Rejected("answer", "is missing, although the call was ANSWERED.")
        if status is not Status.COMPLETED and row["answer"]:
            if billsec:
                status = Status.COMPLETED
            else:
                row["answer"] = ""
        error: Rejected | None = None
        # Where clocks were set back a time means one of two instants: the durations tell which.
        for started_at, connected_at, ended_at in product(
            self._instants("start", row["start"]),
            self._instants("answer", row["answer"]),
            self._instants("end", row["end"]),
        ):
            assert started_at is not None
            try:
                _check("duration", duration, "start", started_at, ended_at)
                _check("billsec", billsec, "answer", connected_at, ended_at)
            except Rejected as rejected:
                error = error or rejected
            else:
                return _Leg(started_at, connected_at, ended_at, status)
        assert error is not None
        raise error

    def _instants(self, field: str, text: str) -> Sequence[Instant | None]:
        if not text:
            return [None]
        return meanings(field, read_time(field, text), self.zone)


def _because_of(lines: Collection[int]) -> Rejected:
    """Why a line is rejected that is well by itself."""
    numbers = ", ".join(map(str, lines))
    return Rejected(
        "line",
        f"is of the same call as line{pluralize(len(lines))} {numbers}, which can't be read; a "
        "part of a call is not charged as if it were all.",
    )


def _optional(values: Row) -> _Optional:
    more = values[len(COLUMNS) : COLUMNS_MAX]
    if len(more) == 1 and not UNIQUEID.fullmatch(more[0]):
        return _Optional(userfield=more[0])
    return _Optional(*more)


def _seconds(field: str, text: str) -> timedelta:
    if not re.fullmatch(r"-?\d{1,9}", text, re.ASCII):
        raise Rejected(field, f"is “{storable(text[:40])}”, not a number of seconds.")
    if text.startswith("-"):
        raise Rejected(field, f"is negative ({text}).")
    return timedelta(seconds=int(text))


def _check(
    field: str, told: timedelta, since: str, begun: Instant | None, ended: Instant | None
) -> None:
    """Hold the number of seconds told against the times that it should be between."""
    measured = timedelta() if begun is None or ended is None else ended.at - begun.at
    if measured < timedelta():
        raise Rejected("end", f"is before the {since}.")
    if abs(measured - told) > TOLERANCE:
        raise Rejected(
            field,
            f"is {told.total_seconds():.0f} s, but from {since} to end are "
            f"{measured.total_seconds():.0f} s.",
        )

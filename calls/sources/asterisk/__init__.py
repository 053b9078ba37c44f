"""Asterisk's call detail records, however its modules and FreePBX write them.

``Master.csv`` of ``cdr_csv`` (16 to 21 columns, no header), the samples of ``cdr_custom``, its
records as JSON lines, FreePBX's “CSV File”, and the table ``cdr`` as databases give it out, with
or without a header. Names and values tell which column is what, never their number alone.

A call is told by its ``linkedid`` where the file has one, else by its ``uniqueid`` (the linkedid is
the uniqueid of the call's first channel, so a call of one line has the same ID either way). Without
both it gets an ID made from its line, the same each time. Lines of one call (transfers, parallel
rings) are one call, also when they stand in different files: `calls.legs`. Nothing in the file says
who called whom: the import names the direction, as a whole or by dialplan context; with FreePBX's
column ``did``, a call to one is inbound.

Times are on the wall clock of the import's time zone (UTC for ``usegmtime=yes``) or epoch seconds.
They decide; ``duration`` and ``billsec`` must agree with them to a second. The ``disposition`` is
that of the last attempt to reach somebody: a line with seconds of talk was answered, whatever
became of that attempt. Without talk the disposition decides. Asterisk itself writes no record that
is longer than 1,024 bytes: such calls are missing from Master.csv, and can't be imported.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

from django.template.defaultfilters import pluralize

from billing.plans.rating import UsageType
from calls.notations import BadFileError, RawRecord, Reader
from calls.notations.delimited import Row
from calls.notations.layout import Layout
from calls.records import Rejected, validate
from calls.sources import (
    INBOUND_CONTEXTS,
    USAGE_TYPE,
    Leg,
    Option,
    Read,
    Source,
    open_reader,
    read_legs,
)
from calls.sources.asterisk.columns import (
    BASE,
    COLUMNS_MAX,
    COLUMNS_MIN,
    UNIQUEID,
    fits,
    is_header,
    named,
    names_of,
    order_of,
)
from calls.sources.asterisk.records import (
    DAY_FIRST,
    MONTH_FIRST,
    STATUSES,
    YEAR_FIRST,
    leg_of,
    looks_internal,
    value,
)

COLUMNS = BASE

# What to do with calls in which nobody outside took part.
CHARGE, IGNORE = "charge", "ignore"

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

IDS = frozenset({"uniqueid", "linkedid"})

# Where one of these is cut off, nothing is charged otherwise.
HARMLESS = frozenset({"userfield", "sequence", "recordingfile"})

INTERNAL = "is between extensions, or a feature code: nobody outside took part."

__all__ = ["COLUMNS", "STATUSES", "AsteriskCsv"]


class AsteriskCsv(Source[Any]):
    """Reads records of one account. One is a part of a call, never a correction of another.

    Calls are of ``usage_type``, except those from ``inbound_contexts``, which are inbound. A call
    of ``ignored_contexts`` alone is ignored; with ``internal_calls`` "ignore", so is one in which
    nobody outside took part. ``dates`` is the order that a spreadsheet gave to days and months.
    """

    name = "asterisk"
    label = "Asterisk's Master.csv and its other records"
    options = (
        USAGE_TYPE,
        INBOUND_CONTEXTS,
        Option(
            name="ignored_contexts",
            argument="--ignored-context",
            help="calls from this dialplan context are no calls for billing. Can be repeated.",
            metavar="NAME",
            is_list=True,
        ),
        Option(
            name="internal_calls",
            argument="--internal-calls",
            help="whether calls between extensions, and feature codes, are charged or ignored "
            "(charge).",
            choices=(CHARGE, IGNORE),
        ),
        Option(
            name="dates",
            argument="--dates",
            help="the order of day, month and year, where a spreadsheet changed it (ymd).",
            choices=(YEAR_FIRST, DAY_FIRST, MONTH_FIRST),
        ),
    )
    tells_legs = True

    def __init__(
        self,
        *,
        account_id: int,
        zone: ZoneInfo,
        now: datetime,
        layout: Layout | None = None,
        usage_type: str = UsageType.OUTBOUND,
        inbound_contexts: Collection[str] = (),
        ignored_contexts: Collection[str] = (),
        internal_calls: str = CHARGE,
        dates: str = YEAR_FIRST,
    ) -> None:
        super().__init__(account_id=account_id, zone=zone, now=now)
        self._layout = layout
        self._usage_type = UsageType(usage_type)
        self._inbound_contexts = frozenset(inbound_contexts)
        self._ignored_contexts = frozenset(ignored_contexts)
        self._ignores_internal = internal_calls == IGNORE
        self._dates = dates
        self._header: tuple[str, ...] | None = None
        self._order: tuple[str, ...] = ()  # of the row before
        self._first: tuple[str, ...] = ()  # of the first row

    def reader(self, file: BinaryIO) -> Reader[Any]:
        """Documents of JSON, or text with or without a header; without a layout, commas."""
        return open_reader(
            file,
            self._layout,
            delimiters=",",
            takes_as_header=self.takes_as_header,
            may_be_torn=self.may_be_torn,
        )

    def may_be_torn(self, last: Sequence[str], is_closed: bool) -> bool:
        """Whether an ID may be missing in the ``last`` line, in part or as a whole.

        Without it, or with a part of it, the call would be another one, and charged once more when
        its whole line comes.
        """
        order: Sequence[str] = self._header or self._first
        if len(last) > len(order):
            order = order_of(last) or ()
        if not IDS.intersection(order):
            # The optional columns are all missing, or not yet written.
            return len(last) <= COLUMNS_MIN or not is_closed
        if IDS.intersection(order[len(last) :]):
            return True
        return not is_closed and order[len(last) - 1] not in HARMLESS

    def takes_as_header(self, first: Sequence[str]) -> bool:
        """Whether it names the columns; a first line with other columns is not Asterisk's."""
        names = names_of(first)
        if is_header(names):
            self._header = names
            return True
        self._first = order_of(first) or ()
        if self._first:
            return False
        if not COLUMNS_MIN <= len(first) <= COLUMNS_MAX:
            raise BadFileError(
                f"The first line has {len(first)} column{pluralize(len(first))}; Asterisk's "
                f"Master.csv has {COLUMNS_MIN} to {COLUMNS_MAX}."
            )
        raise BadFileError(
            "The first line is no record by Asterisk: its times, its seconds and its disposition "
            "are not where they should be."
        )

    def field_name(self, field: str) -> str:
        """The name in Asterisk's documentation."""
        return FIELDS.get(field, field)

    def call_id(self, values: Row | Mapping[str, str]) -> str:
        """The linkedid, the uniqueid, or an ID made from the columns that are always there."""
        return self._call_id(self._named(values)) if values else ""

    def _call_id(self, cdr: Mapping[str, str]) -> str:
        for name in ("linkedid", "uniqueid"):
            found = cdr.get(name, "")
            if found and (name == "uniqueid" or UNIQUEID.fullmatch(found)):
                return found
        told = (cdr[name] for name in COLUMNS if name in cdr)
        line = "\x1f".join(told).encode(errors="surrogatepass")
        return f"asterisk-{hashlib.sha256(line).hexdigest()[:32]}"

    def read(self, raw: Sequence[RawRecord[Any]]) -> Iterator[Read[Any]]:
        """All lines are one call."""
        return read_legs(raw, self._leg)

    def _named(self, values: Row | Mapping[str, str]) -> Mapping[str, str]:
        """The values by Asterisk's names; where there is no header the values tell the order."""
        if isinstance(values, Mapping):
            return dict(zip(names_of(tuple(values)), values.values(), strict=True))
        if self._header is not None:
            return named(self._header, values)
        if not (self._order and fits(self._order, values)):
            self._order = order_of(values) or (
                (*COLUMNS, "uniqueid", "userfield")[: len(values)]
                if COLUMNS_MIN <= len(values) <= COLUMNS_MAX
                else ()
            )
        return named(self._order, values)

    def _leg(self, line: RawRecord[Any]) -> Leg:
        cdr = self._named(line.values)
        if not cdr or len(cdr) > len(line.values):
            count = len(line.values)
            raise Rejected(
                "line",
                f"has {count} column{pluralize(count)} instead of {COLUMNS_MIN} to {COLUMNS_MAX}.",
            )
        leg = leg_of(cdr, zone=self.zone, dates=self._dates)
        inbound = bool(value(cdr, "did")) or cdr.get("dcontext") in self._inbound_contexts
        record = validate(
            account_id=self.account_id,
            call_id=self._call_id(cdr),
            usage_type=UsageType.INBOUND if inbound else self._usage_type,
            status=leg.status,
            started_at=leg.started_at,
            connected_at=leg.connected_at,
            ended_at=leg.ended_at,
            from_number=cdr.get("src", ""),
            to_number=(value(cdr, "did") if inbound else "") or cdr.get("dst", ""),
            remarks=cdr.get("userfield", ""),
            revised_at=leg.ended_at,  # when Asterisk wrote the line
            now=self.now,
        )
        return Leg(record, leg.agrees, self._ignored(cdr))

    def _ignored(self, cdr: Mapping[str, str]) -> str:
        context = cdr.get("dcontext", "")
        if context in self._ignored_contexts:
            return f"is of the dialplan context “{context}”, which is not charged."
        return INTERNAL if self._ignores_internal and looks_internal(cdr) else ""

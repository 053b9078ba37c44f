"""Sources of call records: one file a source, none of which knows the others.

A source reads one notation and turns what was written into records by the rules of `calls.records`.
It opens no files and stores nothing. `calls.sources.registry` lists them all.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, BinaryIO, ClassVar, Generic, NamedTuple
from zoneinfo import ZoneInfo

from django.template.defaultfilters import pluralize

from billing.plans.rating import UsageType
from calls.legs import joined
from calls.notations import RawRecord, Reader, Values
from calls.notations.layout import JSON, Layout
from calls.notations.reading import reader_for
from calls.notations.trimming import TrimmedReader
from calls.records import CallRecord, Rejected

ID_IS_GUESSED = (
    "has letters that are others in another encoding, and the file does not tell its own. Say "
    "which encoding it has (“Characters”), then import it again."
)


class Option(NamedTuple):
    """Something that the notation of a source does not say, so that whoever imports may say it.

    ``name`` is the keyword argument of the source's class, ``argument`` that of the command.
    """

    name: str
    argument: str
    help: str
    choices: tuple[str, ...] | None = None
    metavar: str | None = None
    is_list: bool = False


class Ignored(NamedTuple):
    """Why a raw record is no call for billing; that is neither a fault nor to be repaired."""

    reason: str


# What no switch's records say.
USAGE_TYPE = Option(
    name="usage_type",
    argument="--usage-type",
    help="what the calls are (outbound).",
    choices=tuple(UsageType),
)
INBOUND_CONTEXTS = Option(
    name="inbound_contexts",
    argument="--inbound-context",
    help="calls from this dialplan context are inbound. Can be repeated.",
    metavar="NAME",
    is_list=True,
)


class Read(NamedTuple, Generic[Values]):
    """What some raw records say together: a call record, or why they make none.

    ``agrees`` tells whether a duration that they state is, within a second, that between their
    times; None where they do not tell both.
    """

    raw: Sequence[RawRecord[Values]]
    record: CallRecord | Rejected | Ignored
    agrees: bool | None = None


class Source(ABC, Generic[Values]):
    """Reads what one kind of system writes about the calls of one account.

    Times without an offset are on the wall clock of ``zone``. An instance reads one file.
    """

    name: ClassVar[str]  # as people name it, for instance in the command
    label: ClassVar[str]
    options: ClassVar[tuple[Option, ...]] = ()

    # A class says it of all its instances, or each instance for itself.
    tells_legs: bool = False  # whether a raw record tells a part of its call, or all
    # Whether raw records with one ``call_id`` are several calls: they are not read together then,
    # but each by itself, with its ``occurrence`` among them.
    equal_rows_are_calls: bool = False
    # Whether nobody knows for certain what letters beyond ASCII are: see `read_certain`.
    encoding_is_guessed: bool = False

    def __init__(self, *, account_id: int, zone: ZoneInfo, now: datetime) -> None:
        self.account_id = account_id
        self.zone = zone
        self.now = now

    @abstractmethod
    def reader(self, file: BinaryIO) -> Reader[Values]:
        """Return the reader of the notation, which cuts a file or a payload into raw records."""

    @abstractmethod
    def call_id(self, values: Values) -> str:
        """Return which call a raw record is about, where it can be told, else an empty text."""

    @abstractmethod
    def read(self, raw: Sequence[RawRecord[Values]]) -> Iterator[Read[Values]]:
        """Read all the raw records of a file that are about one call, in the order of the file."""

    def read_certain(self, raw: Sequence[RawRecord[Values]]) -> Iterator[Read[Values]]:
        """Read as `read` does, but reject calls whose ID may be another one.

        With a guessed encoding a known call would get another ID, and be charged once more. Other
        texts may suffer from a wrong guess.
        """
        if not self.encoding_is_guessed:
            return self.read(raw)
        return map(_with_certain_id, self.read(raw))

    def field_name(self, field: str) -> str:
        """Return what the source calls what the rules of a record call ``field``."""
        return field


def _with_certain_id(read: Read[Values]) -> Read[Values]:
    if not isinstance(read.record, CallRecord) or read.record.call_id.isascii():
        return read
    return read._replace(record=Rejected("call_id", ID_IS_GUESSED), agrees=None)


def open_reader(
    file: BinaryIO,
    layout: Layout | None,
    *,
    delimiters: str,
    takes_as_header: Callable[[Sequence[str]], bool],
    may_be_torn: Callable[[Sequence[str], bool], bool],
) -> Reader[Any]:
    """Return what cuts ``file`` as ``layout`` says.

    Without a layout, or where it names no columns: UTF-8, and one of ``delimiters``. A source that
    tells by the first row whether it is a header goes on doing so: what is known of its names goes
    before what a layout found.
    """
    if layout is None or not layout.columns:
        return TrimmedReader(
            file,
            delimiters=delimiters,
            takes_as_header=takes_as_header,
            may_be_torn=may_be_torn,
        )
    if layout.notation == JSON:
        return reader_for(layout, file)
    return TrimmedReader(
        file,
        delimiters=layout.delimiter,
        takes_as_header=takes_as_header,
        may_be_torn=may_be_torn,
        encoding=layout.encoding,
        quote=layout.quote,
        skipped_lines=layout.skipped_lines,
        skips_blanks=True,
    )


class Leg(NamedTuple):
    """What one raw record says of its call.

    ``ignored`` says why it is no call by itself; empty where it is one.
    """

    record: CallRecord
    agrees: bool | None = None
    ignored: str = ""


def read_legs(
    raw: Sequence[RawRecord[Values]], read_leg: Callable[[RawRecord[Values]], Leg]
) -> Iterator[Read[Values]]:
    """Read the legs of one call, each with ``read_leg``; if that raises Rejected for one, none is.

    Recording the others would charge a part of the call as if it were all. A leg that is far from
    the rest is rejected by itself: it has the ID of a call that it is no part of. A call is ignored
    where each of its legs is no call by itself.
    """
    legs: list[tuple[RawRecord[Values], Leg]] = []
    unreadable: dict[int, Rejected] = {}
    for one in raw:
        try:
            if one.defect:
                raise Rejected("line", one.defect)
            legs.append((one, read_leg(one)))
        except Rejected as rejected:
            unreadable[one.number] = rejected
    if unreadable:
        because = _because_of(unreadable)
        yield from (Read([one], unreadable.get(one.number, because)) for one in raw)
        return
    if legs and all(leg.ignored for _, leg in legs):
        yield Read(raw, Ignored(legs[0][1].ignored))
        return
    legs.sort(key=lambda one: one[1].record.started_at)
    call = legs[0][1].record
    joining = [legs[0]]
    for one, leg in legs[1:]:
        try:
            call = joined(call, leg.record)
        except Rejected as rejected:
            yield Read([one], rejected)
        else:
            joining.append((one, leg))
    agree = [leg.agrees for _, leg in joining]
    of_call = sorted((one for one, _ in joining), key=attrgetter("number"))
    yield Read(of_call, call, None if None in agree else all(agree))


def _because_of(lines: Collection[int]) -> Rejected:
    """Why a line is rejected that is well by itself."""
    numbers = ", ".join(map(str, lines))
    return Rejected(
        "line",
        f"is of the same call as line{pluralize(len(lines))} {numbers}, which can't be read; a "
        "part of a call is not charged as if it were all.",
    )

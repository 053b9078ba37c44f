"""FreeSWITCH's call detail records: the templates of ``cdr_csv``, documents of ``json_cdr``.

Files of the templates default, example, snom, linksys, asterisk and opencdrrate, without a header;
tables with a header that names FreeSWITCH's variables (such as FusionPBX's); documents of
``json_cdr``, one a file, one a line or an array of them. Files of the template sql are SQL
statements, not records: they are refused.

A record is a leg. Documents name the call that it belongs to (``call_uuid``), and all legs of it
are one call: `calls.legs`. Rows of a template do not: with ``legs=ab`` the second legs are calls of
their own, so export those of ``legs=a``.

Times of documents are taken in microseconds, since ``billsec`` counts the whole seconds that began;
0 means never. Stamps are on the wall clock of the import's time zone. A leg was answered where it
has an answer; else the hangup cause tells why not.

Directions are seen from the switch. A leg that it made is outbound. One that it received is
inbound, unless a user who is registered with it made it (``user_name``): then that user called out.
Rows without a direction are what the import says, or inbound by dialplan context.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

from billing.plans.rating import UsageType
from billing.texts import storable
from calls.models import Status
from calls.notations import BadFileError, RawRecord, Reader
from calls.notations.clock import meanings, read_time
from calls.notations.delimited import Row
from calls.notations.layout import Layout
from calls.records import Instant, Rejected, validate
from calls.sources import INBOUND_CONTEXTS, USAGE_TYPE, Leg, Read, Source, open_reader, read_legs
from calls.sources.freeswitch.columns import (
    TEMPLATES,
    ZERO_STAMP,
    is_header,
    template_of,
    variables_of,
)

# Why a leg was not answered; any other cause is a failure.
CAUSES = {
    "USER_BUSY": Status.BUSY,
    **dict.fromkeys(
        (
            "",
            "NONE",
            "NO_ANSWER",
            "NO_USER_RESPONSE",
            "ORIGINATOR_CANCEL",
            "NORMAL_CLEARING",
            "NORMAL_UNSPECIFIED",
            "ALLOTTED_TIMEOUT",
            "PROGRESS_TIMEOUT",
            "LOSE_RACE",
            "PICKED_OFF",
        ),
        Status.NO_ANSWER,
    ),
    "OUTGOING_CALL_BARRED": Status.BLOCKED,
    "INCOMING_CALL_BARRED": Status.BLOCKED,
}

TOLERANCE = timedelta(seconds=1)
PUBLIC = ("public",)  # the context of calls from outside, in the configuration that comes with it

FIELDS = {
    "call_id": "uuid",
    "status": "hangup_cause",
    "started_at": "start_stamp",
    "connected_at": "answer_stamp",
    "ended_at": "end_stamp",
    "usage_type": "direction",
    "from": "caller_id_number",
    "to": "destination_number",
}

SQL = (
    "The file holds SQL statements (INSERT INTO …), not records. Set default-template to “example” "
    "in cdr_csv.conf.xml, or export the table that they filled as CSV."
)


class FreeSwitch(Source[Any]):
    """Reads records of one account. One is a leg of its call.

    Where a record tells no direction it is of ``usage_type``, except those from
    ``inbound_contexts``, which are inbound.
    """

    name = "freeswitch"
    label = "FreeSWITCH's cdr_csv and json_cdr"
    options = (
        USAGE_TYPE,
        INBOUND_CONTEXTS,
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
        inbound_contexts: Collection[str] = PUBLIC,
    ) -> None:
        super().__init__(account_id=account_id, zone=zone, now=now)
        self._layout = layout
        self._usage_type = UsageType(usage_type)
        self._inbound_contexts = frozenset(inbound_contexts)
        self._header: tuple[str, ...] | None = None

    def reader(self, file: BinaryIO) -> Reader[Any]:
        """Documents of JSON, or text with or without a header; without a layout, commas."""
        return open_reader(
            file,
            self._layout,
            delimiters=",",
            takes_as_header=self.takes_as_header,
            may_be_torn=self.may_be_torn,
        )

    def takes_as_header(self, first: Sequence[str]) -> bool:
        """Whether it names the columns. Raises BadFileError where this is no FreeSWITCH file."""
        names = tuple(name.strip().lower() for name in first)
        if is_header(names):
            self._header = names
            return True
        if first[0].lstrip().upper().startswith("INSERT INTO"):
            raise BadFileError(SQL)
        if template_of(first) is None:
            raise BadFileError(
                "The first line is of none of FreeSWITCH's templates: its unique ID, its times and "
                "its hangup cause are not where they should be."
            )
        return False

    def may_be_torn(self, last: Sequence[str], is_closed: bool) -> bool:
        """Whether a part of the ``last`` line may be missing that matters."""
        if self._header is not None:
            return len(last) < len(self._header) or not is_closed
        return template_of(last) is None

    def field_name(self, field: str) -> str:
        """FreeSWITCH's name of the variable."""
        return FIELDS.get(field, field)

    def call_id(self, values: Row | Mapping[str, str]) -> str:
        """The ID of the call that the leg belongs to, where it is told, else that of the leg."""
        told = self._named(values)
        for name in ("call_uuid", "originating_leg_uuid", "uuid", "xml_cdr_uuid"):
            if text := told.get(name, "").strip():
                return text
        return ""

    def read(self, raw: Sequence[RawRecord[Any]]) -> Iterator[Read[Any]]:
        """All legs are one call."""
        return read_legs(raw, self._leg)

    def _named(self, values: Row | Mapping[str, str]) -> Mapping[str, str]:
        if isinstance(values, Mapping):
            if "variables.uuid" in values:
                return variables_of(values)
            return {name.strip().lower(): text for name, text in values.items()}
        if self._header is not None:
            return dict(zip(self._header, values, strict=False))
        template = template_of(values)
        return dict(zip(TEMPLATES[template], values, strict=False)) if template else {}

    def _leg(self, raw: RawRecord[Any]) -> Leg:
        told = self._named(raw.values)
        if not told:
            raise Rejected("line", "is of none of FreeSWITCH's templates.")
        started, answered, ended, agrees = self._instants(told)
        cause = told.get("hangup_cause", "").strip().upper()
        status = Status.COMPLETED if answered else CAUSES.get(cause, Status.FAILED)
        return Leg(
            validate(
                account_id=self.account_id,
                call_id=self.call_id(raw.values),
                usage_type=self._direction(told),
                status=status,
                started_at=started,
                connected_at=answered,
                ended_at=ended,
                from_number=_first(told, "caller_id_number", "sip_from_user", "ani"),
                to_number=_first(told, "destination_number", "sip_to_user", "dialed_user"),
                remarks=told.get("userfield", ""),
                revised_at=ended,
                now=self.now,
            ),
            agrees,
        )

    def _direction(self, told: Mapping[str, str]) -> UsageType:
        direction = told.get("direction", "").strip().lower()
        if direction == "outbound":
            return UsageType.OUTBOUND
        if direction == "inbound":
            return UsageType.OUTBOUND if _first(told, "user_name") else UsageType.INBOUND
        if told.get("context", "").strip() in self._inbound_contexts:
            return UsageType.INBOUND
        return self._usage_type

    def _instants(
        self, told: Mapping[str, str]
    ) -> tuple[Instant, Instant | None, Instant, bool | None]:
        """Return start, answer and end, and whether ``billsec`` agrees with them."""
        answers = self._meanings(told, "answer")
        ends = self._meanings(told, "end")
        starts = self._meanings(told, "start")
        if not any(name.startswith("start_") for name in told):
            starts = answers or ends  # of the template opencdrrate
        if not starts:
            raise Rejected("start_stamp", "is missing.")
        if not ends:
            raise Rejected("end_stamp", "is missing.")
        billsec = _seconds(told)
        connections: list[Instant | None] = [*answers] or [None]
        every = list(product(starts, connections, ends))
        if billsec is None:
            return *every[0], None
        # Where clocks were set back a time means one of two instants: the seconds tell which.
        for start, answer, end in every:
            talk = end.at - answer.at if answer else timedelta()
            if abs(talk - billsec) <= TOLERANCE:
                return start, answer, end, True
        start, answer, end = every[0]
        talk = end.at - answer.at if answer else timedelta()
        raise Rejected(
            "billsec",
            f"is {billsec.total_seconds():.0f} s, but from answer to end are "
            f"{talk.total_seconds():.0f} s.",
        )

    def _meanings(self, told: Mapping[str, str], which: str) -> list[Instant]:
        """The instants that the finest of the values of one time can mean; none where it never was.

        A finer value decides even where it is 0, since it means never.
        """
        for name, digits in ((f"{which}_uepoch", 6), (f"{which}_epoch", 0)):
            if text := told.get(name, "").strip():
                if not text.isascii() or not text.isdigit() or len(text) > 10 + digits:
                    raise Rejected(name, f"is “{storable(text[:40])}”, not a number.")
                since = timedelta(microseconds=int(text) * 10 ** (6 - digits))
                return [Instant(datetime(1970, 1, 1, tzinfo=UTC) + since)] if since else []
        name = f"{which}_stamp"
        text = told.get(name, "").strip()
        if text in ("", ZERO_STAMP, "NULL", r"\N"):
            return []
        return meanings(name, read_time(name, text), self.zone)


def _first(told: Mapping[str, str], *names: str) -> str:
    return next((text for name in names if (text := told.get(name, "").strip())), "")


def _seconds(told: Mapping[str, str]) -> timedelta | None:
    text = told.get("billsec", "").strip()
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise Rejected("billsec", f"is “{storable(text[:40])}”, not a number of seconds.")
    return timedelta(seconds=int(text))

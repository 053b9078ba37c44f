"""What a call record must be, whatever source it came from: the one place of these rules.

A source (`calls.sources`) reads its own notation and hands plain values to `validate`, which
returns a `CallRecord` that `calls.charging` takes without further checks. Nothing here reads or
writes the database.
"""

from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import NamedTuple, TypeAlias

from billing.models.ledger import AGENT_LENGTH_MAX, CALL_ID_LENGTH_MAX, REMARKS_LENGTH_MAX
from billing.plans.rating import UsageType
from billing.texts import REPLACEMENT, UNSTORABLE, storable
from calls.limits import FIRST_DAY, FIRST_INSTANT
from calls.models import CARRIER_ID_LENGTH_MAX, NUMBER_LENGTH_MAX, Call, Status

# Clocks of telephone systems run ahead at times, and some are set to the wrong zone.
CLOCK_AHEAD_MAX = timedelta(hours=24)
IN_THE_FUTURE = "is more than 24 hours in the future; check the time zone."
CALL_LENGTH_MAX = timedelta(days=7)

# Charged, but rarely true: some systems write such an end where a line was never closed.
LONG_CALL = timedelta(hours=12)

CARRIER_ID_TOO_LONG = f"is longer than {CARRIER_ID_LENGTH_MAX} characters"
LEFT_OUT = "it is left out, so this call is not linked to another report of it."

# What a reason calls a file or record that is told to be the last word about its calls.
LAST_WORD = "right where it contradicts what is recorded already"

CallKey: TypeAlias = tuple[int, str]  # account and call ID

MICROSECOND = timedelta(microseconds=1)

USAGE_TYPES = {usage_type.value: usage_type for usage_type in UsageType}
STATUSES = {status.value: status for status in Status}


class Rejected(Exception):
    """A record breaks a rule: which ``field``, and the ``reason`` in words a user can act on."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class Note(NamedTuple):
    """What whoever sent a record should know of it: the ``field``, and what about it."""

    field: str
    said: str


class Instant(NamedTuple):
    """A time that may be finer than a datetime.

    ``finer`` are the decimals after those of its microsecond, without zeros at the end: compared
    as texts they are in order. Times are kept to the microsecond, but no part of one is given away
    or charged twice: see `_rounded_up`.
    """

    at: datetime
    finer: str = ""


class CallRecord(NamedTuple):
    """What one record tells about one call: validated, all times in UTC.

    ``revised_at``, where a source gives it, is when it last changed the record; it decides which
    of two records is the later one, and is itself no fact about the call. Nor are ``carrier_id``,
    the carrier's own ID of the call where the source tells it, and ``reporter``
    (`calls.reporters`), which whoever records it sets, nor ``numbers_deleted``: that what is known
    of the call has no numbers any more (`calls.numbers`). ``notes`` say which texts had to be
    changed to be stored; they are for whoever sent the record, and are not kept.
    """

    account_id: int
    call_id: str
    usage_type: UsageType
    agent: str
    from_number: str
    to_number: str
    started_at: datetime
    connected_at: datetime | None
    ended_at: datetime | None
    status: Status
    remarks: str
    revised_at: datetime | None = None
    carrier_id: str = ""
    reporter: str = ""
    numbers_deleted: bool = False
    notes: tuple[Note, ...] = ()

    @property
    def key(self) -> CallKey:
        """Which call it is about: account and call ID."""
        return self.account_id, self.call_id

    @property
    def other_party(self) -> str:
        """The number of whoever is not the account: the caller of an inbound call, else the callee.

        Empty where the record does not tell it.
        """
        return self.from_number if self.usage_type is UsageType.INBOUND else self.to_number

    @property
    def facts(self) -> tuple[object, ...]:
        """All it tells of the call itself: see above for what is none."""
        facts: tuple[object, ...] = _facts_of(self)
        return facts


STORED = tuple(name for name in CallRecord._fields if name != "notes")
NO_FACTS = ("revised_at", "carrier_id", "reporter", "numbers_deleted")
_facts_of = attrgetter(*(name for name in STORED if name not in NO_FACTS))


def without_numbers(record: CallRecord) -> CallRecord:
    """``record`` as it is kept of a call whose numbers were deleted."""
    return record._replace(from_number="", to_number="", numbers_deleted=True)


def is_long(call: CallRecord | Call) -> bool:
    """Whether the call was connected and lasted so long that somebody should have a look."""
    if call.connected_at is None or call.ended_at is None:
        return False
    return call.ended_at - call.started_at > LONG_CALL


def validate(
    *,
    account_id: int,
    call_id: str,
    usage_type: str,
    status: str,
    started_at: Instant | datetime | None,
    connected_at: Instant | datetime | None = None,
    ended_at: Instant | datetime | None = None,
    agent: str = "",
    from_number: str = "",
    to_number: str = "",
    remarks: str = "",
    revised_at: Instant | datetime | None = None,
    carrier_id: str = "",
    reporter: str = "",
    now: datetime,
) -> CallRecord:
    """Return the record, times turned to UTC and blanks around texts removed. Raises Rejected.

    Rules: "How credits are consumed" (what connects is completed, nothing else is), and the limits
    at the top of this module. A completed translation session connects when it starts. No record is
    rejected for the sake of a text: one that is too long is shortened, what is no text in it is
    replaced, and the record's notes say so. A call ID is taken as it is or rejected, a carrier ID
    is taken as it is or left out, which a note says: cut short it could be that of another call.
    """
    _check_call_id(call_id)
    known_usage_type = USAGE_TYPES.get(usage_type)
    if known_usage_type is None:
        raise Rejected("usage_type", not_one_of(usage_type, USAGE_TYPES))
    known_status = STATUSES.get(status)
    if known_status is None:
        raise Rejected("status", not_one_of(status, STATUSES))
    start = _instant("started_at", started_at)
    if start is None:
        raise Rejected("started_at", "is missing.")
    connection = _instant("connected_at", connected_at)
    end = _instant("ended_at", ended_at)
    if known_status is Status.COMPLETED:
        if connection is None and known_usage_type is UsageType.TRANSLATION:
            connection = start
        if connection is None:
            raise Rejected("connected_at", "is missing: a completed call was connected.")
        if end is None:
            raise Rejected("ended_at", "is missing: a completed call has ended.")
        outbound = known_usage_type is UsageType.OUTBOUND
        end = _rounded_up(end, billable_from=connection if outbound else start)
    elif connection is not None:
        raise Rejected(
            "connected_at", f"must be empty where the status is “{status}”: it never connected."
        )
    _check_order(start.at, connection and connection.at, end and end.at, now)
    revision = _instant("revised_at", revised_at)
    if revision is not None and revision.at > now + CLOCK_AHEAD_MAX:
        raise Rejected("revised_at", IN_THE_FUTURE)
    notes: list[Note] = []
    return CallRecord(
        account_id=account_id,
        call_id=call_id,
        usage_type=known_usage_type,
        agent=_text("agent", agent, AGENT_LENGTH_MAX, notes),
        from_number=_text("from", from_number, NUMBER_LENGTH_MAX, notes),
        to_number=_text("to", to_number, NUMBER_LENGTH_MAX, notes),
        started_at=start.at,
        connected_at=connection and connection.at,
        ended_at=end and end.at,
        status=known_status,
        remarks=_text("remarks", remarks, REMARKS_LENGTH_MAX, notes),
        revised_at=revision and revision.at,
        carrier_id=_carrier_id(carrier_id, notes) if carrier_id else "",
        reporter=reporter,
        notes=tuple(notes),
    )


def with_carrier_id(record: CallRecord, carrier_id: str) -> CallRecord:
    """``record`` with the carrier's own ID of the call, by the rules of `validate`."""
    notes = list(record.notes)
    return record._replace(carrier_id=_carrier_id(carrier_id, notes), notes=tuple(notes))


def _carrier_id(carrier_id: str, notes: list[Note]) -> str:
    """Return ``carrier_id`` as it is, without blanks around it; empty where it can't be one."""
    carrier_id = carrier_id.strip()
    if len(carrier_id) > CARRIER_ID_LENGTH_MAX:
        notes.append(Note("carrier_id", f"{CARRIER_ID_TOO_LONG}; {LEFT_OUT}"))
        return ""
    if not carrier_id.isprintable() or REPLACEMENT in carrier_id:
        notes.append(Note("carrier_id", f"has characters that can't be printed; {LEFT_OUT}"))
        return ""
    return carrier_id


def _check_call_id(call_id: str) -> None:
    if not call_id:
        raise Rejected("call_id", "is missing.")
    if len(call_id) > CALL_ID_LENGTH_MAX:
        raise Rejected(
            "call_id", f"has {len(call_id)} characters; at most {CALL_ID_LENGTH_MAX} are allowed."
        )
    if not call_id.isprintable():
        odd = next(character for character in call_id if not character.isprintable())
        raise Rejected("call_id", f"has {_named(odd)}.")
    if REPLACEMENT in call_id:
        raise Rejected("call_id", "was damaged before: it has “\ufffd” in place of a character.")
    if call_id[0] == " " or call_id[-1] == " ":
        raise Rejected("call_id", "begins or ends with a blank; remove it.")


def _check_order(
    started_at: datetime, connected_at: datetime | None, ended_at: datetime | None, now: datetime
) -> None:
    if started_at < FIRST_INSTANT:
        raise Rejected(
            "started_at", f"is before {FIRST_DAY.year}; such an old call is taken for a mistake."
        )
    if connected_at is not None and connected_at < started_at:
        raise Rejected("connected_at", "is before the call started.")
    if ended_at is not None:
        if ended_at < started_at:
            raise Rejected("ended_at", "is before the call started.")
        if connected_at is not None and ended_at < connected_at:
            raise Rejected("ended_at", "is before the call connected.")
        if ended_at - started_at > CALL_LENGTH_MAX:
            raise Rejected(
                "ended_at", f"is more than {CALL_LENGTH_MAX.days} days after the call started."
            )
    if (ended_at or started_at) > now + CLOCK_AHEAD_MAX:
        raise Rejected(
            "started_at" if started_at > now + CLOCK_AHEAD_MAX else "ended_at",
            IN_THE_FUTURE,
        )


def _instant(field: str, time: Instant | datetime | None) -> Instant | None:
    if time is None:
        return None
    instant = Instant(time) if isinstance(time, datetime) else time
    if instant.at.tzinfo is UTC:
        return instant
    if instant.at.tzinfo is None:
        raise Rejected(field, "has no time zone.")
    try:
        return instant._replace(at=instant.at.astimezone(UTC))
    except OverflowError:
        raise Rejected(field, "is out of range.") from None


def _rounded_up(end: Instant, *, billable_from: Instant) -> Instant:
    """Move ``end`` so that the billable time is the exact one, rounded up to the microsecond.

    Both ends are cut to their microsecond. So the difference between them is too short where more
    was cut from the end than from the beginning, and then it is too short by less than one.
    """
    if end.finer <= billable_from.finer:
        return end
    return Instant(end.at + MICROSECOND)


def _text(field: str, text: str, length_max: int, notes: list[Note]) -> str:
    """Return ``text`` as it can be stored; add to ``notes`` what had to be changed for that."""
    if not text:
        return text
    text = " ".join(text.split())
    # What can be printed can be stored: asking that first takes a fraction of the time.
    if not text.isprintable() and UNSTORABLE.search(text):
        notes.append(Note(field, f"has what is no text; it is replaced by “{REPLACEMENT}”."))
        text = storable(text)
    if len(text) > length_max:
        notes.append(Note(field, f"is too long; it is shortened to {length_max} characters."))
        text = text[: length_max - 1] + "…"
    return text


def not_one_of(value: str, known: dict[str, UsageType] | dict[str, Status]) -> str:
    """Why ``value`` is rejected where only the ``known`` are allowed."""
    allowed = ", ".join(known)
    if not value:
        return f"is missing; it must be one of: {allowed}."
    return f"is “{storable(value[:40])}”; it must be one of: {allowed}."


def _named(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # so `calls.notations.delimited` hands on a byte
        return f"the byte 0x{code - 0xDC00:02x}, which is no UTF-8; save it as UTF-8"
    return f"U+{code:04X}, which can't be printed; remove it"

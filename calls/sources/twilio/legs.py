"""What Twilio's callbacks and its list tell of a call: the steps of each leg, put together."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

from calls.legs import joined
from calls.models import Status
from calls.platforms import Fields, Unfinished
from calls.platforms.times import earlier
from calls.records import CallRecord, Rejected, validate

STATUSES: Final = {
    "completed": Status.COMPLETED,
    "busy": Status.BUSY,
    "no-answer": Status.NO_ANSWER,
    "canceled": Status.NO_ANSWER,
    "failed": Status.FAILED,
}
UNDER_WAY: Final = ("queued", "initiated", "ringing", "in-progress", "answered")


def record_of(
    told: Iterable[Fields], *, call_id: str, account_id: int, now: datetime
) -> CallRecord | Unfinished:
    """Make one record of all that is ``told`` of a call and its legs. Raises Rejected."""
    by_sid: dict[str, list[Fields]] = {}
    for fields in told:
        by_sid.setdefault(fields.get("CallSid") or fields.get("sid", ""), []).append(fields)
    legs = [_leg(steps) for _, steps in sorted(by_sid.items())]
    own = by_sid.get(call_id)
    if own is not None and _leg(own).status is None:
        return _unfinished(own)
    records = [
        _record(leg, call_id=call_id, account_id=account_id, now=now)
        for leg in legs
        if leg.status is not None
    ]
    if not records:
        return _unfinished([fields for steps in by_sid.values() for fields in steps])
    return _joined(records)


class _Leg(NamedTuple):
    """What is known of one leg. ``status`` is None while it is under way."""

    status: Status | None
    first_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    seconds: int | None = None
    listed_from: datetime | None = None
    direction: str = ""
    from_number: str = ""
    to_number: str = ""


def _leg(told: Sequence[Fields]) -> _Leg:
    callbacks = sorted((one for one in told if "CallSid" in one), key=_order)
    listed = [one for one in told if "sid" in one and one.get("status") in STATUSES]
    ended = [one for one in callbacks if one.get("CallStatus") in STATUSES]
    if not ended and not listed:
        return _Leg(None)
    last = ended[-1] if ended else {}
    in_list: Fields = (
        max(listed, key=lambda one: (one.get("end_time", ""), sorted(one.items())))
        if listed
        else {}
    )
    seconds = in_list.get("duration") or last.get("CallDuration", "")
    everything = [*callbacks, in_list]
    times = [time for one in callbacks if (time := time_of("Timestamp", one.get("Timestamp", "")))]
    created_at = time_of("date_created", in_list.get("date_created", ""))
    return _Leg(
        status=STATUSES[in_list.get("status") or last["CallStatus"]],
        first_at=min([*times, *([created_at] if created_at else [])], default=None),
        answered_at=min(
            (
                time
                for one in callbacks
                if one.get("CallStatus") in ("in-progress", "answered")
                and (time := time_of("Timestamp", one.get("Timestamp", "")))
            ),
            default=None,
        ),
        ended_at=time_of("end_time", in_list.get("end_time", ""))
        or time_of("Timestamp", last.get("Timestamp", "")),
        seconds=_seconds(seconds),
        listed_from=time_of("start_time", in_list.get("start_time", "")),
        direction=_first(everything, "direction", "Direction"),
        from_number=_first(everything, "from", "From"),
        to_number=_first(everything, "to", "To"),
    )


def _unfinished(told: Iterable[Fields]) -> Unfinished:
    """Say that a call is under way. Raises Rejected for a status that may be the end of it."""
    for status in sorted({one.get("CallStatus") or one.get("status", "") for one in told}):
        if status not in UNDER_WAY:
            known = ", ".join((*UNDER_WAY, *STATUSES))
            raise Rejected("CallStatus", f"is “{status[:40]}”; known are: {known}.")
    return Unfinished("The call has not ended yet.")


def _order(fields: Fields) -> tuple[int, str]:
    number = fields.get("SequenceNumber", "")
    known = int(number) if number.isascii() and number.isdigit() and len(number) < 9 else -1
    return known, fields.get("CallStatus", "")


def _record(leg: _Leg, *, call_id: str, account_id: int, now: datetime) -> CallRecord:
    assert leg.status is not None
    connected_at = None
    started_at = leg.listed_from or leg.first_at or leg.ended_at
    if leg.status is Status.COMPLETED:
        connected_at = leg.answered_at or leg.listed_from
        if connected_at is None and leg.ended_at is not None and leg.seconds is not None:
            connected_at = earlier("CallDuration", leg.ended_at, seconds=leg.seconds)
        if connected_at is None:
            missing = "CallDuration" if leg.ended_at is not None else "Timestamp"
            raise Rejected(missing, "is missing, and nothing else tells when it was answered.")
        # Two clocks of Twilio's can differ by a second.
        if connected_at is not None and leg.ended_at is not None:
            connected_at = min(connected_at, leg.ended_at)
        started_at = connected_at
    record = validate(
        account_id=account_id,
        call_id=call_id,
        usage_type=_usage_type(leg.direction),
        status=leg.status,
        started_at=started_at,
        connected_at=connected_at,
        ended_at=leg.ended_at,
        from_number=leg.from_number,
        to_number=leg.to_number,
        now=now,
    )
    return record


def _joined(records: Sequence[CallRecord]) -> CallRecord:
    """Join the legs of a call; one that does not touch the others in time is no part of it."""
    first, *rest = sorted(records, key=lambda record: (record.started_at, record.facts[1:3]))
    whole = first
    for record in rest:
        try:
            whole = joined(whole, record)
        except Rejected:
            continue
    return whole._replace(revised_at=None)


def _usage_type(direction: str) -> str:
    if direction in ("inbound", "trunking-originating"):
        return "inbound"
    if direction.startswith("outbound") or direction == "trunking-terminating":
        return "outbound"
    raise Rejected(
        "Direction", f"is “{direction[:40]}”; known are: inbound, outbound-api, outbound-dial."
    )


def time_of(field: str, text: str) -> datetime | None:
    """Read a time as Twilio writes it: RFC 2822, or ISO 8601. Raises Rejected."""
    text = text.strip()
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text) if text[:4].isdigit() else parsedate_to_datetime(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Rejected(field, f"is “{text[:40]}”, which is no time.") from None


def _seconds(text: str) -> int | None:
    text = text.strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 9):
        raise Rejected("CallDuration", f"is “{text[:40]}”, not a number of seconds.")
    return int(text)


def _first(told: Iterable[Fields], *names: str) -> str:
    return next((text for name in names for one in told if (text := one.get(name, ""))), "")

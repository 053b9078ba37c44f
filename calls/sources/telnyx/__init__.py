"""Telnyx: its webhooks of calls, and its detail records.

Source: team-telnyx/telnyx-python, lib/webhook_verification.py, types/call_*_webhook_event.py and
detail_record_list_response.py. A webhook tells one step of a leg, in any order; a leg was answered
only if ``call.answered`` came, and ends when ``call.hangup`` happened. Legs of a session are one
call, as in a file of detail records (`profiles/telnyx.json`). Where webhooks do not tell an answer,
the detail record does.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from billing import clock
from calls.legs import joined
from calls.models import Status
from calls.platforms import (
    Delivery,
    Event,
    Fields,
    ForgedError,
    PulledPage,
    Setting,
    StoredEvent,
    Unfinished,
)
from calls.platforms.asking import Asker, AskingError, NoEndError
from calls.platforms.events import EventPlatform
from calls.platforms.payloads import picked, text_at, text_of
from calls.platforms.times import earlier, is_recent, iso_or_none, iso_time, whole_number
from calls.records import CallRecord, Rejected, validate

TOLERANCE: Final = timedelta(minutes=5)
PAGE: Final = 50
PAGES_MAX: Final = 2_000
IN_WEBHOOK: Final = "data.payload."
OF_WEBHOOK: Final = (
    "data.event_type",
    "data.occurred_at",
    *(
        f"{IN_WEBHOOK}{name}"
        for name in (
            "call_control_id",
            "call_leg_id",
            "call_session_id",
            "direction",
            "from",
            "to",
            "start_time",
            "hangup_cause",
        )
    ),
)
OF_RECORD: Final = (
    "id",
    "call_session_id",
    "call_leg_id",
    "call_control_id",
    "direction",
    "started_at",
    "finished_at",
    "call_sec",
    "hangup_cause",
    "cli",
    "cld",
    "from",
    "to",
)
CAUSES: Final = {
    "user_busy": Status.BUSY,
    **dict.fromkeys(
        ("call_rejected", "not_found", "unallocated_number", "network_out_of_order"), Status.FAILED
    ),
}
DIRECTIONS: Final = {
    "incoming": "inbound",
    "inbound": "inbound",
    "originating": "inbound",
    "outgoing": "outbound",
    "outbound": "outbound",
    "terminating": "outbound",
}


class Telnyx(EventPlatform):
    """Webhooks of a Voice API application."""

    name = "telnyx"
    label = "Telnyx"
    makes_secret = False
    secret = Setting(
        "secret",
        "Public key",
        "In Telnyx’ portal under Keys & Credentials, Public Key. What Telnyx sends is verified "
        "with it.",
    )
    options = (
        Setting(
            "record_type",
            "Type of detail records",
            "Under which Telnyx lists your calls: call-control, sip-trunking, ai-voice-assistant.",
            is_required=False,
            default="call-control",
        ),
    )
    api_key = Setting(
        "api_key",
        "API key",
        "In Telnyx’ portal under Keys & Credentials, API Keys. It is used to read detail records.",
        is_required=False,
    )
    api_base = "https://api.telnyx.com"
    fields = OF_WEBHOOK + OF_RECORD
    kind_at = "data.event_type"
    kinds = ("call.initiated", "call.answered", "call.hangup")
    call_id_at = f"{IN_WEBHOOK}call_session_id"
    carrier_id = (f"{IN_WEBHOOK}call_control_id", "call_control_id")
    steps = (
        "In Telnyx’ portal set the address above as the webhook URL of your Voice API application, "
        "with API version 2.",
        "A failover URL can be the same address: what comes twice counts once.",
    )
    meanings = (
        "A call was answered only if the event call.answered came, or its detail record tells "
        "talk.",
        "It ends when call.hangup happened. All legs of a session count as one call: a call that "
        "is transferred lasts until its last leg ends.",
        "Detail records tell whole seconds; where webhooks came, their microseconds count.",
    )

    def verify(
        self,
        delivery: Delivery,
        *,
        secrets: Sequence[str],
        options: Mapping[str, str],
        now: datetime,
    ) -> None:
        """telnyx-signature-ed25519 over ``timestamp|body``, of the last five minutes."""
        stamp = delivery.headers.get("Telnyx-Timestamp", "").strip()
        seconds = whole_number(stamp)
        if seconds is None:
            raise ForgedError("there is no signature")
        if not is_recent(seconds * 1_000, now, past=TOLERANCE, ahead=TOLERANCE):
            raise ForgedError("the signature is not of now")
        signature = _decoded(delivery.headers.get("Telnyx-Signature-Ed25519", ""))
        message = stamp.encode() + b"|" + delivery.body
        if not any(_is_signed(signature, message, key) for key in secrets):
            raise ForgedError("the signature does not fit")

    # ── Record ────────────────────────────────────────────────────────────────────────────────
    def record(
        self,
        events: Sequence[StoredEvent],
        *,
        call_id: str,
        account_id: int,
        zone: ZoneInfo,
        options: Mapping[str, str],
        now: datetime,
    ) -> CallRecord | Unfinished:
        """Join the legs that have ended; what webhooks leave open is told by detail records."""
        ordered = sorted(events, key=lambda event: event.digest)
        told: dict[str, list[Fields]] = {}
        listed: list[Fields] = []
        for event in ordered:
            if "data.event_type" in event.fields:
                leg_id = event.fields.get(f"{IN_WEBHOOK}call_leg_id", "")
                told.setdefault(leg_id, []).append(event.fields)
            else:
                listed.append(event.fields)
        legs = [
            record
            for _, steps in sorted(told.items())
            if (record := _of_webhooks(steps, listed, call_id, account_id, now)) is not None
        ]
        if listed and not any(leg.status is Status.COMPLETED for leg in legs):
            legs = [_of_list(fields, call_id, account_id, now) for fields in listed]
        if not legs:
            return Unfinished("The call has not ended yet.")
        first, *rest = sorted(legs, key=lambda leg: (leg.started_at, repr(leg.facts)))
        whole = first
        for leg in rest:
            try:
                whole = joined(whole, leg)
            except Rejected:  # it does not touch the others in time: no part of the call
                continue
        return whole._replace(revised_at=None)

    # ── List ──────────────────────────────────────────────────────────────────────────────────
    def pulled(
        self,
        asker: Asker,
        *,
        api_key: str,
        options: Mapping[str, str],
        since: datetime,
        until: datetime,
    ) -> Iterator[PulledPage]:
        """Ask by days, as Telnyx filters; what started outside of the window is left out.

        The number of pages may be told too low. So the list ends where they are through and one
        was not full.
        """
        # A day more than our clock says: the days are those of Telnyx’ clock.
        days = (clock.now().date() - since.astimezone(UTC).date()).days + 2
        before = None
        for number in range(1, PAGES_MAX + 1):
            answer = asker.get(
                "/v2/detail_records",
                query={
                    "filter[record_type]": options.get("record_type") or "call-control",
                    "filter[date_range]": f"last_{max(days, 1)}_days",
                    "page[number]": str(number),
                    "page[size]": str(PAGE),
                },
                headers={"Authorization": f"Bearer {api_key}"},
            )
            listed = answer.get("data") if isinstance(answer, dict) else None
            if not isinstance(listed, list):
                raise AskingError("Its answer is no list of records.")
            if listed and listed == before:
                break
            yield _page([one for one in listed if isinstance(one, dict)], since, until)
            pages = whole_number(text_at(answer, "meta.total_pages"))
            if pages is None:
                break
            # It may give fewer at a time than it is asked for.
            size = whole_number(text_at(answer, "meta.page_size")) or PAGE
            if number >= pages and len(listed) < min(size, PAGE):
                return
            before = listed
        raise NoEndError

    def sample(self, **told: Any) -> None:
        """None: only Telnyx can sign its messages."""


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise ForgedError("the signature can't be read") from None


def _is_signed(signature: bytes, message: bytes, key: str) -> bool:
    try:
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key, validate=True))
        public.verify(signature, message)
    except (binascii.Error, ValueError, InvalidSignature):
        return False
    return True


def _of_webhooks(
    steps: Sequence[Fields],
    listed: Sequence[Fields],
    call_id: str,
    account_id: int,
    now: datetime,
) -> CallRecord | None:
    """What the steps of one leg tell; None while it is under way."""

    def happened(kind: str) -> list[datetime]:
        times = (
            iso_time("occurred_at", step.get("data.occurred_at", ""))
            for step in steps
            if step.get("data.event_type") == kind
        )
        return [time for time in times if time is not None]

    def first(name: str) -> str:
        return next((text for step in steps if (text := step.get(f"{IN_WEBHOOK}{name}", ""))), "")

    ended = happened("call.hangup")
    if not ended:
        return None
    answered = happened("call.answered")
    told_start = iso_time("start_time", first("start_time"))
    began = [*happened("call.initiated"), *([told_start] if told_start else [])]
    started_at = min([*began, *answered, *ended])
    direction = first("direction") or next((one.get("direction", "") for one in listed), "")
    return validate(
        account_id=account_id,
        call_id=call_id,
        usage_type=_usage_type(direction),
        status=Status.COMPLETED if answered else _status(first("hangup_cause")),
        started_at=started_at,
        connected_at=min(answered) if answered else None,
        ended_at=max(ended),
        from_number=first("from"),
        to_number=first("to"),
        now=now,
    )


def _of_list(fields: Fields, call_id: str, account_id: int, now: datetime) -> CallRecord:
    """What a detail record tells: the time of the answer is the end less the talk."""
    ended_at = iso_time("finished_at", fields.get("finished_at", ""))
    talk = whole_number(fields.get("call_sec", "0"))
    if talk is None:
        raise Rejected("call_sec", "is no number of seconds.")
    started_at = iso_time("started_at", fields.get("started_at", ""))
    connected_at = None
    if talk and ended_at is not None:
        connected_at = earlier("call_sec", ended_at, seconds=talk)
        started_at = min(started_at or connected_at, connected_at)
    return validate(
        account_id=account_id,
        call_id=call_id,
        usage_type=_usage_type(fields.get("direction", "")),
        status=Status.COMPLETED if connected_at else _status(fields.get("hangup_cause", "")),
        started_at=started_at,
        connected_at=connected_at,
        ended_at=ended_at,
        from_number=fields.get("cli") or fields.get("from", ""),
        to_number=fields.get("cld") or fields.get("to", ""),
        now=now,
    )


def _usage_type(direction: str) -> str:
    usage_type = DIRECTIONS.get(direction.lower())
    if usage_type is None:
        raise Rejected(
            "direction",
            "is missing: the event call.initiated tells it."
            if not direction
            else f"is “{direction[:40]}”; known are: incoming, outgoing.",
        )
    return usage_type


def _status(cause: str) -> Status:
    return CAUSES.get(cause.lower(), Status.NO_ANSWER)


def _page(records: Sequence[Mapping[str, Any]], since: datetime, until: datetime) -> PulledPage:
    events, running = [], []
    for record in records:
        fields = picked(record, OF_RECORD)
        started_at = iso_or_none(fields.get("started_at", ""))
        if started_at is not None and not since <= started_at <= until:
            continue
        if not text_of(record.get("finished_at")):
            if started_at is not None:
                running.append(started_at)
        elif fields.get("call_session_id"):
            events.append(Event(fields["call_session_id"], fields))
    return PulledPage(events, min(running, default=None))

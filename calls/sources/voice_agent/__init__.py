"""Any voice agent whose webhooks come in an envelope with a signature: configured, not programmed.

The envelope: ``event_id``, ``event_type``, ``created_at``, ``org_id``, ``data``. Its events are
call.initiated, call.answered, call.completed, call.failed (busy, no answer, error) and
call.disallowed (blocked). What the fields are called, and which header holds the signature (hex
HMAC-SHA256 of the body), can be set for each source.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from math import ceil
from typing import Any, Final
from zoneinfo import ZoneInfo

from calls.models import Status
from calls.platforms import (
    Delivery,
    Event,
    Fields,
    ForgedError,
    Platform,
    Setting,
    Signed,
    StoredEvent,
    Unfinished,
)
from calls.platforms.payloads import json_document, text_at
from calls.platforms.signatures import hmac_of, is_base64_of, is_hex_of
from calls.platforms.times import EPOCH, as_iso, iso_instant, iso_or_none
from calls.records import CALL_LENGTH_MAX, CallRecord, Instant, Rejected, validate

# What is kept of an event, and where it stands unless the source says otherwise.
PATHS: Final = {
    "event_type": "event_type",
    "created_at": "created_at",
    "call_id": "data.call_id",
    "direction": "data.direction",
    "started_at": "data.started_at",
    "connected_at": "data.connected_at",
    "ended_at": "data.ended_at",
    "duration": "data.duration_seconds",
    "reason": "data.reason",
    "from": "data.from",
    "to": "data.to",
    "agent": "data.agent_name",
    "carrier_id": "data.carrier_call_id",
}
LABELS: Final = {
    "event_type": "the event",
    "created_at": "when it was sent",
    "call_id": "the call’s ID",
    "direction": "inbound or outbound",
    "started_at": "the start",
    "connected_at": "the answer",
    "ended_at": "the end",
    "duration": "the talk in seconds",
    "reason": "why it failed",
    "from": "the caller",
    "to": "the number that is called",
    "agent": "the agent",
    "carrier_id": "the carrier’s ID of the call",
}
ENDED: Final = {
    "call.completed": Status.COMPLETED,
    "call.failed": Status.FAILED,
    "call.disallowed": Status.BLOCKED,
}
STEPS: Final = ("call.initiated", "call.answered", *ENDED)


class VoiceAgent(Platform):
    """Signed webhooks in an envelope."""

    name = "voice-agent"
    label = "Another voice agent"
    makes_secret = True
    secret = Setting("secret", "Signing secret", "Each message is signed with it.")
    options = (
        Setting(
            "header",
            "Header of the signature",
            "It holds the HMAC-SHA256 of the body, in hexadecimal or base64, also after sha256=.",
            is_required=False,
            default="X-Husky-Signature",
        ),
        *(
            Setting(
                f"path_{name}",
                f"Where {LABELS[name]} stands",
                f"As a path in the JSON, such as {path}.",
                is_required=False,
                default=path,
            )
            for name, path in PATHS.items()
        ),
    )
    carrier_id = ("carrier_id",)
    steps = (
        "Let your system send its events to the address above: a POST with JSON, one event each.",
        "Sign each body with the secret above: HMAC-SHA256 over the bytes as they are sent, in the "
        "header X-Husky-Signature, in hexadecimal.",
        "If your fields are called otherwise, say below where each of them stands.",
    )
    meanings = (
        "The event tells how a call ended: call.completed was answered, call.failed was not, "
        "call.disallowed was blocked.",
        "The answer is told by its own time, by the event call.answered, or by the end less the "
        "talk.",
        "A call without a direction counts as outbound.",
    )

    def verify(
        self,
        delivery: Delivery,
        *,
        secrets: Sequence[str],
        options: Mapping[str, str],
        now: datetime,
    ) -> None:
        """Compare the header with the HMAC of the body."""
        given = delivery.headers.get(options.get("header") or "X-Husky-Signature", "").strip()
        given = given.removeprefix("sha256=")
        digests = [hmac_of(secret, delivery.body) for secret in secrets]
        fits = (is_hex_of(given, one) or is_base64_of(given, one) for one in digests)
        if not given or not any(fits):
            raise ForgedError("the signature does not fit")

    def event(self, delivery: Delivery, *, options: Mapping[str, str]) -> Event:
        """One step of a call."""
        document = json_document(delivery.body)
        fields = {
            name: text
            for name, path in PATHS.items()
            if (text := text_at(document, options.get(f"path_{name}") or path))
        }
        kind = fields.get("event_type", "")
        if not kind:
            raise ForgedError("the body tells no event")
        if kind not in STEPS:
            return Event(irrelevant=f"The event “{kind[:40]}” does not tell how a call went.")
        return Event(fields.get("call_id", ""), fields)

    def order(self, fields: Fields) -> Any:
        """The time of sending, however it is written: in UTC or not, with decimals or without."""
        sent = fields.get("created_at", "")
        return iso_or_none(sent) or EPOCH, sent

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
        """Put the steps of a call together."""
        ended = [event for event in events if event.fields.get("event_type") in ENDED]
        if not ended:
            return Unfinished("The call has not ended yet.")
        last = max(ended, key=lambda event: (self.order(event.fields), event.digest)).fields
        told = self.combined(events)

        def when(kind: str) -> Instant | None:
            times = [
                iso_instant("created_at", event.fields.get("created_at", ""))
                for event in events
                if event.fields.get("event_type") == kind
            ]
            return min((time for time in times if time is not None), default=None)

        status = ENDED[last["event_type"]]
        if status is Status.FAILED:
            status = _failure(last.get("reason", ""))
        ended_at = iso_instant("ended_at", told.get("ended_at", "")) or iso_instant(
            "created_at", last.get("created_at", "")
        )
        connected_at = None
        if status is Status.COMPLETED:
            connected_at = iso_instant("connected_at", told.get("connected_at", "")) or when(
                "call.answered"
            )
            talk = _seconds(told.get("duration", ""))
            if connected_at is None and ended_at is not None and talk is not None:
                connected_at = _before(ended_at, talk)
        started_at = (
            iso_instant("started_at", told.get("started_at", ""))
            or when("call.initiated")
            or connected_at
            or ended_at
        )
        return validate(
            account_id=account_id,
            call_id=told.get("call_id", call_id),
            usage_type=told.get("direction", "outbound").lower(),
            status=status,
            started_at=started_at,
            connected_at=connected_at,
            ended_at=ended_at,
            agent=told.get("agent", ""),
            from_number=told.get("from", ""),
            to_number=told.get("to", ""),
            now=now,
        )

    def sample(
        self, *, call_id: str, secret: str, url: str, options: Mapping[str, str], now: datetime
    ) -> Signed:
        """A call.completed, signed, with the fields where the source says they stand."""
        told = {
            "event_type": "call.completed",
            "created_at": as_iso(now),
            "call_id": call_id,
            "direction": "outbound",
            "started_at": as_iso(now - timedelta(seconds=42)),
            "connected_at": as_iso(now - timedelta(seconds=42)),
            "ended_at": as_iso(now),
            "from": "+14155550100",
            "to": "+14155550123",
            "agent": "Test agent",
        }
        document: dict[str, Any] = {}
        for name, text in told.items():
            *parents, last = (options.get(f"path_{name}") or PATHS[name]).split(".")
            inner = document
            for parent in parents:
                inner = inner.setdefault(parent, {})
            inner[last] = text
        body = json.dumps(document).encode()
        header = options.get("header") or "X-Husky-Signature"
        return Signed(body, {header: hmac_of(secret, body).hex()}, "application/json")


def _failure(reason: str) -> Status:
    words = reason.lower().replace("-", "_").replace(" ", "_")
    if "busy" in words:
        return Status.BUSY
    return Status.NO_ANSWER if "no_answer" in words else Status.FAILED


def _seconds(text: str) -> timedelta | None:
    if not text.strip():
        return None
    try:
        seconds = Decimal(text.strip())
    except InvalidOperation:
        seconds = Decimal("NaN")
    if not seconds.is_finite() or not 0 <= seconds <= CALL_LENGTH_MAX.total_seconds():
        raise Rejected("duration", f"is “{text[:40]}”, not a number of seconds.")
    return timedelta(microseconds=ceil(seconds * 1_000_000))


def _before(instant: Instant, talk: timedelta) -> Instant:
    try:
        return Instant(instant.at - talk, instant.finer)
    except OverflowError:
        raise Rejected("duration", "is longer than there are dates before its end.") from None

"""Vapi: its end-of-call reports, and its list of calls.

Types: VapiAI/server-sdk-python, server_message_end_of_call_report.py and call.py. A report, a file
of reports and a call of the list are read by one profile: whether nobody answered is told by
``endedReason``, never by the times, which Vapi may write for such calls too.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from calls.platforms import (
    Delivery,
    Fields,
    ForgedError,
    PulledPage,
    Setting,
    Signed,
    StoredEvent,
)
from calls.platforms.asking import Asker, AskingError, NoEndError
from calls.platforms.events import EventPlatform
from calls.platforms.payloads import text_of
from calls.platforms.signatures import hmac_of, is_base64_of, is_hex_of, is_one_of
from calls.platforms.times import EPOCH, as_iso, is_recent, iso_or_none, whole_number

REPORT: Final = "end-of-call-report"
PAGE: Final = 100
AGE_MAX: Final = timedelta(minutes=5)
ENDED: Final = "ended"
UNDER_WAY: Final = ("scheduled", "queued", "ringing", "in-progress", "forwarding")
MESSAGE: Final = "message."
CALL: Final = "message.call."
TYPE_OF_CALL: Final = "message.call.type"  # while that of a message is what it is about


class Vapi(EventPlatform):
    """Reports of the server URL of an assistant, a phone number or an organisation."""

    name = "vapi"
    label = "Vapi"
    makes_secret = True
    secret = Setting(
        "secret",
        "Bearer token",
        "Make a custom credential of the type Bearer Token with it, and choose it at the server.",
    )
    api_key = Setting(
        "api_key",
        "Private API key",
        "In Vapi’s dashboard under Organization, API Keys. It is used to read the list of calls.",
        is_required=False,
    )
    api_base = "https://api.vapi.ai"
    profile = "vapi-webhooks"
    kind_at = "message.type"
    kinds = (REPORT,)
    call_id_at = "message.call.id"
    fields = (
        "message.timestamp",
        "message.call.updatedAt",
        "message.phoneCallProviderId",
        "message.call.phoneCallProviderId",
    )
    carrier_id = ("message.call.phoneCallProviderId", "message.phoneCallProviderId")
    steps = (
        "In Vapi’s dashboard make a custom credential of the type Bearer Token with the token "
        "above.",
        "Set the address above as the server URL of your assistants, or of the organisation, with "
        "that credential.",
        "Set the server messages to “end-of-call-report” only: Vapi sends everything to one "
        "server, and tool calls that come here are not answered. If you need a server of your own, "
        "let it forward the report as it came.",
    )
    meanings = (
        "The reason for which a call ended tells whether it was answered, not its times.",
        "A web call is made by the customer to the agent: inbound. A report without a type counts "
        "as an outbound call.",
        "What the agent used is charged: a call that is transferred ends when its agent leaves it.",
        "Vapi sends a report once and does not repeat it. Enter an API key, so that its list of "
        "calls is asked every 15 minutes for what never came.",
    )

    def verify(
        self,
        delivery: Delivery,
        *,
        secrets: Sequence[str],
        options: Mapping[str, str],
        now: datetime,
    ) -> None:
        """Take the secret as a bearer token, as X-Vapi-Secret, or as the key of an HMAC."""
        headers = delivery.headers
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and is_one_of(token.strip(), secrets):
            return
        if is_one_of(headers.get("X-Vapi-Secret", ""), secrets):
            return
        signature = headers.get("X-Signature", "").strip()
        if signature and self._is_signed(delivery, signature, secrets, now):
            return
        raise ForgedError("no token or signature of this source")

    @staticmethod
    def _is_signed(
        delivery: Delivery, signature: str, secrets: Sequence[str], now: datetime
    ) -> bool:
        signature = signature.removeprefix("sha256=")
        stamp = delivery.headers.get("X-Timestamp", "").strip()
        message = delivery.body
        if stamp:
            at = whole_number(stamp)
            if at is None:
                raise ForgedError("the signature has no time")
            # Seconds or milliseconds, as the credential says.
            at_ms = at if len(stamp) > 11 else at * 1_000
            if not is_recent(at_ms, now, past=AGE_MAX, ahead=AGE_MAX):
                raise ForgedError("the signature is not of now")
            message = stamp.encode("utf-8", "surrogatepass") + b"." + message
        digests = [hmac_of(secret, message) for secret in secrets]
        return any(is_hex_of(signature, one) or is_base64_of(signature, one) for one in digests)

    def combined(self, events: Sequence[StoredEvent]) -> Fields:
        """What all events tell together: the same facts stand on the message, its call, or both."""
        if len(events) == 1:
            return events[0].fields
        return super().combined(
            [one._replace(fields=self._told_once(one.fields)) for one in events]
        )

    def _told_once(self, fields: Fields) -> Fields:
        """``fields`` with what stands on the call alone as it stands on the message: else an older
        report that has it there would go before a newer one, or the list, that has it here."""
        on_call = {
            f"{MESSAGE}{name.removeprefix(CALL)}": text
            for name, text in fields.items()
            if name.startswith(CALL) and name != TYPE_OF_CALL
        }
        return {name: text for name, text in on_call.items() if name in self.names} | dict(fields)

    def order(self, fields: Fields) -> Any:
        """Reports have the time of sending, calls of the list that of their last change."""
        changed = fields.get("message.call.updatedAt", "")
        sent = fields.get("message.timestamp", "")
        return iso_or_none(changed) or EPOCH, changed, sent.zfill(16)

    def pulled(
        self,
        asker: Asker,
        *,
        api_key: str,
        options: Mapping[str, str],
        since: datetime,
        until: datetime,
    ) -> Iterator[PulledPage]:
        """Ask backwards from ``until``: each page ends where the next begins."""
        before = until
        known: set[str] = set()
        while True:
            listed = asker.get(
                "/call",
                query={
                    "limit": str(PAGE),
                    "createdAtGe": as_iso(since),
                    "createdAtLe": as_iso(before),
                },
                headers={"Authorization": f"Bearer {api_key}"},
            )
            if not isinstance(listed, list):
                raise AskingError("Its answer is no list of calls.")
            calls = [call for call in listed if isinstance(call, dict)]
            new = [call for call in calls if text_of(call.get("id")) not in known]
            known |= {text_of(call.get("id")) for call in new}
            oldest = min(
                filter(None, (iso_or_none(text_of(call.get("createdAt"))) for call in calls)),
                default=None,
            )
            yield self._page(new)
            if len(listed) < PAGE:
                return
            if not new or oldest is None:
                raise NoEndError
            before = oldest

    def _page(self, calls: Sequence[Mapping[str, Any]]) -> PulledPage:
        events, running = [], []
        for call in calls:
            status = text_of(call.get("status"))
            has_end = bool(text_of(call.get("endedAt")))
            if status in ("", ENDED) or (status not in UNDER_WAY and has_end):
                # As a report tells it, so that both are read alike.
                events.append(self.event_of({"message": {"call": call}}))
            else:
                running.append(iso_or_none(text_of(call.get("createdAt"))))
        return PulledPage(events, min(filter(None, running), default=None))

    def sample(
        self, *, call_id: str, secret: str, url: str, options: Mapping[str, str], now: datetime
    ) -> Signed:
        """An end-of-call report, with the token."""
        started = now - timedelta(seconds=42)
        report = {
            "message": {
                "type": REPORT,
                "timestamp": int(now.timestamp() * 1000),
                "endedReason": "customer-ended-call",
                "startedAt": as_iso(started),
                "endedAt": as_iso(now),
                "assistant": {"name": "Test agent"},
                "call": {
                    "id": call_id,
                    "type": "outboundPhoneCall",
                    "customer": {"number": "+14155550123"},
                    "phoneNumber": {"number": "+14155550100"},
                },
            }
        }
        return Signed(
            json.dumps(report).encode(), {"Authorization": f"Bearer {secret}"}, "application/json"
        )

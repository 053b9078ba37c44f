"""Retell: its events of calls, and its list of calls.

Types: RetellAI/retell-python-sdk, phone_call_response.py and lib/webhook_auth.py. Events, files of
events and calls of the list are read by one profile. ``end_timestamp`` is the agent's end: what was
talked after a transfer is not the agent's.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from calls.platforms import Delivery, ForgedError, PulledPage, Setting, Signed
from calls.platforms.asking import Asker, AskingError, NoEndError
from calls.platforms.events import EventPlatform
from calls.platforms.payloads import text_of
from calls.platforms.signatures import hmac_of, is_hex_of
from calls.platforms.times import in_ms, is_recent, since_epoch

SIGNATURE: Final = re.compile(r"v=([0-9]{1,16}),d=([0-9a-f]{64})")
TOLERANCE: Final = timedelta(minutes=5)
MILLISECOND: Final = timedelta(milliseconds=1)
PAGE: Final = 1_000
ONGOING: Final = "ongoing"
# Registered, and not yet begun or already given up: without a start or an end it is no call yet.
REGISTERED: Final = "registered"


class Retell(EventPlatform):
    """Events of calls (webhooks of an agent or of the account)."""

    name = "retell"
    label = "Retell"
    makes_secret = False
    secret = Setting(
        "secret",
        "API key",
        "In Retell’s dashboard under API Keys: the one with the badge “webhook”. It signs what "
        "Retell sends, and reads its list of calls.",
    )
    api_key = Setting(
        "api_key",
        "Another API key for the list of calls",
        "Only if the list is to be asked with another key than the one that signs.",
        is_required=False,
    )
    secret_is_api_key = True
    api_base = "https://api.retellai.com"
    profile = "retell-webhooks"
    kind_at = "event"
    kinds = ("call_ended", "call_analyzed")
    call_id_at = "call.call_id"
    fields = ("call.telephony_identifier.twilio_call_sid",)
    carrier_id = ("call.telephony_identifier.twilio_call_sid",)
    steps = (
        "In Retell’s dashboard set the address above as the webhook URL, of the account under "
        "Settings, Webhooks, or of each agent.",
        "Leave the events call_ended and call_analyzed on; others are taken and not used.",
    )
    meanings = (
        "Why a call ended tells whether it was answered: dial_busy, dial_no_answer, dial_failed "
        "and the like were not, whatever times they have.",
        "A web call is made by the customer to the agent: inbound.",
        "What the agent used is charged: a call that is transferred ends when its agent leaves it.",
    )

    def verify(
        self,
        delivery: Delivery,
        *,
        secrets: Sequence[str],
        options: Mapping[str, str],
        now: datetime,
    ) -> None:
        """X-Retell-Signature: ``v=<ms>,d=<hex>``, over body and milliseconds, of the last 5 min."""
        found = SIGNATURE.fullmatch(delivery.headers.get("X-Retell-Signature", ""))
        if found is None:
            raise ForgedError("there is no signature")
        stamp, digest = found.groups()
        if not is_recent(int(stamp), now, past=TOLERANCE, ahead=TOLERANCE):
            raise ForgedError("the signature is not of now")
        message = delivery.body + stamp.encode()
        if not any(is_hex_of(digest, hmac_of(secret, message)) for secret in secrets):
            raise ForgedError("the signature does not fit")

    def pulled(
        self,
        asker: Asker,
        *,
        api_key: str,
        options: Mapping[str, str],
        since: datetime,
        until: datetime,
    ) -> Iterator[PulledPage]:
        """Ask forwards, each page from the key that the one before ended with."""
        bounds = {"lower_threshold": in_ms(since), "upper_threshold": in_ms(until)}
        asked: dict[str, Any] = {
            "filter_criteria": {"start_timestamp": bounds},
            "sort_order": "ascending",
            "limit": PAGE,
        }
        keys: set[str] = set()
        while True:
            listed = asker.post(
                "/v2/list-calls", json=asked, headers={"Authorization": f"Bearer {api_key}"}
            )
            if not isinstance(listed, list):
                raise AskingError("Its answer is no list of calls.")
            calls = [call for call in listed if isinstance(call, dict)]
            yield self._page(calls)
            if len(listed) < PAGE:
                return
            ids = (text_of(call.get("call_id")) for call in reversed(calls))
            key = next(filter(None, ids), "")
            if not key or key in keys:
                raise NoEndError
            keys.add(key)
            asked["pagination_key"] = key

    def _page(self, calls: Sequence[Mapping[str, Any]]) -> PulledPage:
        events, running = [], []
        for call in calls:
            status = text_of(call.get("call_status"))
            has_ended = bool(text_of(call.get("end_timestamp")))
            if status == ONGOING or (status == REGISTERED and not has_ended):
                running.append(since_epoch(text_of(call.get("start_timestamp")), unit=MILLISECOND))
            else:
                events.append(self.event_of({"call": call}))
        return PulledPage(events, min(filter(None, running), default=None))

    def sample(
        self, *, call_id: str, secret: str, url: str, options: Mapping[str, str], now: datetime
    ) -> Signed:
        """A call_ended, signed."""
        event = {
            "event": "call_ended",
            "call": {
                "call_id": call_id,
                "call_type": "phone_call",
                "call_status": "ended",
                "direction": "outbound",
                "agent_name": "Test agent",
                "from_number": "+14155550100",
                "to_number": "+14155550123",
                "start_timestamp": in_ms(now) - 42_000,
                "end_timestamp": in_ms(now),
                "disconnection_reason": "user_hangup",
            },
        }
        body = json.dumps(event).encode()
        stamp = str(in_ms(now))
        digest = hmac_of(secret, body + stamp.encode()).hex()
        return Signed(body, {"X-Retell-Signature": f"v={stamp},d={digest}"}, "application/json")

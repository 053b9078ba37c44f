"""ElevenLabs: its post-call webhooks, and its list of conversations.

Types: elevenlabs/elevenlabs-docs, workflows/post-call-webhook.mdx, and
elevenlabs/elevenlabs-python, webhooks_custom.py. Webhooks, files of them and conversations of the
list are read by one profile. Times are whole seconds.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from calls.platforms import Delivery, ForgedError, PulledPage, Setting, Signed
from calls.platforms.asking import Asker, AskingError, NoEndError
from calls.platforms.events import EventPlatform
from calls.platforms.payloads import text_of
from calls.platforms.signatures import hmac_of, is_hex_of
from calls.platforms.times import in_seconds, is_recent, since_epoch, whole_number

PAST_MAX: Final = timedelta(minutes=30)
AHEAD_MAX: Final = timedelta(minutes=5)
SECOND: Final = timedelta(seconds=1)
PAGE: Final = 100
UNDER_WAY: Final = ("initiated", "in-progress")
SIGNATURES_MAX: Final = 10


class ElevenLabs(EventPlatform):
    """Post-call webhooks of a workspace."""

    name = "elevenlabs"
    label = "ElevenLabs"
    makes_secret = False
    secret = Setting(
        "secret",
        "Webhook secret",
        "ElevenLabs shows it once, when the webhook is made for the address above.",
    )
    api_key = Setting(
        "api_key",
        "API key",
        "In ElevenLabs under Developers, API Keys, with access to conversations. It is used to "
        "read their list.",
        is_required=False,
    )
    api_base = "https://api.elevenlabs.io"
    profile = "elevenlabs-webhooks"
    kind_at = "type"
    kinds = ("post_call_transcription", "call_initiation_failure")  # audio tells nothing
    call_id_at = "data.conversation_id"
    fields = ("data.metadata.phone_call.call_sid", "data.metadata.body.CallSid")
    carrier_id = ("data.metadata.phone_call.call_sid", "data.metadata.body.CallSid")
    steps = (
        "In ElevenLabs under Settings, Webhooks, make a webhook with the address above and "
        "authentication by HMAC, and enter its secret here.",
        "Choose it as the post-call webhook of the workspace or of each agent, for transcripts and "
        "for failures of calls. Audio is not needed, and not kept.",
        "Switch its retries on: they are off unless you do.",
    )
    meanings = (
        "ElevenLabs tells whole seconds: a call of 30.4 s counts as ElevenLabs writes it.",
        "Where the time of the answer is told, the call connects then, else when it starts.",
        "A conversation without a direction was made by the customer to the agent: inbound.",
        "After ten failures in a row ElevenLabs switches a webhook off. Enter an API key, so that "
        "its list is asked every 15 minutes for what never came.",
    )

    def verify(
        self,
        delivery: Delivery,
        *,
        secrets: Sequence[str],
        options: Mapping[str, str],
        now: datetime,
    ) -> None:
        """ElevenLabs-Signature: ``t=<s>,v0=<hex>``, over ``t.body``; several v0 on rotation."""
        parts = delivery.headers.get("ElevenLabs-Signature", "").split(",")
        stamps = [part.strip()[2:] for part in parts if part.strip().startswith("t=")]
        given = [part.strip()[3:] for part in parts if part.strip().startswith("v0=")]
        stamp = whole_number(stamps[0]) if len(stamps) == 1 else None
        if stamp is None or not given or len(given) > SIGNATURES_MAX:
            raise ForgedError("there is no signature")
        if not is_recent(stamp * 1_000, now, past=PAST_MAX, ahead=AHEAD_MAX):
            raise ForgedError("the signature is not of now")
        message = stamps[0].strip().encode() + b"." + delivery.body
        digests = [hmac_of(secret, message) for secret in secrets]
        if not any(is_hex_of(one, digest) for one in given for digest in digests):
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
        """Ask page by page, each from the cursor of the one before."""
        query = {
            "call_start_after_unix": str(in_seconds(since)),
            "call_start_before_unix": str(in_seconds(until) + 1),
            "page_size": str(PAGE),
        }
        cursors: set[str] = set()
        while True:
            answer = asker.get(
                "/v1/convai/conversations", query=query, headers={"xi-api-key": api_key}
            )
            listed = answer.get("conversations") if isinstance(answer, dict) else None
            if not isinstance(listed, list):
                raise AskingError("Its answer is no list of conversations.")
            yield self._page([one for one in listed if isinstance(one, dict)])
            if text_of(answer.get("has_more")) != "true":
                return
            cursor = text_of(answer.get("next_cursor"))
            if not cursor or cursor in cursors:
                raise NoEndError
            cursors.add(cursor)
            query = {**query, "cursor": cursor}

    def _page(self, conversations: Sequence[Mapping[str, Any]]) -> PulledPage:
        events, running = [], []
        for one in conversations:
            if text_of(one.get("status")) in UNDER_WAY:
                running.append(since_epoch(text_of(one.get("start_time_unix_secs")), unit=SECOND))
            else:
                events.append(self.event_of(_as_event(one)))
        return PulledPage(events, min(filter(None, running), default=None))

    def sample(
        self, *, call_id: str, secret: str, url: str, options: Mapping[str, str], now: datetime
    ) -> Signed:
        """A post_call_transcription, signed."""
        event = {
            "type": "post_call_transcription",
            "event_timestamp": in_seconds(now),
            "data": {
                "conversation_id": call_id,
                "agent_id": "test",
                "agent_name": "Test agent",
                "status": "done",
                "metadata": {
                    "start_time_unix_secs": in_seconds(now) - 42,
                    "call_duration_secs": 42,
                    "phone_call": {
                        "direction": "outbound",
                        "agent_number": "+14155550100",
                        "external_number": "+14155550123",
                    },
                },
            },
        }
        body = json.dumps(event).encode()
        stamp = str(in_seconds(now))
        digest = hmac_of(secret, f"{stamp}.".encode() + body).hex()
        return Signed(body, {"ElevenLabs-Signature": f"t={stamp},v0={digest}"}, "application/json")


def _as_event(conversation: Mapping[str, Any]) -> dict[str, Any]:
    """A conversation of the list as a webhook tells it, so that both are read alike."""
    return {
        "data": {
            "conversation_id": conversation.get("conversation_id"),
            "agent_name": conversation.get("agent_name"),
            "status": conversation.get("status"),
            "metadata": {
                "start_time_unix_secs": conversation.get("start_time_unix_secs"),
                "call_duration_secs": conversation.get("call_duration_secs"),
                "phone_call": {"direction": conversation.get("direction")},
            },
        }
    }

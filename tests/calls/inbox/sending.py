"""Messages as platforms send them, and what they leave in the end."""

import base64
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.urls import reverse
from django.utils import timezone

from billing.models import Balance, DailyUsage, LedgerEntry
from calls.inbox import sources
from calls.inbox.draining import drain
from calls.models import Call, InboxEvent
from calls.platforms.signatures import hmac_of
from calls.sources.twilio.signing import signed

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
AT = datetime(2026, 3, 10, 9, 30, tzinfo=UTC)
ACCOUNT_SID = "AC" + "a" * 32
TOKEN = "12345"


def clock():
    return NOW


def connect(account, kind="vapi", **more):
    """A source of ``account``, connected an hour before NOW."""
    if kind == "twilio":
        more = {"secret": TOKEN, "options": {"account_sid": ACCOUNT_SID}, **more}
    more.setdefault("name", f"Our {kind}")
    return sources.connect(
        account=account, kind=kind, by=None, now=NOW - timedelta(hours=1), **more
    )


def address(source):
    return reverse("calls_webhook", args=[source.kind, source.public_id])


def url_of(source):
    return f"http://localhost:8000{address(source)}"


def iso(at):
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


# ── Vapi ──────────────────────────────────────────────────────────────────────────────────────
def report(call_id="v1", *, seconds=65, at=AT, sent=None, **message):
    """An end-of-call report of an answered outbound call."""
    return {
        "message": {
            "type": "end-of-call-report",
            "timestamp": int(((sent or at) + timedelta(seconds=seconds)).timestamp() * 1000),
            "endedReason": "customer-ended-call",
            "startedAt": iso(at),
            "endedAt": iso(at + timedelta(seconds=seconds)),
            "assistant": {"name": "Asha", "model": {"provider": "openai"}},
            "call": {
                "id": call_id,
                "type": "outboundPhoneCall",
                "customer": {"number": "+14155550123"},
                "phoneNumber": {"number": "+14155550100"},
                "phoneCallProviderId": f"CA{call_id}",
            },
            "artifact": {"transcript": "AI: Hello. User: my card is 4111", "recordingUrl": "x"},
            **message,
        }
    }


def send_report(client, source, document, *, token=None, **headers):
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    if not headers:
        token = token if token is not None else sources.secret_of(source)
        headers = {"Authorization": f"Bearer {token}"}
    return client.post(address(source), data=body, content_type="application/json", headers=headers)


# ── Twilio ────────────────────────────────────────────────────────────────────────────────────
def callbacks(call_id="CA1", *, seconds=65, rings=5, at=AT, status="completed", **more):
    """All callbacks of a call, in their order."""
    steps = [("initiated", 0), ("ringing", 1)]
    if status == "completed":
        steps.append(("in-progress", rings))
    steps.append((status, rings + (seconds if status == "completed" else 20)))
    told = []
    for number, (step, after) in enumerate(steps):
        form = {
            "CallSid": call_id,
            "AccountSid": ACCOUNT_SID,
            "ApiVersion": "2010-04-01",
            "CallStatus": step,
            "Direction": "outbound-api",
            "From": "+14155550100",
            "To": "+14155550123",
            "CallbackSource": "call-progress-events",
            "Timestamp": format_datetime(at + timedelta(seconds=after)),
            "SequenceNumber": str(number),
            **more,
        }
        if step == "completed":
            form |= {"CallDuration": str(seconds), "Duration": str(-(-seconds // 60))}
        told.append(form)
    return told


def send_callback(client, source, form, *, token=TOKEN, query="", **more):
    signature = signed(
        url_of(source) + query, {name: [value] for name, value in form.items()}, token
    )
    return client.post(
        address(source) + query,
        data=urlencode(form),
        content_type="application/x-www-form-urlencoded",
        headers={"X-Twilio-Signature": base64.b64encode(signature).decode(), **more},
    )


# ── The end ───────────────────────────────────────────────────────────────────────────────────
def drain_all():
    while drain(clock=clock):
        pass


def settled():
    """What became of each event: (call ID, state, field, reason), the oldest first."""
    events = InboxEvent.objects.select_related("open").order_by("id")
    return [
        (
            event.call_id,
            event.state,
            *((event.open.field, event.open.reason) if hasattr(event, "open") else ("", "")),
        )
        for event in events
    ]


def outcome(account):
    """Calls, charges, counts and balance: what must not depend on how messages arrived."""
    calls = list(
        Call.objects.filter(account=account)
        .order_by("call_id")
        .values_list(
            "call_id",
            "usage_type",
            "agent",
            "from_number",
            "to_number",
            "started_at",
            "connected_at",
            "ended_at",
            "status",
            "credits",
        )
    )
    usage = list(
        DailyUsage.objects.filter(account=account, calls__gt=0)
        .order_by("day", "usage_type", "agent")
        .values_list("day", "usage_type", "agent", "calls")
    )
    balance = Balance.objects.get(account=account).credits
    used = sum(
        LedgerEntry.objects.filter(account=account)
        .exclude(call_id="")
        .values_list("credits", flat=True)
    )
    return calls, usage, balance, used


# ── Every platform ────────────────────────────────────────────────────────────────────────────
PRIVATE_KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
PUBLIC_KEY = base64.b64encode(
    PRIVATE_KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
).decode()
SECRETS = {"twilio": TOKEN, "telnyx": PUBLIC_KEY, "retell": "key", "elevenlabs": "wsec"}


def connect_any(account, kind, **more):
    """A source of ``kind`` with the secret that its platform would have made."""
    if kind in SECRETS:
        more.setdefault("secret", SECRETS[kind])
    return connect(account, kind, **more)


def retell_events(call_id, *, at, seconds, reason="user_hangup"):
    started = int(at.timestamp() * 1000)
    call = {
        "call_id": call_id,
        "call_type": "phone_call",
        "call_status": "ended",
        "direction": "outbound",
        "agent_name": "Asha",
        "from_number": "+14155550100",
        "to_number": "+14155550123",
        "start_timestamp": started,
        "end_timestamp": started + seconds * 1000,
        "disconnection_reason": reason,
        "transcript": "Hello",
    }
    return [
        {"event": "call_started", "call": {**call, "call_status": "ongoing"}},
        {"event": "call_ended", "call": call},
        {"event": "call_analyzed", "call": {**call, "call_analysis": {"summary": "x"}}},
    ]


def elevenlabs_events(call_id, *, at, seconds, reason=""):
    started = int(at.timestamp())
    if reason:
        return [
            {
                "type": "call_initiation_failure",
                "event_timestamp": started,
                "data": {"conversation_id": call_id, "agent_id": "a", "failure_reason": reason},
            }
        ]
    return [
        {
            "type": "post_call_transcription",
            "event_timestamp": started + seconds + 3,
            "data": {
                "conversation_id": call_id,
                "agent_id": "a",
                "agent_name": "Asha",
                "status": "done",
                "transcript": [{"role": "user", "message": "Hello"}],
                "metadata": {
                    "start_time_unix_secs": started,
                    "call_duration_secs": seconds,
                    "phone_call": {"direction": "outbound"},
                },
            },
        },
        {"type": "post_call_audio", "data": {"conversation_id": call_id, "full_audio": "AAAA"}},
    ]


def telnyx_events(call_id, *, at, seconds, reason=""):
    ids = {
        "call_session_id": call_id,
        "call_leg_id": f"leg-{call_id}",
        "call_control_id": f"v3:{call_id}",
        "from": "+14155550100",
        "to": "+14155550123",
    }
    steps = [("call.initiated", 0, {"direction": "outgoing", "state": "parked"})]
    if not reason:
        steps.append(("call.answered", 0, {}))
    cause = {"start_time": iso(at), "hangup_cause": reason or "normal_clearing"}
    steps.append(("call.hangup", seconds, cause))
    return [
        {
            "data": {
                "event_type": kind,
                "id": f"{call_id}-{kind}",
                "occurred_at": (at + timedelta(seconds=after)).isoformat(),
                "payload": {**ids, **more},
            }
        }
        for kind, after, more in steps
    ]


def freeswitch_events(call_id, *, at, seconds, reason=""):
    def since_epoch(time):
        return str(int(time.timestamp()) * 1_000_000)

    ended = at + timedelta(seconds=seconds)
    return [
        {
            "variables": {
                "uuid": call_id,
                "direction": "outbound",
                "start_uepoch": since_epoch(at),
                "answer_uepoch": "0" if reason else since_epoch(at),
                "end_uepoch": since_epoch(ended),
                "billsec": "0" if reason else str(seconds),
                "hangup_cause": reason or "NORMAL_CLEARING",
                "sip_call_id": f"sip-{call_id}",
            },
            "callflow": [
                {
                    "caller_profile": {
                        "caller_id_number": "+14155550100",
                        "destination_number": "+14155550123",
                    }
                }
            ],
        }
    ]


def voice_agent_events(call_id, *, at, seconds, reason=""):
    data = {"call_id": call_id, "direction": "outbound", "agent_name": "Asha"}
    last: tuple = ("call.completed", seconds, {})
    if reason:
        last = ("call.failed", seconds, {"reason": reason})
    steps = [("call.initiated", 0, {}), *([] if reason else [("call.answered", 0, {})]), last]
    return [
        {
            "event_id": f"{call_id}-{kind}",
            "event_type": kind,
            "created_at": iso(at + timedelta(seconds=after)),
            "org_id": "o",
            "data": {**data, **more},
        }
        for kind, after, more in steps
    ]


EVENTS = {
    "retell": (retell_events, "dial_no_answer"),
    "elevenlabs": (elevenlabs_events, "no-answer"),
    "telnyx": (telnyx_events, "timeout"),
    "freeswitch": (freeswitch_events, "NO_ANSWER"),
    "voice-agent": (voice_agent_events, "no_answer"),
}


def send_any(client, source, document, *, now=None):
    """Send ``document`` signed as the platform of ``source`` signs."""
    body = json.dumps(document).encode()
    secret = sources.secret_of(source)
    at = now or timezone.now()
    ms, seconds = str(int(at.timestamp() * 1000)), str(int(at.timestamp()))
    headers = {
        "vapi": lambda: {"Authorization": f"Bearer {secret}"},
        "retell": lambda: {
            "X-Retell-Signature": f"v={ms},d={hmac_of(secret, body + ms.encode()).hex()}"
        },
        "elevenlabs": lambda: {
            "ElevenLabs-Signature": f"t={seconds},v0="
            + hmac_of(secret, f"{seconds}.".encode() + body).hex()
        },
        "telnyx": lambda: {
            "telnyx-timestamp": seconds,
            "telnyx-signature-ed25519": base64.b64encode(
                PRIVATE_KEY.sign(f"{seconds}|".encode() + body)
            ).decode(),
        },
        "freeswitch": lambda: {
            "Authorization": "Basic " + base64.b64encode(f"freeswitch:{secret}".encode()).decode()
        },
        "voice-agent": lambda: {"X-Husky-Signature": hmac_of(secret, body).hex()},
    }[source.kind]()
    return client.post(address(source), data=body, content_type="application/json", headers=headers)

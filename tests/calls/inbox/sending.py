"""Messages as platforms send them, and what they leave in the end."""

import base64
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import urlencode

from django.urls import reverse

from billing.models import Balance, DailyUsage, LedgerEntry
from calls.inbox import sources
from calls.inbox.draining import drain
from calls.models import Call, InboxEvent
from calls.sources.twilio import signed

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
    """What became of each event: (call ID, state, reason), the oldest first."""
    return list(
        InboxEvent.objects.order_by("id").values_list("call_id", "state", "field", "reason")
    )


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

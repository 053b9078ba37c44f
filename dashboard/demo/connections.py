"""What reports calls by itself in the demonstration, and the keys of its programs.

An agent platform sends what became of each call, and the carrier's list of calls is asked as well,
so that both tell the same calls. All of it goes the way that real messages and lists go, only that
nobody is asked over a network, then or later: the credentials are none.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from uuid import UUID, uuid4, uuid5

from billing.accounts.api_keys import create_key, note_use
from billing.models import Account, Membership, Scope, User
from calls.inbox import sources
from calls.inbox.draining import drain_batch
from calls.inbox.pulling import pull
from calls.inbox.receiving import receive
from calls.models import CallSource, Status
from calls.platforms import Delivery
from calls.platforms.asking import Asker
from calls.platforms.times import as_iso
from calls.records import CallRecord

SENT_AFTER = timedelta(seconds=3)  # when a call has ended
ACCOUNT_SID = "AC00000000000000000000000000000000"
CARRIER_IDS = UUID("6f4a1d0e-6a0b-4c53-9a39-3d7c1b6f2a10")

# Why a call ended, as Vapi says it, and what Twilio calls that. What else became of a call is told
# by neither.
ENDINGS = {
    Status.COMPLETED: ("customer-ended-call", "completed"),
    Status.NO_ANSWER: ("customer-did-not-answer", "no-answer"),
    Status.BUSY: ("customer-busy", "busy"),
    Status.FAILED: ("twilio-failed-to-connect-call", "failed"),
}


class Connections:
    """The sources of ``account``, connected ``at`` by ``owner``: they report ``agent``'s calls."""

    def __init__(self, account: Account, owner: User, *, agent: str, at: datetime) -> None:
        connected: dict[str, Any] = {"account": account, "by": owner, "now": at}
        self._vapi = sources.connect(kind="vapi", name="Voice agents", **connected)
        self._twilio = sources.connect(
            kind="twilio",
            name="Telephone lines",
            secret="not-a-secret",  # noqa: S106 - nobody is asked with it
            options={"account_sid": ACCOUNT_SID},
            **connected,
        )
        self._token = sources.secret_of(self._vapi)
        self._agent = agent

    def report(self, record: CallRecord) -> bool:
        """Whether the sources report the call of ``record``."""
        is_later = record.started_at > self._vapi.created_at
        return is_later and record.agent == self._agent and record.status in ENDINGS

    def tell(self, records: Sequence[CallRecord], *, now: datetime) -> None:
        """Have the sources report the calls of ``records`` until ``now``, and record them."""
        for record in records:
            assert record.ended_at is not None
            self._send(_report_of(record), at=min(record.ended_at + SENT_AFTER, now))
        asker = ListOfCalls([_listed(record) for record in records])
        pull(source_id=self._twilio.pk, now=now, asker=asker)
        while drain_batch(now=now):
            pass

    def tell_what_fails(self, *, at: datetime) -> None:
        """Send a report that does not say when its call ended: somebody has to look after it."""
        report = _message(f"web_{at:%Y%m%d%H%M}", at, None, Status.COMPLETED)
        report["call"]["type"] = "webCall"
        self._send({"message": report}, at=at)
        drain_batch(now=at)

    def hang_up(self) -> None:
        """Ask no list any more by itself: it would be that of a real company."""
        CallSource.objects.filter(pk=self._twilio.pk).update(next_pull_at=None)

    def _send(self, document: Mapping[str, Any], *, at: datetime) -> None:
        delivery = Delivery(
            body=json.dumps(document).encode(),
            headers={"Authorization": f"Bearer {self._token}"},
            url="",
        )
        receive(source=self._vapi, delivery=delivery, now=at)


class ListOfCalls(Asker):
    """The list of a carrier that has these ``calls``, without a network."""

    def __init__(self, calls: Iterable[Mapping[str, Any]]) -> None:
        super().__init__("")
        self._calls = list(calls)

    def get(self, path: str, **_: Any) -> Any:
        """Return all of them, whatever is asked for: whoever asks knows what is new."""
        return {"calls": self._calls, "next_page_uri": None}


def make_keys(people: Mapping[str, Membership], *, now: datetime) -> None:
    """Make the keys of two programs, which have used them lately."""
    for role, name, scopes, days, minutes in (
        ("admin", "Booking system", [Scope.CALLS_WRITE, Scope.CALLS_READ], 40, 4),
        ("superadmin", "Monthly report", [Scope.USAGE_READ, Scope.CREDITS_READ], 19, 755),
    ):
        made = create_key(
            membership=people[role],
            public_id=uuid4(),
            name=name,
            scopes=scopes,
            expires_at=None,
            now=now - timedelta(days=days, minutes=minutes),
        )
        note_use(key=made.key, at=now - timedelta(minutes=minutes))


# ── Of one call ───────────────────────────────────────────────────────────────────────────────
def _report_of(record: CallRecord) -> dict[str, Any]:
    """What Vapi sends: it does not tell how long it rang."""
    began = record.connected_at or record.started_at
    message = _message(record.call_id, began, record.ended_at, record.status)
    message["assistant"] = {"name": record.agent}
    message["call"] |= {
        "customer": {"number": record.to_number},
        "phoneNumber": {"number": record.from_number},
        "phoneCallProviderId": _carrier_id(record),
    }
    return {"message": message}


def _message(
    call_id: str, began: datetime, ended: datetime | None, status: Status
) -> dict[str, Any]:
    return {
        "type": "end-of-call-report",
        "timestamp": int((ended or began).timestamp() * 1_000),
        "endedReason": ENDINGS[status][0],
        "startedAt": as_iso(began),
        "endedAt": as_iso(ended) if ended else None,
        "call": {"id": call_id, "type": "outboundPhoneCall"},
    }


def _listed(record: CallRecord) -> dict[str, Any]:
    """The same call in Twilio's list, which tells whole seconds."""
    assert record.ended_at is not None
    began = record.connected_at or record.started_at
    return {
        "sid": _carrier_id(record),
        "status": ENDINGS[record.status][1],
        "direction": "outbound-api",
        "from": record.from_number,
        "to": record.to_number,
        "start_time": _whole_second(began),
        "end_time": _whole_second(record.ended_at),
        "duration": str(round((record.ended_at - began).total_seconds())),
    }


def _carrier_id(record: CallRecord) -> str:
    return f"CA{uuid5(CARRIER_IDS, record.call_id).hex}"


def _whole_second(time: datetime) -> str:
    return format_datetime(time.astimezone(UTC).replace(microsecond=0))

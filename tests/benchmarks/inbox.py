"""What sources that report calls cost: taking a message, and making calls of what waits.

`make bench BENCH=inbox`. Ways take turns in each repeat, and medians are compared, because machines
are noisy and ratios are not.

- A webhook that is accepted (verified, stored, answered) against an empty request: a view that
  looks up a key, counts its limit in Redis and answers ``{}``. 16 clients at a time, in this
  process, through everything that a request passes.
- The inbox drained by one worker against `record_calls` with the same records, 1,000 a batch.
"""

from tests.benchmarks.database import own_database  # isort: split

import argparse
import json
import statistics
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count

from django.conf import settings
from django.core.cache import cache
from django.db import connection, connections
from django.http import HttpRequest
from django.test import Client
from django.urls import path
from rest_framework.response import Response
from rest_framework.views import APIView

from billing.models import Account, Plan
from billing.plans.subscriptions import subscribe
from calls.charging import record_calls
from calls.inbox import sources
from calls.inbox.draining import BATCH_SIZE, drain_batch
from calls.inbox.reading import SourceReader
from calls.inbox.receiving import sha256, store
from calls.models import CallSource, InboxEvent, OpenEvent, Via
from calls.platforms import Event, StoredEvent
from calls.records import CallRecord
from config import urls as site_urls

CLIENTS = 16
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
EMPTY = "/empty/"
NUMBERS = count()


class EmptyView(APIView):
    """Looks up a key, counts its limit and answers ``{}``."""

    authentication_classes = ()
    permission_classes = ()

    def get(self, request: HttpRequest) -> Response:
        """Answer with nothing."""
        CallSource.objects.filter(public_id=request.headers["X-Key"]).first()
        cache.incr("limit")
        return Response({})


site_urls.urlpatterns.append(path("empty/", EmptyView.as_view()))


def fields_of(number: int) -> dict[str, str]:
    """What is kept of an end-of-call report."""
    started_at = NOW - timedelta(hours=3) + timedelta(milliseconds=number)
    return {
        "message.type": "end-of-call-report",
        "message.timestamp": str(1_760_000_000_000 + number),
        "message.endedReason": "customer-ended-call",
        "message.startedAt": started_at.isoformat(),
        "message.endedAt": (started_at + timedelta(seconds=65)).isoformat(),
        "message.assistant.name": "Asha",
        "message.call.id": f"call-{number:09}",
        "message.call.type": "outboundPhoneCall",
        "message.call.customer.number": "+919812345678",
        "message.call.phoneNumber.number": "+918012345678",
    }


def report_of(number: int) -> bytes:
    """The whole report, with a transcript as long as they are."""
    fields = fields_of(number)
    message = {
        "type": fields["message.type"],
        "timestamp": int(fields["message.timestamp"]),
        "endedReason": fields["message.endedReason"],
        "startedAt": fields["message.startedAt"],
        "endedAt": fields["message.endedAt"],
        "assistant": {"name": "Asha"},
        "call": {
            "id": fields["message.call.id"],
            "type": "outboundPhoneCall",
            "customer": {"number": "+919812345678"},
            "phoneNumber": {"number": "+918012345678"},
        },
        "artifact": {"transcript": "AI: Hello. User: Good morning. " * 60},
    }
    return json.dumps({"message": message}).encode()


# ── Accepting ─────────────────────────────────────────────────────────────────────────────────
def accepted(source: CallSource, *, requests: int, repeats: int) -> tuple[float, float]:
    """The median milliseconds of an accepted webhook and of an empty request."""
    address = f"/webhooks/calls/vapi/{source.public_id}/"
    headers = {"Authorization": f"Bearer {sources.secret_of(source)}"}

    def webhook(client: Client) -> int:
        body = report_of(next(NUMBERS))
        return client.post(
            address, body, content_type="application/json", headers=headers
        ).status_code

    def empty(client: Client) -> int:
        return client.get(EMPTY, headers={"X-Key": str(source.public_id)}).status_code

    took: dict[str, list[float]] = {"webhook": [], "empty": []}
    for repeat in range(repeats + 1):
        for name, way in (("webhook", webhook), ("empty", empty)):
            times = by_clients(way, requests)
            if repeat:  # the first one fills caches
                took[name].append(statistics.median(times))
    return statistics.median(took["webhook"]), statistics.median(took["empty"])


def by_clients(way: Callable[[Client], int], requests: int) -> list[float]:
    """How long each of so many requests of each client took, in milliseconds."""
    times: list[float] = []

    def work() -> None:
        client = Client()
        for _ in range(requests):
            began = time.perf_counter()
            assert way(client) == 200
            times.append((time.perf_counter() - began) * 1_000)
        connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times


# ── Draining ──────────────────────────────────────────────────────────────────────────────────
def drained(source: CallSource, *, repeats: int) -> tuple[float, float]:
    """Calls a second: drained from the inbox, and by `record_calls` with the same records."""
    drain: list[float] = []
    record: list[float] = []
    reader = SourceReader(source, now=NOW)
    while drain_batch(now=NOW):
        pass
    for repeat in range(repeats + 1):
        fields = [fields_of(next(NUMBERS)) for _ in range(BATCH_SIZE)]
        for one in fields:
            event = Event(one["message.call.id"], one)
            digest = sha256(json.dumps(one).encode())
            store(source=source, event=event, digest=digest, now=NOW, via=Via.WEBHOOK)
        began = time.perf_counter()
        assert drain_batch(now=NOW) == BATCH_SIZE
        drain_took = time.perf_counter() - began
        records = [read(reader, fields_of(next(NUMBERS))) for _ in range(BATCH_SIZE)]
        began = time.perf_counter()
        record_calls(records=records, now=NOW)
        record_took = time.perf_counter() - began
        if repeat:
            drain.append(BATCH_SIZE / drain_took)
            record.append(BATCH_SIZE / record_took)
        with connection.cursor() as cursor:
            cursor.execute(f"VACUUM {InboxEvent._meta.db_table}, {OpenEvent._meta.db_table}")
    return statistics.median(drain), statistics.median(record)


def read(reader: SourceReader, fields: dict[str, str]) -> CallRecord:
    """The record of a report."""
    record = reader.record(fields["message.call.id"], [StoredEvent(fields, False, b"")])
    assert isinstance(record, CallRecord)
    return record


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=40, help="of each client")
    parser.add_argument("--repeats", type=int, default=7)
    asked = parser.parse_args()
    with own_database():
        settings.ALLOWED_HOSTS = ["testserver"]
        account = Account.objects.create(name="Acme", slug="acme", time_zone="Asia/Kolkata")
        plan = Plan.objects.get(name="Professional")
        subscribe(account=account, plan=plan, at=NOW - timedelta(days=10))
        cache.set("limit", 0, timeout=None)
        source = sources.connect(account=account, kind="vapi", name="Vapi", by=None, now=NOW)
        webhook, empty = accepted(source, requests=asked.requests, repeats=asked.repeats)
        print(
            f"webhook accepted / empty request, {CLIENTS} clients: {webhook:.1f} / {empty:.1f} ms"
            f" = {webhook / empty:.2f} (expected: at most 2)"
        )
        drain, record = drained(source, repeats=asked.repeats)
        print(
            f"drained / record_calls, calls/s, {BATCH_SIZE} a batch: {drain:,.0f} / {record:,.0f}"
            f" = {drain / record:.2f} (expected: at least 0.5)"
        )


if __name__ == "__main__":
    main()

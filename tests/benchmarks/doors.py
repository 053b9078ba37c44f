"""What the doors for programs cost, against an empty request: `make bench BENCH=doors`.

An *empty request* is a view of the API that checks a key, counts its limit and answers `{}`. One
client and one account, requests in this process through everything that a request passes: the
middleware, the key, the limit, JSON. Ways take turns in each repeat, and medians are compared,
because machines are noisy and ratios are not.

Each row is a function in ROWS: it is given the bench, and yields what it measured.
"""

from tests.benchmarks.database import own_database  # isort: split

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import uuid4

from django.conf import settings
from django.db import connection
from django.test import Client
from django.urls import path
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from api.v1.base import ApiView
from api.v1.calls.reading import read_record
from billing.accounts.api_keys import create_key
from billing.models import Account, Membership, Plan, Role, Scope, User
from billing.plans.subscriptions import subscribe
from calls.charging import record_calls
from config import urls as site_urls
from tests.dashboard.bulk import insert_calls

CALLS = "/api/v1/calls/"
DAILY = "/api/v1/usage/daily/"
EMPTY = "/empty/"
BATCH = 1_000


class EmptyView(ApiView):
    """Checks a key, counts its limit and answers ``{}``."""

    def get(self, request: Request) -> Response:
        """Answer with nothing."""
        return Response({})


class Measured(NamedTuple):
    """One line of the table: what was measured against what, and what is expected."""

    name: str
    figure: str
    expected: str
    is_met: bool


class Bench:
    """An account with a key, and a client that sends requests with it."""

    def __init__(self, *, repeats: int, calls: int) -> None:
        self.repeats = repeats
        self.calls = calls
        self.client = Client()
        self.numbers = iter(range(10**9))
        self.account, self.key = self.new_account("a")

    def new_account(self, slug: str) -> tuple[Account, str]:
        """An account on a plan, and a key of it that may do everything."""
        account = Account.objects.create(name=slug, slug=slug, time_zone="Asia/Kolkata")
        user = User.objects.create_user(f"{slug}@example.com")
        member = Membership.objects.create(user=user, account=account, role=Role.SUPERADMIN)
        now = timezone.now()
        plan = Plan.objects.get(name="Professional")
        subscribe(account=account, plan=plan, at=now - timedelta(days=20))
        made = create_key(
            membership=member,
            public_id=uuid4(),
            name="Benchmark",
            scopes=list(Scope),
            expires_at=None,
            now=now,
        )
        return account, made.secret

    def get(self, address: str, key: str = "") -> None:
        """Send a GET."""
        response: Any = self.client.get(address, headers=self._headers(key))
        assert response.status_code == 200, response.content

    def post(self, address: str, body: bytes) -> None:
        """Send a POST."""
        response: Any = self.client.post(
            address, body, content_type="application/json", headers=self._headers("")
        )
        assert response.status_code == 200, response.content

    def _headers(self, key: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {key or self.key}"}

    def records(self, number: int) -> list[dict[str, str]]:
        """So many records of new calls."""
        answered_at = timezone.now() - timedelta(hours=1)
        return [
            {
                "call_id": f"call-{next(self.numbers):09}",
                "usage_type": "outbound",
                "status": "completed",
                "started_at": _rfc3339(answered_at - timedelta(seconds=7)),
                "connected_at": _rfc3339(answered_at),
                "ended_at": _rfc3339(answered_at + timedelta(seconds=65)),
                "agent": "Asha",
                "from": "+918012345678",
                "to": "+919812345678",
            }
            for _ in range(number)
        ]

    def milliseconds(self, *ways: Callable[[], Callable[[], object]]) -> list[float]:
        """The median time of each way. A way prepares itself, and returns what is measured."""
        took: list[list[float]] = [[] for _ in ways]
        for repeat in range(self.repeats + 2):
            for way, times in zip(ways, took, strict=True):
                run = way()
                began = time.perf_counter()
                run()
                if repeat >= 2:  # what the first ones fill are caches
                    times.append((time.perf_counter() - began) * 1_000)
        return [statistics.median(times) for times in took]


def _rfc3339(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


# ── Rows ──────────────────────────────────────────────────────────────────────────────────────
def one_record(bench: Bench) -> Iterator[Measured]:
    """POST /calls/ with one record / an empty request."""

    def post() -> Callable[[], object]:
        body = json.dumps(bench.records(1)[0]).encode()
        return lambda: bench.post(CALLS, body)

    def record() -> Callable[[], object]:
        now = timezone.now()
        read = [read_record(raw, account_id=bench.account.pk, now=now) for raw in bench.records(1)]
        return lambda: record_calls(records=read, now=now)

    empty_ms, post_ms, record_ms = bench.milliseconds(
        lambda: lambda: bench.get(EMPTY), post, record
    )
    ratio = post_ms / empty_ms
    figure = f"{ratio:.2f} ({post_ms:.1f} / {empty_ms:.1f} ms; record_calls {record_ms:.1f})"
    yield Measured("POST /calls/ with one record / empty request", figure, "≤ 3", ratio <= 3)


def a_thousand_records(bench: Bench) -> Iterator[Measured]:
    """POST /calls/ with 1,000, above the record_calls of the same batch."""

    def post() -> Callable[[], object]:
        body = json.dumps(bench.records(BATCH)).encode()
        return lambda: bench.post(CALLS, body)

    def record() -> Callable[[], object]:
        now = timezone.now()
        read = [
            read_record(raw, account_id=bench.account.pk, now=now) for raw in bench.records(BATCH)
        ]
        return lambda: record_calls(records=read, now=now)

    post_ms, record_ms = bench.milliseconds(post, record)
    above = post_ms - record_ms
    figure = f"+{above:.1f} ms ({post_ms:.1f} − {record_ms:.1f})"
    yield Measured("POST /calls/ with 1,000, above record_calls", figure, "≤ 60 ms", above <= 60)


def days_of_many(bench: Bench) -> Iterator[Measured]:
    """GET /usage/daily/ of an account with many calls / of one with 1,000."""
    few, few_key = bench.new_account("few")
    many, many_key = bench.new_account("many")
    for account, number in ((few, 1_000), (many, bench.calls)):
        _forget(account)
        insert_calls(account, number, last_at=timezone.now(), days=6)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE billing_ledgerentry, billing_dailyusage")
    few_ms, many_ms = bench.milliseconds(
        lambda: lambda: bench.get(DAILY, few_key), lambda: lambda: bench.get(DAILY, many_key)
    )
    ratio = many_ms / few_ms
    name = f"GET /usage/daily/ at {bench.calls:,} calls / at 1,000"
    figure = f"{ratio:.2f} ({many_ms:.1f} / {few_ms:.1f} ms)"
    yield Measured(name, figure, "≤ 1.3", ratio <= 1.3)


def _forget(account: Account) -> None:
    """Make room for calls that are inserted by SQL, as if nothing had been granted."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE billing_ledgerentry DISABLE TRIGGER USER")
        for table in ("ledgerentry", "creditgrant", "balance", "dailyusage"):
            cursor.execute(f"DELETE FROM billing_{table} WHERE account_id = %s", [account.pk])
        cursor.execute("ALTER TABLE billing_ledgerentry ENABLE TRIGGER USER")


ROWS: Sequence[Callable[[Bench], Iterator[Measured]]] = (
    one_record,
    a_thousand_records,
    days_of_many,
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure what the doors for programs cost.")
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--calls", type=int, default=1_000_000, help="in the large account")
    parser.add_argument("--only", help="the rows whose function has this in its name")
    options = parser.parse_args()
    settings.API_REQUESTS_PER_MINUTE = 10**9
    settings.ALLOWED_HOSTS = ["*"]
    site_urls.urlpatterns.insert(0, path("empty/", EmptyView.as_view()))
    with own_database():
        bench = Bench(repeats=options.repeats, calls=options.calls)
        print(f"{'what':<52}{'expected':>10}  measured")
        for row in ROWS:
            if options.only and options.only not in row.__name__:
                continue
            for found in row(bench):
                sign = "" if found.is_met else "  ← more than expected"
                print(f"{found.name:<52}{found.expected:>10}  {found.figure}{sign}", flush=True)


if __name__ == "__main__":
    main()

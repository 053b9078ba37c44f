"""A program with a key of an account, and what it sends."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from billing.accounts.api_keys import MadeKey, create_key
from billing.models import Account, Membership, Plan, Role, Scope
from billing.plans.subscriptions import subscribe
from tests.clock import StopClock
from tests.dashboard.conftest import NOW
from tests.factories import MembershipFactory, UserFactory

CALLS = "/api/v1/calls/"
PROBLEM = "application/problem+json"


class Program:
    """Sends requests with one key."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.client = Client(raise_request_exception=False)

    def get(self, address: str, query: dict[str, Any] | None = None, **headers: str) -> Any:
        return self.client.get(address, query or {}, headers=self._headers(headers))

    def post(self, address: str, body: Any, **headers: str) -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body)
        return self.client.post(
            address, data, content_type="application/json", headers=self._headers(headers)
        )

    def all(self, address: str, name: str, query: dict[str, Any] | None = None) -> list[Any]:
        """All parts of a list, by the addresses that each names."""
        rows: list[Any] = []
        response = self.get(address, query)
        while True:
            assert response.status_code == 200, response.text
            rows += response.json()[name]
            following = response.json()["next"]
            if following is None:
                assert not response.has_header("Link")
                return rows
            assert response["Link"] == f'<{following}>; rel="next"'
            response = self.get(following.partition("testserver")[2] or following[21:])

    def _headers(self, more: dict[str, str]) -> dict[str, str]:
        own = {"Authorization": f"Bearer {self.secret}"} if self.secret else {}
        return own | {name.replace("_", "-"): value for name, value in more.items()}


def key_of(account: Account, *scopes: Scope, at: datetime = NOW, **options: Any) -> MadeKey:
    """A key of ``account`` with ``scopes``: all of them where none are named."""
    membership = Membership.objects.filter(account=account, role=Role.SUPERADMIN).first()
    if membership is None:
        membership = MembershipFactory(user=UserFactory(), account=account, role=Role.SUPERADMIN)
    facts = {"name": "Tests", "public_id": uuid4(), "expires_at": None, **options}
    return create_key(membership=membership, scopes=scopes or tuple(Scope), now=at, **facts)


@pytest.fixture
def now(stop_clock: StopClock) -> datetime:
    """Stop the clock at `NOW`."""
    stop_clock(NOW)
    return NOW


@pytest.fixture
def professional(default_plans: None, account: Account) -> Plan:
    """Put ``account`` on Professional since 4 November 2026, with its 1,500 credits."""
    plan = Plan.objects.get(name="Professional")
    subscribe(account=account, plan=plan, at=datetime.fromisoformat("2026-11-04T09:30:00Z"))
    return plan


@pytest.fixture
def program(now: datetime, professional: Plan, account: Account) -> Program:
    """A program of ``account`` that may do everything."""
    return Program(key_of(account).secret)


@pytest.fixture
def program_with(now: datetime, professional: Plan, account: Account) -> Callable[..., Program]:
    """A function that makes a program of ``account`` with the scopes that it is given."""
    return lambda *scopes: Program(key_of(account, *scopes).secret)


def record(call_id: str = "c1", **changes: Any) -> dict[str, Any]:
    """A call of 65 seconds this morning, answered after five: 3 credits on Professional."""
    facts = {
        "call_id": call_id,
        "usage_type": "outbound",
        "status": "completed",
        "started_at": "2026-11-23T09:30:00Z",
        "connected_at": "2026-11-23T09:30:05Z",
        "ended_at": "2026-11-23T09:31:10Z",
        "agent": "Asha",
        "from": "+918000000001",
        "to": "+919000000001",
    }
    return {name: value for name, value in {**facts, **changes}.items() if value is not ...}


def outcomes(response: Any) -> list[tuple[str, int]]:
    """Each outcome with its credits."""
    assert response.status_code == 200, response.text
    return [(one["outcome"], one["credits"]) for one in response.json()["results"]]


def pointers(response: Any) -> Sequence[str]:
    """Where a problem document points to."""
    assert response["Content-Type"] == PROBLEM
    return [
        next(one[name] for name in ("pointer", "parameter", "header") if name in one)
        for one in response.json().get("errors", [])
    ]

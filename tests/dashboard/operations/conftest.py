"""What the tests of the operators' pages share."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from billing.models import Account, Balance, Plan, User
from billing.plans.rating import UsageType
from billing.plans.subscriptions import subscribe
from calls.charging import record_calls
from calls.models import Status
from calls.records import validate


@pytest.fixture
def staff(client: Client, operator: User) -> Client:
    """An operator's browser."""
    client.force_login(operator)
    return client


@pytest.fixture
def base(db: None) -> Plan:
    """The plan Base: 2 credits per 60 s, 100 credits a cycle."""
    return Plan.objects.get(name="Base")


@pytest.fixture
def professional(db: None) -> Plan:
    """The plan Professional: 1 credit per 30 s, 1,500 credits a cycle."""
    return Plan.objects.get(name="Professional")


@pytest.fixture
def customer(account: Account, base: Plan) -> Account:
    """``account`` on Base for ten days, with its 100 credits."""
    subscribe(account=account, plan=base, at=timezone.now() - timedelta(days=10))
    return account


def credits_of(account: Account) -> int:
    """The account's balance, read anew."""
    return Balance.objects.get(account=account).credits


def call_of(
    account: Account, call_id: str, *, seconds: float = 65, started_at: datetime | None = None
) -> None:
    """Record one connected outbound call of the account, which lasted ``seconds``."""
    now = timezone.now()
    started_at = (started_at or now - timedelta(hours=1)).astimezone(UTC)
    record = validate(
        account_id=account.pk,
        call_id=call_id,
        usage_type=UsageType.OUTBOUND,
        status=Status.COMPLETED,
        started_at=started_at,
        connected_at=started_at,
        ended_at=started_at + timedelta(seconds=seconds),
        now=now + timedelta(days=1),
    )
    record_calls(records=[record], now=now)

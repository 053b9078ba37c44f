"""Accounts whose calls can be charged."""

from datetime import UTC, datetime

import pytest

from billing.models import Plan
from billing.plans.subscriptions import subscribe

SINCE = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def professional(default_plans, account):
    """Acme, in India, on Professional since March: 1 credit for 30 s, 1,500 credits a cycle."""
    subscribe(account=account, plan=Plan.objects.get(name="Professional"), at=SINCE)
    return account


@pytest.fixture
def base(default_plans, other_account):
    """A company in London on Base since March: 2 credits for 60 s, 100 credits a cycle."""
    subscribe(account=other_account, plan=Plan.objects.get(name="Base"), at=SINCE)
    return other_account

"""What the tests of the pages share: a clock that stands, a plan, short names for postings."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from billing import ledger
from billing.ledger import NewGrant, Posting
from billing.models import Account, GrantSource, Kind, Plan
from billing.plans.subscriptions import subscribe

# 18:00 on Monday, 23 November 2026 in India.
NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """Stop the clock that the views read at `NOW`."""
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    return NOW


@pytest.fixture
def professional(account: Account) -> Plan:
    """Put ``account`` on Professional since 4 November 2026, with its 1,500 credits."""
    plan = Plan.objects.get(name="Professional")
    subscribe(account=account, plan=plan, at=datetime(2026, 11, 4, 9, 30, tzinfo=UTC))
    return plan


def call(account: Account, call_id: str, credits: int, at: datetime, **more: Any) -> Posting:
    """A call's charge."""
    return Posting(
        account_id=account.pk,
        kind=Kind.CALL,
        credits=-credits,
        reference=f"call:{call_id}",
        occurred_at=at,
        call_id=call_id,
        **{"usage_type": "outbound", "billed_seconds": credits * 30, **more},
    )


def correction(account: Account, call_id: str, used: int, at: datetime, **more: Any) -> Posting:
    """The difference of a corrected call: ``used`` more credits, or fewer when negative."""
    return Posting(
        account_id=account.pk,
        kind=Kind.CORRECTION,
        credits=-used,
        reference=f"correction:1:{call_id}",
        occurred_at=at,
        call_id=call_id,
        **{"usage_type": "outbound", "billed_seconds": used * 30, **more},
    )


def top_up(account: Account, credits: int, at: datetime, *, days: int = 365) -> Posting:
    """Credits bought, which last ``days``."""
    return Posting(
        account_id=account.pk,
        kind=Kind.TOP_UP,
        credits=credits,
        reference=f"top-up:{at.isoformat()}",
        occurred_at=at,
        remarks=f"Top-up of {credits:,} credits",
        grant=NewGrant(GrantSource.TOP_UP, at + timedelta(days=days)),
    )


def post(*postings: Posting, at: datetime = NOW) -> None:
    """Book the postings."""
    ledger.post(postings=postings, posted_at=at)

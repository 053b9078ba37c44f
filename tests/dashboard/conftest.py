"""What the tests of the pages share: a clock that stands, a plan, what moves credits."""

from datetime import UTC, datetime

import pytest

from billing.models import Account, Plan
from billing.plans.subscriptions import subscribe
from tests import movements as movements_of_tests
from tests.clock import StopClock
from tests.movements import Movement, call, correction, goodwill, top_up

__all__ = ["NOW", "call", "correction", "goodwill", "post", "top_up"]

# 18:00 on Monday, 23 November 2026 in India.
NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)


@pytest.fixture
def now(stop_clock: StopClock) -> datetime:
    """Stop the clock that the views read at `NOW`."""
    stop_clock(NOW)
    return NOW


@pytest.fixture
def professional(account: Account) -> Plan:
    """Put ``account`` on Professional since 4 November 2026, with its 1,500 credits."""
    plan = Plan.objects.get(name="Professional")
    subscribe(account=account, plan=plan, at=datetime(2026, 11, 4, 9, 30, tzinfo=UTC))
    return plan


def post(*movements: Movement, at: datetime = NOW) -> None:
    """Move the credits of each, in order."""
    movements_of_tests.post(*movements, at=at)

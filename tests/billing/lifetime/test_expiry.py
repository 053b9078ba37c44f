"""The end of credits that were bought: twelve months later to the moment, and visibly."""

from datetime import UTC, datetime, timedelta

import pytest

from billing.models import Balance, CreditGrant, LedgerEntry
from billing.plans import tasks
from tests.clock import local
from tests.factories import AccountFactory
from tests.movements import call, post, top_up

pytestmark = pytest.mark.django_db

MOMENT = timedelta(microseconds=1)


def bought(account, credits=500, *, at):
    post(top_up(account, credits), at=at)
    return CreditGrant.objects.latest("pk")


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "Europe/London", "America/New_York"])
@pytest.mark.parametrize(
    ("paid", "expires"),
    [
        ((2026, 3, 10, 12, 0), (2027, 3, 10, 12, 0)),
        ((2028, 2, 29, 0, 0), (2029, 2, 28, 0, 0)),
        ((2027, 2, 28, 23, 59), (2028, 2, 28, 23, 59)),
        ((2026, 3, 31, 1, 30), (2027, 3, 31, 1, 30)),
        ((2025, 3, 29, 1, 30), (2026, 3, 29, 1, 30)),
        ((2025, 11, 1, 1, 30), (2026, 11, 1, 1, 30)),
    ],
)
def test_bought_credits_last_until_the_same_time_a_year_later(zone, paid, expires):
    account = AccountFactory(time_zone=zone)
    grant = bought(account, at=local(paid, zone))
    assert grant.expires_at == local(expires, zone).astimezone(UTC)


def test_they_expire_at_their_moment_and_not_one_before(account, clock):
    grant = bought(account, at=datetime(2026, 3, 10, tzinfo=UTC))
    clock.at = grant.expires_at - MOMENT
    tasks.expire_credits()
    assert Balance.objects.get(account=account).credits == 500
    clock.at = grant.expires_at
    tasks.expire_credits()
    entry = LedgerEntry.objects.get(account=account, kind="expiry")
    assert (entry.credits, entry.occurred_at, entry.balance_after) == (-500, grant.expires_at, 0)
    assert (entry.paid_by, entry.remarks) == (grant.seq, "")


def test_a_week_late_they_still_expired_at_their_moment(account, clock):
    grant = bought(account, at=datetime(2026, 3, 10, tzinfo=UTC))
    clock.at = grant.expires_at + timedelta(days=7)
    for _ in range(2):
        tasks.expire_credits()
    entry = LedgerEntry.objects.get(account=account, kind="expiry")
    assert (entry.occurred_at, entry.posted_at) == (grant.expires_at, clock.at)


def test_a_call_after_their_end_does_not_use_them_even_if_beat_is_down(account):
    grant = bought(account, at=datetime(2026, 3, 10, tzinfo=UTC))
    later = grant.expires_at + timedelta(days=1)
    post(call(account, "a", 20, at=later), at=later)
    assert Balance.objects.get(account=account).credits == -20


def test_only_what_is_left_expires(account, clock):
    grant = bought(account, at=datetime(2026, 3, 10, tzinfo=UTC))
    post(call(account, "a", 120), at=datetime(2026, 3, 11, tzinfo=UTC))
    clock.at = grant.expires_at
    tasks.expire_credits()
    assert LedgerEntry.objects.get(account=account, kind="expiry").credits == -380


def test_top_ups_of_different_days_expire_one_by_one(account, clock):
    first = bought(account, 100, at=datetime(2026, 3, 10, tzinfo=UTC))
    bought(account, 200, at=datetime(2026, 3, 11, tzinfo=UTC))
    clock.at = first.expires_at
    tasks.expire_credits()
    assert Balance.objects.get(account=account).credits == 200

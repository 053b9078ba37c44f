"""What the calls of a period make in other increments: the same as rating each by itself."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from billing.models import Account, Plan
from billing.plans.rating import Tariff, UsageType, rate
from billing.plans.subscriptions import subscribe
from calls.charging import record_calls
from calls.models import Call
from calls.usage import billable
from calls.usage.billable import BillableCalls, billable_calls
from calls.usage.periods import last_30_days
from calls.withdrawing import withdraw_calls
from tests.calls.calling import NOW, record, unanswered
from tests.dashboard.bulk import insert_calls

pytestmark = pytest.mark.django_db

LENGTHS = (1, 6, 30, 60)


@pytest.fixture
def customer(account: Account) -> Account:
    """On Professional since 20 February 2026; calls before that are history."""
    plan = Plan.objects.get(name="Professional")
    subscribe(account=account, plan=plan, at=datetime(2026, 2, 20, tzinfo=UTC), now=NOW)
    return account


def read(account: Account, lengths: tuple[int, ...] = LENGTHS) -> BillableCalls:
    period = last_30_days(today=NOW.astimezone(account.zone).date(), zone=account.zone)
    return billable_calls(account=account, period=period, increments_seconds=lengths)


def rated(account: Account, seconds: int) -> int:
    """The increments of the calls that count, by the function that charges."""
    standing = Call.objects.filter(account=account, withdrawn_at=None, is_history=False)
    return sum(
        rate(
            tariff=Tariff(seconds, 1),
            usage_type=UsageType(call.usage_type),
            started_at=call.started_at,
            connected_at=call.connected_at,
            ended_at=call.ended_at,
        ).increments
        for call in standing
    )


@pytest.mark.parametrize(
    ("seconds", "increments"),
    [
        pytest.param(0, (1, 1, 1, 1), id="0 s"),
        pytest.param(1, (1, 1, 1, 1), id="1 s"),
        pytest.param(20, (20, 4, 1, 1), id="20 s"),
        pytest.param(30.001, (31, 6, 2, 1), id="30.001 s"),
        pytest.param(60, (60, 10, 2, 1), id="60 s"),
        pytest.param(60.001, (61, 11, 3, 2), id="60.001 s"),
        pytest.param(3600, (3600, 600, 120, 60), id="an hour"),
    ],
)
def test_a_call_is_rounded_up_by_itself(
    customer: Account, seconds: float, increments: tuple[int, ...]
) -> None:
    record_calls(records=[record(customer, seconds=seconds)], now=NOW)
    assert tuple(read(customer).increments[length] for length in LENGTHS) == increments


def test_it_agrees_with_rating_whatever_became_of_the_calls(
    customer: Account, django_assert_num_queries: Any
) -> None:
    random = Random(7)
    types = ("outbound", "inbound", "translation")
    for turn in range(3):  # the later turns correct
        record_calls(
            records=[
                record(
                    customer,
                    f"c{number}",
                    random.choice([0, 12, 29.999999, 30, 61.5, random.uniform(0, 900)]),
                    usage_type=types[number % 3],
                    started_at=NOW - timedelta(hours=9 * number, minutes=turn),
                )
                if random.random() > 0.2
                else unanswered(
                    customer, f"c{number}", started_at=NOW - timedelta(hours=9 * number)
                )
                for number in range(60)
                if turn == 0 or number % 4 == 0
            ],
            now=NOW,
        )
    gone = [f"c{number}" for number in (1, 4, 8, 13)]
    withdraw_calls(account_id=customer.pk, call_ids=gone, reason="A test", now=NOW)
    record_calls(records=[record(customer, "c4", 77)], now=NOW)
    assert Call.objects.filter(is_history=True).exists()
    with django_assert_num_queries(1):
        found = read(customer)
    assert found.increments == {length: rated(customer, length) for length in LENGTHS}
    assert not found.is_estimate


def test_calls_of_other_days_and_accounts_are_left_out(
    customer: Account, other_account: Account
) -> None:
    insert_calls(other_account, 10, last_at=NOW)
    record_calls(records=[record(customer, started_at=NOW - timedelta(days=40))], now=NOW)
    assert read(customer) == BillableCalls(0, 0, dict.fromkeys(LENGTHS, 0))


def test_of_very_many_calls_the_latest_tell_of_all(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = Plan.objects.get(name="Enterprise")
    subscribe(account=account, plan=plan, at=NOW - timedelta(days=90), now=NOW)
    account.balance.delete()
    insert_calls(account, 1_000, last_at=NOW)
    exact = read(account)
    monkeypatch.setattr(billable, "CALLS_MAX", 100)
    estimate = read(account)
    assert (exact.is_estimate, estimate.is_estimate) == (False, True)
    assert estimate.increments == exact.increments

"""The door: whatever comes from outside finds its account brought up to the moment of booking."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from django.db import connection

from billing.ledger import Posting, references
from billing.models import Account, CreditGrant, Kind, LedgerEntry, Plan
from billing.plans import movements
from billing.plans.subscriptions import subscribe
from tests.factories import AccountFactory
from tests.movements import Movement, call, goodwill, post, top_up

START = datetime(2026, 2, 1, tzinfo=UTC)
END = datetime(2026, 3, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def customer(db: None) -> Account:
    """On Base since 1 February, in UTC, with 50 credits bought; nobody has renewed in March."""
    account = AccountFactory(time_zone="UTC")
    subscribe(account=account, plan=Plan.objects.get(name="Base"), at=START)
    post(top_up(account, 50), at=START)
    return account


def take(account: Account, credits: int) -> Movement:
    """An adjustment that takes credits."""

    def adjust(now: datetime) -> None:
        movements.adjust(
            account=account, credits=-credits, reason="Taken", reference="taken", at=now
        )

    return adjust


def refund(account: Account, credits: int) -> Movement:
    """Credits that go with money: posted through the door, as refunds are."""

    def give_back(now: datetime) -> None:
        posting = Posting(
            account_id=account.pk,
            kind=Kind.ADJUSTMENT,
            credits=-credits,
            reference=references.of_adjustment("gone"),
            occurred_at=now,
            remarks="The money went back",
        )
        assert movements.post_one(posting=posting, now=now)

    return give_back


def left(account: Account) -> list[tuple[str, int]]:
    grants = CreditGrant.objects.filter(account=account, is_open=True).order_by("source")
    return list(grants.values_list("source", "remaining"))


@pytest.mark.parametrize(
    ("move", "expected"),
    [
        (lambda account: take(account, 10), [("plan", 90), ("top_up", 50)]),
        (lambda account: refund(account, 10), [("plan", 90), ("top_up", 50)]),
        (
            lambda account: call(account, "c", 10, at=END + MINUTE / 2),
            [("plan", 90), ("top_up", 50)],
        ),
        (
            lambda account: goodwill(account, 5),
            [("adjustment", 5), ("plan", 100), ("top_up", 50)],
        ),
        (lambda account: top_up(account, 70), [("plan", 100), ("top_up", 50), ("top_up", 70)]),
    ],
    ids=["adjustment", "refund", "call", "goodwill", "top-up"],
)
def test_between_a_cycles_end_and_the_workers_minute_the_new_cycles_credits_are_used(
    customer: Account, move: Callable[[Account], Movement], expected: list[tuple[str, int]]
) -> None:
    post(move(customer), at=END + MINUTE / 2)
    assert sorted(left(customer)) == expected
    entries = LedgerEntry.objects.filter(account=customer).order_by("seq")
    kinds = [entry.kind for entry in entries]
    assert kinds[2:4] == [Kind.EXPIRY, Kind.PLAN_CREDITS]


def test_a_posting_that_was_booked_before_is_booked_once(customer: Account) -> None:
    post(take(customer, 10), take(customer, 10), at=START + MINUTE)
    assert left(customer) == [("plan", 90), ("top_up", 50)]


def test_nothing_posted_asks_nothing(db: None, django_assert_num_queries) -> None:
    with django_assert_num_queries(0):
        assert movements.post(postings=[], now=START) == []


@pytest.mark.django_db(transaction=True)
def test_doors_that_open_at_once_for_several_accounts_do_not_wait_for_each_other(
    default_plans: None,
) -> None:
    accounts = [AccountFactory(time_zone="UTC") for _ in range(3)]
    for account in accounts:
        subscribe(account=account, plan=Plan.objects.get(name="Base"), at=START)
    barrier = Barrier(4)

    def record(number: int) -> None:
        order = accounts if number % 2 else accounts[::-1]
        try:
            barrier.wait()
            records = [call(one, f"c{number}", 2, at=END + MINUTE) for one in order]
            post(*records, at=END + 2 * MINUTE)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(record, number) for number in range(4)]:
            done.result()
    assert [left(account) for account in accounts] == [[("plan", 92)]] * 3

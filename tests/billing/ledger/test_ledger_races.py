"""Threads that post at the same time, and the proof that it is the lock that keeps them right."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import IntegrityError, connection

from billing import ledger
from billing.ledger import grants
from billing.models import Balance, LedgerEntry
from tests.billing.postings import NOW, call, top_up

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.ledger_alone]

THREADS = 4
ROUNDS = 15


def in_threads(work):
    """Run ``work(number)`` in each of the threads at once; return the exceptions raised."""
    barrier = Barrier(THREADS)

    def run(number):
        try:
            barrier.wait()
            work(number)
        except IntegrityError as error:
            return error
        finally:
            connection.close()
        return None

    with ThreadPoolExecutor(THREADS) as pool:
        return [error for error in pool.map(run, range(THREADS)) if error]


def post_own_calls(account):
    """Each thread posts calls of its own, with time for others between reading and writing."""

    def work(number):
        for turn in range(ROUNDS):
            ledger.post(postings=[call(account, f"{number}-{turn}", 1)], posted_at=NOW)

    return work


def test_every_posting_of_every_thread_is_booked_once(account):
    ledger.post(postings=[top_up(account, 1_000, "t")], posted_at=NOW)
    assert in_threads(post_own_calls(account)) == []
    balance = Balance.objects.get(account=account)
    assert (balance.credits, balance.last_seq) == (1_000 - THREADS * ROUNDS, 1 + THREADS * ROUNDS)


def test_without_the_lock_threads_collide(account, monkeypatch):
    """The control: take the lock away, and the same work breaks."""
    ledger.post(postings=[top_up(account, 1_000, "t")], posted_at=NOW)
    monkeypatch.setattr(grants, "lock_accounts", list)
    assert in_threads(post_own_calls(account))


def test_the_same_reference_from_all_threads_is_booked_once(account):
    def work(number):
        ledger.post(postings=[top_up(account, 10, "the same")], posted_at=NOW)

    assert in_threads(work) == []
    assert LedgerEntry.objects.filter(account=account).count() == 1


def test_accounts_locked_in_opposite_order_do_not_deadlock(account, other_account):
    def work(number):
        pair = [account, other_account] if number % 2 else [other_account, account]
        for turn in range(ROUNDS):
            ledger.post(postings=[call(one, f"{number}-{turn}", 1) for one in pair], posted_at=NOW)

    assert in_threads(work) == []
    assert LedgerEntry.objects.count() == 2 * THREADS * ROUNDS

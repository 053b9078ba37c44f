"""Processes that withdraw calls at the same time, or while others record them, or that die."""

import os
import signal
from collections import Counter

import pytest
from django.db import connections
from django.db.models import Sum

from billing.models import Balance, DailyUsage, LedgerEntry
from billing.plans import movements
from calls import reports, stored
from calls.charging import record_calls
from calls.models import Call
from calls.withdrawing import has_calls, withdraw_calls, withdraw_import
from tests.calls.calling import NOW, record
from tests.calls.test_charging_races import in_processes, recording, then_wait, without_lock

pytestmark = pytest.mark.django_db(transaction=True)

IMPORT = 7
CALLS = 60


@pytest.fixture
def imported(professional):
    """Acme with sixty calls of an import, of 3 credits each."""
    records = [record(professional, f"c{number:02}") for number in range(CALLS)]
    record_calls(records=records, now=NOW, import_id=IMPORT)
    return professional


def take_all_back(account, limit=7):
    while withdraw_import(account_id=account.pk, import_id=IMPORT, now=NOW, limit=limit).more:
        pass


def references(account):
    """How many entries of each sort the account's calls have."""
    entries = LedgerEntry.objects.filter(account=account).exclude(call_id="")
    return Counter(
        reference.rpartition(":")[0] for reference in entries.values_list("reference", flat=True)
    )


def test_processes_that_take_back_the_same_import_withdraw_each_call_once(imported):
    assert in_processes(lambda n: take_all_back(imported, limit=5 + n)) == []
    assert references(imported) == {"call": CALLS, "withdrawal:call": CALLS}
    assert Balance.objects.get(account=imported).credits == 1_500


def test_calls_that_are_recorded_meanwhile_are_withdrawn_or_come_again(imported):
    records = [record(imported, f"c{number:02}") for number in range(CALLS)]

    def work(n):
        if n % 2:
            take_all_back(imported)
        else:
            recording(records, rounds=3)(n)

    assert in_processes(work) == []
    counted = Call.objects.filter(withdrawn_at=None).count()
    assert DailyUsage.objects.aggregate(calls=Sum("calls")) == {"calls": counted}
    assert Balance.objects.get(account=imported).credits == 1_500 - 3 * counted


def test_calls_that_are_corrected_meanwhile_are_kept_or_withdrawn_before(imported):
    def work(n):
        if n % 2:
            take_all_back(imported)
        else:
            longer = [record(imported, f"c{number:02}", 95) for number in range(CALLS)]
            recording(longer)(n)

    assert in_processes(work) == []
    assert set(Call.objects.filter(withdrawn_at=None).values_list("credits", flat=True)) <= {4}
    assert not has_calls(account_id=imported.pk, import_id=IMPORT)


@pytest.mark.parametrize(
    ("locking", "error"), [(stored.LOCKING, ""), ("", "gives back more than its call has used")]
)
def test_the_lock_on_a_call_keeps_it_from_being_withdrawn_twice(
    imported, monkeypatch, locking, error
):
    # Not that on the account, which keeps withdrawals apart as well, but no other changes.
    monkeypatch.setattr(reports, "lock_accounts", without_lock)
    monkeypatch.setattr(stored, "LOCKING", locking)
    monkeypatch.setattr(stored, "lock", then_wait(stored.lock, collide=bool(error)))
    errors = in_processes(
        lambda n: withdraw_calls(
            account_id=imported.pk, call_ids=["c00", "c01"], reason="Test", now=NOW
        )
    )
    assert bool(errors) == bool(error)
    assert all(error in met for met in errors)


def test_a_process_that_is_killed_between_slices_leaves_the_rest_to_another(imported, monkeypatch):
    posts = 0

    def post(**options):
        nonlocal posts
        posts += 1
        if posts == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return movements_post(**options)

    movements_post = movements.post
    monkeypatch.setattr(movements, "post", post)
    connections.close_all()  # a connection must not be shared with a forked process
    child = os.fork()
    if not child:
        take_all_back(imported)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    monkeypatch.undo()
    assert Call.objects.exclude(withdrawn_at=None).count() == 14
    take_all_back(imported)
    assert references(imported) == {"call": CALLS, "withdrawal:call": CALLS}
    assert Balance.objects.get(account=imported).credits == 1_500

"""Processes that record the same calls at the same time, and the locks that keep them right.

Real processes, each with a connection of its own, released together.
"""

import contextlib
import multiprocessing
import random
import threading
import traceback

import pytest
from django.db import IntegrityError, OperationalError, connection, connections
from django.db.models import Sum

from billing import ledger
from billing.bulk import copy_rows
from billing.ledger import grants
from billing.models import Balance, LedgerEntry, Plan
from billing.plans.subscriptions import subscribe
from calls import charging, reporters, reports, stored
from calls.charging import record_calls
from calls.models import Call
from tests.audit import breaches
from tests.calls.calling import NOW, record
from tests.calls.conftest import SINCE
from tests.factories import AccountFactory

pytestmark = pytest.mark.django_db(transaction=True)

PROCESSES = 4
BATCH = 20


def in_processes(work, number=PROCESSES):
    """Run ``work(n)`` in each of the processes at once; return the database errors they met."""
    connections.close_all()  # a connection must not be shared with a forked process
    fork = multiprocessing.get_context("fork")
    barrier = fork.Barrier(number)
    errors = fork.Queue()

    def run(n):
        try:
            connection.ensure_connection()
            barrier.wait()
            work(n)
        except (IntegrityError, OperationalError) as error:
            errors.put(str(error))
        except BaseException:
            errors.put(traceback.format_exc())
        finally:
            errors.put(None)
            connection.close()

    processes = [fork.Process(target=run, args=(n,)) for n in range(number)]
    for process in processes:
        process.start()
    met = []
    ended = 0
    while ended < number:
        error = errors.get(timeout=120)
        ended += error is None
        met += [] if error is None else [error]
    for process in processes:
        process.join()
    return met


def recording(records, rounds=1):
    """Every process records all of ``records``, in batches, each in an order of its own."""

    def work(n):
        for turn in range(rounds):
            own = list(records)
            random.Random(n * 100 + turn).shuffle(own)
            for start in range(0, len(own), BATCH):
                record_calls(records=own[start : start + BATCH], now=NOW)

    return work


def three_versions_of_each_call(account):
    """Records that contradict each other, of twenty calls."""
    return [record(account, f"c{n}", seconds) for n in range(20) for seconds in (5, 65, 95)]


def test_processes_that_record_the_same_calls_of_one_account_charge_each_once(professional):
    records = [record(professional, f"c{number}") for number in range(200)]
    assert in_processes(recording(records)) == []
    assert Call.objects.count() == 200
    assert Call.objects.aggregate(corrections=Sum("corrections")) == {"corrections": 0}
    assert Balance.objects.get(account=professional).credits == 1_500 - 3 * 200


def test_processes_that_record_the_same_calls_of_many_accounts_charge_each_once(default_plans):
    plan = Plan.objects.get(name="Professional")
    accounts = [AccountFactory() for _ in range(10)]
    for account in accounts:
        subscribe(account=account, plan=plan, at=SINCE)
    records = [record(account, f"c{number}") for account in accounts for number in range(20)]
    assert in_processes(recording(records)) == []
    assert set(Balance.objects.values_list("credits", flat=True)) == {1_500 - 3 * 20}
    assert LedgerEntry.objects.filter(kind="call").count() == 200


def test_processes_that_correct_the_same_calls_keep_every_charge_right(professional):
    records = three_versions_of_each_call(professional)
    assert in_processes(recording(records, rounds=3)) == []
    assert Call.objects.aggregate(corrections=Sum("corrections"))["corrections"] > 0


def test_overlapping_batches_in_opposite_order_do_not_deadlock(professional, base):
    calls = [(account, number) for account in (professional, base) for number in range(10)]
    record_calls(records=[record(account, f"c{n}") for account, n in calls], now=NOW)

    def work(n):
        for turn in range(15):
            changed = [record(account, f"c{number}", n * 30 + turn) for account, number in calls]
            new = [record(account, f"new-{turn}-{number}") for account, number in calls]
            batch = [*changed, *new]
            record_calls(records=batch if n % 2 else batch[::-1], now=NOW)

    assert in_processes(work) == []
    assert Call.objects.count() == 20 + 15 * 20


def test_two_sources_that_report_the_same_calls_at_once_have_each_charged_once(professional):
    reporters_of = [reporters.API, reporters.of_file("vapi")] * 2

    def work(n):
        own = [
            record(professional, f"{n % 2}-{m}", 65 + 30 * (n % 2), carrier_id=f"CA{m}")
            for m in range(40)
        ]
        random.Random(n).shuffle(own)
        for start in range(0, len(own), BATCH):
            record_calls(records=own[start : start + BATCH], now=NOW, reporter=reporters_of[n])

    assert in_processes(work) == []
    assert set(Call.objects.values_list("credits", "reporter")) == {(3, reporters.API)}
    assert Call.objects.filter(withdrawn_at=None).count() == 40
    assert Balance.objects.get(account=professional).credits == 1_500 - 3 * 40
    assert breaches() == []


# ── What each lock is for: with time to collide, the same work passes with it and fails without ──
MOMENT_SECONDS = 0.3
SURELY_SECONDS = 60


def then_wait(function, *, collide, number=PROCESSES):
    """``function``, and then, once, wait until all processes have got as far as this one.

    Where something keeps them apart they cannot ``collide``, and a moment is enough.
    """
    barrier = multiprocessing.get_context("fork").Barrier(number)
    waited = False

    def run(*args, **options):
        nonlocal waited
        result = function(*args, **options)
        if not waited:
            waited = True
            with contextlib.suppress(threading.BrokenBarrierError):
                barrier.wait(SURELY_SECONDS if collide else MOMENT_SECONDS)
        return result

    return run


def without_lock(account_ids):
    """Nothing is held."""


@pytest.mark.parametrize(
    ("lock_accounts", "error"), [(ledger.lock_accounts, ""), (without_lock, "entry_seq_once")]
)
def test_the_lock_on_the_account_keeps_its_entries_in_sequence(
    professional, monkeypatch, lock_accounts, error
):
    monkeypatch.setattr(grants, "lock_accounts", lock_accounts)
    monkeypatch.setattr(grants, "read_locked", then_wait(grants.read_locked, collide=bool(error)))
    errors = in_processes(lambda n: record_calls(records=[record(professional, f"{n}")], now=NOW))
    assert bool(errors) == bool(error)
    assert all(error in met for met in errors)


@pytest.mark.parametrize(("locking", "error"), [(stored.LOCKING, ""), ("", "entry_reference_once")])
def test_the_lock_on_a_changed_call_keeps_corrections_apart(
    professional, monkeypatch, locking, error
):
    record_calls(records=[record(professional)], now=NOW)
    monkeypatch.setattr(stored, "LOCKING", locking)
    monkeypatch.setattr(stored, "lock", then_wait(stored.lock, collide=bool(error)))
    errors = in_processes(
        lambda n: record_calls(records=[record(professional, seconds=100 + n)], now=NOW)
    )
    assert bool(errors) == bool(error)
    assert all(error in met for met in errors)


@pytest.mark.broken_ledger
@pytest.mark.parametrize(("lock", "calls"), [(reports.lock_accounts, 1), (without_lock, 2)])
def test_the_lock_on_linking_makes_one_call_of_two_reports(professional, monkeypatch, lock, calls):
    monkeypatch.setattr(reports, "lock_accounts", lock)
    meeting = then_wait(reports.read_family, collide=calls == 2, number=2)
    monkeypatch.setattr(reports, "read_family", meeting)

    def work(n):
        reporter = [reporters.API, reporters.FILES][n]
        told = record(professional, f"c{n}", carrier_id="CA1")
        record_calls(records=[told], now=NOW, reporter=reporter)

    assert in_processes(work, number=2) == []
    assert Call.objects.filter(withdrawn_at=None).count() == calls


@pytest.mark.parametrize(("one_order", "error"), [(True, ""), (False, "deadlock")])
def test_one_order_of_inserts_keeps_batches_from_deadlock(
    professional, monkeypatch, one_order, error
):
    records = [record(professional, f"c{number}") for number in range(10)]
    backwards = False
    copy_and_wait = then_wait(copy_rows, collide=bool(error), number=2)

    def in_some_order(keys):
        return sorted(keys, reverse=backwards)

    def copy_in_two_parts(model, columns, rows):
        rows = list(rows)
        copy_and_wait(model, columns, rows[:5])
        copy_rows(model, columns, rows[5:])

    def work(n):
        nonlocal backwards
        backwards = n == 1 and not one_order
        record_calls(records=records, now=NOW)

    monkeypatch.setattr(charging, "sorted", in_some_order, raising=False)
    monkeypatch.setattr(stored, "copy_rows", copy_in_two_parts)
    errors = in_processes(work, number=2)
    assert bool(errors) == bool(error)
    assert all(error in met for met in errors)

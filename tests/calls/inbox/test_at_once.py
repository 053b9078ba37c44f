"""Workers and platforms that work at the same time, or die: every call is charged exactly once."""

import random
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.test import Client
from django.utils import timezone

from billing.accounts import closing
from billing.models import LedgerEntry
from calls import reports
from calls.closing import close_account, sources_of
from calls.inbox import draining, pulling, sources, withdrawn
from calls.inbox.again import retry
from calls.inbox.draining import drain, drain_batch
from calls.models import Call, CallSource, InboxEvent, OpenEvent, PullState
from calls.ordering import change_order
from calls.withdrawing import withdraw_calls
from tests.audit import breaches
from tests.billing.waiting import WAIT_SECONDS, until_somebody_waits_for_a_lock
from tests.calls.inbox.fake_platforms import KEY, serving
from tests.calls.inbox.sending import (
    callbacks,
    connect,
    drain_all,
    outcome,
    report,
    send_callback,
    send_report,
)
from tests.child import child_environment

ROOT = Path(__file__).resolve().parents[3]
REPORTS = 150

pytestmark = pytest.mark.django_db(transaction=True)

WORKER = """
import sys, time
import django
django.setup()
from django.utils import timezone
from calls.inbox import draining
print("begun", flush=True)
while True:
    draining.drain_batch(now=timezone.now(), size=int(sys.argv[1]))
"""


def recent(number):
    """A report of a call of this hour."""
    return report(f"v{number}", at=timezone.now() - timedelta(minutes=30, seconds=number))


def together(*works):
    """Do all ``works`` at once, each with a connection of its own. None of them may raise."""
    errors = []

    def run(work):
        try:
            work()
        except Exception as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_the_same_message_from_everywhere_at_once_is_stored_once(professional):
    source = connect(professional)
    document = recent(1)
    answers = []

    def send():
        answers.append(send_report(Client(), source, document).json()["received"])

    together(*[send] * 8)
    assert sorted(answers) == ["known"] * 7 + ["stored"]
    assert InboxEvent.objects.count() == 1


def test_messages_that_arrive_while_workers_work_are_charged_once(professional):
    vapi, twilio = connect(professional), connect(professional, "twilio")
    at = timezone.now() - timedelta(minutes=40)
    reports = [recent(number) for number in range(40)]
    forms = [form for number in range(20) for form in callbacks(f"CA{number}", at=at, seconds=31)]
    is_over = threading.Event()

    def send_some(seed):
        shuffled = random.Random(seed)
        sends = [lambda doc=doc: send_report(Client(), vapi, doc) for doc in reports]
        sends += [lambda form=form: send_callback(Client(), twilio, form) for form in forms]
        shuffled.shuffle(sends)
        for send in sends:
            assert send().status_code == 200

    def work():
        while not is_over.is_set():
            drain_batch(now=timezone.now(), size=7)
        connections.close_all()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    together(lambda: send_some(1), lambda: send_some(2))
    is_over.set()
    for worker in workers:
        worker.join()
    drain(clock=timezone.now)
    assert not OpenEvent.objects.exists()
    credits = Call.objects.order_by("call_id").values_list("credits", flat=True)
    assert list(credits) == [2] * 20 + [3] * 40
    assert breaches() == []


@pytest.mark.parametrize("is_locked", [True, False])
def test_a_record_of_fewer_events_never_overtakes_one_of_more(professional, monkeypatch, is_locked):
    """Two workers, one of which read a call's events before the last of them came."""
    source = connect(professional, "twilio")
    at = timezone.now() - timedelta(minutes=40)
    *_, answered, completed = callbacks(at=at, seconds=50, rings=20)
    completed["CallDuration"] = "70"  # so that without the answer it would cost more
    send_callback(Client(), source, completed)
    has_read, may_go_on = threading.Event(), threading.Event()
    read_waiting = draining._waiting

    def slow_waiting(sources, size):
        found = read_waiting(sources, size)
        if threading.current_thread().name == "slow":
            has_read.set()
            may_go_on.wait(20)
        return found

    monkeypatch.setattr(draining, "_waiting", slow_waiting)
    if not is_locked:
        monkeypatch.setattr(draining, "_lock_sources", lambda: {source.pk: source})

    def slow():
        drain_batch(now=timezone.now())
        connections.close_all()

    worker = threading.Thread(target=slow, name="slow")
    worker.start()
    has_read.wait(20)
    send_callback(Client(), source, answered)
    drain_batch(now=timezone.now())  # leaves a source alone on which another works
    may_go_on.set()
    worker.join()
    drain(clock=timezone.now)
    assert Call.objects.get().credits == (2 if is_locked else 3)


def test_a_list_is_asked_although_a_worker_works_on_what_its_source_sent(professional, settings):
    source = connect(professional, api_key=KEY)
    is_locked = threading.Event()

    def work():
        with transaction.atomic():
            CallSource.objects.select_for_update(no_key=True).get(pk=source.pk)
            is_locked.set()
            until_somebody_waits_for_a_lock()

    def ask():
        is_locked.wait(20)
        pulling.pull(source_id=source.pk, now=timezone.now())

    with serving() as platform:
        settings.PLATFORM_API_BASES = {"vapi": platform.base}
        together(work, ask)
    source.refresh_from_db()
    assert source.pull_state == PullState.FINE


def test_what_is_tried_again_while_a_worker_settles_it_is_tried_again(professional, monkeypatch):
    """A report of a withdrawn call failed, and another one comes, which settles both."""
    source = connect(professional)
    document = recent(1)
    send_report(Client(), source, document)
    drain(clock=timezone.now)
    withdraw_calls(account_id=professional.pk, call_ids=["v1"], reason="A test", now=timezone.now())
    for change in (1, 2):
        document["message"]["timestamp"] += change
        send_report(Client(), source, document)
        if change == 1:
            drain(clock=timezone.now)
    look = withdrawn.withdrawn_calls

    def look_while_somebody_tries_again(records):
        found = look(records)
        elsewhere = threading.Thread(target=try_again)
        elsewhere.start()
        elsewhere.join()
        return found

    def try_again():
        assert retry(source=source) == 1
        connections.close_all()

    with monkeypatch.context() as patched:
        patched.setattr(draining, "withdrawn_calls", look_while_somebody_tries_again)
        drain_batch(now=timezone.now())
    drain(clock=timezone.now)
    assert Call.objects.get().withdrawn_at is None
    assert breaches() == []


@pytest.mark.parametrize("is_locked", [True, False])
def test_a_call_that_is_withdrawn_while_a_worker_records_it_stays_withdrawn(
    professional, monkeypatch, is_locked
):
    """The worker has seen that the call counts, and records a correction of it."""
    source = connect(professional)
    document = recent(1)
    send_report(Client(), source, document)
    drain(clock=timezone.now)
    document["message"]["endedReason"] = "customer-busy"
    document["message"]["timestamp"] += 1
    send_report(Client(), source, document)
    has_looked, is_withdrawn = threading.Event(), threading.Event()
    look = withdrawn.withdrawn_calls

    def slow_look(records):
        found = look(records)
        has_looked.set()
        if is_locked:
            until_somebody_waits_for_a_lock()
        else:
            assert is_withdrawn.wait(WAIT_SECONDS)
        return found

    monkeypatch.setattr(draining, "withdrawn_calls", slow_look)
    if not is_locked:
        monkeypatch.setattr(reports, "lock_accounts", lambda ids: None)

    def withdraw():
        has_looked.wait(20)
        withdraw_calls(
            account_id=professional.pk, call_ids=["v1"], reason="A test", now=timezone.now()
        )
        is_withdrawn.set()

    together(lambda: drain(clock=timezone.now), withdraw)
    assert Call.objects.filter(withdrawn_at=None).exists() is not is_locked
    assert breaches() == []


def test_sources_are_put_in_order_while_a_worker_records_what_they_sent(professional):
    """The worker holds the source, and then wants the lock of the account."""
    sources = [connect(professional), connect(professional, "twilio")]
    is_begun = threading.Event()

    def work():
        with transaction.atomic():
            list(CallSource.objects.select_for_update(no_key=True).order_by("pk"))
            is_begun.set()
            until_somebody_waits_for_a_lock()
            reports.lock_accounts([professional.pk])

    def put_in_order():
        is_begun.wait(20)
        wanted = [source.pk for source in reversed(sources)]
        change_order(account_id=professional.pk, source_ids=wanted, now=timezone.now())

    together(work, put_in_order)
    last, first = sources
    assert list(CallSource.objects.order_by("position")) == [first, last]


def close_without_its_sources_first(*, account, by, reason, now):
    """What `close_account` does, but for the order of its locks."""
    with transaction.atomic():
        closing.close_account(account=account, by=by, reason=reason, now=now)
        for source in sources_of(account):
            sources.delete(source=source, now=now)


@pytest.mark.parametrize(
    ("close", "deadlocks"), [(close_account, 0), (close_without_its_sources_first, 1)]
)
def test_an_account_is_closed_while_a_worker_records_what_its_source_sent(
    professional, operator, monkeypatch, close, deadlocks
):
    """What the source sent before is charged, and neither waits for the other for ever."""
    source = connect(professional)
    send_report(Client(), source, recent(1))
    has_read = threading.Event()
    read_waiting = draining._waiting
    met = []

    def slow_waiting(sources, size):
        found = read_waiting(sources, size)
        if not has_read.is_set():
            has_read.set()
            until_somebody_waits_for_a_lock()  # closing has got as far as it can
        return found

    monkeypatch.setattr(draining, "_waiting", slow_waiting)

    def noting(work):
        def run():
            try:
                work()
            except OperationalError as error:
                met.append(error)

        return run

    def close_it():
        has_read.wait(20)
        close(account=professional, by=operator, reason="They left", now=timezone.now())

    together(noting(lambda: drain(clock=timezone.now)), noting(close_it))
    assert len(met) == deadlocks
    assert all("deadlock" in str(error) for error in met)
    if not deadlocks:
        professional.refresh_from_db()
        assert professional.closed_at is not None
        assert Call.objects.get().credits == 3
        assert not CallSource.objects.filter(deleted_at=None).exists()


def test_a_worker_killed_in_the_middle_leaves_nothing_half_done(professional, base):
    source = connect(professional)
    reports = [recent(number) for number in range(REPORTS)]
    for document in reports:
        send_report(Client(), source, document)
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, "10"],
            cwd=ROOT,
            env=child_environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            before = Call.objects.count()
            until = time.monotonic() + 60
            while Call.objects.count() == before and time.monotonic() < until:
                assert process.poll() is None
        finally:
            process.kill()
            process.communicate()
        wait_for_sessions()
        recorded = InboxEvent.objects.filter(open=None).count()
        assert recorded == Call.objects.count() == LedgerEntry.objects.exclude(call_id="").count()
    while drain(clock=timezone.now):
        pass
    assert Call.objects.count() == REPORTS
    theirs = connect(base)
    for document in reports:
        send_report(Client(), theirs, document)
    while drain(clock=timezone.now):
        pass
    mine, others = outcome(professional)[0], outcome(base)[0]
    assert [call[:-1] for call in mine] == [call[:-1] for call in others]
    assert breaches() == []


def wait_for_sessions():
    """Wait until the database has noticed that the worker is gone."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() AND state <> 'idle'"
            )
            if cursor.fetchone() == (0,):
                return


def test_two_workers_share_the_sources_of_many_accounts(professional, base):
    sources = [connect(professional), connect(base)]
    for number in range(30):
        for source in sources:
            send_report(Client(), source, recent(number))
    together(*[lambda: drain(clock=timezone.now, batch_size=5)] * 3)
    drain_all()
    assert Call.objects.count() == 60
    assert not OpenEvent.objects.exists()

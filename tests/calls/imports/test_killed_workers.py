"""Workers that are killed in every step, or work twice at once: the end is the same."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from calls.imports import machine, selectors, steps
from calls.models import Call, FileImport, ImportState
from tests.audit import breaches
from tests.calls.calling import balance
from tests.calls.importing import lines
from tests.calls.imports.engine import (
    begun,
    ready,
    recent,
    trial_of,
    tried,
    uploaded,
    worked,
)
from tests.child import child_environment

ROOT = Path(__file__).resolve().parents[3]
CALLS = 300

pytestmark = pytest.mark.django_db(transaction=True)

# A worker whose batches are small, so that it is in the middle of them when it is killed.
WORKER = """
import sys, time
import django
django.setup()
from django.utils import timezone
from calls.imports import batches, slices
slices.BATCH_SIZE = slices.WITHDRAWN_AT_ONCE = batches.STAGED_AT_ONCE = 5
slices.REST = 1
print("begun", flush=True)
while slices.work(import_id=int(sys.argv[1]), clock=timezone.now):
    pass
"""


@pytest.fixture
def content():
    return lines(*(recent(f"c{number}") for number in range(CALLS)), "x")


@pytest.fixture
def started():
    """A function that starts a worker for an import, in a process of its own."""
    processes = []

    def start(file_import):
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(file_import.pk)],
            cwd=ROOT,
            env=child_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def wait_until(happened, process):
    """Wait for a state of the database while ``process`` works."""
    deadline = time.monotonic() + 60
    while not happened():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def kill(process):
    process.kill()
    process.communicate()


def now_of(file_import):
    return FileImport.objects.get(pk=file_import.pk)


def assert_recorded(file_import, account, *, before):
    """All of the file went in, once."""
    summary = selectors.summary_of(now_of(file_import))
    assert (summary.lines, summary.created, summary.rejected) == (CALLS + 1, CALLS, 1)
    assert Call.objects.filter(withdrawn_at=None).count() == CALLS
    assert file_import.rejects.count() == 1
    assert balance(account) == before - 3 * CALLS
    assert breaches() == []


def test_killed_while_it_examines(professional, content, started):
    found = uploaded(professional, content)
    kill(started(found))
    assert worked(found).state == ImportState.READY


def test_killed_while_it_stages(professional, content, started):
    found = steps.start_trial(file_import=ready(professional, content), by=None, now=timezone.now())
    process = started(found)
    wait_until(lambda: now_of(found).staged_lines > 50, process)
    kill(process)
    assert not now_of(found).is_staged
    assert trial_of(worked(found)).summary.created == CALLS


def test_killed_while_it_tries(professional, content, started):
    found = steps.start_trial(file_import=ready(professional, content), by=None, now=timezone.now())
    process = started(found)
    wait_until(lambda: now_of(found).cursor > 50, process)
    kill(process)
    assert now_of(found).state == ImportState.TRYING
    summary = trial_of(worked(found)).summary
    assert (summary.created, summary.rejected) == (CALLS, 1)
    assert not Call.objects.exists()


def test_killed_again_and_again_while_it_records(professional, content, started):
    found = begun(professional, content)
    before = balance(professional)
    for share in (50, 120, 200):
        process = started(found)
        wait_until(lambda share=share: now_of(found).cursor > share, process)
        kill(process)
        assert breaches() == []
        assert now_of(found).state == ImportState.IMPORTING
        assert Call.objects.count() == selectors.summary_of(now_of(found)).created
    assert worked(found).state == ImportState.DONE
    assert_recorded(found, professional, before=before)


def test_killed_while_it_takes_back(professional, content, started):
    found = tried(professional, content)
    before = balance(professional)
    found = worked(steps.start(file_import=found, by=None, now=timezone.now()))
    found = steps.withdraw(file_import=found, by=None, now=timezone.now())
    process = started(found)
    wait_until(lambda: now_of(found).withdrawal.get("withdrawn", 0) > 50, process)
    kill(process)
    assert breaches() == []
    found = worked(found)
    assert (found.state, found.withdrawal["withdrawn"]) == (ImportState.WITHDRAWN, CALLS)
    assert balance(professional) == before


def test_two_workers_at_once_record_each_call_once(professional, content, started):
    found = begun(professional, content)
    before = balance(professional)
    both = [started(found), started(found)]
    for process in both:
        assert process.wait(timeout=120) == 0, process.stderr.read()
    assert worked(found).state == ImportState.DONE
    assert_recorded(found, professional, before=before)


def test_the_same_file_twice_at_once_charges_each_call_once(professional, content, started):
    first, second = begun(professional, content), begun(professional, content)
    before = balance(professional)
    both = [started(first), started(second)]
    for process in both:
        assert process.wait(timeout=120) == 0, process.stderr.read()
    assert worked(first).state == worked(second).state == ImportState.DONE
    assert_recorded(first, professional, before=before)
    assert selectors.summary_of(now_of(second)).unchanged == CALLS


def test_a_worker_that_loses_its_connection_ends_and_the_next_one_goes_on(
    professional, content, started
):
    found = begun(professional, content)
    before = balance(professional)
    process = started(found)
    wait_until(lambda: now_of(found).cursor > 50, process)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert process.wait(timeout=60) != 0, process.stderr.read()
    assert worked(found).state == ImportState.DONE
    assert_recorded(found, professional, before=before)


def test_an_import_is_stopped_and_goes_on_while_a_worker_works(professional, content, started):
    found = begun(professional, content)
    before = balance(professional)
    process = started(found)
    wait_until(lambda: now_of(found).cursor > 50, process)
    steps.stop(file_import=found, by=None, now=timezone.now())
    assert process.wait(timeout=60) == 0
    recorded = Call.objects.count()
    assert 0 < recorded < CALLS
    assert selectors.summary_of(now_of(found)).created == recorded
    found = steps.go_on(file_import=found, by=None, now=timezone.now())
    assert worked(found).state == ImportState.DONE
    assert_recorded(found, professional, before=before)


def test_a_worker_that_is_killed_is_noticed_after_a_minute(professional, content, started):
    found = begun(professional, content)
    process = started(found)
    wait_until(lambda: now_of(found).cursor > 50, process)
    kill(process)
    moved_at = now_of(found).moved_at
    assert not machine.stalled(now=moved_at).exists()
    assert list(machine.stalled(now=moved_at + 2 * machine.STALLED_AFTER)) == [found]


def test_taken_back_and_imported_again_is_as_if_imported_once(professional, content):
    found = tried(professional, content)
    before = balance(professional)
    found = worked(steps.start(file_import=found, by=None, now=timezone.now()))
    worked(steps.withdraw(file_import=found, by=None, now=timezone.now()))
    again = steps.import_again(file_import=now_of(found), by=None, now=timezone.now())
    steps.start_trial(file_import=again, by=None, now=timezone.now())
    steps.start(file_import=worked(again), by=None, now=timezone.now())
    worked(again)
    assert_recorded(again, professional, before=before)

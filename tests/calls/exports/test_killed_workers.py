"""Workers that are killed in the middle of a file, or work twice at once: the file is the same."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from billing.models import Account, User
from calls.exports import keeping, limits, making
from calls.models import Export, ExportState
from calls.usage import export as streaming
from calls.usage.filters import UsageFilters
from tests.calls.exports.exporting import asked, now_of, text_of, worked
from tests.calls.usage.test_report import WEEK
from tests.child import child_environment
from tests.dashboard.bulk import insert_calls
from tests.dashboard.conftest import NOW

ROOT = Path(__file__).resolve().parents[3]
ROWS = 400

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("default_plans"),
]

# A worker whose pieces are small and slow, so that it is in the middle of them when it is killed.
WORKER = """
import time
import django
django.setup()
from django.utils import timezone
from calls.exports import making
from calls.usage import export
export.ROWS_PER_READ = 5
store = making._store
def slowly(*arguments):
    store(*arguments)
    time.sleep(0.02)
making._store = slowly
print("begun", flush=True)
while making.work(clock=timezone.now):
    pass
"""

Start = Callable[[], subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """A function that starts a worker in a process of its own."""
    processes = []

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER],
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


@pytest.fixture
def export(account: Account, member: User) -> Export:
    """A file that waits for a worker."""
    insert_calls(account, ROWS, last_at=NOW, days=4)
    return asked(account, member, now=timezone.now())


def streamed(account: Account) -> str:
    return "".join(streaming.export_csv(account=account, period=WEEK, filters=UsageFilters()))


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_killed_in_the_middle_the_file_goes_on_where_it_was(export: Export, start: Start) -> None:
    process = start()
    wait_until(lambda: now_of(export).pieces > 8)
    process.kill()
    process.wait()
    half = now_of(export)
    assert 0 < half.rows < ROWS
    assert half.parts.count() == half.pieces
    later = half.moved_at + 2 * limits.AGAIN_AFTER
    assert not keeping.has_stalled(now=half.moved_at + timedelta(seconds=1))
    assert keeping.has_stalled(now=later)
    found = worked(export, now=later)
    assert found.state == ExportState.READY
    assert text_of(found) == streamed(export.account)


def test_only_one_worker_is_at_it(export: Export, start: Start) -> None:
    process = start()
    wait_until(lambda: now_of(export).pieces > 2)
    assert not making.work(clock=timezone.now)
    assert process.wait(timeout=120) == 0
    found = now_of(export)
    assert (found.state, found.rows) == (ExportState.READY, ROWS)
    assert text_of(found) == streamed(export.account)


@pytest.mark.broker
def test_a_real_worker_makes_the_file_that_was_asked_for(
    account: Account, member: User, celery_worker: Callable[[], None]
) -> None:
    insert_calls(account, ROWS, last_at=NOW, days=4)
    export = asked(account, member, now=timezone.now())
    celery_worker()
    assert text_of(now_of(export)) == streamed(account)

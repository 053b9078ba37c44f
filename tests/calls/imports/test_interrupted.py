"""Imports that end early: what they recorded stays right, and running them again finishes."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.db import connection

from calls.models import Call
from tests.audit import breaches
from tests.calls.importing import GOOD, lines
from tests.child import child_environment

ROOT = Path(__file__).resolve().parents[3]


pytestmark = pytest.mark.django_db


@pytest.fixture
def begun(professional, tmp_path):
    """An import of 3,000 calls in a process of its own that has recorded some of them."""
    path = tmp_path / "calls.csv"
    path.write_text(lines(*(GOOD.format(f"c{number}", 10) for number in range(3_000)), "x"))
    command = [sys.executable, "manage.py", "import_calls", str(path), "--account=acme"]
    process = subprocess.Popen(
        [*command, "--batch-size=10"],
        cwd=ROOT,
        env=child_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not Call.objects.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    yield process
    process.kill()
    process.communicate()


def finish(begun):
    """Import the same file again, to its end."""
    command = [argument for argument in begun.args if argument != "--batch-size=10"]
    done = subprocess.run(command, cwd=ROOT, env=child_environment(), capture_output=True)
    assert done.returncode == 1, done.stderr
    assert Call.objects.count() == 3_000
    assert breaches() == []


def interrupt(process):
    process.send_signal(signal.SIGINT)


def take_the_database_away(process):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("end", "code", "said"),
    [(interrupt, 130, "Interrupted."), (take_the_database_away, 1, "The database failed: ")],
)
def test_an_import_that_ends_early_says_what_it_did_and_is_finished_by_running_it_again(
    begun, end, code, said
):
    end(begun)
    out, error = begun.communicate(timeout=60)
    assert begun.returncode == code, error
    assert said in error
    assert "What is counted is recorded; run it again to go on." in error
    assert "Traceback" not in error
    created = int(out.split()[0].replace(",", ""))
    assert 0 < created < 3_000
    assert Call.objects.count() in (created, created + 10)  # the end may come after a commit
    assert breaches() == []
    finish(begun)


@pytest.mark.django_db(transaction=True)
def test_a_killed_import_is_finished_by_running_it_again(begun, tmp_path):
    begun.kill()
    begun.communicate(timeout=60)
    assert 0 < Call.objects.count() < 3_000
    assert breaches() == []
    finish(begun)
    assert {path.name for path in tmp_path.iterdir()} == {"calls.csv", "calls.csv.rejects.csv"}

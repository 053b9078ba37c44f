"""Sending a task while the broker is gone, in a process of its own, which never reached it."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.child import child_environment

ROOT = Path(__file__).resolve().parents[2]
SECONDS_MAX = {"closed": 2, "silent": 6}
ENQUEUE = """
import time
import django
django.setup()
from billing.payments.tasks import reconcile_payment
from billing.queue import enqueue
started = time.monotonic()
enqueue(reconcile_payment, 1)
print(time.monotonic() - started)
"""


@pytest.mark.django_db
@pytest.mark.parametrize("broker", ["closed", "silent"])
def test_a_broker_that_is_gone_costs_a_moment_and_a_line_in_the_log(broker):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if broker == "silent":  # takes the connection, never answers
            listener.listen(8)
        done = subprocess.run(
            [sys.executable, "-c", ENQUEUE],
            cwd=ROOT,
            env=child_environment(
                PYTHONPATH=str(ROOT), REDIS_URL=f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
            ),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < SECONDS_MAX[broker]
    assert "on_commit()" in done.stderr

"""A worker that lives and takes no more work ends by itself; one that is at work does not."""

import secrets
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from django.conf import settings

from config.watchdog import BUSY_SECONDS_MAX, CHECK_SECONDS, IDLE_SECONDS_MAX, Patience
from tests.child import child_environment

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 60
# With a watchdog that has little patience.
WORKER = """
from config import watchdog
from config.celery import app
watchdog.CHECK_SECONDS, watchdog.IDLE_SECONDS_MAX = 0.1, 1
app.worker_main(["worker", "--concurrency=1", "--loglevel=WARNING"])
"""
MANY = 10 * BUSY_SECONDS_MAX // CHECK_SECONDS


@pytest.mark.broker
@pytest.mark.django_db
def test_a_worker_that_lives_and_consumes_nothing_ends_by_itself(tmp_path: Path) -> None:
    prefix = f"test-{secrets.token_hex(6)}"
    app = Celery(broker=settings.REDIS_URL, set_as_current=False)
    app.conf.broker_transport_options = {"global_keyprefix": f"{prefix}:broker:"}
    log = tmp_path / "worker.log"
    with log.open("wb") as output:
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER],
            cwd=ROOT,
            env=child_environment(REDIS_KEY_PREFIX=prefix),
            stdout=output,
            stderr=output,
        )
    try:
        # Not one of the pool's: one that waits for an answer would keep each fork of us waiting.
        with app.connection() as own:
            told: dict[str, Any] = {"reply": True, "timeout": 0.5, "limit": 1, "connection": own}
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not app.control.cancel_consumer("celery", **told):
                assert worker.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
            app.send_task("billing.payments.tasks.sweep_payments", connection=own)
        assert worker.wait(PATIENCE_SECONDS) == 1
    finally:
        worker.kill()
        worker.wait()
    assert "Tasks wait, and this worker takes none" in log.read_text()


@pytest.mark.parametrize("is_busy", [False, True])
def test_a_worker_that_works_or_has_nothing_to_do_is_let_be(is_busy: bool) -> None:
    patience = Patience()
    assert not any(
        patience.is_over(taken=1 + n // 2, waiting=n % 2, is_busy=is_busy) for n in range(MANY)
    )
    assert not any(patience.is_over(taken=7, waiting=0, is_busy=is_busy) for _ in range(MANY))


@pytest.mark.parametrize(
    ("is_busy", "seconds"), [(False, IDLE_SECONDS_MAX), (True, BUSY_SECONDS_MAX)]
)
def test_a_worker_that_takes_none_of_what_waits_hangs_after_a_while(
    is_busy: bool, seconds: int
) -> None:
    patience = Patience()
    in_vain = 0
    while not patience.is_over(taken=0, waiting=3, is_busy=is_busy):
        in_vain += 1
    assert in_vain * CHECK_SECONDS == seconds

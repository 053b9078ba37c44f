"""`make test`: pytest, or any command, on servers of its own beside a running `make run`."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from config.local import browser
from config.local.processes import say
from config.local.refusals import Refused, Stopped
from config.local.servers import servers
from config.local.state import BASE_DIR, owned

SLOTS = 16
# Three for two cores, because some tests mostly wait. In the order of pytest-django: tests that
# commit for real empty the database, and come last.
IN_PARALLEL = ("-n", "3", "--dist", "loadgroup", "--no-loadscope-reorder")


def test(state: Path, arguments: Sequence[str]) -> int:
    """Run the test suite; `arguments` go to pytest."""
    if not browser.executable():
        say(f"No Chromium: browser tests will be left out. To install it: {browser.HOW_TO_INSTALL}")
    return execute(state, (sys.executable, "-m", "pytest", *(arguments or IN_PARALLEL)))


def execute(state: Path, command: Sequence[str]) -> int:
    """Run one command on the test servers; return its exit status."""
    with _test_servers(state) as environment:
        # Its own group, so that one Ctrl-C is passed on once and the servers outlast the command.
        child = subprocess.Popen(command, env=environment, cwd=BASE_DIR, start_new_session=True)
        try:
            return child.wait()
        except Stopped:
            os.killpg(child.pid, signal.SIGINT)
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
            raise


@contextlib.contextmanager
def _test_servers(state: Path) -> Iterator[dict[str, str]]:
    """Yield the environment of a test run, on the first set of servers that nobody else uses."""
    for slot in range(SLOTS):
        place = state / "test" / str(slot)
        with owned(place) as ours:
            if not ours:
                continue
            with servers(place, durable=False) as (_, environment):
                yield {
                    **environment,
                    # Development values: plain HTTP and static files straight from the source.
                    "DEBUG": "true",
                    "EMAIL_URL": "memorymail://",
                    # Playwright's own event loop runs in the thread of the tests.
                    "DJANGO_ALLOW_ASYNC_UNSAFE": "1",
                    "PYTHONUNBUFFERED": "1",
                }
                return
    raise Refused(f"{SLOTS} test runs at once are too many: wait for one to end.")

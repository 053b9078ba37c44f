"""What the runner says may get lost; what it runs may not."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.local import processes

FULL = Path("/dev/full")  # each write to it fails as on a full disk

pytestmark = pytest.mark.skipif(not FULL.exists(), reason="only Linux has /dev/full")


@pytest.fixture
def _full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have everything that is said go to a full disk."""
    full = FULL.open("w")
    monkeypatch.setattr(sys, "stdout", full)
    with pytest.raises(OSError, match="No space"):
        print("This gets lost", flush=True)
    yield
    monkeypatch.undo()
    with contextlib.suppress(OSError):
        full.close()


@pytest.mark.usefixtures("_full_disk")
def test_a_line_that_can_not_be_written_is_lost_and_nothing_else() -> None:
    processes.say("x" * 100_000)


@pytest.mark.usefixtures("_full_disk")
def test_what_a_process_says_is_read_on_a_full_disk_too(tmp_path: Path) -> None:
    """It says more than a pipe holds: with nobody who reads, it would wait for ever."""
    command = [sys.executable, "-c", "print('line\\n' * 100_000)"]
    supervisor = processes.Supervisor(tmp_path)
    talker = supervisor.start(processes.Program(name="talker", command=command, env={}))
    try:
        assert talker.popen.wait(60) == 0
    finally:
        supervisor.stop()

"""Notes of a state directory, and supervisors on a disk that is full."""

import errno
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from config.local.notes import Note
from config.local.processes import Program, Supervisor


def test_a_note_is_read_where_it_was_written_and_ignored_in_a_copy(tmp_path: Path) -> None:
    original = tmp_path / "original"
    original.mkdir()
    Note(original, "sockets").write("/tmp/cc-1")  # noqa: S108
    copy = tmp_path / "copy"
    shutil.copytree(original, copy)
    assert Note(original, "sockets").read() == "/tmp/cc-1"  # noqa: S108
    assert (Note(copy, "sockets").read(), Note(copy, "sockets").is_foreign()) == (None, True)


def test_a_directory_that_was_moved_keeps_its_notes(tmp_path: Path) -> None:
    original = tmp_path / "original"
    original.mkdir()
    Note(original, "sockets").write("x")
    moved = original.rename(tmp_path / "moved")
    assert Note(moved, "sockets").read() == "x"


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', "1"])
def test_half_a_note_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "sockets").write_text(text)
    assert Note(tmp_path, "sockets").read() is None


def test_a_full_disk_ends_no_supervisor_and_orphans_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    supervisor = Supervisor(tmp_path)

    def full(_value: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(supervisor.record, "write", full)
    sleeper = supervisor.start(
        Program(
            name="sleeper", command=[sys.executable, "-c", "import time; time.sleep(60)"], env={}
        )
    )
    supervisor.stop()
    assert sleeper.popen.poll() is not None
    assert "can't be kept (No space left on device)" in capsys.readouterr().out

"""Notes of a state directory about what is outside of it: processes, sockets, an environment.

A directory that was copied while it was in use holds the notes of the original, and nothing that
they name is its own. So each note carries the identity of the directory that it was written in, and
a foreign one is ignored. A directory that was moved keeps its identity.
"""

import contextlib
import json
import os
from pathlib import Path
from typing import Any


class Note:
    """One note, as JSON that its owner alone can read."""

    def __init__(self, state: Path, name: str) -> None:
        self._state = state
        self._path = state / name

    def write(self, value: Any) -> None:
        """Replace the note. Raises OSError where the disk is full."""
        unfinished = self._path.with_name(f"{self._path.name}.new")
        unfinished.unlink(missing_ok=True)
        unfinished.touch(mode=0o600)
        unfinished.write_text(json.dumps({"of": _identity(self._state), "value": value}))
        unfinished.replace(self._path)

    def read(self) -> Any:
        """Return what was written; None if there is no note, or it is another directory's."""
        try:
            note = json.loads(self._path.read_text())
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        is_own = isinstance(note, dict) and note.get("of") == _identity(self._state)
        return note.get("value") if is_own else None

    def is_foreign(self) -> bool:
        """Whether there is a note, and it is not this directory's."""
        return self._path.exists() and self.read() is None

    def forget(self) -> None:
        """Remove the note."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            self._path.unlink()


def _identity(state: Path) -> str:
    found = os.stat(state)
    return f"{found.st_dev}:{found.st_ino}"

"""Lends the environment of a running `make run` to `manage.py`: its servers and its settings.

So `manage.py import_calls …` works on the same data without any setting.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from config.local.notes import Note

NAME = "environment.json"


@contextlib.contextmanager
def lent(state: Path, environment: Mapping[str, str], names: Iterable[str]) -> Iterator[None]:
    """Keep these variables where `borrow` finds them, readable by their owner only."""
    note = Note(state, NAME)
    note.write({name: environment[name] for name in names if name in environment})
    try:
        yield
    finally:
        note.forget()


def borrow(state: Path) -> None:
    """Take the environment of what runs on `state`, unless DATABASE_URL already names a server.

    If nothing runs and nothing is set, the settings then say what is missing.
    """
    if "DATABASE_URL" in os.environ:
        return
    if state.is_dir():
        for name, value in (Note(state, NAME).read() or {}).items():
            os.environ.setdefault(name, value)

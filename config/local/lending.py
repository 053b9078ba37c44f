"""Lends the environment of a running `make run` to `manage.py`: its servers and its settings.

So `manage.py import_calls …` works on the same data without any setting.
"""

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path


@contextlib.contextmanager
def lent(state: Path, environment: Mapping[str, str], names: Iterable[str]) -> Iterator[None]:
    """Keep these variables where `borrow` finds them, readable by their owner only."""
    path = _file(state)
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(json.dumps({name: environment[name] for name in names if name in environment}))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def borrow(state: Path) -> None:
    """Take the environment of what runs on `state`, unless DATABASE_URL already names a server.

    If nothing runs and nothing is set, the settings then say what is missing.
    """
    if "DATABASE_URL" in os.environ:
        return
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for name, value in json.loads(_file(state).read_text()).items():
            os.environ.setdefault(name, value)


def _file(state: Path) -> Path:
    return state / "environment.json"

"""What a running `make run` tells `manage.py`: where its servers are, and with which settings.

So `manage.py import_calls …` works beside it on what it shows, without anything to set.
"""

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from config.environment import Environment

env = Environment()


def state_dir() -> Path:
    """Where `make run` keeps its state: STATE_DIR, else var/ beside the code."""
    default = Path(__file__).resolve().parents[2] / "var"
    return Path(env.str("STATE_DIR", default=str(default))).absolute()


def _file(state: Path) -> Path:
    return state / "environment.json"


@contextlib.contextmanager
def told_to_manage(
    state: Path, environment: Mapping[str, str], names: Iterable[str]
) -> Iterator[None]:
    """Keep these variables where `adopt` finds them, readable by their owner only."""
    path = _file(state)
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(json.dumps({name: environment[name] for name in names if name in environment}))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def adopt(state: Path) -> None:
    """Take over the environment of what runs on ``state``, unless one is set that names servers.

    With nothing running and nothing set, the settings then say what is missing.
    """
    if "DATABASE_URL" in os.environ:
        return
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for name, value in json.loads(_file(state).read_text()).items():
            os.environ.setdefault(name, value)

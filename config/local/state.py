"""The state directory: where servers keep their data, used by one process at a time."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from config.environment import Environment, refuse

BASE_DIR = Path(__file__).resolve().parents[2]


def state_dir() -> Path:
    """Return where `make run` keeps its state: STATE_DIR, else var/ beside the code."""
    return Path(Environment().text("STATE_DIR", str(BASE_DIR / "var"))).absolute()


@contextlib.contextmanager
def owned(state: Path) -> Iterator[bool]:
    """Hold the lock of a state directory; yield False when another process holds it."""
    try:
        state.mkdir(parents=True, exist_ok=True)
        lock = (state / "lock").open("a")
    except PermissionError:
        raise  # the command line says what helps
    except OSError as error:
        refuse("STATE_DIR", f"{state} cannot be written to ({error.strerror})")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True

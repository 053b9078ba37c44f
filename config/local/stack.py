"""One command for everything that runs: `python -m config.local.stack run|test|reset|…`.

    run            servers, migrations, demo data, then web + worker + beat until Ctrl-C
    test [ARGS]    the test suite on servers of its own, beside a running `run`
    reset          delete the state of `run`
    backup FILE    keep all that the database holds in FILE
    restore FILE   bring it back; with --replace, in place of what the database holds
    exec -- CMD    one command with the servers of `test` up and the environment set

State lives in var/ (STATE_DIR moves it). DATABASE_URL and REDIS_URL name servers of your own;
without them embedded ones are started and stopped here.
"""

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from django.core.exceptions import ImproperlyConfigured

from config.local.backup import backup, restore
from config.local.embedded_server import ServerDidNotStart
from config.local.processes import say
from config.local.product import reset, run
from config.local.refusals import Refused, Stopped
from config.local.state import state_dir
from config.local.testing import execute, test


def main(arguments: Sequence[str]) -> int:
    """Carry out one command of this module's docstring; return the exit status."""
    _stop_on_signals()
    state = state_dir()
    try:
        match list(arguments):
            case ["run"]:
                return run(state)
            case ["reset"]:
                return reset(state)
            case ["backup", file]:
                return backup(state, Path(file))
            case ["restore", file]:
                return restore(state, Path(file), replace=False)
            case ["restore", file, "--replace"]:
                return restore(state, Path(file), replace=True)
            case ["test", *rest]:
                return test(state, rest)
            case ["exec", "--", *command] if command:
                return execute(state, command)
            case _:
                say(__doc__ or "")
                return 2
    except Stopped:
        say("Stopped.")
        return 0 if list(arguments) == ["run"] else 130
    except (Refused, ImproperlyConfigured, ServerDidNotStart) as error:
        say(f"\n{error}")
        return 1
    except PermissionError as error:
        if error.filename in arguments:  # what `exec` was given to run
            raise
        say(
            f"\nEnvironment variable STATE_DIR: {state} holds what another user made"
            f" ({error.filename}: {error.strerror}). Delete it as that user, or set another one."
        )
        return 1


def _stop_on_signals() -> None:
    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        # Once: a second Ctrl-C must not interrupt the stopping.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        raise Stopped

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

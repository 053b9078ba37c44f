#!/usr/bin/env python
"""Django's command line for this project, with the settings of a running `make run`, if any.

Exit status 2, as for wrong arguments, if a setting is missing or cannot be used, or the database
does not answer: some commands answer with 1. 130 if interrupted.
"""

import contextlib
import os
import signal
import sys
from importlib.util import find_spec

INTERRUPTED = 130
# What PostgreSQL answers when it ends a session or takes none: shutdown, crash, start.
NOT_THERE = ("08", "57P")


def in_one_line(error: Exception) -> str | None:
    """Say why the database can't be used; None where it could, and something else went wrong."""
    code = getattr(error.__cause__, "pgcode", "")
    if code == "42P01":
        return "The database has not all the tables of this version: run `manage.py migrate`."
    if code is not None and not code.startswith(NOT_THERE):
        return None
    return f"Environment variable DATABASE_URL: {' '.join(str(error).split())}"


if __name__ == "__main__":
    # Loading takes a moment. A Ctrl-C then ends the process here: raised inside an import, it would
    # surface as another error, or not at all. Where Ctrl-C is ignored, it stays ignored.
    on_interrupt = signal.getsignal(signal.SIGINT)
    if on_interrupt is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))

    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import Error as DatabaseError

    from config.loading import load

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        if find_spec("config.local"):  # the image leaves it out
            from config.local.lending import borrow
            from config.local.state import state_dir

            borrow(state_dir())
        with contextlib.suppress(ImproperlyConfigured):  # `help` does without the settings
            load()
        signal.signal(signal.SIGINT, on_interrupt)
        execute_from_command_line(sys.argv)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except ImproperlyConfigured as error:
        if "--traceback" in sys.argv:
            raise
        alone = "DATABASE_URL" not in os.environ
        hint = ". Beside a running `make run`, commands take its settings." if alone else ""
        print(f"{error}{hint}", file=sys.stderr)
        sys.exit(2)
    except DatabaseError as error:
        line = in_one_line(error)
        if line is None or "--traceback" in sys.argv:
            raise
        print(line, file=sys.stderr)
        sys.exit(2)

#!/usr/bin/env python
"""Django's command line for this project, with the settings of a `make run` beside it.

Exit status 2, as for wrong arguments, when the environment lacks something or holds what cannot be
used: 1 would be the answer of some commands. 130 when interrupted.
"""

import contextlib
import os
import signal
import sys

INTERRUPTED = 130

if __name__ == "__main__":
    # Loading takes a moment. A Ctrl-C meanwhile ends it here: raised in the midst of an import, it
    # would come out as some other error, or not at all. Where it is ignored, it stays so.
    on_interrupt = signal.getsignal(signal.SIGINT)
    if on_interrupt is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))

    import django
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    from config.local.running import adopt, state_dir

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        adopt(state_dir())
        with contextlib.suppress(ImproperlyConfigured):  # `help` does without the settings
            django.setup()
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

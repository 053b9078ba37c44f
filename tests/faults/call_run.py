"""Calls told by API, webhook and list while everything is killed, hangs, is full, or is locked.

Starts the real stack on loopback. Programs and platforms tell calls meanwhile, repeatedly, in
disorder, with corrections, and many of them by two reporters; platforms do not repeat all that was
not taken. Once it has settled, every call that was accepted must be charged exactly once, and the
end must be that of another account to which the same is told in peace. Prints the figures; exits 1
on any violation.

    make faults FAULTS=call_run FAULTS_ARGS="--calls 300 --seed 1"
"""

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack

import django

from tests.calls.inbox.fake_platforms import serving
from tests.faults.run import add_options_of_breaking
from tests.faults.stack import Stack, stopped_by_signals


def main(arguments: Sequence[str]) -> int:
    """Run once; return the exit status."""
    parser = argparse.ArgumentParser(description="Break everything but what calls cost.")
    parser.add_argument("--calls", type=int, default=300, help="how many are told (300)")
    parser.add_argument("--seed", type=int, default=1, help="decides what is told and breaks (1)")
    add_options_of_breaking(parser)
    options = parser.parse_args(arguments)
    with ExitStack() as running:
        running.enter_context(stopped_by_signals())
        platforms = {kind: running.enter_context(serving()) for kind in ("vapi", "twilio")}
        bases = ",".join(f"{kind}={platform.base}" for kind, platform in platforms.items())
        os.environ["PLATFORM_API_BASES"] = bases
        stack = running.enter_context(Stack(keep_logs=options.logs))
        os.environ.update(stack.environment)
        os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
        django.setup()
        # What follows needs Django, and Django needs the stack's address.
        from tests.faults.call_scenario import CallScenario  # noqa: PLC0415

        scenario = CallScenario(
            stack=stack,
            platforms=platforms,
            seed=options.seed,
            pause_seconds=options.pause,
            hanging_seconds=options.hanging,
        )
        return scenario.run(calls=options.calls)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`make faults`: buy top-ups while everything is killed, hangs, is full, repeated and forged.

Starts the real stack on loopback, lets customers buy through the web meanwhile, then lets it settle
and compares the provider's books with the ledger. Prints the figures; exits 1 on any violation.

    python -m tests.faults.run --top-ups 300 --seed 1
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import django

from tests.faults.stack import Stack, stopped_by_signals

HANGING_SECONDS_MAX = 8


def add_options_of_breaking(parser: argparse.ArgumentParser) -> None:
    """Add the options that every run has in which things break."""
    parser.add_argument("--pause", type=float, default=2.5, help="seconds between faults (2.5)")
    parser.add_argument(
        "--hanging",
        type=float,
        default=HANGING_SECONDS_MAX,
        help=f"seconds for which servers hang or are full at the most ({HANGING_SECONDS_MAX})",
    )
    parser.add_argument("--logs", type=Path, help="keep the logs of all processes there")


def main(arguments: Sequence[str]) -> int:
    """Run once; return the exit status."""
    parser = argparse.ArgumentParser(prog="make faults", description="Break everything but money.")
    parser.add_argument("--top-ups", type=int, default=300, help="how many to begin (300)")
    parser.add_argument("--seed", type=int, default=1, help="decides who does and what breaks (1)")
    add_options_of_breaking(parser)
    options = parser.parse_args(arguments)
    with stopped_by_signals(), Stack(keep_logs=options.logs) as stack:
        os.environ.update(stack.environment)
        os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
        django.setup()
        # What follows needs Django, and Django needs the stack's address.
        from tests.faults.scenario import Scenario  # noqa: PLC0415

        scenario = Scenario(
            stack=stack,
            seed=options.seed,
            pause_seconds=options.pause,
            hanging_seconds=options.hanging,
        )
        return scenario.run(top_ups=options.top_ups)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

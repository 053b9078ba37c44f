"""Imports whose worker, web and database are killed in every step, each one on the real stack.

A file is uploaded in parts through the site, looked at, tried, imported and taken back; in each of
these steps one process is killed (``kill -9``; PostgreSQL crashes and recovers), and started again.
Then the same file is imported twice at the same time. Prints a line a step; exits 1 on a violation.

    make faults FAULTS=import_run
"""

import os
import sys
from pathlib import Path

import django

from tests.faults.stack import Stack, stopped_by_signals


def main() -> int:
    """Run once; return the exit status."""
    logs = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with stopped_by_signals(), Stack(keep_logs=logs) as stack:
        os.environ.update(stack.environment)
        os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
        django.setup()
        # What follows needs Django, and Django needs the stack's address.
        from tests.faults.import_scenario import VICTIMS, Run  # noqa: PLC0415

        run = Run(stack)
        for victim in VICTIMS:
            for step in run.through(victim):
                print(f"{victim} killed while {step}: the same end", flush=True)
        run.twice_at_once()
        print("the same file twice at once: charged once", flush=True)
        audit = stack.manage("audit_ledger")
        print(audit.stdout + audit.stderr, flush=True)
        return audit.returncode


if __name__ == "__main__":
    sys.exit(main())

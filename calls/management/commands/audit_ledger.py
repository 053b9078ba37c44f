"""``manage.py audit_ledger``: prove the ledger from its rows."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.template.defaultfilters import pluralize

from billing.ledger import audit as ledger_audit
from billing.payments import audit as payments_audit
from billing.plans import audit as plans_audit
from billing.snapshot import snapshot
from calls import audit as calls_audit
from calls import audit_reports

INVARIANTS = (
    *ledger_audit.INVARIANTS,
    *plans_audit.INVARIANTS,
    *payments_audit.INVARIANTS,
    *calls_audit.INVARIANTS,
    *audit_reports.INVARIANTS,
)


class Command(BaseCommand):
    """Check every invariant of ledger and calls, print every breach, exit 1 if there is one."""

    help = "Check every invariant of the ledger, print every breach, exit 1 if there is one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One option: how much memory the database may sort in."""
        parser.add_argument(
            "--work-mem", default="256MB", help="Memory for one sort in the database (256MB)."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Audit one snapshot, so that postings under way don't look like breaches."""
        found = 0
        with snapshot(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('work_mem', %s, true)", [options["work_mem"]])
            for invariant in INVARIANTS:
                for breach in invariant():
                    found += 1
                    self.stdout.write(self.style.ERROR(str(breach)))
        if found:
            breaches = f"{found:,} breach{pluralize(found, 'es')}"
            raise CommandError(f"{breaches} found.", returncode=1)
        self.stdout.write(self.style.SUCCESS(f"The ledger is clean: {len(INVARIANTS)} invariants."))

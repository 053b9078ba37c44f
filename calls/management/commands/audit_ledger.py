"""``manage.py audit_ledger``: prove the ledger from its rows."""

from argparse import ArgumentParser
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from django.template.defaultfilters import pluralize

from billing.ledger import audit as ledger_audit
from billing.ledger.audit import Breach, Invariant
from billing.payments import audit as payments_audit
from billing.plans import audit as plans_audit
from billing.snapshot import snapshot
from calls import audit as calls_audit
from calls import audit_reports, audit_stored

AT_ONCE = 2
INVARIANTS = (
    *ledger_audit.INVARIANTS,
    *plans_audit.INVARIANTS,
    *payments_audit.INVARIANTS,
    *calls_audit.INVARIANTS,
    *audit_stored.INVARIANTS,
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
        for breach in _breaches(options["work_mem"]):
            found += 1
            self.stdout.write(self.style.ERROR(str(breach)))
        if found:
            breaches = f"{found:,} breach{pluralize(found, 'es')}"
            raise CommandError(f"{breaches} found.", returncode=1)
        self.stdout.write(self.style.SUCCESS(f"The ledger is clean: {len(INVARIANTS)} invariants."))


def _breaches(work_mem: str) -> Iterator[Breach]:
    """Those of all invariants, in their order.

    Some are proved by the database and some by this process, so two are proved at a time, each on a
    connection of its own. Only this one sees what its own transaction has not committed yet.
    """
    if connection.in_atomic_block:
        for invariant in INVARIANTS:
            yield from _prove(invariant, work_mem)
        return
    with snapshot(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_export_snapshot()")
        prove = partial(_prove_apart, work_mem=work_mem, exported=cursor.fetchone()[0])
        with ThreadPoolExecutor(AT_ONCE) as threads:
            for breaches in threads.map(prove, INVARIANTS):
                yield from breaches


def _prove_apart(invariant: Invariant, work_mem: str, exported: str) -> list[Breach]:
    try:
        with snapshot(exported):
            return _prove(invariant, work_mem)
    finally:
        connection.close()


def _prove(invariant: Invariant, work_mem: str) -> list[Breach]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('work_mem', %s, true)", [work_mem])
        return list(invariant())

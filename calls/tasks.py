"""Celery's shells around domain calls on calls and ledger together, and around files in and out."""

from celery import shared_task
from django.core.management import call_command
from django.utils import timezone

from billing.queue import RETRYING
from calls.exports import keeping, making
from calls.imports import command_imports, machine, slices, uploads


@shared_task(soft_time_limit=280)
def audit_ledger() -> None:
    """Prove the ledger. A breach fails the task, which logs it."""
    call_command("audit_ledger")


@shared_task(**RETRYING)
def work_on_import(import_id: int, ticket: int) -> None:
    """Do one slice of an import, and queue the next."""
    if slices.work(import_id=import_id, ticket=ticket, clock=timezone.now):
        work_on_import.delay(import_id, ticket)


@shared_task
def sweep_imports() -> None:
    """Queue the imports that should be moving and are not; end those of killed commands."""
    machine.requeue(now=timezone.now())
    command_imports.stop_killed(now=timezone.now())


@shared_task
def delete_old_import_files() -> None:
    """Delete files that are older than is promised, and uploads that were abandoned."""
    uploads.delete_old_files(now=timezone.now())


@shared_task(**RETRYING)
def make_exports() -> None:
    """Do one slice of an export, and queue the next."""
    if making.work(clock=timezone.now):
        make_exports.delay()


@shared_task
def sweep_exports() -> None:
    """Go on with exports that should be moving and are not."""
    if keeping.has_stalled(now=timezone.now()):
        make_exports.delay()


@shared_task
def delete_old_exports() -> None:
    """Delete exported files that are a day old, and what is left of others."""
    keeping.delete_old(now=timezone.now())

"""Celery's shells around domain calls on calls and ledger together."""

from celery import shared_task
from django.core.management import call_command


@shared_task(soft_time_limit=280)
def audit_ledger() -> None:
    """Prove the ledger. A breach fails the task, which logs it."""
    call_command("audit_ledger")

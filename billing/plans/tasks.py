"""Celery's shells around billing cycles and expiry."""

from celery import shared_task
from django.utils import timezone

from billing import ledger
from billing.plans import subscriptions
from billing.queue import for_each_account


@shared_task
def renew_subscriptions() -> None:
    """Begin the billing cycles that are due."""
    for_each_account(
        subscriptions.due_for_renewal(now=timezone.now()),
        lambda account: subscriptions.renew(account=account, now=timezone.now()),
    )


@shared_task
def expire_credits() -> None:
    """Expire the credits that are due, together with the beginning of a cycle that may be due."""
    for_each_account(
        ledger.grants_due(at=timezone.now()),
        lambda account: subscriptions.renew(account=account, now=timezone.now()),
    )

"""Celery's shells around billing cycles and expiry."""

from celery import shared_task

from billing import clock, ledger
from billing.plans import subscriptions
from billing.queue import for_each_account


@shared_task
def renew_subscriptions() -> None:
    """Begin the billing cycles that are due."""
    for_each_account(
        subscriptions.due_for_renewal(now=clock.now()),
        lambda account: subscriptions.renew(account=account, now=clock.now()),
    )


@shared_task
def expire_credits() -> None:
    """Expire the credits that are due, together with the beginning of a cycle that may be due."""
    for_each_account(
        ledger.grants_due(at=clock.now()),
        lambda account: subscriptions.renew(account=account, now=clock.now()),
    )

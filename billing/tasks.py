"""Celery's shells around domain calls: each carries an id, may run twice, and decides nothing.

Whatever the broker loses, a sweeper finds again in the database: no state lives in the broker.
"""

import logging
from collections.abc import Callable
from typing import Any

import requests
from celery import shared_task
from django.conf import settings
from django.db import DatabaseError, transaction
from django.urls import reverse
from django.utils import timezone

from billing import alerts, ledger, notices, payments, subscriptions, topups
from billing.gateways import GatewayError, UnavailableGatewayError, sandbox
from billing.gateways.signatures import sign
from billing.models import Account
from billing.tariffs import TariffBook

logger = logging.getLogger(__name__)

# Tries again at once, for what fails for a moment. What fails longer is tried ever less often by a
# sweeper, which finds in the database when (`billing.backoff`).
RETRYING: dict[str, Any] = {
    "autoretry_for": (GatewayError, DatabaseError, OSError),
    "retry_backoff": 2,
    "retry_jitter": True,
    "max_retries": 3,
}


def enqueue(task: Any, *ids: object) -> None:
    """Send ``task`` after the transaction commits. A broker that is down costs a log line only."""

    def send() -> None:  # no partial: Django asks what failed for its __qualname__
        task.delay(*ids)

    transaction.on_commit(send, robust=True)


@shared_task(**RETRYING)
def process_payment_event(event_id: int) -> None:
    """Process one stored event."""
    payments.process(event_id=event_id, now=timezone.now())


@shared_task(**RETRYING)
def reconcile_top_up(top_up_id: int) -> None:
    """Ask the provider about one purchase; one that is not in use is not asked again at once."""
    try:
        topups.reconcile(top_up_id=top_up_id, now=timezone.now())
    except UnavailableGatewayError as error:
        logger.warning("Top-up %s was not asked about: %s", top_up_id, error)


@shared_task(**{**RETRYING, "max_retries": 8})
def deliver_sandbox_event(checkout_id: str, event_id: str, as_status: str = "") -> None:
    """Report from the sandbox provider how a checkout stands, as a real one would: over HTTP.

    ``as_status`` reports how it stood before, for events that arrive in the wrong order.
    """
    checkout = sandbox.checkout_now(checkout_id=checkout_id, now=timezone.now())
    checkout.status = as_status or checkout.status
    body = sandbox.event_body(checkout=checkout, event_id=event_id)
    signature = sign(body=body, secret=settings.SANDBOX_WEBHOOK_SECRET, at=timezone.now())
    requests.post(
        settings.SITE_URL + reverse("webhook", args=[sandbox.SandboxGateway.name]),
        data=body,
        headers={sandbox.SIGNATURE_HEADER: signature, "Content-Type": "application/json"},
        timeout=10,
    ).raise_for_status()


@shared_task
def sweep_payments() -> None:
    """Send the events and purchases on their way again that lost theirs."""
    now = timezone.now()
    for event_id in payments.unprocessed(now=now):
        process_payment_event.delay(event_id)
    for top_up_id in topups.to_reconcile(now=now):
        reconcile_top_up.delay(top_up_id)


@shared_task
def renew_subscriptions() -> None:
    """Begin the billing cycles that are due."""
    book = TariffBook(Account.objects.values_list("pk", flat=True))
    _for_each(
        subscriptions.due_for_renewal(book=book, now=timezone.now()),
        lambda account: subscriptions.renew(account=account, now=timezone.now()),
    )


@shared_task
def expire_credits() -> None:
    """Expire the credits that are due, together with the beginning of a cycle that may be due."""
    _for_each(
        ledger.grants_due(at=timezone.now()),
        lambda account: subscriptions.renew(account=account, now=timezone.now()),
    )


@shared_task
def watch_credits() -> None:
    """Look for balances that fell to a threshold."""

    def watch(account: Account) -> None:
        for notice_id in alerts.watch(account=account, now=timezone.now()):
            send_notice.delay(notice_id)

    _for_each(alerts.to_watch(), watch)


@shared_task
def notice_expiring_credits() -> None:
    """Warn of credits that expire soon."""
    for notice_id in alerts.notice_expiring(now=timezone.now()):
        send_notice.delay(notice_id)


@shared_task(**RETRYING)
def send_notice(notice_id: int) -> None:
    """Send one e-mail."""
    notices.send(notice_id=notice_id, now=timezone.now())


@shared_task
def sweep_notices() -> None:
    """Send the e-mails that were lost on their way."""
    for notice_id in notices.unsent(now=timezone.now()):
        send_notice.delay(notice_id)


def _for_each(account_ids: list[int], work: Callable[[Account], object]) -> None:
    """Do ``work`` for each account; one that fails is logged and does not stop the others."""
    for account in Account.objects.filter(pk__in=account_ids).order_by("pk"):
        try:
            work(account)
        except Exception:
            logger.exception("Account %s was left out", account.slug)

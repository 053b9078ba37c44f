"""Celery's shells around what is done about payments: each carries an id and may run twice."""

import logging

from celery import shared_task
from django.utils import timezone

from billing.payments import events, settling
from billing.payments.gateways import GatewayError, UnavailableGatewayError
from billing.queue import RETRYING

logger = logging.getLogger(__name__)

ASKING = {**RETRYING, "autoretry_for": (*RETRYING["autoretry_for"], GatewayError)}


@shared_task(**ASKING)
def process_payment_event(event_id: int) -> None:
    """Process one stored event."""
    events.process(event_id=event_id, now=timezone.now())


@shared_task(**ASKING)
def reconcile_top_up(top_up_id: int) -> None:
    """Ask the provider about one top-up; one that is not in use is not asked again at once."""
    try:
        settling.reconcile(top_up_id=top_up_id, now=timezone.now())
    except UnavailableGatewayError as error:
        logger.warning("Top-up %s was not asked about: %s", top_up_id, error)


@shared_task
def sweep_payments() -> None:
    """Send the events and top-ups on their way again that lost theirs."""
    now = timezone.now()
    for event_id in events.unprocessed(now=now):
        process_payment_event.delay(event_id)
    for top_up_id in settling.to_reconcile(now=now):
        reconcile_top_up.delay(top_up_id)

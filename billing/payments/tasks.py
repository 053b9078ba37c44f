"""Celery's shells around what is done about payments: each carries an id and may run twice."""

import logging

from celery import shared_task

from billing import clock
from billing.payments import asking, events, settling
from billing.payments.gateways import GatewayError, UnavailableGatewayError
from billing.queue import RETRYING

logger = logging.getLogger(__name__)

ASKING = {**RETRYING, "autoretry_for": (*RETRYING["autoretry_for"], GatewayError)}


@shared_task(**ASKING)
def process_payment_event(event_id: int) -> None:
    """Process one stored event."""
    events.process(event_id=event_id, now=clock.now())


@shared_task(**ASKING)
def reconcile_payment(payment_pk: int) -> None:
    """Ask the provider about one payment; one that is not in use is not asked again at once."""
    try:
        settling.reconcile(payment_pk=payment_pk, now=clock.now())
    except UnavailableGatewayError as error:
        logger.warning("Payment %s was not asked about: %s", payment_pk, error)


@shared_task
def sweep_payments() -> None:
    """Process the events that lost their way, and ask about the payments that are due."""
    now = clock.now()
    for event_id in events.unprocessed(now=now):
        process_payment_event.delay(event_id)
    for payment_pk in asking.payments_to_ask_about(now=now):
        reconcile_payment.delay(payment_pk)

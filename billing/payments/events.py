"""Events from payment providers: stored when they arrive, processed afterwards, each once.

Owns PaymentEvent. An event is proved by its signature before it is stored; from then on it can be
processed as often as need be, because `billing.payments.settling.settle` does not mind repetition.
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import DataError, transaction
from django.db.models import F

from billing.backoff import due_again
from billing.models import Payment, PaymentEvent, TopUp
from billing.payments import settling
from billing.payments.gateways import (
    CheckoutFacts,
    DisputeFacts,
    Facts,
    GatewayError,
    PaymentNamed,
    RefundFacts,
    RefusedError,
    UnavailableGatewayError,
    WebhookError,
    gateway_named,
)
from billing.payments.matching import find
from billing.payments.states import standing_of

logger = logging.getLogger(__name__)

# A refund or dispute can be reported before the payment that it is about: it waits this long.
UNKNOWN_PAYMENT_WAITS = timedelta(days=1)
# An event that was stored or attempted a moment ago is being processed already.
BEING_PROCESSED_FOR = timedelta(seconds=10)


def receive(
    *, gateway: str, body: bytes, headers: Mapping[str, str], now: datetime
) -> PaymentEvent | None:
    """Verify and store one event; return it, or None where it was stored before.

    Raises WebhookError (nothing stored) where it is not to be believed, and
    UnavailableGatewayError where no such gateway is in use.
    """
    event = gateway_named(gateway).parse_webhook(body=body, headers=headers)
    try:
        with transaction.atomic():
            stored, is_new = PaymentEvent.objects.get_or_create(
                gateway=gateway,
                event_id=event.event_id,
                defaults={
                    "event_type": event.event_type[:100],
                    "payload": event.payload,
                    "received_at": now,
                },
            )
    except (DataError, ValueError, RecursionError) as error:
        # JSON knows more than PostgreSQL can store: NUL characters, halves of characters, NaN.
        raise WebhookError("the event has values that can't be stored") from error
    return stored if is_new else None


def process(*, event_id: int, now: datetime) -> str:
    """Do what a stored event asks for, once; return what came of it, in words for an operator."""
    # Outside the transaction: an attempt that fails is counted too.
    PaymentEvent.objects.filter(pk=event_id, processed_at=None).update(
        attempts=F("attempts") + 1, tried_at=now
    )
    with transaction.atomic():
        event = PaymentEvent.objects.select_for_update(no_key=True).get(pk=event_id)
        if event.processed_at is not None:
            return event.outcome
        outcome = _settle(event, now)
        if outcome is not None:
            event.outcome, event.processed_at = outcome[:300], now
            event.save(update_fields=["outcome", "processed_at"])
    return event.outcome


def unprocessed(*, now: datetime, limit: int = 500) -> list[int]:
    """Events whose next attempt is due: processing was lost on the way, failed or has to wait."""
    due = due_again(
        PaymentEvent.objects.filter(processed_at=None),
        now=now,
        began="received_at",
        tried="tried_at",
        after=BEING_PROCESSED_FOR,
    )
    return list(due.values_list("pk", flat=True)[:limit])


def oldest_unprocessed() -> datetime | None:
    """When the event arrived that has waited longest; None where none waits. One indexed query."""
    waiting = PaymentEvent.objects.filter(processed_at=None).order_by("received_at")
    return waiting.values_list("received_at", flat=True).first()


def _settle(event: PaymentEvent, now: datetime) -> str | None:
    """Settle the payment that the event is about; None where that has to wait."""
    try:
        facts = gateway_named(event.gateway).facts_of(event.payload)
    except UnavailableGatewayError:
        return None  # until it is in use again
    except WebhookError as error:
        return f"Not understood: {error}."
    if facts is None:
        return "Names no payment."
    payment = find(gateway=event.gateway, facts=facts)
    if payment is None:
        if getattr(facts, "reference", "") or now - event.received_at > UNKNOWN_PAYMENT_WAITS:
            return "Names no top-up of ours."
        return None
    if isinstance(facts, PaymentNamed):
        settling.reconcile(payment_pk=payment.pk, now=now)
    else:
        if isinstance(facts, CheckoutFacts):
            # The event may be older than the payment we already know: the worker can fall behind.
            facts = replace(facts, paid_at=facts.paid_at or event.received_at)
        newest = _asked_for(payment, facts)
        settling.settle(payment_pk=payment.pk, facts=newest, now=now)
    return _outcome(payment.top_up)


def _asked_for(payment: Payment, facts: Facts) -> Facts:
    """What the provider answers now about the object of an event; where it can't be asked, what
    the event says. An event is but a hint: it may be older than what is known."""
    gateway = gateway_named(payment.gateway)
    try:
        if isinstance(facts, RefundFacts):
            refunds = gateway.fetch_refunds(facts.payment_id)
            return next((each for each in refunds if each.refund_id == facts.refund_id), facts)
        if isinstance(facts, DisputeFacts):
            disputes = gateway.fetch_disputes(facts.payment_id)
            return next((each for each in disputes if each.dispute_id == facts.dispute_id), facts)
        if payment.checkout_id and payment.checkout_id != facts.checkout_id:
            return facts  # does not fit, which is for an operator to see
        answer = gateway.fetch_checkout(facts.checkout_id)
        return replace(answer, paid_at=answer.paid_at or facts.paid_at)
    except GatewayError as error:
        if not isinstance(error, RefusedError) and _is_known(payment, facts):
            raise  # until it answers: what is known may be newer
        logger.warning("%s was not asked about: %s", payment, error)
        return facts


def _is_known(payment: Payment, facts: Facts) -> bool:
    """Whether the provider has told of this refund or dispute before."""
    if isinstance(facts, RefundFacts):
        return payment.refunds.filter(refund_id=facts.refund_id).exists()
    if isinstance(facts, DisputeFacts):
        return payment.disputes.filter(dispute_id=facts.dispute_id).exists()
    return False  # nothing undoes a payment


def _outcome(top_up: TopUp) -> str:
    """What came of an event, in words for an operator."""
    standing = standing_of(TopUp.objects.get(pk=top_up.pk))
    if standing.open_review is not None:
        return f"{top_up.receipt_number} waits for an operator: {standing.open_review.reason}"
    return f"{top_up.receipt_number} is {standing.state.label.lower()}."

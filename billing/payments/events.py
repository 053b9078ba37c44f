"""Events from payment providers: stored when they arrive, processed afterwards, each once.

Owns PaymentEvent. An event is proved by its signature before it is stored; from then on it can be
processed as often as need be, because `billing.payments.settling.settle` does not mind repetition.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import DataError, transaction
from django.db.models import F

from billing.backoff import due_again
from billing.models import PaymentEvent, TopUp
from billing.payments import settling
from billing.payments.gateways import (
    PaymentFacts,
    UnavailableGatewayError,
    UnknownCheckoutError,
    WebhookError,
    gateway_named,
)
from billing.payments.matching import find

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


def _settle(event: PaymentEvent, now: datetime) -> str | None:
    """Settle the top-up that the event is about; None where that has to wait."""
    try:
        facts = gateway_named(event.gateway).facts_of(event.payload)
    except UnavailableGatewayError:
        return None  # until it is in use again
    except WebhookError as error:
        return f"Not understood: {error}."
    if facts is None:
        return "Not about a payment of ours."
    top_up = find(gateway=event.gateway, facts=facts)
    if top_up is None:
        if facts.reference or now - event.received_at > UNKNOWN_PAYMENT_WAITS:
            return "Names no top-up of ours."
        return None
    facts = _asked_for(top_up, facts)
    # The event may be older than the payment we already know: the worker can fall behind.
    facts = replace(facts, paid_at=facts.paid_at or event.received_at)
    settled = settling.settle(top_up_id=top_up.pk, facts=facts, now=now)
    if settled.parked_reason:
        return f"{settled.receipt_number} is parked: {settled.parked_reason}"
    return f"{settled.receipt_number} is {settled.get_state_display().lower()}."


def _asked_for(top_up: TopUp, facts: PaymentFacts) -> PaymentFacts:
    """The facts of an event; of one that is but a hint, what the provider answers now."""
    if not facts.is_hint or not top_up.checkout_id:
        return facts
    try:
        answer = gateway_named(top_up.gateway).fetch_payment(top_up.checkout_id)
    except UnknownCheckoutError:
        return facts
    return replace(answer, refund_failure=facts.refund_failure)

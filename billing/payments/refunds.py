"""What an operator does about money that was received: pay a top-up back, or decide about one whose
payment does not fit.

Each is done once, under the top-up's lock; the provider is asked outside of it, with a key that
makes asking twice harmless.
"""

from datetime import datetime

from django.db import transaction

from billing.models import ParkedDecision, TopUp, TopUpState
from billing.payments import settling
from billing.payments.gateways import (
    GatewayError,
    PaymentFacts,
    PaymentStatus,
    RefundOrder,
    gateway_named,
)
from billing.payments.idempotency import note_refusal, numbered
from billing.payments.matching import pays_another
from billing.payments.pricing import TopUpError
from billing.payments.transitions import can_become, move
from billing.texts import readable_reason

S = TopUpState


def refund(*, top_up_id: int, reason: str, now: datetime) -> TopUp:
    """Pay a credited top-up back for ``reason``, and take its credits off the balance.

    Raises TopUpError where there is nothing to refund, GatewayError where the provider refuses.
    Nothing has changed then, and trying again does not pay twice: what the provider has paid back
    already is asked for first.
    """
    reason = _reason(reason)
    _check_refundable(TopUp.objects.get(pk=top_up_id))
    top_up = settling.reconcile(top_up_id=top_up_id, now=now)
    if top_up.state == S.REFUNDED:
        return top_up
    _check_refundable(top_up)
    amount_minor = top_up.paid_minor - top_up.paid_back_minor
    done_at = _pay_back(top_up, top_up.payment_id, amount_minor, top_up.paid_currency, reason)
    facts = PaymentFacts(
        status=PaymentStatus.PAID,
        refunded_minor=top_up.refunded_minor + amount_minor,
        as_of=done_at,
        reason=reason,
    )
    return settling.settle(top_up_id=top_up_id, facts=facts, now=now)


def accept(*, top_up_id: int, reason: str, now: datetime) -> TopUp:
    """Credit a parked top-up all the same: what was received is its price from now on.

    Raises TopUpError where it is not parked, is credited already, or the payment is another's.
    """
    reason = _reason(reason)
    with transaction.atomic():
        top_up = _parked(top_up_id)
        if top_up.credited_at is not None:
            raise TopUpError(f"The credits of {top_up.receipt_number} were added already.")
        payment_id = top_up.received_payment_id or top_up.payment_id
        if pays_another(top_up, payment_id):
            raise TopUpError("This payment has paid another top-up.")
        _decide(top_up, ParkedDecision.ACCEPTED, reason, now)
        top_up.payment_id = payment_id
        if can_become(top_up, S.PAID):
            move(top_up, S.PAID, now)
        settling.credit(top_up, now)
        settling.follow_refunds(top_up, now=now)
        top_up.save()
    return top_up


def close(*, top_up_id: int, reason: str, now: datetime) -> TopUp:
    """Neither credit a parked top-up nor pay it back; one that is credited stays as it is.

    Raises TopUpError where it is not parked.
    """
    reason = _reason(reason)
    with transaction.atomic():
        top_up = _parked(top_up_id)
        _decide(top_up, ParkedDecision.CLOSED, reason, now)
        if can_become(top_up, S.CANCELLED):
            move(top_up, S.CANCELLED, now)
        top_up.save()
    return top_up


def refund_parked(*, top_up_id: int, reason: str, now: datetime) -> TopUp:
    """Pay back what was received for a parked top-up, all of it.

    Raises TopUpError where it is not parked, is credited, or nobody knows what was received,
    GatewayError where the provider refuses: nothing has changed then.
    """
    reason = _reason(reason)
    with transaction.atomic():
        top_up = _parked(top_up_id)
    received, payment_id = top_up.received_minor, top_up.received_payment_id
    if top_up.credited_at is not None:
        raise TopUpError(f"{top_up.receipt_number} is credited: refund it instead.")
    if not received or not payment_id:
        raise TopUpError(
            "The provider did not say what was received. Pay it back at the provider, then close "
            "the top-up here.",
        )
    done_at = _pay_back(top_up, payment_id, received, top_up.received_currency, reason)
    with transaction.atomic():
        top_up = settling.locked(top_up_id)
        if top_up.parked_reason:
            _decide(top_up, ParkedDecision.RETURNED, reason, now)
            if not pays_another(top_up, payment_id):
                top_up.payment_id = payment_id
            if can_become(top_up, S.PAID):
                move(top_up, S.PAID, now)
        # else it was decided, or a payment that fits has come, while the provider paid back
        top_up.refunded_minor, top_up.refunds_as_of = top_up.paid_minor, done_at
        top_up.refund_reason, top_up.refund_failure = reason, ""
        settling.follow_refunds(top_up, now=now)
        top_up.save()
    return top_up


def _reason(reason: str) -> str:
    return readable_reason(reason)[:300]


def _check_refundable(top_up: TopUp) -> None:
    if top_up.state != S.CREDITED:
        raise TopUpError(
            f"{top_up.receipt_number} is {top_up.get_state_display().lower()}: only a credited "
            "top-up can be refunded.",
        )
    if top_up.disputed_minor:
        raise TopUpError("The payment is disputed: the bank has the money until that is decided.")


def _parked(top_up_id: int) -> TopUp:
    top_up = settling.locked(top_up_id)
    if not top_up.parked_reason:
        raise TopUpError(f"{top_up.receipt_number} does not wait for a decision any more.")
    return top_up


def _decide(top_up: TopUp, decision: ParkedDecision, reason: str, now: datetime) -> None:
    top_up.decision, top_up.decision_reason, top_up.decided_at = decision, reason, now
    top_up.decided_about, top_up.parked_reason, top_up.parked_at = top_up.parked_reason, "", None


def _pay_back(
    top_up: TopUp, payment_id: str, amount_minor: int, currency: str, reason: str
) -> datetime:
    """Ask the provider to pay back; return by when it had."""
    key = f"{top_up.public_id}-{top_up.refunded_minor}"
    order = RefundOrder(
        payment_id=payment_id,
        reference=str(top_up.public_id),
        idempotency_key=numbered(key, top_up),
        amount_minor=amount_minor,
        currency=currency,
        reason=reason,
    )
    try:
        return gateway_named(top_up.gateway).refund(order)
    except GatewayError as error:
        note_refusal(top_up, error)
        TopUp.objects.filter(pk=top_up.pk).update(refund_failure=str(error)[:300])
        raise

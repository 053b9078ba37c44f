"""What an operator does about money that was received: pay a top-up back, or decide about a payment
that does not fit.

What is asked of the provider is a row before it is asked, with a key that makes asking twice
harmless. The provider is asked outside of the top-up's lock.
"""

from datetime import datetime
from typing import NamedTuple
from uuid import uuid4

from django.db import transaction

from billing.activity import ActivityKind, Money, new, note
from billing.models import Payment, Refund, Review, TopUp, TopUpState
from billing.payments import noting, settling
from billing.payments.gateways import (
    GatewayError,
    RefundFacts,
    RefundOrder,
    RefundStatus,
    RefusedError,
    gateway_named,
)
from billing.payments.matching import pays_another
from billing.payments.pricing import TopUpError
from billing.payments.states import Standing, standing_of
from billing.texts import readable_reason


class Received(NamedTuple):
    """Money that a provider has for us: its payment, the amount in minor units, the currency."""

    payment_id: str
    amount_minor: int
    currency: str


def refund(*, payment_pk: int, reason: str, by: int | None, now: datetime) -> Standing:
    """Pay a credited top-up back for ``reason``, and take its credits off the balance.

    ``by`` is the id of the operator. Raises TopUpError where there is nothing to refund,
    GatewayError where the provider refuses. Nothing has changed then, and trying again does not pay
    twice: what the provider has paid back already is asked for first.
    """
    reason = _reason(reason)
    check_refundable(_standing(payment_pk))
    settling.reconcile(payment_pk=payment_pk, now=now)
    standing = _standing(payment_pk)
    if standing.state == TopUpState.REFUNDED:
        return standing
    check_refundable(standing)
    assert standing.payment is not None
    money = standing.money
    received = Received(standing.payment.payment_id, money.kept_minor, money.currency)
    facts = _pay_back(standing.payment, received, reason, by, now)
    settling.settle(payment_pk=payment_pk, facts=facts, now=now)
    if facts.status in (RefundStatus.FAILED, RefundStatus.CANCELLED):
        raise RefusedError(facts.failure_reason)
    return _standing(payment_pk)


def accept(*, review_pk: int, reason: str, by: int | None, now: datetime) -> Standing:
    """Credit a payment that does not fit: what was received is its price from now on.

    Raises TopUpError where it was decided about, the top-up is credited already, or the payment is
    another's.
    """
    reason = _reason(reason)
    with transaction.atomic():
        review, payment = _open(review_pk)
        top_up = payment.top_up
        if top_up.payments.filter(credited_at__isnull=False).exists():
            raise TopUpError(f"The credits of {top_up.receipt_number} were added already.")
        received = _received(review, payment)
        if pays_another(payment, received.payment_id):
            raise TopUpError("This payment has paid another top-up.")
        _decide(review, Review.Decision.ACCEPTED, reason, by, now)
        _take_received(payment, received, now)
        settling.credit(payment, now)
        settling.follow(payment, now=now)
    return _standing(payment.pk)


def close(*, review_pk: int, reason: str, by: int | None, now: datetime) -> Standing:
    """Neither credit a payment that does not fit nor pay it back; what is credited stays.

    Raises TopUpError where it was decided about.
    """
    reason = _reason(reason)
    with transaction.atomic():
        review, payment = _open(review_pk)
        _decide(review, Review.Decision.CLOSED, reason, by, now)
    settling.end(payment_pk=payment.pk, status=Payment.Status.CANCELLED, reason="", now=now)
    return _standing(payment.pk)


def return_received(*, review_pk: int, reason: str, by: int | None, now: datetime) -> Standing:
    """Pay back what was received that does not fit, all of it.

    Raises TopUpError where it was decided about, is credited, or nobody knows what was received,
    GatewayError where the provider refuses: nothing has changed then.
    """
    reason = _reason(reason)
    with transaction.atomic():
        review, payment = _open(review_pk)
    if payment.credited_at is not None:
        raise TopUpError(f"{payment.top_up.receipt_number} is credited: refund it instead.")
    received = _received(review, payment, is_to_be_known=True)
    facts = _pay_back(payment, received, reason, by, now)
    if facts.status in (RefundStatus.FAILED, RefundStatus.CANCELLED):
        raise RefusedError(facts.failure_reason)
    with transaction.atomic():
        payment = settling.locked(payment.pk)
        review.refresh_from_db()
        if not review.decision:
            _decide(review, Review.Decision.RETURNED, reason, by, now)
            if payment.status != Payment.Status.PAID:
                _take_received(payment, received, now)
        # else it was decided, or a payment that fits has come, while the provider paid back
        settling.follow(payment, reason=reason, now=now)
    return _standing(payment.pk)


def _reason(reason: str) -> str:
    return readable_reason(reason)[:300]


def _standing(payment_pk: int) -> Standing:
    return standing_of(TopUp.objects.get(payments=payment_pk))


def check_refundable(standing: Standing) -> None:
    """Raise TopUpError, which says why, where the top-up can't be refunded now."""
    number = standing.top_up.receipt_number
    if standing.state == TopUpState.DISPUTED:
        raise TopUpError("The payment is disputed: the bank has the money until that is decided.")
    if standing.state not in (TopUpState.CREDITED, TopUpState.PARTLY_REFUNDED):
        raise TopUpError(
            f"{number} is {standing.state.label.lower()}: only a credited top-up can be refunded.",
        )
    assert standing.payment is not None
    if standing.payment.refunds.filter(status=Refund.Status.UNKNOWN).exists():
        raise TopUpError(
            f"A refund of {number} is in a state that we do not know. Look at it at the provider."
        )


# ── Reviews ───────────────────────────────────────────────────────────────────────────────────
def _open(review_pk: int) -> tuple[Review, Payment]:
    """The review and its payment, the top-up held until the end of the transaction."""
    payment_pk = Review.objects.values_list("payment_id", flat=True).get(pk=review_pk)
    payment = settling.locked(payment_pk)
    review = Review.objects.get(pk=review_pk)
    if review.decision:
        number = payment.top_up.receipt_number
        raise TopUpError(f"{number} does not wait for a decision any more.")
    return review, payment


def _decide(
    review: Review, decision: Review.Decision, reason: str, by: int | None, now: datetime
) -> None:
    review.decision, review.decision_reason = decision, reason
    review.decided_by_id, review.decided_at = by, now
    review.save()
    top_up = review.payment.top_up
    note(
        ActivityKind.REVIEW_DECIDED,
        account=top_up.account_id,
        subject=top_up.receipt_number,
        changes=new(decision=str(decision.label)),
        reason=reason,
    )


def _received(review: Review, payment: Payment, *, is_to_be_known: bool = False) -> Received:
    """What the provider has received; where it did not say, what was asked for.

    Raises TopUpError where it says that it has received nothing.
    """
    if payment.status == Payment.Status.PAID:
        assert payment.amount_minor is not None
        return Received(payment.payment_id, payment.amount_minor, payment.currency)
    if review.received_minor == 0:
        raise TopUpError("The provider received nothing. Close the top-up here.")
    is_known = review.received_minor and review.received_payment_id and review.received_currency
    if is_to_be_known and not is_known:
        raise TopUpError(
            "The provider did not say what was received. Pay it back at the provider, then close "
            "the top-up here.",
        )
    return Received(
        review.received_payment_id or payment.payment_id,
        review.received_minor or payment.top_up.total_minor,
        review.received_currency or payment.top_up.currency,
    )


def _take_received(payment: Payment, received: Received, now: datetime) -> None:
    """Let the payment be what was received (not saved); its id stays where it is another's."""
    is_another = pays_another(payment, received.payment_id)
    noting.mark_paid(
        payment,
        amount_minor=received.amount_minor,
        currency=received.currency,
        provider_payment_id=payment.payment_id if is_another else received.payment_id,
        paid_at=payment.paid_at or now,
        now=now,
    )


# ── Paying back ───────────────────────────────────────────────────────────────────────────────
def _pay_back(
    payment: Payment, received: Received, reason: str, by: int | None, now: datetime
) -> RefundFacts:
    """Ask the provider to pay back, and keep its answer. Raises GatewayError."""
    gateway = gateway_named(payment.gateway)
    asked = payment.refunds.filter(status=Refund.Status.REQUESTED).first()
    if asked is not None:  # and nobody has answered: it may have been done
        for facts in gateway.fetch_refunds(received.payment_id):
            if facts.request_key == str(asked.request_key):
                return _noted(payment, facts, now)
    request = _request(payment, received, reason, by, now)
    try:
        facts = gateway.refund(
            RefundOrder(
                payment_id=received.payment_id,
                request_key=str(request.request_key),
                reference=str(payment.request_key),
                amount_minor=received.amount_minor,
                currency=received.currency,
                reason=request.reason,
            )
        )
    except GatewayError as error:
        if error.was_answered:
            Refund.objects.filter(pk=request.pk).update(
                status=Refund.Status.FAILED, failure_reason=str(error)[:300]
            )
        raise
    return _noted(payment, facts, now)


def _request(
    payment: Payment, received: Received, reason: str, by: int | None, now: datetime
) -> Refund:
    """The row of our request: the unanswered one of the same amount, or a new one."""
    with transaction.atomic():
        settling.locked(payment.pk)
        asked = payment.refunds.filter(status=Refund.Status.REQUESTED).first()
        if asked is not None:
            is_same = asked.amount_minor == received.amount_minor
            if is_same and now - asked.created_at < settling.KEYS_LAST_FOR:
                return asked
            asked.status, asked.failure_reason = Refund.Status.CANCELLED, settling.NEVER_ARRIVED
            asked.save()
        top_up = payment.top_up
        note(
            ActivityKind.REFUND_ASKED,
            account=top_up.account_id,
            subject=top_up.receipt_number,
            changes=new(amount=Money(received.amount_minor, received.currency)),
            reason=reason,
        )
        return Refund.objects.create(
            payment=payment,
            gateway=payment.gateway,
            request_key=uuid4(),
            amount_minor=received.amount_minor,
            status=Refund.Status.REQUESTED,
            reason=reason,
            requested_by_id=by,
            created_at=now,
        )


def _noted(payment: Payment, facts: RefundFacts, now: datetime) -> RefundFacts:
    with transaction.atomic():
        noting.note_refund(settling.locked(payment.pk), facts, now)
    return facts

"""What a provider's facts change in the rows of a payment: how it stands, its refunds and disputes.

Nothing here moves credits, asks a provider or locks: `billing.payments.settling` does, and calls
this under the lock of the top-up.
"""

import logging
from datetime import datetime

from billing.models import Dispute, Payment, Refund, Review
from billing.payments.gateways import (
    CheckoutFacts,
    DisputeFacts,
    Facts,
    PaymentStatus,
    RefundFacts,
)
from billing.payments.matching import is_decided, mismatch_of, takes_money
from billing.payments.receipts import make_receipt

logger = logging.getLogger(__name__)

Status = Payment.Status
UNFINISHED = (Status.OPEN, Status.PROCESSING)
_ENDS = {
    PaymentStatus.FAILED: Status.FAILED,
    PaymentStatus.CANCELLED: Status.CANCELLED,
    PaymentStatus.EXPIRED: Status.EXPIRED,
}


def note(payment: Payment, facts: Facts, now: datetime) -> str:
    """Keep what one fact says; return the reason of a refund that stands.

    The payment itself is not saved.
    """
    mismatch = mismatch_of(payment, facts)
    if mismatch:
        _note_mismatch(payment, facts, mismatch, now)
    elif isinstance(facts, CheckoutFacts):
        _note_checkout(payment, facts, now)
    elif isinstance(facts, RefundFacts):
        refund = note_refund(payment, facts, now)
        return refund.reason if refund.status in Refund.STANDING else ""
    else:
        _note_dispute(payment, facts, now)
    return ""


def mark_paid(
    payment: Payment,
    *,
    amount_minor: int,
    currency: str,
    provider_payment_id: str,
    paid_at: datetime,
    now: datetime,
) -> None:
    """Note that the payment is paid (not saved), and whom its receipt names."""
    make_receipt(payment, now=now)
    payment.status = Status.PAID
    payment.amount_minor, payment.currency = amount_minor, currency
    payment.payment_id = provider_payment_id
    # Whatever the provider's clock shows, it is after the order and not to come.
    payment.paid_at = min(max(paid_at, payment.created_at), now)
    payment.failure_reason, payment.ended_at = "", None


def open_review(payment: Payment, *, reason: str, facts: Facts | None, now: datetime) -> None:
    """Ask an operator to look at the payment, unless they are asked already."""
    received = {}
    if isinstance(facts, CheckoutFacts) and facts.status is PaymentStatus.PAID:
        received = {
            "received_minor": facts.amount_minor,
            "received_currency": facts.currency,
            "received_payment_id": facts.payment_id,
        }
    Review.objects.get_or_create(
        payment=payment,
        decision="",
        defaults={"reason": reason[:300], "created_at": now, **received},
    )


def _note_checkout(payment: Payment, facts: CheckoutFacts, now: datetime) -> None:
    payment.checkout_id = payment.checkout_id or facts.checkout_id
    is_paid = facts.status is PaymentStatus.PAID
    if is_paid or facts.status is PaymentStatus.PROCESSING:
        payment.payment_id = payment.payment_id or facts.payment_id
    if is_paid and payment.status != Status.PAID:
        assert facts.amount_minor is not None
        mark_paid(
            payment,
            amount_minor=facts.amount_minor,
            currency=facts.currency,
            provider_payment_id=payment.payment_id,
            paid_at=facts.paid_at or now,
            now=now,
        )
        payment.reviews.filter(decision="").update(decision=Review.Decision.SETTLED, decided_at=now)
    elif facts.status is PaymentStatus.PROCESSING and payment.status == Status.OPEN:
        payment.status, payment.processing_at = Status.PROCESSING, now
    elif facts.status in _ENDS:
        end(payment, _ENDS[facts.status], facts.reason, now)


def end(payment: Payment, status: Payment.Status, reason: str, now: datetime) -> None:
    """End the payment (not saved), unless it is paid or over; learn why if nobody had said so."""
    if payment.status in UNFINISHED:
        payment.status, payment.ended_at = status, now
        payment.failure_reason = reason[:300]
    elif payment.status == status and not payment.failure_reason:
        payment.failure_reason = reason[:300]


def note_refund(payment: Payment, facts: RefundFacts, now: datetime) -> Refund:
    """Keep what is said of a refund: by its id, or as the answer to our own request."""
    refund = _refund_of(payment, facts) or Refund(
        payment=payment, gateway=payment.gateway, reason=facts.reason[:300], created_at=now
    )
    refund.refund_id, refund.amount_minor = facts.refund_id, facts.amount_minor
    refund.status = Refund.Status(facts.status.value)
    refund.provider_status = facts.provider_status[:50]
    refund.failure_reason = facts.failure_reason[:300]
    refund.save()
    return refund


def _refund_of(payment: Payment, facts: RefundFacts) -> Refund | None:
    known = payment.refunds.filter(refund_id=facts.refund_id).first()
    if known is not None or not facts.request_key:
        return known
    asked = payment.refunds.filter(refund_id="")
    return next((each for each in asked if str(each.request_key) == facts.request_key), None)


def _note_dispute(payment: Payment, facts: DisputeFacts, now: datetime) -> None:
    """Keep what is said of a dispute: the newest answer counts, whatever was said before."""
    dispute = payment.disputes.filter(dispute_id=facts.dispute_id).first() or Dispute(
        payment=payment,
        gateway=payment.gateway,
        dispute_id=facts.dispute_id,
        opened_at=facts.opened_at or now,
    )
    dispute.amount_minor = facts.amount_minor
    dispute.returned_minor = min(facts.returned_minor, facts.amount_minor)
    if dispute.status != facts.status.value or facts.status.value in Dispute.UNDECIDED:
        is_decided_now = facts.status.value not in Dispute.UNDECIDED
        dispute.decided_at = now if is_decided_now else None
    dispute.status = Dispute.Status(facts.status.value)
    dispute.provider_status, dispute.due_by = facts.provider_status[:50], facts.due_by
    dispute.save()


def _note_mismatch(payment: Payment, facts: Facts, mismatch: str, now: datetime) -> None:
    """Ask an operator to look at what does not fit, if it is about money and not decided already.

    Without money nobody needs to: a checkout that has ended has ended, whatever it was about.
    """
    logger.warning("%s: not settled. %s", payment.top_up.receipt_number, mismatch)
    is_payment = isinstance(facts, CheckoutFacts) and (
        facts.status is PaymentStatus.PAID and payment.paid_at is None
    )
    if is_payment or takes_money(facts):
        if not is_decided(payment, facts, mismatch):
            open_review(payment, reason=mismatch, facts=facts, now=now)
    elif isinstance(facts, CheckoutFacts) and facts.status in _ENDS:
        end(payment, _ENDS[facts.status], facts.reason, now)

"""Payments from what their provider says to credits, and back again.

Whoever learns something from the provider first (webhook, return page, sweeper) calls `settle` with
it. All of them may, in any order and as often as they like: a top-up is settled under its own lock,
its credits have one reference in the ledger, and what is taken back follows from sums.

Rule: "Top-up": credits are added only after the provider confirms the payment, once per payment.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import transaction

from billing.models import Dispute, Payment, Refund, Review, TopUp
from billing.payments.asking import next_check_at
from billing.payments.credits import follow_money
from billing.payments.gateways import (
    CheckoutFacts,
    DisputeFacts,
    Facts,
    PaymentStatus,
    RefundFacts,
    UnavailableGatewayError,
    UnknownCheckoutError,
    gateway_named,
)
from billing.payments.matching import is_decided, mismatch_of, takes_money
from billing.payments.states import money_of
from billing.plans.movements import credit_top_up

logger = logging.getLogger(__name__)

CHECKOUT_VALID_FOR = timedelta(hours=1)

# Providers forget the key of a request after a day; then the same key would pay back again.
KEYS_LAST_FOR = timedelta(hours=23)

NEVER_ARRIVED = "The provider has no such refund: our request did not reach it."
UNKNOWN_THERE = "The payment provider does not know this payment any more."
NOT_IN_USE = "Its payment provider is not in use here any more."

Status = Payment.Status
UNFINISHED = (Status.OPEN, Status.PROCESSING)
_ENDS = {
    PaymentStatus.FAILED: Status.FAILED,
    PaymentStatus.CANCELLED: Status.CANCELLED,
    PaymentStatus.EXPIRED: Status.EXPIRED,
}


# ── Asking ────────────────────────────────────────────────────────────────────────────────────
def reconcile(*, payment_pk: int, now: datetime) -> Payment:
    """Ask the provider how a payment stands with its refunds and disputes, and settle it.

    A checkout that its provider does not know, or whose provider is not in use any more, expires.
    The open page of a top-up that another attempt has paid is closed. Raises GatewayError.
    """
    payment = Payment.objects.get(pk=payment_pk)
    # Before the provider is asked: one that does not answer is asked less and less often too.
    _note_check(payment, now)
    is_old = now >= payment.created_at + CHECKOUT_VALID_FOR
    if payment.checkout_id:
        try:
            if payment.status == Status.OPEN and _is_paid_otherwise(payment):
                facts = close_page(payment)
            else:
                facts = gateway_named(payment.gateway).fetch_checkout(payment.checkout_id)
        except UnknownCheckoutError:
            payment = end(
                payment_pk=payment_pk, status=Status.EXPIRED, reason=UNKNOWN_THERE, now=now
            )
        except UnavailableGatewayError:
            if payment.status != Status.OPEN or not is_old:
                raise
            return end(payment_pk=payment_pk, status=Status.EXPIRED, reason=NOT_IN_USE, now=now)
        else:
            payment = settle(payment_pk=payment_pk, facts=facts, now=now)
    elif is_old:
        # The provider never told us of a page, or it would have an id.
        payment = end(payment_pk=payment_pk, status=Status.EXPIRED, reason="", now=now)
    return _reconcile_reversals(payment, now)


def close_page(payment: Payment) -> CheckoutFacts:
    """Close the provider's page of a payment; return how it stands then.

    Where nobody paid before, it is cancelled. Raises GatewayError.
    """
    gateway = gateway_named(payment.gateway)
    gateway.cancel_checkout(payment.checkout_id)
    facts = gateway.fetch_checkout(payment.checkout_id)
    # Expired because we just asked for it: to the customer that is "cancelled".
    if facts.status is PaymentStatus.EXPIRED:
        return replace(facts, status=PaymentStatus.CANCELLED)
    return facts


def _is_paid_otherwise(payment: Payment) -> bool:
    """Whether another attempt has paid the top-up of an attempt that was not paid."""
    return Payment.objects.filter(top_up=payment.top_up_id, status=Status.PAID).exists()


def _reconcile_reversals(payment: Payment, now: datetime) -> Payment:
    """Ask for the refunds and disputes of a payment that was paid."""
    if payment.status != Status.PAID or not payment.payment_id:
        return payment
    gateway = gateway_named(payment.gateway)
    found: list[Facts] = [
        *gateway.fetch_refunds(payment.payment_id),
        *gateway.fetch_disputes(payment.payment_id),
    ]
    return _settle_all(payment.pk, found, now, is_complete=True)


def _note_check(payment: Payment, now: datetime) -> None:
    Payment.objects.filter(pk=payment.pk).update(
        checked_at=now, next_check_at=next_check_at(payment, now=now)
    )


# ── Settling ──────────────────────────────────────────────────────────────────────────────────
def settle(*, payment_pk: int, facts: Facts, now: datetime) -> Payment:
    """Bring a payment and its top-up to where the provider's ``facts`` say they are.

    Under the top-up's lock. A payment of another amount, currency or account is not credited: a
    review asks an operator to look.
    """
    return _settle_all(payment_pk, [facts], now)


def _settle_all(
    payment_pk: int, found: Sequence[Facts], now: datetime, *, is_complete: bool = False
) -> Payment:
    """Settle all facts at once, so that credits move once. ``is_complete``: they are all the
    refunds and disputes that the provider has."""
    with transaction.atomic():
        payment = locked(payment_pk)
        reasons = [_note(payment, facts, now) for facts in found]
        if is_complete:
            _give_up_requests(payment, now)
        follow(payment, reason=next(filter(None, reasons), ""), now=now)
    return payment


def _note(payment: Payment, facts: Facts, now: datetime) -> str:
    """Keep what one fact says; return the reason of a refund that stands."""
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


def _give_up_requests(payment: Payment, now: datetime) -> None:
    """Cancel our requests that the provider does not have, once their keys are forgotten there."""
    payment.refunds.filter(
        status=Refund.Status.REQUESTED, created_at__lte=now - KEYS_LAST_FOR
    ).update(status=Refund.Status.CANCELLED, failure_reason=NEVER_ARRIVED)


def end(*, payment_pk: int, status: Payment.Status, reason: str, now: datetime) -> Payment:
    """End a payment that nobody has paid, for a ``reason`` of our own."""
    with transaction.atomic():
        payment = locked(payment_pk)
        _end(payment, status, reason, now)
        follow(payment, now=now)
    return payment


def locked(payment_pk: int) -> Payment:
    """The payment, its top-up held until the end of the transaction."""
    top_up = (
        TopUp.objects.select_related("account")
        .select_for_update(of=("self",), no_key=True)
        .get(payments=payment_pk)
    )
    payment = Payment.objects.get(pk=payment_pk)
    payment.top_up = top_up
    return payment


def follow(payment: Payment, *, reason: str = "", now: datetime) -> None:
    """Add, take or give back credits as the payment now stands, and save it.

    ``reason`` is that of the refund that is being settled.
    """
    if payment.status == Status.PAID:
        money = money_of(payment)
        is_paid_back = money.paid_back_minor >= money.paid_minor
        if payment.credited_at is None and not is_paid_back:
            _credit_unless_reviewed(payment, now)
        if payment.credited_at is not None:
            follow_money(payment.top_up, money=money, reason=reason, now=now)
    payment.next_check_at = next_check_at(payment, now=now)
    payment.save()


def credit(payment: Payment, now: datetime) -> None:
    """Add the credits of a payment that is paid (not saved), once."""
    assert payment.paid_at is not None
    credit_top_up(
        account=payment.top_up.account,
        credits=payment.top_up.credits,
        top_up_id=payment.top_up_id,
        paid_at=payment.paid_at,
        now=now,
    )
    payment.credited_at = now
    # What other attempts have open must not be paid too. The provider is not asked under the lock:
    # their next check, which the sweeper makes now, closes their pages.
    others = Payment.objects.filter(top_up=payment.top_up_id, status=Status.OPEN)
    others.exclude(pk=payment.pk).exclude(checkout_id="").update(next_check_at=now)


def mark_paid(
    payment: Payment,
    *,
    amount_minor: int,
    currency: str,
    provider_payment_id: str,
    paid_at: datetime,
    now: datetime,
) -> None:
    """Note that the payment is paid (not saved)."""
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


def _credit_unless_reviewed(payment: Payment, now: datetime) -> None:
    """Credit a payment, unless a person has it, or has decided otherwise."""
    review = payment.reviews.last()
    if review is None or review.decision in (Review.Decision.ACCEPTED, Review.Decision.SETTLED):
        credit(payment, now)
    elif review.decision == Review.Decision.RETURNED:
        is_under_way = payment.refunds.filter(status__in=Refund.UNDER_WAY).exists()
        if not is_under_way:
            open_review(
                payment,
                reason=f"The refund did not reach the customer. {review.reason}",
                facts=None,
                now=now,
            )


# ── What each fact changes ────────────────────────────────────────────────────────────────────
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
        _end(payment, _ENDS[facts.status], facts.reason, now)


def _end(payment: Payment, status: Payment.Status, reason: str, now: datetime) -> None:
    """End the payment, unless it is paid or over; learn why it failed where nobody had said so."""
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
        _end(payment, _ENDS[facts.status], facts.reason, now)

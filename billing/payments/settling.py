"""Payments from what their provider says to credits, and back again.

Whoever learns something from the provider first (webhook, return page, sweeper) calls `settle` with
it. All of them may, in any order and as often as they like: a top-up is settled under its own lock,
its credits have one reference in the ledger, and what is taken back follows from sums.

Rule: "Top-up": credits are added only after the provider confirms the payment, once per payment.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import transaction

from billing.models import Account, Payment, Refund, Review, TopUp
from billing.payments import noting
from billing.payments.asking import next_check_at
from billing.payments.credits import follow_money
from billing.payments.gateways import (
    CheckoutFacts,
    Facts,
    PaymentStatus,
    UnavailableGatewayError,
    UnknownCheckoutError,
    gateway_named,
)
from billing.payments.states import money_of
from billing.plans.movements import credit_top_up

CHECKOUT_VALID_FOR = timedelta(hours=1)

# Providers forget the key of a request after a day; then the same key would pay back again.
KEYS_LAST_FOR = timedelta(hours=23)

NEVER_ARRIVED = "The provider has no such refund: our request did not reach it."
UNKNOWN_THERE = "The payment provider does not know this payment any more."
NOT_IN_USE = "Its payment provider is not in use here any more."

Status = Payment.Status


# ── Asking ────────────────────────────────────────────────────────────────────────────────────
def reconcile(*, payment_pk: int, now: datetime) -> Payment:
    """Ask the provider how a payment stands with its refunds and disputes, and settle it.

    A checkout that its provider does not know, or whose provider is not in use any more, expires.
    The open page of a top-up that another attempt has paid is closed, and so is that of an account
    that is. Raises GatewayError.
    """
    payment = Payment.objects.select_related("top_up__account").get(pk=payment_pk)
    # Before the provider is asked: one that does not answer is asked less and less often too.
    _note_check(payment, now)
    is_old = now >= payment.created_at + CHECKOUT_VALID_FOR
    if payment.checkout_id:
        try:
            if payment.status == Status.OPEN and _is_not_wanted(payment):
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


def _is_not_wanted(payment: Payment) -> bool:
    """Whether an attempt that was not paid should not be: another one has paid the top-up, or the
    account was closed."""
    if payment.top_up.account.closed_at is not None:
        return True
    return Payment.objects.filter(top_up=payment.top_up_id, status=Status.PAID).exists()


def close_pages_soon(*, account: Account, now: datetime) -> int:
    """Have the provider's open pages of ``account`` closed by the sweeper; return how many."""
    opened = Payment.objects.filter(top_up__account=account, status=Status.OPEN)
    return opened.update(next_check_at=now)


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
        reasons = [noting.note(payment, facts, now) for facts in found]
        if is_complete:
            _give_up_requests(payment, now)
        follow(payment, reason=next(filter(None, reasons), ""), now=now)
    return payment


def _give_up_requests(payment: Payment, now: datetime) -> None:
    """Cancel our requests that the provider does not have, once their keys are forgotten there."""
    payment.refunds.filter(
        status=Refund.Status.REQUESTED, created_at__lte=now - KEYS_LAST_FOR
    ).update(status=Refund.Status.CANCELLED, failure_reason=NEVER_ARRIVED)


def end(*, payment_pk: int, status: Payment.Status, reason: str, now: datetime) -> Payment:
    """End a payment that nobody has paid, for a ``reason`` of our own."""
    with transaction.atomic():
        payment = locked(payment_pk)
        noting.end(payment, status, reason, now)
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


def _credit_unless_reviewed(payment: Payment, now: datetime) -> None:
    """Credit a payment, unless a person has it, or has decided otherwise."""
    review = payment.reviews.last()
    if review is None or review.decision in (Review.Decision.ACCEPTED, Review.Decision.SETTLED):
        credit(payment, now)
    elif review.decision == Review.Decision.RETURNED:
        is_under_way = payment.refunds.filter(status__in=Refund.UNDER_WAY).exists()
        if not is_under_way:
            noting.open_review(
                payment,
                reason=f"The refund did not reach the customer. {review.reason}",
                facts=None,
                now=now,
            )

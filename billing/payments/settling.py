"""Top-ups from their payment to their credits, and back again when they are refunded.

Owns the state machine. Whoever learns something from the provider first (webhook, return page,
sweeper) calls `settle` with it; all of them may, in any order and as often as they like, because a
top-up is settled under its own lock and its credits have one reference in the ledger.

Rule: "Top-up": credits are added only after the provider confirms the payment, once per payment.
"""

import logging
from datetime import datetime, timedelta

from django.db import transaction

from billing.backoff import due_again
from billing.models import ParkedDecision, TopUp
from billing.payments.gateways import (
    PaymentFacts,
    PaymentStatus,
    UnavailableGatewayError,
    UnknownCheckoutError,
    gateway_named,
)
from billing.payments.matching import is_decided, mismatch_of
from billing.payments.reversals import follow_money, note_dispute, note_refunds
from billing.payments.transitions import CLOSED, S, can_become, move
from billing.plans.movements import credit_top_up

logger = logging.getLogger(__name__)

CHECKOUT_VALID_FOR = timedelta(hours=1)
# How long the provider is asked about a top-up that is over without payment: money can come late.
WATCHED_FOR = timedelta(days=3)
ASKED_AGAIN_AFTER = timedelta(seconds=20)

UNKNOWN_THERE = "The payment provider does not know this payment any more."
NOT_IN_USE = "Its payment provider is not in use here any more."

_FOLLOWS = {
    PaymentStatus.PROCESSING: S.PROCESSING,
    PaymentStatus.FAILED: S.FAILED,
    PaymentStatus.CANCELLED: S.CANCELLED,
    PaymentStatus.EXPIRED: S.EXPIRED,
}


def reconcile(*, top_up_id: int, now: datetime) -> TopUp:
    """Ask the provider how a top-up stands, and settle it accordingly. Raises GatewayError.

    A top-up that its provider does not know, or whose provider is not in use any more, expires.
    """
    top_up = TopUp.objects.get(pk=top_up_id)
    TopUp.objects.filter(pk=top_up_id).update(checked_at=now)
    is_old = now >= top_up.created_at + CHECKOUT_VALID_FOR
    if top_up.checkout_id:
        try:
            facts = gateway_named(top_up.gateway).fetch_payment(top_up.checkout_id)
        except UnknownCheckoutError:
            facts = PaymentFacts(status=PaymentStatus.EXPIRED, reason=UNKNOWN_THERE)
        except UnavailableGatewayError:
            if top_up.state != S.PENDING or not is_old:
                raise
            facts = PaymentFacts(status=PaymentStatus.EXPIRED, reason=NOT_IN_USE)
    elif is_old:
        # The provider never told us of a page, or it would have an id.
        facts = PaymentFacts(status=PaymentStatus.EXPIRED)
    else:
        facts = PaymentFacts(status=PaymentStatus.OPEN)
    return settle(top_up_id=top_up_id, facts=facts, now=now)


def settle(*, top_up_id: int, facts: PaymentFacts, now: datetime) -> TopUp:
    """Bring a top-up to where the provider's ``facts`` say it is; return it.

    Under the top-up's lock. Facts that are older than what is known change nothing. A payment of
    another amount, currency or account is not credited but parked for an operator.
    """
    with transaction.atomic():
        top_up = locked(top_up_id)
        mismatch = mismatch_of(top_up, facts)
        if mismatch:
            _park(top_up, facts, mismatch, now)
            return top_up
        top_up.checkout_id = top_up.checkout_id or facts.checkout_id
        if facts.status in (PaymentStatus.PAID, PaymentStatus.PROCESSING):
            top_up.payment_id = top_up.payment_id or facts.payment_id
        gone_minor = top_up.gone_minor
        note_refunds(top_up, facts)
        if facts.dispute is not None:
            note_dispute(top_up, facts.dispute, now)
        _follow_payment(top_up, facts, now)
        if top_up.gone_minor > gone_minor:
            top_up.refund_reason, top_up.refund_failure = facts.reason[:300], ""
        follow_refunds(top_up, now=now)
        top_up.save()
    return top_up


def follow_refunds(top_up: TopUp, *, now: datetime) -> None:
    """Bring state and credits (state not saved) to where refunds and disputes leave them."""
    if top_up.state not in (S.PAID, S.CREDITED, S.REFUNDED):
        return
    is_paid_back = top_up.paid_back_minor == top_up.paid_minor
    if is_paid_back and top_up.state != S.REFUNDED:
        move(top_up, S.REFUNDED, now)
    elif not is_paid_back and top_up.state == S.REFUNDED:
        top_up.refunded_at = None
        if top_up.credited_at is not None:
            move(top_up, S.CREDITED, now)
        elif top_up.decision == ParkedDecision.RETURNED:
            move(top_up, S.PAID, now)
            top_up.parked_reason = f"The refund did not reach the customer. {top_up.decided_about}"
            top_up.parked_reason = top_up.parked_reason[:300]
            top_up.parked_at, top_up.decision = now, ""
        else:
            move(top_up, S.PAID, now)
            credit(top_up, now)
    if top_up.credited_at is not None:
        follow_money(top_up, reason=top_up.refund_reason or "Refunded", now=now)
    if not top_up.gone_minor:
        top_up.refund_reason = ""


def to_reconcile(*, now: datetime, limit: int = 500) -> list[int]:
    """The top-ups to ask the provider about now: often while young, then ever less often.

    Until the provider has said something final, and for a while after that.
    """
    watched = TopUp.objects.exclude(state__in=[S.CREDITED, S.REFUNDED]).exclude(
        state__in=CLOSED, created_at__lte=now - WATCHED_FOR
    )
    due = due_again(
        watched, now=now, began="created_at", tried="checked_at", after=ASKED_AGAIN_AFTER
    )
    return list(due.values_list("pk", flat=True)[:limit])


def locked(top_up_id: int) -> TopUp:
    """The top-up, held until the end of the transaction."""
    return (
        TopUp.objects.select_related("account")
        .select_for_update(of=("self",), no_key=True)
        .get(pk=top_up_id)
    )


def credit(top_up: TopUp, now: datetime) -> None:
    """Add the credits of a top-up that is paid (its state not saved), once."""
    assert top_up.paid_at is not None
    credit_top_up(
        account=top_up.account,
        credits=top_up.credits,
        top_up_id=top_up.pk,
        paid_at=top_up.paid_at,
        now=now,
    )
    move(top_up, S.CREDITED, now)


def _follow_payment(top_up: TopUp, facts: PaymentFacts, now: datetime) -> None:
    is_paid = facts.status is PaymentStatus.PAID
    if is_paid and top_up.state != S.REFUNDED and can_become(top_up, S.PAID):
        # Whatever the provider's clock shows, it is after the order and not to come.
        move(top_up, S.PAID, min(max(facts.paid_at or now, top_up.created_at), now))
        top_up.failure_reason = top_up.parked_reason = ""
        top_up.received_minor, top_up.received_currency = facts.amount_minor, facts.currency
        top_up.received_payment_id = facts.payment_id
    if (
        top_up.state == S.PAID
        and not top_up.parked_reason
        and top_up.decision != ParkedDecision.CLOSED
        and top_up.paid_back_minor < top_up.paid_minor
    ):
        credit(top_up, now)
    follows = _FOLLOWS.get(facts.status)
    if follows and can_become(top_up, follows):
        move(top_up, follows, now)
        top_up.failure_reason = facts.reason[:300]


def _park(top_up: TopUp, facts: PaymentFacts, mismatch: str, now: datetime) -> None:
    """Keep what does not fit for an operator, if it is about money and not decided already."""
    logger.warning("%s: not settled. %s", top_up.receipt_number, mismatch)
    is_payment = facts.status is PaymentStatus.PAID and top_up.paid_at is None
    takes_back = facts.dispute or (facts.refunded_minor or 0) > top_up.refunded_minor
    if is_decided(top_up, facts, mismatch) or not (is_payment or takes_back):
        return
    if is_payment and not top_up.parked_reason:
        top_up.received_minor, top_up.received_currency = facts.amount_minor, facts.currency
        top_up.received_payment_id = facts.payment_id
    top_up.parked_reason = top_up.parked_reason or mismatch[:300]
    top_up.parked_at = top_up.parked_at or now
    top_up.save()

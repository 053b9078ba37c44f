"""Top-ups: a purchase from its form to its credits, and back again when it is refunded.

Owns the state machine. Whoever learns something from the provider first (webhook, return page,
sweeper) calls `settle` with it; all of them may, in any order and as often as they like, because a
purchase is settled under its own lock and its credits have one reference in the ledger.

Rule: "Top-up": credits are added only after the provider confirms the payment, once per payment.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction

from django.db import transaction
from django.db.models import Max, QuerySet

from billing.backoff import due_again
from billing.credits import credit_top_up
from billing.gateways import (
    AmountError,
    GatewayError,
    Order,
    PaymentFacts,
    PaymentStatus,
    UnavailableGatewayError,
    UnknownCheckoutError,
    configured_gateway,
    gateway_named,
)
from billing.idempotency import note_refusal, numbered
from billing.matching import is_decided, mismatch_of
from billing.models import Account, Pack, ParkedDecision, TopUp, TopUpPricing, TopUpState
from billing.reversals import follow_money, note_dispute, note_refunds
from billing.transitions import can_become, move

logger = logging.getLogger(__name__)

CHECKOUT_VALID_FOR = timedelta(hours=1)
# An older checkout is not gone on with: providers want half an hour left, and so do people.
CONTINUED_FOR = timedelta(minutes=25)
# How long the provider is asked about a purchase that is over without payment: money can come late.
WATCHED_FOR = timedelta(days=3)
ASKED_AGAIN_AFTER = timedelta(seconds=20)
BASIS_POINTS = 10_000

UNKNOWN_THERE = "The payment provider does not know this payment any more."
NOT_IN_USE = "Its payment provider is not in use here any more."

S = TopUpState

# States in which something of the provider is still to come.
AWAITED = (S.PENDING, S.PROCESSING)

_FOLLOWS = {
    PaymentStatus.PROCESSING: S.PROCESSING,
    PaymentStatus.FAILED: S.FAILED,
    PaymentStatus.CANCELLED: S.CANCELLED,
    PaymentStatus.EXPIRED: S.EXPIRED,
}
_CLOSED = (S.FAILED, S.CANCELLED, S.EXPIRED)


class TopUpError(ValueError):
    """A top-up that can't be started or refunded: ``field`` and what the user can do about it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Quote:
    """What a number of credits costs: minor units of ``currency``."""

    credits: int
    price_minor: int
    tax_minor: int
    tax_name: str
    currency: str

    @property
    def total_minor(self) -> int:
        """Price and tax."""
        return self.price_minor + self.tax_minor


def packs_in(currency: str) -> QuerySet[Pack]:
    """The packs offered to accounts that pay in ``currency``, in the operators' order."""
    return Pack.objects.filter(currency=currency, is_active=True).order_by("order", "credits")


def pricing_in(currency: str) -> TopUpPricing | None:
    """How own amounts are priced in ``currency``; None where they are not."""
    return TopUpPricing.objects.filter(currency=currency).first()


def cheapest(packs: Iterable[Pack], pricing: TopUpPricing | None) -> Pack | None:
    """The pack that costs less a credit than all others, and than a number of one's own."""
    own = [Fraction(pricing.price_minor_per_credit)] if pricing else []
    by_price = sorted(packs, key=_per_credit)
    others = [*own, *map(_per_credit, by_price[1:])]
    if not by_price or (others and min(others) <= _per_credit(by_price[0])):
        return None
    return by_price[0]


def _per_credit(pack: Pack) -> Fraction:
    return Fraction(pack.price_minor, pack.credits)


def quote(*, account: Account, pack: Pack | None = None, credits: int | None = None) -> Quote:
    """Price a ``pack``, or a number of ``credits`` of one's own, for ``account``.

    Tax is rounded half up to a minor unit. Raises TopUpError where it is not on offer, or the
    provider can't be asked for what it costs.
    """
    pricing = pricing_in(account.currency)
    if pack is not None:
        if not pack.is_active or pack.currency != account.currency:
            raise TopUpError("pack", "This pack is no longer on offer. Choose another one.")
        credits, price_minor = pack.credits, pack.price_minor
    else:
        if pricing is None:
            raise TopUpError("credits", f"There is no price in {account.currency} yet.")
        if credits is None or not pricing.credits_min <= credits <= pricing.credits_max:
            raise TopUpError(
                "credits",
                f"Enter a whole number from {pricing.credits_min:,} to {pricing.credits_max:,}.",
            )
        price_minor = credits * pricing.price_minor_per_credit
    basis_points = pricing.tax_basis_points if pricing else 0
    quoted = Quote(
        credits=credits,
        price_minor=price_minor,
        tax_minor=(price_minor * basis_points + BASIS_POINTS // 2) // BASIS_POINTS,
        tax_name=pricing.tax_name if pricing and basis_points else "",
        currency=account.currency,
    )
    try:
        configured_gateway().check_amount(amount_minor=quoted.total_minor, currency=quoted.currency)
    except AmountError as error:
        field = "pack" if pack else "credits"
        raise TopUpError(field, f"{error} Choose another number.") from error
    except UnavailableGatewayError:
        pass  # a price can be told nevertheless; `start` refuses
    return quoted


def form_key(*, account: Account, user_id: int) -> str:
    """What a form of this person sends along, so that sending it again does not buy again.

    It changes when they have paid, and only then: all forms shown between two payments, in however
    many tabs and browsers, are the same form.
    """
    paid = TopUp.objects.filter(account=account, created_by_id=user_id, paid_at__isnull=False)
    return f"{user_id}-{paid.aggregate(last=Max('pk'))['last'] or 0}"


def start(
    *,
    account: Account,
    user_id: int | None,
    email: str,
    quoted: Quote,
    form_key: str,
    return_url: str,
    now: datetime,
) -> TopUp:
    """Begin to buy what was ``quoted``, and open the provider's page for it.

    ``form_key`` comes with the form: the same key and the same choice are the same purchase, so a
    double click, the back button or a second tab does not buy twice. What was declined, cancelled
    or begun too long ago is begun anew. What the same person began and did not pay is closed, so
    that nobody pays for the choice they changed their mind about; have they paid, or are they
    paying, for the same choice, that purchase is returned.
    ``return_url`` holds ``{id}`` for the purchase's public id.

    The purchase is stored before the provider hears of it. Raises GatewayError where the provider
    can't be reached; sending the form again goes on where it stopped.
    """
    top_up = _begun(account=account, user_id=user_id, quoted=quoted, form_key=form_key, now=now)
    if top_up.state != S.PENDING or top_up.checkout_url:
        return top_up
    same = _close_others(top_up, now)
    if same is not None:
        cancel(top_up=top_up, now=now)
        return same
    address = return_url.replace("{id}", str(top_up.public_id))
    order = Order(
        reference=str(top_up.public_id),
        idempotency_key=numbered(str(top_up.public_id), top_up),
        account_reference=top_up.account_reference,
        description=f"{top_up.credits:,} call credits for {account.name}",
        amount_minor=top_up.total_minor,
        currency=top_up.currency,
        customer_email=email,
        return_url=f"{address}?returned=1",
        cancel_url=f"{address}?returned=cancelled",
        expires_at=top_up.created_at + CHECKOUT_VALID_FOR,
    )
    try:
        checkout = gateway_named(top_up.gateway).create_checkout(order)
    except GatewayError as error:
        note_refusal(top_up, error)
        raise
    TopUp.objects.filter(pk=top_up.pk).update(
        checkout_id=checkout.checkout_id, checkout_url=checkout.url, checked_at=now
    )
    top_up.refresh_from_db()
    return top_up


def cancel(*, top_up: TopUp, now: datetime) -> TopUp:
    """Close the provider's page of a purchase that nobody paid, and note what became of it.

    One that stays pending, or is processing then, could not be closed: a payment is on its way.
    """
    if not top_up.checkout_id:
        facts = PaymentFacts(status=PaymentStatus.CANCELLED)
        return settle(top_up_id=top_up.pk, facts=facts, now=now)
    gateway = gateway_named(top_up.gateway)
    try:
        gateway.cancel_checkout(top_up.checkout_id)
        facts = gateway.fetch_payment(top_up.checkout_id)
    except UnknownCheckoutError:
        facts = PaymentFacts(status=PaymentStatus.EXPIRED, reason=UNKNOWN_THERE)
    else:
        # Expired because we just asked for it: to the customer that is "cancelled".
        if facts.status is PaymentStatus.EXPIRED:
            facts = replace(facts, status=PaymentStatus.CANCELLED)
    return settle(top_up_id=top_up.pk, facts=facts, now=now)


def reconcile(*, top_up_id: int, now: datetime) -> TopUp:
    """Ask the provider how a purchase stands, and settle it accordingly. Raises GatewayError.

    A purchase that its provider does not know, or whose provider is not in use any more, expires.
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
    """Bring a purchase to where the provider's ``facts`` say it is; return it.

    Under the purchase's lock. Facts that are older than what is known change nothing. A payment of
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
    """The purchases to ask the provider about now: often while young, then ever less often.

    Until the provider has said something final, and for a while after that.
    """
    watched = TopUp.objects.exclude(state__in=[S.CREDITED, S.REFUNDED]).exclude(
        state__in=_CLOSED, created_at__lte=now - WATCHED_FOR
    )
    due = due_again(
        watched, now=now, began="created_at", tried="checked_at", after=ASKED_AGAIN_AFTER
    )
    return list(due.values_list("pk", flat=True)[:limit])


def _begun(
    *, account: Account, user_id: int | None, quoted: Quote, form_key: str, now: datetime
) -> TopUp:
    """The purchase that the form stands for: the one begun with it, or else a new one.

    Each try has its number in the key, so that two forms at once find the same new one.
    """
    gateway = configured_gateway().name
    attempt = 0
    while True:
        attempt += 1
        top_up, _ = TopUp.objects.get_or_create(
            account=account,
            idempotency_key=f"{form_key}.{attempt}:{quoted.credits}:{quoted.total_minor}"[-64:],
            defaults={
                "created_by_id": user_id,
                "account_reference": str(account.pk),
                "credits": quoted.credits,
                "price_minor": quoted.price_minor,
                "tax_minor": quoted.tax_minor,
                "tax_name": quoted.tax_name,
                "currency": quoted.currency,
                "gateway": gateway,
                "created_at": now,
            },
        )
        is_old = now - top_up.created_at > CONTINUED_FOR or top_up.gateway != gateway
        if top_up.state not in _CLOSED and not (top_up.state == S.PENDING and is_old):
            return top_up


def _close_others(top_up: TopUp, now: datetime) -> TopUp | None:
    """Close what the same person began and did not pay, so that nobody pays for a choice that they
    changed their mind about; return the one that they have paid for the same choice already."""
    others = TopUp.objects.filter(
        account=top_up.account, created_by=top_up.created_by_id, state__in=AWAITED, parked_reason=""
    )
    for other in others.exclude(pk=top_up.pk).exclude(created_by=None):
        try:
            closed = other if other.state == S.PROCESSING else cancel(top_up=other, now=now)
        except UnavailableGatewayError:
            continue  # nobody can pay it there either
        same = (closed.credits, closed.total_minor) == (top_up.credits, top_up.total_minor)
        if same and (closed.paid_at or closed.state in AWAITED):
            return closed
    return None


def locked(top_up_id: int) -> TopUp:
    """The purchase, held until the end of the transaction."""
    return (
        TopUp.objects.select_related("account")
        .select_for_update(of=("self",), no_key=True)
        .get(pk=top_up_id)
    )


def credit(top_up: TopUp, now: datetime) -> None:
    """Add the credits of a purchase that is paid (its state not saved), once."""
    assert top_up.paid_at is not None
    credit_top_up(
        account=top_up.account,
        credits=top_up.credits,
        reference=str(top_up.pk),
        remarks=f"Top-up of {top_up.credits:,} credits, receipt {top_up.receipt}",
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
    logger.warning("%s: not settled. %s", top_up.receipt, mismatch)
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

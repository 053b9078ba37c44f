"""Top-ups: a purchase from its form to its credits, and back again when it is refunded.

Owns the state machine. Whoever learns something from the provider first (webhook, return page,
sweeper) calls `settle` with it; all of them may, in any order and as often as they like, because a
purchase is settled under its own lock and its credits have one reference in the ledger.

Rule: "Top-up": credits are added only after the provider confirms the payment, once per payment.
"""

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Max, Q, QuerySet

from billing import ledger
from billing.backoff import due_again
from billing.credits import credit_top_up
from billing.gateways import (
    AmountError,
    Order,
    PaymentFacts,
    PaymentStatus,
    configured_gateway,
    gateway_named,
)
from billing.models import Account, Kind, LedgerEntry, Pack, TopUp, TopUpPricing, TopUpState

logger = logging.getLogger(__name__)

CHECKOUT_VALID_FOR = timedelta(hours=1)
# An older checkout is not gone on with: providers want half an hour left, and so do people.
CONTINUED_FOR = timedelta(minutes=25)
# How long the provider is asked about a purchase that nobody paid: money can come late.
WATCHED_FOR = timedelta(days=3)
ASKED_AGAIN_AFTER = timedelta(seconds=20)
BASIS_POINTS = 10_000

S = TopUpState

# What may follow what. Money that arrives after a purchase seemed over is still money.
TRANSITIONS: dict[TopUpState, frozenset[TopUpState]] = {
    S.PENDING: frozenset({S.PAID, S.FAILED, S.CANCELLED, S.EXPIRED}),
    S.FAILED: frozenset({S.PAID}),
    S.CANCELLED: frozenset({S.PAID}),
    S.EXPIRED: frozenset({S.PAID}),
    S.PAID: frozenset({S.CREDITED, S.REFUNDED}),
    S.CREDITED: frozenset({S.REFUNDED}),
    S.REFUNDED: frozenset(),
}

_UNPAID = {
    PaymentStatus.FAILED: S.FAILED,
    PaymentStatus.CANCELLED: S.CANCELLED,
    PaymentStatus.EXPIRED: S.EXPIRED,
}


class TopUpError(ValueError):
    """A top-up that can't be started or refunded: ``field`` and what the user can do about it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class IllegalTransitionError(RuntimeError):
    """Code tried to move a purchase to a state that can't follow its own."""


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


def packs_for(account: Account) -> QuerySet[Pack]:
    """The packs offered to ``account``, in the operators' order."""
    return Pack.objects.filter(currency=account.currency, is_active=True).order_by(
        "order", "credits"
    )


def pricing_for(account: Account) -> TopUpPricing | None:
    """How own amounts are priced for ``account``; None where its currency has no pricing."""
    return TopUpPricing.objects.filter(currency=account.currency).first()


def quote(*, account: Account, pack: Pack | None = None, credits: int | None = None) -> Quote:
    """Price a ``pack``, or a number of ``credits`` of one's own, for ``account``.

    Tax is rounded half up to a minor unit. Raises TopUpError where it is not on offer, or the
    provider can't be asked for what it costs.
    """
    pricing = pricing_for(account)
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
        raise TopUpError(
            "pack" if pack else "credits", f"{error} Choose another number."
        ) from error
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
    unpaid = TopUp.objects.filter(
        account=account,
        created_by_id=user_id,
        state=S.PENDING,
        gateway=top_up.gateway,
        parked_reason="",
    )
    for other in unpaid.exclude(pk=top_up.pk).exclude(created_by=None):
        closed = cancel(top_up=other, now=now)
        same = (closed.credits, closed.total_minor) == (top_up.credits, top_up.total_minor)
        # Still pending: it could not be closed, because a payment is on its way.
        if same and (closed.paid_at or closed.state == S.PENDING):
            cancel(top_up=top_up, now=now)
            return closed
    address = return_url.replace("{id}", str(top_up.public_id))
    checkout = gateway_named(top_up.gateway).create_checkout(
        Order(
            reference=str(top_up.public_id),
            account_reference=account.slug,
            description=f"{top_up.credits:,} call credits for {account.name}",
            amount_minor=top_up.total_minor,
            currency=top_up.currency,
            customer_email=email,
            return_url=f"{address}?returned=1",
            cancel_url=f"{address}?returned=cancelled",
            expires_at=top_up.created_at + CHECKOUT_VALID_FOR,
        )
    )
    TopUp.objects.filter(pk=top_up.pk).update(
        checkout_id=checkout.checkout_id, checkout_url=checkout.url, checked_at=now
    )
    top_up.refresh_from_db()
    return top_up


def cancel(*, top_up: TopUp, now: datetime) -> TopUp:
    """Close the provider's page of a purchase that nobody paid, and note what became of it."""
    gateway = gateway_named(top_up.gateway)
    if top_up.checkout_id:
        gateway.cancel_checkout(top_up.checkout_id)
        facts = gateway.fetch_payment(top_up.checkout_id)
        # Expired because we just asked for it: to the customer that is "cancelled". What is still
        # open could not be closed, because a payment is on its way: it stays pending.
        if facts.status is PaymentStatus.EXPIRED:
            facts = replace(facts, status=PaymentStatus.CANCELLED)
    else:
        facts = PaymentFacts(status=PaymentStatus.CANCELLED)
    return settle(top_up_id=top_up.pk, facts=facts, now=now)


def reconcile(*, top_up_id: int, now: datetime) -> TopUp:
    """Ask the provider how a purchase stands, and settle it accordingly. Raises GatewayError."""
    top_up = TopUp.objects.get(pk=top_up_id)
    TopUp.objects.filter(pk=top_up_id).update(checked_at=now)
    if top_up.checkout_id:
        facts = gateway_named(top_up.gateway).fetch_payment(top_up.checkout_id)
    elif now >= top_up.created_at + CHECKOUT_VALID_FOR:
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
        top_up = _locked(top_up_id)
        mismatch = _mismatch(top_up, facts)
        if mismatch:
            logger.warning("%s: not settled. %s", top_up.receipt, mismatch)
            is_payment = facts.status is PaymentStatus.PAID and top_up.credited_at is None
            if is_payment or facts.refunded_minor > top_up.refunded_minor:
                top_up.parked_reason = top_up.parked_reason or mismatch
                top_up.save(update_fields=["parked_reason"])
            return top_up
        top_up.checkout_id = top_up.checkout_id or facts.checkout_id
        top_up.payment_id = top_up.payment_id or facts.payment_id
        refunded_minor = min(facts.refunded_minor, top_up.total_minor)
        if facts.status is PaymentStatus.PAID and S.PAID in TRANSITIONS[S(top_up.state)]:
            move(top_up, S.PAID, now)
            top_up.failure_reason = top_up.parked_reason = ""
        if top_up.state == S.PAID and refunded_minor < top_up.total_minor:
            _credit(top_up, now)
        unpaid = _UNPAID.get(facts.status)
        if unpaid and unpaid in TRANSITIONS[S(top_up.state)]:
            move(top_up, unpaid, now)
            top_up.failure_reason = facts.reason[:300]
        if refunded_minor > top_up.refunded_minor and top_up.state in (S.PAID, S.CREDITED):
            _take_back(top_up, refunded_minor, facts.reason, now)
        top_up.save()
    return top_up


def refund(*, top_up_id: int, reason: str, now: datetime) -> TopUp:
    """Pay a credited purchase back for ``reason``, and take its credits off the balance.

    Raises TopUpError where there is nothing to refund, GatewayError where the provider refuses;
    asking again after an error does not pay twice.
    """
    reason = " ".join(reason.split())
    if not reason:
        raise TopUpError("reason", "Say why: the account sees it in its log.")
    with transaction.atomic():
        top_up = _locked(top_up_id)
        if top_up.state != S.CREDITED:
            raise TopUpError(
                "top_up",
                f"{top_up.receipt} is {top_up.get_state_display().lower()}: only a credited "
                "top-up can be refunded.",
            )
        top_up.refund_reason = reason[:300]
        top_up.save(update_fields=["refund_reason"])
    gateway_named(top_up.gateway).refund(
        payment_id=top_up.payment_id,
        amount_minor=top_up.total_minor - top_up.refunded_minor,
        currency=top_up.currency,
        reference=f"{top_up.public_id}-{top_up.refunded_minor}",
    )
    facts = PaymentFacts(
        status=PaymentStatus.PAID, refunded_minor=top_up.total_minor, reason=top_up.refund_reason
    )
    return settle(top_up_id=top_up_id, facts=facts, now=now)


def find(*, gateway: str, facts: PaymentFacts) -> TopUp | None:
    """The purchase that ``facts`` are about: by our reference, else by the provider's ids."""
    top_ups = TopUp.objects.filter(gateway=gateway)
    if facts.reference:
        return top_ups.filter(public_id__in=_uuids(facts.reference)).first()
    by_provider = Q(pk__in=[])
    if facts.checkout_id:
        by_provider |= Q(checkout_id=facts.checkout_id)
    if facts.payment_id:
        by_provider |= Q(payment_id=facts.payment_id)
    return top_ups.filter(by_provider).first()


def to_reconcile(*, now: datetime, limit: int = 500) -> list[int]:
    """The purchases to ask the provider about now: often while young, then ever less often."""
    watched = TopUp.objects.exclude(state__in=[S.CREDITED, S.REFUNDED]).filter(
        created_at__gt=now - WATCHED_FOR
    )
    due = due_again(
        watched, now=now, began="created_at", tried="checked_at", after=ASKED_AGAIN_AFTER
    )
    return list(due.values_list("pk", flat=True)[:limit])


def move(top_up: TopUp, state: TopUpState, now: datetime) -> None:
    """Set the state and its time (not saved). Raises IllegalTransitionError."""
    if state not in TRANSITIONS[S(top_up.state)]:
        raise IllegalTransitionError(f"{top_up.receipt}: {top_up.state} can't become {state}")
    top_up.state = state
    setattr(top_up, f"{state.value}_at", now)


def _begun(
    *, account: Account, user_id: int | None, quoted: Quote, form_key: str, now: datetime
) -> TopUp:
    """The purchase that the form stands for: the one begun with it, or else a new one.

    Each try has its number in the key, so that two forms at once find the same new one.
    """
    attempt = 0
    while True:
        attempt += 1
        top_up, _ = TopUp.objects.get_or_create(
            account=account,
            idempotency_key=f"{form_key}.{attempt}:{quoted.credits}:{quoted.total_minor}"[-64:],
            defaults={
                "created_by_id": user_id,
                "credits": quoted.credits,
                "price_minor": quoted.price_minor,
                "tax_minor": quoted.tax_minor,
                "tax_name": quoted.tax_name,
                "currency": quoted.currency,
                "gateway": configured_gateway().name,
                "created_at": now,
            },
        )
        is_old = top_up.state == S.PENDING and now - top_up.created_at > CONTINUED_FOR
        if not is_old and top_up.state not in _UNPAID.values():
            return top_up


def _locked(top_up_id: int) -> TopUp:
    return (
        TopUp.objects.select_related("account")
        .select_for_update(of=("self",), no_key=True)
        .get(pk=top_up_id)
    )


def _mismatch(top_up: TopUp, facts: PaymentFacts) -> str:
    """Why the facts are not those of this purchase; empty where they are.

    What is unsaid is not wrong, except that a payment has to name its amount and currency.
    """
    if facts.account_reference and facts.account_reference != top_up.account.slug:
        return f"The provider names the account {facts.account_reference}."
    if facts.currency and facts.currency != top_up.currency:
        return f"The provider reports {facts.currency}, the top-up is in {top_up.currency}."
    if facts.amount_minor is not None and facts.amount_minor != top_up.total_minor:
        return (
            f"The provider reports an amount of {facts.amount_minor}, "
            f"the top-up costs {top_up.total_minor} (minor units)."
        )
    if facts.checkout_id and top_up.checkout_id and facts.checkout_id != top_up.checkout_id:
        return "The provider names another checkout."
    if facts.payment_id and facts.payment_id != top_up.payment_id:
        others = TopUp.objects.filter(gateway=top_up.gateway, payment_id=facts.payment_id)
        if top_up.payment_id or others.exists():
            return "The provider names another payment."
    if (
        facts.status is PaymentStatus.PAID
        and top_up.credited_at is None
        and (facts.amount_minor is None or not facts.currency)
    ):
        return "The provider does not say what was paid."
    return ""


def _credit(top_up: TopUp, now: datetime) -> None:
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


def _take_back(top_up: TopUp, refunded_minor: int, reason: str, now: datetime) -> None:
    """Remove the credits that a refund has paid for: from its own grant first, then as any use.

    Part of the money takes that part of the credits, rounded down. What of them has expired is
    gone already and is not taken again.
    """
    reason = top_up.refund_reason or reason or "Refunded"
    if top_up.state == S.CREDITED:
        due = top_up.credits * refunded_minor // top_up.total_minor
        entries = LedgerEntry.objects.filter(account=top_up.account)
        taken = entries.filter(kind=Kind.REFUND, reference__startswith=f"refund:{top_up.pk}:")
        expired = entries.filter(reference=f"expiry:{top_up.reference}")
        taken_credits = -sum(taken.values_list("credits", flat=True))
        expired_credits = -sum(expired.values_list("credits", flat=True))
        credits = min(due - taken_credits, top_up.credits - expired_credits - taken_credits)
        if credits > 0:
            ledger.post_one(
                posting=ledger.Posting(
                    account_id=top_up.account_id,
                    kind=Kind.REFUND,
                    credits=-credits,
                    reference=f"refund:{top_up.pk}:{refunded_minor}",
                    occurred_at=now,
                    remarks=f"Refund of top-up {top_up.receipt}: {reason}",
                    grant_reference=top_up.reference,
                ),
                posted_at=now,
            )
    top_up.refunded_minor = refunded_minor
    top_up.refund_reason = reason[:300]
    if refunded_minor == top_up.total_minor:
        move(top_up, S.REFUNDED, now)


def _uuids(reference: str) -> list[UUID]:
    """The reference as the id it should be; nothing, where it isn't one."""
    try:
        return [UUID(reference)]
    except ValueError:
        return []

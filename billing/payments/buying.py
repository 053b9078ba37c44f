"""Buying: from the form to the provider's page, once for each choice."""

from dataclasses import replace
from datetime import datetime, timedelta

from django.db.models import Max

from billing.models import Account, TopUp
from billing.payments.gateways import (
    GatewayError,
    Order,
    PaymentFacts,
    PaymentStatus,
    UnavailableGatewayError,
    UnknownCheckoutError,
    configured_gateway,
    gateway_named,
)
from billing.payments.idempotency import note_refusal, numbered
from billing.payments.pricing import Quote
from billing.payments.settling import CHECKOUT_VALID_FOR, UNKNOWN_THERE, settle
from billing.payments.transitions import AWAITED, CLOSED, S

# An older checkout is not gone on with: providers want half an hour left, and so do people.
CONTINUED_FOR = timedelta(minutes=25)


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

    ``form_key`` comes with the form: the same key and the same choice are the same top-up, so a
    double click, the back button or a second tab does not buy twice. What was declined, cancelled
    or begun too long ago is begun anew. What the same person began and did not pay is closed, so
    that nobody pays for the choice they changed their mind about; have they paid, or are they
    paying, for the same choice, that top-up is returned.
    ``return_url`` holds ``{id}`` for the top-up's public id.

    The top-up is stored before the provider hears of it. Raises GatewayError where the provider
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
    """Close the provider's page of a top-up that nobody paid, and note what became of it.

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


def _begun(
    *, account: Account, user_id: int | None, quoted: Quote, form_key: str, now: datetime
) -> TopUp:
    """The top-up that the form stands for: the one begun with it, or else a new one.

    Each attempt has its number in the key, so that two forms at once find the same new one.
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
        if top_up.state not in CLOSED and not (top_up.state == S.PENDING and is_old):
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

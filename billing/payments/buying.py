"""Buying: from the form to the provider's page, once for each choice."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from django.db import transaction
from django.db.models import Max

from billing.activity import ActivityKind, Money, new, note
from billing.models import Account, Payment, TopUp, TopUpState
from billing.models.payment import DESCRIPTION_LENGTH_MAX
from billing.payments.asking import UNFINISHED_AFTER
from billing.payments.gateways import (
    GatewayError,
    Order,
    UnavailableGatewayError,
    UnknownCheckoutError,
    configured_gateway,
    gateway_named,
)
from billing.payments.noting import UNFINISHED
from billing.payments.pricing import Quote
from billing.payments.settling import (
    CHECKOUT_VALID_FOR,
    UNKNOWN_THERE,
    close_page,
    end,
    locked,
    settle,
)
from billing.payments.states import ENDED, deciding, state_of
from billing.plans.closed import hold_open

# An older checkout is not gone on with: providers want half an hour left, and so do people.
CONTINUED_FOR = timedelta(minutes=25)

Status = Payment.Status
NOT_OVER = (*UNFINISHED, Status.PAID)


def form_key(*, account: Account, user_id: int) -> str:
    """What a form of this person sends along, so that sending it again does not buy again.

    It changes when they have paid, and only then: all forms shown between two payments, in however
    many tabs and browsers, are the same form.
    """
    paid = TopUp.objects.filter(
        account=account, created_by_id=user_id, payments__paid_at__isnull=False
    )
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
) -> Payment:
    """Begin to buy what was ``quoted``, and open the provider's page for it.

    ``form_key`` comes with the form: the same key and the same choice are the same top-up, so a
    double click, the back button or a second tab does not buy twice. What was declined, cancelled
    or begun too long ago is begun anew. What the same person began and did not pay is closed, so
    that nobody pays for the choice they changed their mind about; have they paid, or are they
    paying, for the same choice, the payment of that is returned.
    ``return_url`` holds ``{id}`` for the top-up's public id.

    The payment is stored before the provider hears of it, with all that it is asked with: asking
    again asks the same, whatever the account and the person are called by then. Raises GatewayError
    where the provider can't be reached or refuses; what it says is kept with the payment. Sending
    the form again goes on where it stopped, after a refusal with a new attempt. Raises
    AccountClosedError.
    """
    payment = begin(
        account=account,
        user_id=user_id,
        email=email,
        quoted=quoted,
        form_key=form_key,
        return_url=return_url,
        now=now,
    )
    return go_on(payment, now=now)


def go_on(payment: Payment, *, now: datetime) -> Payment:
    """Open the provider's page for a ``payment`` that was begun, as `start` does."""
    if payment.status != Status.OPEN or payment.checkout_url:
        return payment
    same = _close_others(payment, now)
    if same is not None:
        cancel(payment=payment, now=now)
        return same
    order = _order(payment)
    try:
        checkout = gateway_named(payment.gateway).create_checkout(order)
    except GatewayError as error:
        _note_refusal(payment, error, now)
        raise
    with transaction.atomic():  # an event about the checkout may be settled at the same time
        payment = locked(payment.pk)
        payment.checkout_id, payment.checkout_url = checkout.checkout_id, checkout.url
        payment.failure_reason, payment.checked_at = "", now
        payment.save()
    return payment


def cancel(*, payment: Payment, now: datetime) -> Payment:
    """Close the provider's page of a payment that nobody made, and note what became of it.

    One that stays open, or is processing then, could not be closed: a payment is on its way.
    """
    if not payment.checkout_id:
        with transaction.atomic():
            ended = end(payment_pk=payment.pk, status=Status.CANCELLED, reason="", now=now)
            _note_cancelled(ended)
        return ended
    try:
        facts = close_page(payment)
    except UnknownCheckoutError:
        with transaction.atomic():
            ended = end(payment_pk=payment.pk, status=Status.EXPIRED, reason=UNKNOWN_THERE, now=now)
            _note_cancelled(ended)
        return ended
    with transaction.atomic():
        settled = settle(payment_pk=payment.pk, facts=facts, now=now)
        _note_cancelled(settled)
    return settled


def _note_cancelled(payment: Payment) -> None:
    """Note the end of a payment that somebody cancelled; one that is on its way goes on."""
    if payment.status in (Status.CANCELLED, Status.EXPIRED):
        top_up = payment.top_up
        note(
            ActivityKind.TOP_UP_CANCELLED,
            account=top_up.account_id,
            subject=top_up.receipt_number,
        )


def _order(payment: Payment) -> Order:
    """What the provider is asked with, from nothing but rows that never change."""
    top_up = payment.top_up
    return Order(
        reference=str(payment.request_key),
        account_reference=str(top_up.account_id),
        description=payment.description,
        amount_minor=top_up.total_minor,
        currency=top_up.currency,
        customer_email=payment.customer_email,
        return_url=f"{payment.return_url}?returned=1",
        cancel_url=f"{payment.return_url}?returned=cancelled",
        expires_at=payment.created_at + CHECKOUT_VALID_FOR,
    )


def begin(
    *,
    account: Account,
    user_id: int | None,
    email: str,
    quoted: Quote,
    form_key: str,
    return_url: str,
    now: datetime,
) -> Payment:
    """The payment that the form stands for: the one begun with it, or else a new one.

    Each order has its number in the key, so that two forms at once find the same new one. Nobody is
    asked: `go_on` opens the page. Raises AccountClosedError.
    """
    gateway = configured_gateway().name
    orders = _orders(account=account, user_id=user_id, quoted=quoted, form_key=form_key)
    for order in orders:
        with transaction.atomic():
            hold_open(account.pk)
            top_up, is_new = TopUp.objects.get_or_create(
                account=account,
                idempotency_key=_key(form_key, order, quoted),
                defaults={
                    "created_by_id": user_id,
                    "credits": quoted.credits,
                    "price_minor": quoted.price_minor,
                    "tax_minor": quoted.tax_minor,
                    "tax_name": quoted.tax_name,
                    "currency": quoted.currency,
                    "created_at": now,
                },
            )
            if is_new:
                note(
                    ActivityKind.TOP_UP_ORDERED,
                    account=account,
                    subject=top_up.receipt_number,
                    changes=new(
                        credits=top_up.credits, total=Money(top_up.total_minor, top_up.currency)
                    ),
                )
            description = f"{top_up.credits:,} call credits for {account.name}"
            payment = _attempt(
                top_up,
                gateway=gateway,
                description=description[:DESCRIPTION_LENGTH_MAX],
                customer_email=email,
                return_url=return_url.replace("{id}", str(top_up.public_id)),
                created_at=now,
                next_check_at=now + UNFINISHED_AFTER,
            )
        state = state_of(top_up)
        is_old = now - payment.created_at > CONTINUED_FOR or payment.gateway != gateway
        is_unpaid = state in (TopUpState.UNOPENED, TopUpState.PENDING)
        if state not in ENDED and not (is_unpaid and is_old):
            return payment
    raise AssertionError("there is always a next number")


def _key(form_key: str, order: int, quoted: Quote) -> str:
    return f"{form_key}.{order}:{quoted.credits}:{quoted.total_minor}"[-64:]


def _orders(
    *, account: Account, user_id: int | None, quoted: Quote, form_key: str
) -> Iterator[int]:
    """The numbers of the orders of one choice with one form that may be the one in question: those
    that can still be paid or were, the newest, and then new ones.

    What ended before is passed over: changing one's mind again and again takes no longer each time.
    """
    same = TopUp.objects.filter(
        account=account,
        created_by_id=user_id,
        credits=quoted.credits,
        price_minor=quoted.price_minor,
        tax_minor=quoted.tax_minor,
    )
    keys = same.order_by("-created_at", "-pk").values_list("idempotency_key", flat=True)
    begun = {
        order
        for key in [*keys.filter(payments__status__in=NOT_OVER), *keys[:1]]
        if (order := _order_in(key)) and key == _key(form_key, order, quoted)
    }
    yield from sorted(begun)
    yield from count(max(begun, default=0) + 1)


def _order_in(key: str) -> int:
    """The number of the order in a `_key`; 0 where there is none."""
    number = key.partition(".")[2].partition(":")[0]
    return int(number) if number.isdecimal() else 0


def _attempt(top_up: TopUp, **begun: Any) -> Payment:
    """The attempt that has paid ``top_up``, be it an older one, so that nobody pays it again; else
    the newest; a new one, as ``begun``, where there is none, or it was refused."""
    decisive = deciding(top_up.payments.all())
    if decisive is not None and decisive.status == Status.PAID:
        return decisive
    newest = top_up.payments.last()
    if newest is not None and not (newest.status == Status.FAILED and not newest.checkout_id):
        return newest
    payment, _ = Payment.objects.get_or_create(
        top_up=top_up,
        number=newest.number + 1 if newest is not None else 1,
        defaults=begun,
    )
    return payment


def _note_refusal(payment: Payment, error: GatewayError, now: datetime) -> None:
    """Keep why no page opened. A provider answers the same request with the same error, so an
    attempt that was answered is over; one that was not answered is made again."""
    over = {"status": Status.FAILED, "ended_at": now, "next_check_at": None}
    Payment.objects.filter(pk=payment.pk, status=Status.OPEN, checkout_id="").update(
        failure_reason=str(error)[:300], **(over if error.was_answered else {})
    )


def _close_others(payment: Payment, now: datetime) -> Payment | None:
    """Close what the same person began and did not pay, so that nobody pays for a choice that they
    changed their mind about; return what they have paid for the same choice already."""
    top_up = payment.top_up
    others = (
        Payment.objects.filter(
            top_up__account=top_up.account_id,
            top_up__created_by=top_up.created_by_id,
            status__in=UNFINISHED,
        )
        .exclude(top_up__created_by=None)
        .exclude(pk=payment.pk)
        .exclude(reviews__decision="")
    )
    for other in others.select_related("top_up"):
        try:
            closed = other if other.status == Status.PROCESSING else cancel(payment=other, now=now)
        except UnavailableGatewayError:
            continue  # nobody can pay it there either
        same = (other.top_up.credits, other.top_up.total_minor) == (
            top_up.credits,
            top_up.total_minor,
        )
        if same and closed.status in (Status.PAID, *UNFINISHED):
            return closed
    return None

"""Which payment a provider speaks of, and whether what it says fits."""

from uuid import UUID

from django.db.models import Q

from billing.models import Payment, Review
from billing.money import format_money
from billing.payments.gateways import (
    CheckoutFacts,
    DisputeFacts,
    Facts,
    PaymentNamed,
    PaymentStatus,
    RefundFacts,
)
from billing.payments.states import money_of

PAID_AFTER_CLOSING = "It was paid after it had been closed."
PAID_BEFORE = "This top-up was paid before, by another payment."


def find(*, gateway: str, facts: Facts | PaymentNamed) -> Payment | None:
    """The payment that ``facts`` are about: by our reference, else by the provider's ids.

    A reference that is not ours says nothing: whoever works at the provider can write one there.
    """
    payments = Payment.objects.filter(gateway=gateway)
    referred = payments.filter(request_key__in=_uuids(getattr(facts, "reference", ""))).first()
    if referred is not None:
        return referred
    by_provider = Q(pk__in=[])
    if isinstance(facts, CheckoutFacts) and facts.checkout_id:
        by_provider |= Q(checkout_id=facts.checkout_id)
    if facts.payment_id:
        by_provider |= Q(payment_id=facts.payment_id)
        by_provider |= Q(reviews__received_payment_id=facts.payment_id)
    return payments.filter(by_provider).order_by("pk").first()


def mismatch_of(payment: Payment, facts: Facts) -> str:
    """Why the facts are not those of this payment; empty where they are."""
    money = money_of(payment)
    if isinstance(facts, CheckoutFacts):
        return _mismatch_of_checkout(payment, facts, money.paid_minor, money.currency)
    if facts.currency and facts.currency != money.currency:
        return f"The provider reports {facts.currency}, the top-up is in {money.currency}."
    return ""


def _mismatch_of_checkout(
    payment: Payment, facts: CheckoutFacts, due_minor: int, currency: str
) -> str:
    top_up = payment.top_up
    if _names_another(payment, facts.reference):
        return "The provider names another top-up."
    if facts.account_reference and facts.account_reference != str(top_up.account_id):
        return f"The provider names the account {facts.account_reference}."
    if facts.currency and facts.currency != currency:
        return f"The provider reports {facts.currency}, the top-up is in {currency}."
    if facts.amount_minor is not None and facts.amount_minor != due_minor:
        reported = format_money(facts.amount_minor, currency)
        due = format_money(due_minor, currency)
        return f"The provider reports {reported}, the top-up costs {due}."
    if facts.checkout_id and payment.checkout_id and facts.checkout_id != payment.checkout_id:
        return "The provider names another checkout."
    is_new = facts.payment_id and facts.payment_id != payment.payment_id
    if is_new and (payment.payment_id or pays_another(payment, facts.payment_id)):
        return "The provider names another payment."
    if facts.status is not PaymentStatus.PAID or payment.paid_at is not None:
        return ""
    if facts.amount_minor is None or not facts.currency:
        return "The provider does not say what was paid."
    if top_up.payments.filter(status=Payment.Status.PAID).exists():
        return PAID_BEFORE
    decided = payment.reviews.exclude(decision="").last()
    is_closed = decided is not None and decided.decision == Review.Decision.CLOSED
    return PAID_AFTER_CLOSING if is_closed else ""


def _names_another(payment: Payment, reference: str) -> bool:
    """Whether the reference is that of another payment of ours, at whichever provider."""
    keys = [key for key in _uuids(reference) if key != payment.request_key]
    return bool(keys) and Payment.objects.filter(request_key__in=keys).exists()


def pays_another(payment: Payment, payment_id: str) -> bool:
    """Whether the provider's ``payment_id`` is that of another payment of ours."""
    others = Payment.objects.filter(gateway=payment.gateway, payment_id=payment_id)
    return bool(payment_id) and others.exclude(pk=payment.pk).exists()


def is_decided(payment: Payment, facts: Facts, mismatch: str) -> bool:
    """Whether an operator has decided about these facts before, which were only repeated."""
    is_paid = isinstance(facts, CheckoutFacts) and facts.status is PaymentStatus.PAID
    return any(
        review.reason == mismatch[: len(review.reason)]
        or (is_paid and facts.payment_id and facts.payment_id == review.received_payment_id)
        for review in payment.reviews.exclude(decision__in=["", Review.Decision.SETTLED])
    )


def takes_money(facts: Facts) -> bool:
    """Whether the facts say that money has gone."""
    match facts:
        case RefundFacts():
            return facts.status in ("pending", "succeeded")
        case DisputeFacts():
            return facts.status in ("open", "lost")
    return False


def _uuids(reference: str) -> list[UUID]:
    """The reference as the id it should be; nothing, where it isn't one."""
    try:
        return [UUID(reference)]
    except ValueError:
        return []

"""Which top-up a provider speaks of, and whether what it says fits."""

from uuid import UUID

from django.db.models import Q

from billing.models import ParkedDecision, TopUp
from billing.payments.gateways import PaymentFacts, PaymentStatus

PAID_AFTER_CLOSING = "It was paid after it had been closed."


def find(*, gateway: str, facts: PaymentFacts) -> TopUp | None:
    """The top-up that ``facts`` are about: by our reference, else by the provider's ids."""
    top_ups = TopUp.objects.filter(gateway=gateway)
    if facts.reference:
        return top_ups.filter(public_id__in=_uuids(facts.reference)).first()
    by_provider = Q(pk__in=[])
    if facts.checkout_id:
        by_provider |= Q(checkout_id=facts.checkout_id)
    if facts.payment_id:
        by_provider |= Q(payment_id=facts.payment_id)
        by_provider |= Q(received_payment_id=facts.payment_id)
    return top_ups.filter(by_provider).first()


def mismatch_of(top_up: TopUp, facts: PaymentFacts) -> str:
    """Why the facts are not those of this top-up; empty where they are.

    What is unsaid is not wrong, except that a payment has to name its amount and currency.
    """
    due_minor, currency = top_up.paid_minor, top_up.paid_currency
    if facts.account_reference and facts.account_reference != top_up.account_reference:
        return f"The provider names the account {facts.account_reference}."
    if facts.currency and facts.currency != currency:
        return f"The provider reports {facts.currency}, the top-up is in {currency}."
    if facts.amount_minor is not None and facts.amount_minor != due_minor:
        return (
            f"The provider reports an amount of {facts.amount_minor}, "
            f"the top-up costs {due_minor} (minor units)."
        )
    if facts.checkout_id and top_up.checkout_id and facts.checkout_id != top_up.checkout_id:
        return "The provider names another checkout."
    is_new = facts.payment_id and facts.payment_id != top_up.payment_id
    if is_new and (top_up.payment_id or pays_another(top_up, facts.payment_id)):
        return "The provider names another payment."
    if facts.status is not PaymentStatus.PAID or top_up.paid_at is not None:
        return ""
    if facts.amount_minor is None or not facts.currency:
        return "The provider does not say what was paid."
    return PAID_AFTER_CLOSING if top_up.decision == ParkedDecision.CLOSED else ""


def pays_another(top_up: TopUp, payment_id: str) -> bool:
    """Whether this payment is that of another top-up."""
    others = TopUp.objects.filter(gateway=top_up.gateway, payment_id=payment_id)
    return bool(payment_id) and others.exclude(pk=top_up.pk).exists()


def is_decided(top_up: TopUp, facts: PaymentFacts, mismatch: str) -> bool:
    """Whether an operator has decided about these facts before, which were only repeated."""
    if not top_up.decision:
        return False
    same_payment = bool(facts.payment_id) and facts.payment_id == top_up.received_payment_id
    return mismatch == top_up.decided_about or (same_payment and facts.status is PaymentStatus.PAID)


def _uuids(reference: str) -> list[UUID]:
    """The reference as the id it should be; nothing, where it isn't one."""
    try:
        return [UUID(reference)]
    except ValueError:
        return []

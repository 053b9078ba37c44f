"""Top-ups to test with, what providers say of them, and what became of them."""

import secrets
from datetime import UTC, datetime

from billing.models import Balance, Payment, PaymentEvent, TopUp, TopUpState
from billing.payments import buying, pricing, states
from billing.payments.gateways import (
    CheckoutFacts,
    DisputeFacts,
    DisputeStatus,
    PaymentStatus,
    RefundFacts,
    RefundStatus,
)
from billing.payments.states import Standing

RETURN_URL = "http://localhost/top-ups/{id}/"
TOTAL = 599_900  # 500 credits: a custom amount costs as much as the pack of as many


def now():
    """The real time: signatures and providers live by it."""
    return datetime.now(UTC)


def begin(
    account, *, credits=500, form_key=None, user=None, email="owner@example.com", at=None
) -> Payment:
    """A payment of ``credits`` that the provider has opened its page for."""
    return buying.start(
        account=account,
        user_id=user.pk if user else None,
        email=email,
        quoted=pricing.quote(account=account, credits=credits),
        form_key=form_key or secrets.token_hex(8),
        return_url=RETURN_URL,
        now=at or now(),
    )


def stored() -> PaymentEvent:
    """The one event that is stored."""
    return PaymentEvent.objects.get()


def balance_of(account) -> int:
    """The account's credits."""
    balance = Balance.objects.filter(account=account).first()
    return balance.credits if balance else 0


def standing_of(payment: Payment) -> Standing:
    """Where the top-up of ``payment`` stands now; the same in SQL."""
    standing = states.standing_of(TopUp.objects.get(pk=payment.top_up_id))
    [in_sql] = states.with_state(TopUp.objects.filter(pk=payment.top_up_id))
    assert in_sql.state == standing.state
    return standing


def state_of(payment: Payment) -> TopUpState:
    """The state of the top-up of ``payment`` now."""
    return standing_of(payment).state


def review_of(payment: Payment) -> str:
    """Why an operator is asked to look; empty where none is."""
    review = standing_of(payment).open_review
    return review.reason if review is not None else ""


# ── What a provider says ──────────────────────────────────────────────────────────────────────
def checkout_facts(payment: Payment, **changed) -> CheckoutFacts:
    """The payment of all that was asked for, with ``changed`` facts."""
    said = {
        "status": PaymentStatus.PAID,
        "reference": str(payment.request_key),
        "account_reference": str(payment.top_up.account_id),
        "checkout_id": payment.checkout_id,
        "payment_id": f"payment_{payment.checkout_id}",
        "amount_minor": payment.top_up.total_minor,
        "currency": payment.top_up.currency,
        **changed,
    }
    return CheckoutFacts(**said)


def refund_facts(payment: Payment, amount_minor: int, **changed) -> RefundFacts:
    """A refund that stands, with ``changed`` facts."""
    said = {
        "refund_id": "refund_1",
        "payment_id": f"payment_{payment.checkout_id}",
        "amount_minor": amount_minor,
        "currency": payment.top_up.currency,
        "status": RefundStatus.SUCCEEDED,
        "provider_status": "succeeded",
        **changed,
    }
    return RefundFacts(**said)


def dispute_facts(payment: Payment, amount_minor: int, **changed) -> DisputeFacts:
    """An open dispute, with ``changed`` facts."""
    said = {
        "dispute_id": "dispute_1",
        "payment_id": f"payment_{payment.checkout_id}",
        "amount_minor": amount_minor,
        "currency": payment.top_up.currency,
        "status": DisputeStatus.OPEN,
        "provider_status": "needs_response",
        **changed,
    }
    return DisputeFacts(**said)

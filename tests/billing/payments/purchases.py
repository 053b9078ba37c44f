"""Top-ups to test with, and what became of them."""

import secrets
from datetime import UTC, datetime

from billing.models import Balance, PaymentEvent, TopUp
from billing.payments import buying, pricing

RETURN_URL = "http://localhost/top-ups/{id}/"


def now():
    """The real time: signatures and providers live by it."""
    return datetime.now(UTC)


def begin(account, *, credits=500, form_key=None, user=None, at=None) -> TopUp:
    """A top-up of ``credits`` that the provider has opened its page for."""
    return buying.start(
        account=account,
        user_id=user.pk if user else None,
        email="owner@example.com",
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


def state_of(top_up) -> str:
    """The state of the top-up now."""
    return str(TopUp.objects.get(pk=top_up.pk).state)

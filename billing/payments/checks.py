"""System check of billing: payments that would lose money."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error


def stripe_has_its_secrets(**_: Any) -> list[CheckMessage]:
    """Refuse Stripe as the gateway of new top-ups without one of its secrets."""
    if settings.PAYMENT_GATEWAY != "stripe":
        return []
    return [
        Error(
            f"PAYMENT_GATEWAY is stripe, but {name} is not set.",
            hint="Both secrets are in the Stripe dashboard, under Developers.",
            id="billing.E002",
        )
        for name in ("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET")
        if not getattr(settings, name)
    ]

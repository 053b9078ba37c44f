"""System checks of billing: payments that would lose money or give credits away."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error


def payments_are_safe(**_: Any) -> list[CheckMessage]:
    """Refuse the sandbox where it is not allowed, and Stripe without its secrets."""
    found: list[CheckMessage] = []
    if settings.PAYMENT_GATEWAY == "sandbox" and not settings.SANDBOX_PAYMENTS_ALLOWED:
        found.append(
            Error(
                "PAYMENT_GATEWAY is the sandbox, which gives credits for nothing.",
                hint="Use stripe, or set SANDBOX_PAYMENTS_ALLOWED if that is what you want.",
                id="billing.E001",
            )
        )
    if settings.PAYMENT_GATEWAY == "stripe":
        found += [
            Error(
                f"PAYMENT_GATEWAY is stripe, but {name} is not set.",
                hint="Both secrets are in the Stripe dashboard, under Developers.",
                id="billing.E002",
            )
            for name in ("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET")
            if not getattr(settings, name)
        ]
    return found

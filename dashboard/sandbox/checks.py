"""The sandbox's system check: an installation must not give credits away by mistake."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error


def sandbox_is_allowed(**_: Any) -> list[CheckMessage]:
    """Refuse the sandbox as the gateway of new top-ups where it is not allowed."""
    if settings.PAYMENT_GATEWAY != "sandbox" or settings.SANDBOX_PAYMENTS_ALLOWED:
        return []
    return [
        Error(
            "PAYMENT_GATEWAY is the sandbox, which gives credits for nothing.",
            hint="Use stripe, or set SANDBOX_PAYMENTS_ALLOWED if that is what you want.",
            id="sandbox.E001",
        )
    ]

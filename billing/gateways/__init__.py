"""Payment providers behind one small interface; which one is a setting."""

from collections.abc import Callable

from django.conf import settings

from billing.gateways.base import (
    AmountError,
    Checkout,
    Gateway,
    GatewayError,
    Order,
    PaymentFacts,
    PaymentStatus,
    WebhookError,
    WebhookEvent,
)
from billing.gateways.sandbox import SandboxGateway
from billing.gateways.stripe import StripeGateway

GATEWAYS: dict[str, Callable[[], Gateway]] = {
    SandboxGateway.name: SandboxGateway,
    StripeGateway.name: StripeGateway,
}


def configured_gateway() -> Gateway:
    """The gateway that new top-ups are paid through."""
    return gateway_named(settings.PAYMENT_GATEWAY)


def gateway_named(name: str) -> Gateway:
    """The gateway that an existing top-up was opened with.

    Raises KeyError where there is none of that name, or it is the sandbox and not allowed.
    """
    if name == SandboxGateway.name and not settings.SANDBOX_PAYMENTS_ALLOWED:
        raise KeyError(name)
    return GATEWAYS[name]()


__all__ = [
    "GATEWAYS",
    "AmountError",
    "Checkout",
    "Gateway",
    "GatewayError",
    "Order",
    "PaymentFacts",
    "PaymentStatus",
    "WebhookError",
    "WebhookEvent",
    "configured_gateway",
    "gateway_named",
]

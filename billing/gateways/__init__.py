"""Payment providers behind one small interface; which one is a setting."""

from collections.abc import Callable

from django.conf import settings

from billing.gateways.base import (
    AmountError,
    Checkout,
    Dispute,
    DisputeStatus,
    Gateway,
    GatewayError,
    Order,
    PaymentFacts,
    PaymentStatus,
    RefundOrder,
    RefusedError,
    UnavailableGatewayError,
    UnknownCheckoutError,
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

    Raises UnavailableGatewayError where there is none of that name, or it is not in use here.
    """
    if name not in GATEWAYS:
        raise UnavailableGatewayError(f"There is no payment provider “{name}”.")
    if name == SandboxGateway.name and not settings.SANDBOX_PAYMENTS_ALLOWED:
        raise UnavailableGatewayError("The sandbox is not allowed here.")
    if name == StripeGateway.name and not settings.STRIPE_SECRET_KEY:
        raise UnavailableGatewayError("Stripe is not in use here: it has no secret key.")
    return GATEWAYS[name]()


__all__ = [
    "GATEWAYS",
    "AmountError",
    "Checkout",
    "Dispute",
    "DisputeStatus",
    "Gateway",
    "GatewayError",
    "Order",
    "PaymentFacts",
    "PaymentStatus",
    "RefundOrder",
    "RefusedError",
    "UnavailableGatewayError",
    "UnknownCheckoutError",
    "WebhookError",
    "WebhookEvent",
    "configured_gateway",
    "gateway_named",
]

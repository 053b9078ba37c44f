"""Payment providers behind one small interface; which one is a setting."""

from django.conf import settings
from django.utils.module_loading import import_string

from billing.payments.gateways.base import (
    AmountError,
    Checkout,
    CheckoutFacts,
    DisputeFacts,
    DisputeStatus,
    Facts,
    Gateway,
    GatewayError,
    Order,
    PaymentNamed,
    PaymentStatus,
    RefundFacts,
    RefundOrder,
    RefundStatus,
    RefusedError,
    UnavailableGatewayError,
    UnknownCheckoutError,
    WebhookError,
    WebhookEvent,
)


def configured_gateway() -> Gateway:
    """The gateway that new top-ups are paid through."""
    return gateway_named(settings.PAYMENT_GATEWAY)


def gateway_named(name: str) -> Gateway:
    """The gateway that an existing payment was begun with.

    Raises UnavailableGatewayError where there is none of that name, or it is not in use here.
    """
    if name not in settings.PAYMENT_GATEWAYS:
        raise UnavailableGatewayError(f"There is no payment provider “{name}”.")
    gateway: Gateway = import_string(settings.PAYMENT_GATEWAYS[name])()
    return gateway


__all__ = [
    "AmountError",
    "Checkout",
    "CheckoutFacts",
    "DisputeFacts",
    "DisputeStatus",
    "Facts",
    "Gateway",
    "GatewayError",
    "Order",
    "PaymentNamed",
    "PaymentStatus",
    "RefundFacts",
    "RefundOrder",
    "RefundStatus",
    "RefusedError",
    "UnavailableGatewayError",
    "UnknownCheckoutError",
    "WebhookError",
    "WebhookEvent",
    "configured_gateway",
    "gateway_named",
]

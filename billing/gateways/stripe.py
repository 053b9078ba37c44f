"""Stripe: Checkout Sessions through the ``stripe`` SDK.

Amounts are in Stripe's smallest currency unit, which is our minor unit. Our reference and account
are sent as metadata of the session and of its payment intent, so that every object that Stripe
reports about, refunds included, can be led back to its top-up.
Source: https://docs.stripe.com/api/checkout/sessions and https://docs.stripe.com/webhooks
"""

import json
from collections.abc import Mapping
from typing import Any

import stripe
from django.conf import settings

from billing.gateways.base import (
    Checkout,
    GatewayError,
    Order,
    PaymentFacts,
    PaymentStatus,
    WebhookError,
    WebhookEvent,
)
from billing.gateways.signatures import verify

NETWORK_RETRIES = 2


class StripeGateway:
    """The Gateway protocol over Stripe Checkout."""

    name = "stripe"

    def __init__(self) -> None:
        addresses: stripe.BaseAddresses = {}
        if settings.STRIPE_API_BASE:
            addresses["api"] = settings.STRIPE_API_BASE
        self._api = stripe.StripeClient(
            settings.STRIPE_SECRET_KEY,
            base_addresses=addresses,
            max_network_retries=NETWORK_RETRIES,
            http_client=stripe.RequestsClient(timeout=10),
        ).v1

    def create_checkout(self, order: Order) -> Checkout:
        """Create a Checkout Session; Stripe answers the same one for the same reference."""
        metadata = {"top_up": order.reference, "account": order.account_reference}
        try:
            session = self._api.checkout.sessions.create(
                {
                    "mode": "payment",
                    "client_reference_id": order.reference,
                    "metadata": metadata,
                    "payment_intent_data": {"metadata": metadata},
                    "customer_email": order.customer_email,
                    "line_items": [
                        {
                            "quantity": 1,
                            "price_data": {
                                "currency": order.currency.lower(),
                                "unit_amount": order.amount_minor,
                                "product_data": {"name": order.description},
                            },
                        }
                    ],
                    "success_url": order.return_url,
                    "cancel_url": order.cancel_url,
                    "expires_at": int(order.expires_at.timestamp()),
                },
                {"idempotency_key": f"checkout-{order.reference}"},
            )
        except stripe.StripeError as error:
            raise GatewayError(_words(error)) from error
        if not session.url:
            raise GatewayError("Stripe opened a checkout without an address.")
        return Checkout(session.id, session.url)

    def cancel_checkout(self, checkout_id: str) -> None:
        """Expire the session. One that was paid or has expired stays as it is."""
        try:
            self._api.checkout.sessions.expire(checkout_id)
        except stripe.InvalidRequestError:
            return  # not open any more: what it became is asked for by fetch_payment
        except stripe.StripeError as error:
            raise GatewayError(_words(error)) from error

    def fetch_payment(self, checkout_id: str) -> PaymentFacts:
        """Retrieve the session with its payment intent and latest charge."""
        try:
            session = self._api.checkout.sessions.retrieve(
                checkout_id, {"expand": ["payment_intent.latest_charge"]}
            )
        except stripe.StripeError as error:
            raise GatewayError(_words(error)) from error
        return _session_facts(json.loads(str(session)))

    def parse_webhook(self, *, body: bytes, headers: Mapping[str, str]) -> WebhookEvent:
        """Verify ``Stripe-Signature`` and read the event."""
        header = headers.get("Stripe-Signature", "")
        verify(body=body, header=header, secret=settings.STRIPE_WEBHOOK_SECRET)
        try:
            payload = json.loads(body)
            return WebhookEvent(str(payload["id"]), str(payload["type"]), dict(payload))
        except (ValueError, KeyError, TypeError) as error:
            raise WebhookError("the body is not an event") from error

    def facts_of(self, payload: Mapping[str, Any]) -> PaymentFacts | None:
        """What the event's object says; None for the types that are not about our payments."""
        event_type = payload.get("type")
        data = payload.get("data")
        found = data.get("object") if isinstance(data, dict) else None
        if not isinstance(found, dict):
            raise WebhookError("the event has no object")
        match event_type:
            case "checkout.session.async_payment_failed":
                return _session_facts(found, failed=True)
            case (
                "checkout.session.completed"
                | "checkout.session.async_payment_succeeded"
                | "checkout.session.expired"
            ):
                return _session_facts(found)
            case "charge.refunded":
                return _charge_facts(found)
            case "charge.dispute.created" | "charge.dispute.funds_withdrawn":
                return _dispute_facts(found)
        return None

    def refund(self, *, payment_id: str, amount_minor: int, reference: str) -> None:
        """Refund the payment intent, once per reference."""
        try:
            self._api.refunds.create(
                {"payment_intent": payment_id, "amount": amount_minor},
                {"idempotency_key": f"refund-{reference}"},
            )
        except stripe.StripeError as error:
            raise GatewayError(_words(error)) from error


def _session_facts(session: Mapping[str, Any], *, failed: bool = False) -> PaymentFacts:
    if failed:
        status = PaymentStatus.FAILED
    elif session.get("payment_status") == "paid":
        status = PaymentStatus.PAID
    elif session.get("status") == "expired":
        status = PaymentStatus.EXPIRED
    else:
        status = PaymentStatus.OPEN
    intent = session.get("payment_intent")
    refunded, reason = 0, ""
    if isinstance(intent, dict):
        charge = intent.get("latest_charge")
        if isinstance(charge, dict):
            refunded = _amount(charge.get("amount_refunded")) or 0
        error = intent.get("last_payment_error")
        reason = str(error.get("message", "")) if isinstance(error, dict) else ""
        intent = intent.get("id")
    metadata = session.get("metadata") or {}
    return PaymentFacts(
        status=status,
        reference=str(session.get("client_reference_id") or metadata.get("top_up") or ""),
        account_reference=str(metadata.get("account") or ""),
        checkout_id=str(session.get("id") or ""),
        payment_id=str(intent or ""),
        amount_minor=_amount(session.get("amount_total")),
        currency=str(session.get("currency") or "").upper(),
        refunded_minor=refunded,
        reason=reason,
    )


def _charge_facts(charge: Mapping[str, Any]) -> PaymentFacts:
    metadata = charge.get("metadata") or {}
    return PaymentFacts(
        status=PaymentStatus.PAID if charge.get("paid") else PaymentStatus.OPEN,
        reference=str(metadata.get("top_up") or ""),
        account_reference=str(metadata.get("account") or ""),
        payment_id=str(charge.get("payment_intent") or ""),
        amount_minor=_amount(charge.get("amount")),
        currency=str(charge.get("currency") or "").upper(),
        refunded_minor=_amount(charge.get("amount_refunded")) or 0,
        reason="Refunded by the payment provider",
    )


def _dispute_facts(dispute: Mapping[str, Any]) -> PaymentFacts:
    metadata = dispute.get("metadata") or {}
    return PaymentFacts(
        status=PaymentStatus.OPEN,  # a dispute confirms no payment, it takes one back
        reference=str(metadata.get("top_up") or ""),
        payment_id=str(dispute.get("payment_intent") or ""),
        currency=str(dispute.get("currency") or "").upper(),
        refunded_minor=_amount(dispute.get("amount")) or 0,
        reason="The payment was disputed with the bank",
    )


def _amount(value: Any) -> int | None:
    """A whole number of minor units; None where the object has none, or something else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _words(error: stripe.StripeError) -> str:
    return f"Stripe: {error.user_message or error}"

"""Stripe: Checkout Sessions through the ``stripe`` SDK.

Amounts are translated by `billing.gateways.stripe_amounts`. Our reference and account are sent as
metadata of the session and of its payment intent, so that every object that Stripe reports about,
refunds included, can be led back to its top-up.
Source: https://docs.stripe.com/api/checkout/sessions and https://docs.stripe.com/webhooks
"""

import json
from collections.abc import Mapping
from typing import Any

import stripe
from django.conf import settings
from stripe.params.checkout import SessionCreateParams

from billing.gateways.base import (
    Checkout,
    GatewayError,
    Order,
    PaymentFacts,
    PaymentStatus,
    WebhookError,
    WebhookEvent,
)
from billing.gateways.payloads import event_of, mapping, text, whole
from billing.gateways.signatures import verify
from billing.gateways.stripe_amounts import our_amount, stripe_amount

# Somebody waits for the page. What fails nevertheless is tried again by the sweeper.
NETWORK_RETRIES = 1
TIMEOUT_SECONDS = 10
# How the intent of a completed session stands when the bank did not pay after all.
GIVEN_UP = ("requires_payment_method", "canceled")


class StripeGateway:
    """The Gateway protocol over Stripe Checkout."""

    name = "stripe"

    def __init__(self) -> None:
        self._api = stripe.StripeClient(
            settings.STRIPE_SECRET_KEY,
            base_addresses={"api": settings.STRIPE_API_BASE},
            max_network_retries=NETWORK_RETRIES,
            http_client=stripe.RequestsClient(timeout=TIMEOUT_SECONDS),
        ).v1

    def check_amount(self, *, amount_minor: int, currency: str) -> None:
        """Raise AmountError where it can't be expressed in Stripe's unit."""
        stripe_amount(amount_minor=amount_minor, currency=currency)

    def create_checkout(self, order: Order) -> Checkout:
        """Create a Checkout Session; Stripe answers the same one for the same reference."""
        metadata = {"top_up": order.reference, "account": order.account_reference}
        asked: SessionCreateParams = {
            "mode": "payment",
            "client_reference_id": order.reference,
            "metadata": metadata,
            "payment_intent_data": {"metadata": metadata},
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": order.currency.lower(),
                        "unit_amount": stripe_amount(
                            amount_minor=order.amount_minor, currency=order.currency
                        ),
                        "product_data": {"name": order.description},
                    },
                }
            ],
            "success_url": order.return_url,
            "cancel_url": order.cancel_url,
            "expires_at": int(order.expires_at.timestamp()),
        }
        if order.customer_email:  # Stripe refuses an empty one
            asked["customer_email"] = order.customer_email
        try:
            session = self._api.checkout.sessions.create(
                asked, {"idempotency_key": f"checkout-{order.reference}"}
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
        return event_of(body)

    def facts_of(self, payload: Mapping[str, Any]) -> PaymentFacts | None:
        """What the event's object says; None for the types that are not about our payments."""
        found = mapping(mapping(payload.get("data")).get("object"))
        if not found:
            raise WebhookError("the event has no object")
        match payload.get("type"):
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

    def refund(self, *, payment_id: str, amount_minor: int, currency: str, reference: str) -> None:
        """Refund the payment intent, once per reference."""
        try:
            self._api.refunds.create(
                {
                    "payment_intent": payment_id,
                    "amount": stripe_amount(amount_minor=amount_minor, currency=currency),
                },
                {"idempotency_key": f"refund-{reference}"},
            )
        except stripe.StripeError as error:
            raise GatewayError(_words(error)) from error


def _session_facts(session: Mapping[str, Any], *, failed: bool = False) -> PaymentFacts:
    """What a Checkout Session says; of its payment intent the most if that is expanded."""
    intent = mapping(session.get("payment_intent"))
    charge = mapping(intent.get("latest_charge"))
    metadata = mapping(session.get("metadata"))
    if session.get("payment_status") == "paid":
        status = PaymentStatus.PAID
    elif failed or (session.get("status") == "complete" and intent.get("status") in GIVEN_UP):
        status = PaymentStatus.FAILED
    elif session.get("status") == "expired":
        status = PaymentStatus.EXPIRED
    else:  # also when it is complete, and a bank takes days to pay
        status = PaymentStatus.OPEN
    return PaymentFacts(
        status=status,
        reference=text(session.get("client_reference_id")) or text(metadata.get("top_up")),
        account_reference=text(metadata.get("account")),
        checkout_id=text(session.get("id")),
        payment_id=text(intent.get("id")) or text(session.get("payment_intent")),
        amount_minor=_money(session, "amount_total"),
        currency=text(session.get("currency")).upper(),
        refunded_minor=_money(charge, "amount_refunded") or 0,
        reason=text(mapping(intent.get("last_payment_error")).get("message")),
    )


def _charge_facts(charge: Mapping[str, Any]) -> PaymentFacts:
    """What a charge says: Stripe copies the metadata of its payment intent to it."""
    metadata = mapping(charge.get("metadata"))
    return PaymentFacts(
        status=PaymentStatus.PAID if charge.get("paid") is True else PaymentStatus.OPEN,
        reference=text(metadata.get("top_up")),
        account_reference=text(metadata.get("account")),
        payment_id=text(charge.get("payment_intent")),
        amount_minor=_money(charge, "amount"),
        currency=text(charge.get("currency")).upper(),
        refunded_minor=_money(charge, "amount_refunded") or 0,
        reason="Refunded by the payment provider",
    )


def _dispute_facts(dispute: Mapping[str, Any]) -> PaymentFacts:
    """What a dispute says: no metadata of ours, only the payment intent.

    An inquiry (``warning_…``) takes no money yet, so it takes no credits.
    """
    is_inquiry = text(dispute.get("status")).startswith("warning_")
    return PaymentFacts(
        status=PaymentStatus.OPEN,  # a dispute confirms no payment, it takes one back
        payment_id=text(dispute.get("payment_intent")),
        currency=text(dispute.get("currency")).upper(),
        refunded_minor=0 if is_inquiry else _money(dispute, "amount") or 0,
        reason="The payment was disputed with the bank",
    )


def _money(found: Mapping[str, Any], name: str) -> int | None:
    """An amount of an object that names its currency, in our minor units."""
    currency = text(found.get("currency")).upper()
    return our_amount(amount=whole(found.get(name)), currency=currency)


def _words(error: stripe.StripeError) -> str:
    return f"Stripe: {error.user_message or error}"

"""Stripe: Checkout Sessions through the ``stripe`` SDK.

Amounts are translated by `billing.payments.gateways.stripe_amounts`. Our reference and account are
sent as metadata of the session and of its payment intent, so that objects that Stripe
reports about can be led back to their payment.
Source: https://docs.stripe.com/api/checkout/sessions and https://docs.stripe.com/webhooks
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

import requests
import stripe
from django.conf import settings
from stripe.params import DisputeListParams, RefundListParams
from stripe.params.checkout import SessionCreateParams

from billing.payments.gateways.base import (
    Checkout,
    CheckoutFacts,
    DisputeFacts,
    Facts,
    GatewayError,
    Order,
    PaymentNamed,
    RefundFacts,
    RefundOrder,
    RefusedError,
    ServerError,
    UnavailableGatewayError,
    UnknownCheckoutError,
    WebhookError,
    WebhookEvent,
)
from billing.payments.gateways.payloads import event_of
from billing.payments.gateways.signatures import verify
from billing.payments.gateways.stripe_amounts import check_minimum, stripe_amount
from billing.payments.gateways.stripe_facts import (
    dispute_facts,
    event_facts,
    refund_facts,
    session_facts,
)

# Somebody waits for the page. What fails nevertheless is tried again by the sweeper.
NETWORK_RETRIES = 1
TIMEOUT_SECONDS = 10
# What Stripe will not do, however often it is asked the same.
REFUSALS = (
    stripe.AuthenticationError,
    stripe.CardError,
    stripe.IdempotencyError,
    stripe.InvalidRequestError,
    stripe.PermissionError,
)
# Too many requests, or one with the same key under way: this one was not begun.
NOT_BEGUN = (409, 429)
REASON_LENGTH_MAX = 500
PAGE_SIZE = 100  # the most that Stripe lists at once


def _session() -> requests.Session:
    """What speaks with Stripe, and is led nowhere else: its requests carry the key."""
    session = requests.Session()
    session.max_redirects = 0
    return session


class StripeGateway:
    """The Gateway protocol over Stripe Checkout."""

    name = "stripe"

    def __init__(self) -> None:
        if not settings.STRIPE_SECRET_KEY:
            raise UnavailableGatewayError("Stripe is not in use here: it has no secret key.")
        self._api = stripe.StripeClient(
            settings.STRIPE_SECRET_KEY,
            base_addresses={"api": settings.STRIPE_API_BASE},
            max_network_retries=NETWORK_RETRIES,
            http_client=stripe.RequestsClient(timeout=TIMEOUT_SECONDS, session=_session()),
        ).v1

    def check_amount(self, *, amount_minor: int, currency: str) -> None:
        """Raise AmountError where Stripe has no such amount, or it is below its least."""
        check_minimum(amount_minor=amount_minor, currency=currency)
        stripe_amount(amount_minor=amount_minor, currency=currency)

    def create_checkout(self, order: Order) -> Checkout:
        """Create a Checkout Session; Stripe answers the same one for the same reference.

        The price is paid in its own currency: converted ones would not be what was asked for.
        """
        metadata = {"payment": order.reference, "account": order.account_reference}
        asked: SessionCreateParams = {
            "mode": "payment",
            "adaptive_pricing": {"enabled": False},
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
            raise _translated(error) from error
        if not session.url:
            raise ServerError("Stripe opened a checkout without an address.")
        return Checkout(session.id, session.url)

    def cancel_checkout(self, checkout_id: str) -> None:
        """Expire the session. One that was paid or has expired stays as it is."""
        try:
            self._api.checkout.sessions.expire(checkout_id)
        except stripe.InvalidRequestError:
            return  # not open any more: what it became is asked for by fetch_payment
        except stripe.StripeError as error:
            raise _translated(error) from error

    def fetch_checkout(self, checkout_id: str) -> CheckoutFacts:
        """Retrieve the session with its payment intent and latest charge."""
        try:
            answer = self._api.checkout.sessions.retrieve(
                checkout_id, {"expand": ["payment_intent.latest_charge"]}
            )
        except stripe.InvalidRequestError as error:
            if error.code == "resource_missing":
                raise UnknownCheckoutError(_words(error)) from error
            raise _translated(error) from error
        except stripe.StripeError as error:
            raise _translated(error) from error
        return session_facts(json.loads(str(answer)))

    def fetch_refunds(self, payment_id: str) -> list[RefundFacts]:
        """List all refunds of the payment intent."""
        asked: RefundListParams = {"payment_intent": payment_id, "limit": PAGE_SIZE}
        return [refund_facts(each) for each in _all(lambda: self._api.refunds.list(asked))]

    def fetch_disputes(self, payment_id: str) -> list[DisputeFacts]:
        """List all disputes of the payment intent."""
        asked: DisputeListParams = {"payment_intent": payment_id, "limit": PAGE_SIZE}
        return [dispute_facts(each) for each in _all(lambda: self._api.disputes.list(asked))]

    def parse_webhook(self, *, body: bytes, headers: Mapping[str, str]) -> WebhookEvent:
        """Verify ``Stripe-Signature`` and read the event."""
        header = headers.get("Stripe-Signature", "")
        verify(body=body, header=header, secret=settings.STRIPE_WEBHOOK_SECRET)
        event = event_of(body)
        if _is_live_key() not in (None, event.payload.get("livemode")):
            raise WebhookError("it is of Stripe's other mode, test or live, than the secret key")
        return event

    def facts_of(self, payload: Mapping[str, Any]) -> Facts | PaymentNamed | None:
        """What the event's object says; None where it names no payment."""
        return event_facts(payload)

    def refund(self, refund: RefundOrder) -> RefundFacts:
        """Refund the payment intent, once per request key."""
        try:
            made = self._api.refunds.create(
                {
                    "payment_intent": refund.payment_id,
                    "amount": stripe_amount(
                        amount_minor=refund.amount_minor, currency=refund.currency
                    ),
                    "metadata": {
                        "payment": refund.reference,
                        "request": refund.request_key,
                        "reason": refund.reason[:REASON_LENGTH_MAX],
                    },
                },
                {"idempotency_key": f"refund-{refund.request_key}"},
            )
        except stripe.StripeError as error:
            raise _translated(error) from error
        return refund_facts(json.loads(str(made)))


def _all(first_page: Callable[[], stripe.ListObject[Any]]) -> list[dict[str, Any]]:
    """Every object of a list, however many pages it has. Raises GatewayError."""
    try:
        return [json.loads(str(each)) for each in first_page().auto_paging_iter()]
    except stripe.StripeError as error:
        raise _translated(error) from error


def _is_live_key() -> bool | None:
    """Whether the secret key is one of live mode; None where it does not say."""
    _, _, rest = str(settings.STRIPE_SECRET_KEY).partition("_")
    return {"live": True, "test": False}.get(rest.partition("_")[0])


def _words(error: stripe.StripeError) -> str:
    """For operators and the log: what Stripe says, and its code for it."""
    return f"Stripe: {error.user_message or error}" + (f" ({error.code})" if error.code else "")


def _translated(error: stripe.StripeError) -> GatewayError:
    """What an error of the SDK means for us."""
    words = _words(error)
    if isinstance(error, REFUSALS):
        return RefusedError(words)
    if isinstance(error, stripe.APIConnectionError) or error.http_status in NOT_BEGUN:
        return GatewayError(words)
    return ServerError(words)

"""The sandbox provider: pays with nothing, and otherwise behaves like a real one.

Its books are the table SandboxCheckout, its hosted page is in `dashboard.sandbox.views`, and it
reports to the real webhook address with signed events.
"""

import json
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from billing.models import SandboxCheckout
from billing.payments.gateways.base import (
    Checkout,
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
from billing.payments.gateways.payloads import currency_of, event_of, text, whole
from billing.payments.gateways.signatures import verify

SIGNATURE_HEADER = "Sandbox-Signature"


class SandboxGateway:
    """The Gateway protocol over SandboxCheckout."""

    name = "sandbox"

    def __init__(self) -> None:
        if not settings.SANDBOX_PAYMENTS_ALLOWED:
            raise UnavailableGatewayError("The sandbox is not allowed here.")

    def check_amount(self, *, amount_minor: int, currency: str) -> None:
        """Any amount will do."""

    def create_checkout(self, order: Order) -> Checkout:
        """Open a checkout; the same one for the same idempotency key."""
        checkout, _ = SandboxCheckout.objects.get_or_create(
            idempotency_key=order.idempotency_key,
            defaults={
                "checkout_id": f"sandbox_{secrets.token_urlsafe(24)}",
                "reference": order.reference,
                "account_reference": order.account_reference,
                "description": order.description,
                "amount_minor": order.amount_minor,
                "currency": order.currency,
                "return_url": order.return_url,
                "cancel_url": order.cancel_url,
                "created_at": timezone.now(),
                "expires_at": order.expires_at,
            },
        )
        path = reverse("sandbox:checkout", args=[checkout.checkout_id])
        return Checkout(checkout.checkout_id, settings.SITE_URL + path)

    def cancel_checkout(self, checkout_id: str) -> None:
        """Close the page, unless it was paid on or a payment is on its way."""
        SandboxCheckout.objects.filter(
            checkout_id=checkout_id, status=PaymentStatus.OPEN, pays_at=None
        ).update(status=PaymentStatus.CANCELLED)

    def fetch_payment(self, checkout_id: str) -> PaymentFacts:
        """How the checkout stands. Raises UnknownCheckoutError where there is none."""
        now = timezone.now()
        return _facts(checkout_payload(checkout_now(checkout_id=checkout_id, now=now)), as_of=now)

    def parse_webhook(self, *, body: bytes, headers: Mapping[str, str]) -> WebhookEvent:
        """Verify and read an event of `event_body`'s shape."""
        header = headers.get(SIGNATURE_HEADER, "")
        verify(body=body, header=header, secret=settings.SANDBOX_WEBHOOK_SECRET)
        return event_of(body)

    def facts_of(self, payload: Mapping[str, Any]) -> PaymentFacts | None:
        """The checkout as it was when the event was made."""
        checkout = payload.get("checkout")
        return _facts(checkout) if isinstance(checkout, dict) else None

    def refund(self, refund: RefundOrder) -> datetime:
        """Note the refund in the sandbox's books."""
        with transaction.atomic():
            checkout = (
                SandboxCheckout.objects.select_for_update()
                .filter(payment_id=refund.payment_id)
                .first()
            )
            if checkout is None:
                raise RefusedError(f"The sandbox has no payment {refund.payment_id}.")
            checkout.refunded_minor = max(checkout.refunded_minor, refund.amount_minor)
            checkout.save(update_fields=["refunded_minor"])
        return timezone.now()


class Decision(StrEnum):
    """What the person on the sandbox's page can do."""

    PAY = "pay"
    DECLINE = "decline"
    PAY_LATE = "pay_late"


def checkout_now(*, checkout_id: str, now: datetime) -> SandboxCheckout:
    """The checkout, after what time has done to it: paid late, or expired.

    Raises UnknownCheckoutError.
    """
    with transaction.atomic():
        checkout = (
            SandboxCheckout.objects.select_for_update(no_key=True)
            .filter(checkout_id=checkout_id)
            .first()
        )
        if checkout is None:
            raise UnknownCheckoutError(f"The sandbox has no checkout {checkout_id}.")
        if checkout.pays_at is not None and checkout.pays_at <= now and not checkout.payment_id:
            _pay(checkout)
        elif (
            checkout.status == PaymentStatus.OPEN
            and checkout.pays_at is None
            and checkout.expires_at <= now
        ):
            checkout.status = PaymentStatus.EXPIRED
        checkout.save()
    return checkout


def decide(
    *, checkout_id: str, decision: Decision, now: datetime, late_by: timedelta = timedelta()
) -> SandboxCheckout:
    """Do what the person chose, if the checkout is still open; return how it stands then."""
    with transaction.atomic():
        checkout = checkout_now(checkout_id=checkout_id, now=now)
        if checkout.status != PaymentStatus.OPEN or checkout.pays_at is not None:
            return checkout
        match decision:
            case Decision.PAY:
                _pay(checkout)
            case Decision.PAY_LATE:
                checkout.pays_at = now + late_by
            case Decision.DECLINE:
                checkout.status = PaymentStatus.FAILED
                checkout.failure_reason = "The card was declined: insufficient funds."
        checkout.save()
    return checkout


def event_body(*, checkout: SandboxCheckout, event_id: str) -> bytes:
    """A webhook's body that tells how ``checkout`` stands."""
    payload = checkout_payload(checkout)
    event = {"id": event_id, "type": f"checkout.{payload['status']}", "checkout": payload}
    return json.dumps(event, separators=(",", ":")).encode()


def _pay(checkout: SandboxCheckout) -> None:
    checkout.status = PaymentStatus.PAID
    checkout.payment_id = f"payment_{checkout.checkout_id}"


def checkout_payload(checkout: SandboxCheckout) -> dict[str, Any]:
    """A checkout as the sandbox's API and events show it."""
    is_on_its_way = checkout.status == PaymentStatus.OPEN and checkout.pays_at is not None
    return {
        "id": checkout.checkout_id,
        "status": PaymentStatus.PROCESSING if is_on_its_way else checkout.status,
        "reference": checkout.reference,
        "account": checkout.account_reference,
        "amount_minor": checkout.amount_minor,
        "currency": checkout.currency,
        "payment_id": checkout.payment_id,
        "refunded_minor": checkout.refunded_minor,
        "reason": checkout.failure_reason,
    }


def _facts(payload: Mapping[str, Any], as_of: datetime | None = None) -> PaymentFacts:
    try:
        status = PaymentStatus(text(payload.get("status")))
    except ValueError as error:
        raise WebhookError("the event does not say how the checkout stands") from error
    return PaymentFacts(
        status=status,
        reference=text(payload.get("reference")),
        account_reference=text(payload.get("account")),
        checkout_id=text(payload.get("id")),
        payment_id=text(payload.get("payment_id")),
        amount_minor=whole(payload.get("amount_minor")),
        currency=currency_of(payload.get("currency")),
        refunded_minor=whole(payload.get("refunded_minor")) or 0,
        as_of=as_of,
        reason=text(payload.get("reason")),
    )

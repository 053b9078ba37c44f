"""The sandbox provider: pays with nothing, and otherwise behaves like a real one.

Its books are tables of its own (`dashboard.sandbox.models`), its hosted page is in
`dashboard.sandbox.views`, and it reports to the real webhook address with signed events.
"""

import json
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from billing import clock
from billing.payments.gateways.base import (
    Checkout,
    CheckoutFacts,
    DisputeFacts,
    DisputeStatus,
    Facts,
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
from billing.payments.gateways.payloads import currency_of, event_of, instant, text, whole
from billing.payments.gateways.signatures import verify
from dashboard.sandbox.models import SandboxCheckout, SandboxDispute, SandboxRefund

SIGNATURE_HEADER = "Sandbox-Signature"

_Status = TypeVar("_Status", PaymentStatus, RefundStatus, DisputeStatus)


class SandboxGateway:
    """The Gateway protocol over the sandbox's books."""

    name = "sandbox"

    def __init__(self) -> None:
        if not settings.SANDBOX_PAYMENTS_ALLOWED:
            raise UnavailableGatewayError("The sandbox is not allowed here.")

    def check_amount(self, *, amount_minor: int, currency: str) -> None:
        """Any amount will do."""

    def create_checkout(self, order: Order) -> Checkout:
        """Open a checkout; the same one for the same reference."""
        checkout, _ = SandboxCheckout.objects.get_or_create(
            reference=order.reference,
            defaults={
                "checkout_id": f"sandbox_{secrets.token_urlsafe(24)}",
                "account_reference": order.account_reference,
                "description": order.description,
                "amount_minor": order.amount_minor,
                "currency": order.currency,
                "return_url": order.return_url,
                "cancel_url": order.cancel_url,
                "created_at": clock.now(),
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

    def fetch_checkout(self, checkout_id: str) -> CheckoutFacts:
        """How the checkout stands. Raises UnknownCheckoutError where there is none."""
        checkout = checkout_now(checkout_id=checkout_id, now=clock.now())
        return _checkout_facts(checkout_payload(checkout))

    def fetch_refunds(self, payment_id: str) -> list[RefundFacts]:
        """How the refunds of a payment stand."""
        refunds = SandboxRefund.objects.filter(checkout__payment_id=payment_id)
        return [_refund_facts(refund_payload(each)) for each in refunds.select_related("checkout")]

    def fetch_disputes(self, payment_id: str) -> list[DisputeFacts]:
        """How the disputes of a payment stand."""
        disputes = SandboxDispute.objects.filter(checkout__payment_id=payment_id)
        return [
            _dispute_facts(dispute_payload(each)) for each in disputes.select_related("checkout")
        ]

    def parse_webhook(self, *, body: bytes, headers: Mapping[str, str]) -> WebhookEvent:
        """Verify and read an event of `event_body`'s shape."""
        header = headers.get(SIGNATURE_HEADER, "")
        verify(body=body, header=header, secret=settings.SANDBOX_WEBHOOK_SECRET)
        return event_of(body)

    def facts_of(self, payload: Mapping[str, Any]) -> Facts | PaymentNamed | None:
        """The object of the event as it was when the event was made."""
        for name, read in _READERS.items():
            found = payload.get(name)
            if isinstance(found, dict):
                return read(found)
        return None

    def refund(self, refund: RefundOrder) -> RefundFacts:
        """Note the refund in the sandbox's books, once per request key."""
        with transaction.atomic():
            checkout = (
                SandboxCheckout.objects.select_for_update()
                .filter(payment_id=refund.payment_id)
                .first()
            )
            if checkout is None:
                raise RefusedError(f"The sandbox has no payment {refund.payment_id}.")
            made = checkout.refunds.filter(request_key=refund.request_key).first()
            if made is None:
                made = refund_payment(
                    checkout=checkout,
                    amount_minor=refund.amount_minor,
                    reason=refund.reason,
                    request_key=refund.request_key,
                )
        return _refund_facts(refund_payload(made))


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


# ── Refunds and disputes ──────────────────────────────────────────────────────────────────────
def refund_payment(
    *, checkout: SandboxCheckout, amount_minor: int, reason: str = "", request_key: str = ""
) -> SandboxRefund:
    """Pay back ``amount_minor`` of a payment. Raises RefusedError where less is left."""
    standing = checkout.refunds.filter(status__in=["pending", "succeeded"])
    left = checkout.amount_minor - sum(standing.values_list("amount_minor", flat=True))
    if not 0 < amount_minor <= left:
        raise RefusedError(f"The sandbox has {left} left to pay back (minor units).")
    return SandboxRefund.objects.create(
        refund_id=f"refund_{secrets.token_urlsafe(12)}",
        checkout=checkout,
        request_key=request_key,
        amount_minor=amount_minor,
        reason=reason[:300],
    )


def dispute_payment(
    *, checkout: SandboxCheckout, now: datetime, amount_minor: int | None = None
) -> SandboxDispute:
    """Have the customer's bank take the payment back, or a part of it."""
    return SandboxDispute.objects.create(
        dispute_id=f"dispute_{secrets.token_urlsafe(12)}",
        checkout=checkout,
        amount_minor=amount_minor or checkout.amount_minor,
        opened_at=now,
    )


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
        "reason": checkout.failure_reason,
    }


def refund_payload(refund: SandboxRefund) -> dict[str, Any]:
    """A refund as the sandbox's API and events show it."""
    return {
        "id": refund.refund_id,
        "status": refund.status,
        "payment_id": refund.checkout.payment_id,
        "amount_minor": refund.amount_minor,
        "currency": refund.checkout.currency,
        "request_key": refund.request_key,
        "reason": refund.reason,
    }


def dispute_payload(dispute: SandboxDispute) -> dict[str, Any]:
    """A dispute as the sandbox's API and events show it."""
    return {
        "id": dispute.dispute_id,
        "status": dispute.status,
        "payment_id": dispute.checkout.payment_id,
        "amount_minor": dispute.amount_minor,
        "returned_minor": dispute.returned_minor,
        "currency": dispute.checkout.currency,
        "opened_at": int(dispute.opened_at.timestamp()),
    }


def event_body(*, about: SandboxCheckout | SandboxRefund | SandboxDispute, event_id: str) -> bytes:
    """A webhook's body that tells how something stands."""
    if isinstance(about, SandboxRefund):
        name, payload = "refund", refund_payload(about)
    elif isinstance(about, SandboxDispute):
        name, payload = "dispute", dispute_payload(about)
    else:
        name, payload = "checkout", checkout_payload(about)
    event = {"id": event_id, "type": f"{name}.{payload['status']}", name: payload}
    return json.dumps(event, separators=(",", ":")).encode()


def _pay(checkout: SandboxCheckout) -> None:
    checkout.status = PaymentStatus.PAID
    checkout.payment_id = f"payment_{checkout.checkout_id}"


# ── In our words ──────────────────────────────────────────────────────────────────────────────
def _checkout_facts(payload: Mapping[str, Any]) -> CheckoutFacts:
    return CheckoutFacts(
        status=_status(PaymentStatus, payload, PaymentStatus.OPEN),
        reference=text(payload.get("reference")),
        account_reference=text(payload.get("account")),
        checkout_id=text(payload.get("id")),
        payment_id=text(payload.get("payment_id")),
        amount_minor=whole(payload.get("amount_minor")),
        currency=currency_of(payload.get("currency")),
        reason=text(payload.get("reason")),
    )


def _refund_facts(payload: Mapping[str, Any]) -> RefundFacts:
    refund_id, amount_minor = text(payload.get("id")), whole(payload.get("amount_minor"))
    if not refund_id or amount_minor is None:
        raise WebhookError("the refund has no id or no amount")
    status = _status(RefundStatus, payload, RefundStatus.UNKNOWN)
    is_over = status in (RefundStatus.FAILED, RefundStatus.CANCELLED)
    return RefundFacts(
        refund_id=refund_id,
        payment_id=text(payload.get("payment_id")),
        amount_minor=amount_minor,
        currency=currency_of(payload.get("currency")),
        status=status,
        provider_status=text(payload.get("status")),
        request_key=text(payload.get("request_key")),
        reason=text(payload.get("reason")),
        failure_reason=f"The refund is {status} at the sandbox." if is_over else "",
    )


def _dispute_facts(payload: Mapping[str, Any]) -> DisputeFacts:
    dispute_id, amount_minor = text(payload.get("id")), whole(payload.get("amount_minor"))
    if not dispute_id or amount_minor is None:
        raise WebhookError("the dispute has no id or no amount")
    return DisputeFacts(
        dispute_id=dispute_id,
        payment_id=text(payload.get("payment_id")),
        amount_minor=amount_minor,
        currency=currency_of(payload.get("currency")),
        status=_status(DisputeStatus, payload, DisputeStatus.OPEN),
        provider_status=text(payload.get("status")),
        returned_minor=whole(payload.get("returned_minor")) or 0,
        opened_at=instant(payload.get("opened_at")),
    )


def _status(statuses: type[_Status], payload: Mapping[str, Any], unknown: _Status) -> _Status:
    try:
        return statuses(text(payload.get("status")))
    except ValueError:
        return unknown


_READERS: dict[str, Callable[[Mapping[str, Any]], Facts]] = {
    "checkout": _checkout_facts,
    "refund": _refund_facts,
    "dispute": _dispute_facts,
}

"""Purchases to test with, and the sandbox provider's events about them, signed and delivered."""

import json
import secrets
from datetime import UTC, datetime

from django.conf import settings

from billing.models import Balance, PaymentEvent, TopUp
from billing.payments import buying, pricing
from billing.payments.gateways.signatures import sign
from dashboard.sandbox import gateway as sandbox

RETURN_URL = "http://localhost/top-ups/{id}/"
ADDRESS = "/webhooks/sandbox/"


def now():
    """The real time: signatures and the sandbox provider live by it."""
    return datetime.now(UTC)


def begin(account, *, credits=500, form_key=None, user=None, at=None) -> TopUp:
    """A purchase of ``credits`` that the provider has opened its page for."""
    return buying.start(
        account=account,
        user_id=user.pk if user else None,
        email="owner@example.com",
        quoted=pricing.quote(account=account, credits=credits),
        form_key=form_key or secrets.token_hex(8),
        return_url=RETURN_URL,
        now=at or now(),
    )


def pay(top_up) -> None:
    """Pay on the sandbox provider's page."""
    sandbox.decide(checkout_id=top_up.checkout_id, decision=sandbox.Decision.PAY, now=now())


def event(top_up, *, event_id=None, **changed) -> dict:
    """The sandbox's event that says how ``top_up`` stands, with ``changed`` facts."""
    checkout = sandbox.checkout_now(checkout_id=top_up.checkout_id, now=now())
    return {
        "id": event_id or f"event_{secrets.token_hex(8)}",
        "type": f"checkout.{checkout.status}",
        "checkout": {**sandbox.checkout_payload(checkout), **changed},
    }


def deliver(client, payload, *, signed=None, secret=None, at=None, header=None, address=ADDRESS):
    """Post ``payload`` (bytes, or what becomes JSON) as the provider does; return the response.

    ``signed`` is the body that the signature is made for, ``header`` a signature of one's own.
    """
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    if header is None:
        header = sign(
            body=body if signed is None else signed,
            secret=settings.SANDBOX_WEBHOOK_SECRET if secret is None else secret,
            at=at or now(),
        )
    headers = {sandbox.SIGNATURE_HEADER: header} if header else {}
    return client.post(address, data=body, content_type="application/json", headers=headers)


def stored() -> PaymentEvent:
    """The one event that is stored."""
    return PaymentEvent.objects.get()


def balance_of(account) -> int:
    """The account's credits."""
    balance = Balance.objects.filter(account=account).first()
    return balance.credits if balance else 0


def state_of(top_up) -> str:
    """The state of the top-up now."""
    return str(TopUp.objects.get(pk=top_up.pk).state)

"""The customer at the sandbox, and the sandbox's events about it, signed and delivered."""

import json
import secrets

from django.conf import settings

from billing.payments.gateways.signatures import sign
from dashboard.sandbox.gateway import (
    SIGNATURE_HEADER,
    Decision,
    checkout_now,
    checkout_payload,
    decide,
)
from tests.billing.payments.purchases import now

ADDRESS = "/webhooks/sandbox/"


def pay(payment) -> None:
    """Pay on the sandbox's page."""
    decide(checkout_id=payment.checkout_id, decision=Decision.PAY, now=now())


def event(payment, *, event_id=None, **changed) -> dict:
    """The sandbox's event that says how ``payment`` stands, with ``changed`` facts."""
    checkout = checkout_now(checkout_id=payment.checkout_id, now=now())
    return {
        "id": event_id or f"event_{secrets.token_hex(8)}",
        "type": f"checkout.{checkout.status}",
        "checkout": {**checkout_payload(checkout), **changed},
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
    headers = {SIGNATURE_HEADER: header} if header else {}
    return client.post(address, data=body, content_type="application/json", headers=headers)

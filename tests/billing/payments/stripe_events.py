"""Stripe's events, signed and delivered."""

import json

from billing.models import PaymentEvent
from billing.payments import events
from tests.billing.payments.fake_stripe import signed
from tests.billing.payments.purchases import now


def post(client, payload, **how):
    """Deliver an event as Stripe does."""
    body = json.dumps(payload).encode()
    return client.post(
        "/webhooks/stripe/",
        data=body,
        content_type="application/json; charset=utf-8",
        headers={"Stripe-Signature": signed(body, **how)},
    )


def take(client, payload) -> str:
    """Deliver an event and process it; return what came of it."""
    assert post(client, payload).status_code == 200
    return events.process(event_id=PaymentEvent.objects.latest("pk").pk, now=now())

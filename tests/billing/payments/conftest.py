"""Stripe's API on loopback, for the tests of what it does and of what it fails to do."""

import pytest
import stripe

from tests.billing.payments import fake_stripe
from tests.billing.payments.fake_stripe import API_KEY, WEBHOOK_SECRET

SETTINGS = {
    "PAYMENT_GATEWAY": "stripe",
    "STRIPE_SECRET_KEY": API_KEY,
    "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
}


@pytest.fixture
def provider(settings, monkeypatch):
    with fake_stripe.running() as running:
        for name, value in {**SETTINGS, "STRIPE_API_BASE": running.address}.items():
            setattr(settings, name, value)
        # The SDK waits between its tries: not in tests.
        monkeypatch.setattr(stripe._http_client.HTTPClient, "MAX_DELAY", 0)
        monkeypatch.setattr(stripe._http_client.HTTPClient, "INITIAL_DELAY", 0)
        yield running

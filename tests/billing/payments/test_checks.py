"""What `manage.py check` refuses: payments that would lose money."""

import pytest

from billing.payments.checks import stripe_has_its_secrets


@pytest.mark.parametrize("missing", ["STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"])
def test_stripe_without_one_of_its_secrets_is_refused_by_name(settings, missing):
    settings.PAYMENT_GATEWAY = "stripe"
    settings.STRIPE_SECRET_KEY = settings.STRIPE_WEBHOOK_SECRET = "secret"
    assert stripe_has_its_secrets() == []
    setattr(settings, missing, "")
    [found] = stripe_has_its_secrets()
    assert found.id == "billing.E002"
    assert missing in found.msg

"""What `manage.py check` refuses: payments that would give credits away, or lose money."""

import pytest

from billing.payments.checks import payments_are_safe
from billing.payments.gateways import UnavailableGatewayError, configured_gateway


def ids():
    return [found.id for found in payments_are_safe()]


def test_the_sandbox_is_fine_where_it_is_allowed(settings):
    settings.PAYMENT_GATEWAY, settings.SANDBOX_PAYMENTS_ALLOWED = "sandbox", True
    assert ids() == []


def test_the_sandbox_is_refused_where_it_is_not_allowed(settings):
    settings.PAYMENT_GATEWAY, settings.SANDBOX_PAYMENTS_ALLOWED = "sandbox", False
    assert ids() == ["billing.E001"]
    with pytest.raises(UnavailableGatewayError):
        configured_gateway()


@pytest.mark.parametrize("missing", ["STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"])
def test_stripe_without_one_of_its_secrets_is_refused_by_name(settings, missing):
    settings.PAYMENT_GATEWAY = "stripe"
    settings.STRIPE_SECRET_KEY = settings.STRIPE_WEBHOOK_SECRET = "secret"
    assert ids() == []
    setattr(settings, missing, "")
    [found] = payments_are_safe()
    assert found.id == "billing.E002"
    assert missing in found.msg

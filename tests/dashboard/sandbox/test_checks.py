"""What `manage.py check` refuses: a sandbox that would give credits away."""

import pytest

from billing.payments.gateways import UnavailableGatewayError, configured_gateway
from dashboard.sandbox.checks import sandbox_is_allowed


def test_the_sandbox_is_fine_where_it_is_allowed(settings):
    settings.PAYMENT_GATEWAY, settings.SANDBOX_PAYMENTS_ALLOWED = "sandbox", True
    assert sandbox_is_allowed() == []


def test_the_sandbox_is_refused_where_it_is_not_allowed(settings):
    settings.PAYMENT_GATEWAY, settings.SANDBOX_PAYMENTS_ALLOWED = "sandbox", False
    assert [found.id for found in sandbox_is_allowed()] == ["sandbox.E001"]
    with pytest.raises(UnavailableGatewayError):
        configured_gateway()

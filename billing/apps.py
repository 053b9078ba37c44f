"""Django's registration of billing."""

from django.apps import AppConfig
from django.core import checks

from billing.payments.checks import stripe_has_its_secrets


class BillingConfig(AppConfig):
    """Money: accounts, plans, credits. Knows nothing of calls, requests or pages."""

    name = "billing"
    verbose_name = "Billing"

    def ready(self) -> None:
        """Register the system checks."""
        checks.register(stripe_has_its_secrets)

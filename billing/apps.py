"""Django's registration of billing."""

from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.db.models.signals import pre_save

from billing.payments.checks import stripe_has_its_secrets


class BillingConfig(AppConfig):
    """Money: accounts, plans, credits. Knows nothing of calls, requests or pages."""

    name = "billing"
    verbose_name = "Billing"

    def ready(self) -> None:
        """Register the system check, and what is done to every person stored."""
        checks.register(stripe_has_its_secrets)
        pre_save.connect(_address_in_small_letters, sender="auth.User")


def _address_in_small_letters(instance: Any, **_: Any) -> None:
    """Of a person whom `createsuperuser` makes, too: sign-in looks for small letters only."""
    instance.email = instance.email.lower()

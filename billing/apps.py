"""Django's registration of billing."""

from django.apps import AppConfig


class BillingConfig(AppConfig):
    """Money: accounts, plans, credits. Knows nothing of calls, requests or pages."""

    name = "billing"
    verbose_name = "Billing"

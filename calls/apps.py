"""Django's registration of calls."""

from django.apps import AppConfig


class CallsConfig(AppConfig):
    """Call records and their charges. Knows billing, and nothing of requests or pages."""

    name = "calls"
    verbose_name = "Calls"

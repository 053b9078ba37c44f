"""The dashboard app."""

from django.apps import AppConfig


class DashboardConfig(AppConfig):
    """Names the app for Django, and connects what follows from signing in."""

    name = "dashboard"

    def ready(self) -> None:
        """Connect the signals, once all models are there."""
        from dashboard.sign_in import events  # noqa: PLC0415  # needs the models

        events.connect()

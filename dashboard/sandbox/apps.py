"""The sandbox as a Django app: its templates, styles, task and system check come and go with it."""

from django.apps import AppConfig
from django.core import checks

from dashboard.sandbox.checks import sandbox_is_allowed


class SandboxConfig(AppConfig):
    """Names the app for Django."""

    name = "dashboard.sandbox"
    verbose_name = "Sandbox"

    def ready(self) -> None:
        """Register the system check."""
        checks.register(sandbox_is_allowed)

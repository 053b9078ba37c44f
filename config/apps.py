"""The platform as a Django app, so that its system checks run with every command."""

from django.apps import AppConfig
from django.core.checks import register

from config.checks import chart_script_is_found, demo_sign_ins_are_for_trying_out


class PlatformConfig(AppConfig):
    """Registers the checks in `config.checks`."""

    name = "config"
    label = "platform"

    def ready(self) -> None:
        """Register the system checks."""
        register(chart_script_is_found, "staticfiles")
        register(demo_sign_ins_are_for_trying_out, "security")

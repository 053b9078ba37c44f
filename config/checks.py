"""System checks of the platform: what must be in place before the first request."""

from typing import Any

from django.contrib.staticfiles import finders
from django.core.checks import CheckMessage, Error

CHART_SCRIPT = "unfold/js/chart/chart.js"


def chart_script_is_found(**_: Any) -> list[CheckMessage]:
    """Chart.js comes with the admin theme: an upgrade which moves it must not break the graphs."""
    if finders.find(CHART_SCRIPT):
        return []
    return [
        Error(
            f"{CHART_SCRIPT} is not among the static files",
            hint="The graphs load Chart.js from django-unfold. Find where this version keeps it.",
            id="platform.E001",
        )
    ]

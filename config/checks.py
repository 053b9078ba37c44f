"""System checks of the platform: what must be in place before the first request."""

from typing import Any

from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.checks import CheckMessage, Error

# In the address of a site that others than its owner reach.
HTTPS = "https://"
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


def demo_sign_ins_are_for_trying_out(**_: Any) -> list[CheckMessage]:
    """The password of the demonstration's operator is public: it is not for a site of others."""
    if not settings.DEMO_SIGN_INS or not settings.SITE_URL.startswith(HTTPS):
        return []
    return [
        Error(
            "DEMO_SIGN_INS is on, and the site is served over HTTPS: it is not for trying out only",
            hint="Turn it off. Operators then set up a second step.",
            id="platform.E002",
        )
    ]

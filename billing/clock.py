"""The time, for whatever begins something: a page, a task, a command. All else is told the time."""

from datetime import datetime

from django.conf import settings


def now() -> datetime:
    """Return the time by the clock that the settings name (CLOCK), in UTC."""
    return settings.CLOCK()

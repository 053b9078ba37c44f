"""The life of credits, lived faster: tasks and pages at any time, mails that arrive in the test."""

from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from celery import current_app


def local(parts, zone):
    """The instant of (year, month, day, hour, minute) on the clocks of ``zone``."""
    year, month, day, hour, minute = parts
    return datetime(year, month, day, hour, minute, tzinfo=ZoneInfo(zone))


StopClock = Callable[[datetime], None]


class Clock:
    """The time as tasks and pages see it. The domain is told the time."""

    def __init__(self):
        self.at = datetime(2026, 3, 10, 12, tzinfo=UTC)

    def now(self):
        return self.at


@pytest.fixture
def clock(settings):
    """Set ``clock.at``, then call a task: it believes that it is that time."""
    clock = Clock()
    settings.CLOCK = clock.now
    return clock


@pytest.fixture
def stop_clock(settings) -> StopClock:
    """Stop the clock that pages read: ``stop_clock(at)``, and again to set it to another time."""

    def stop_clock(at: datetime) -> None:
        settings.CLOCK = lambda: at

    return stop_clock


@pytest.fixture
def tasks_run_here():
    """Tasks that a task sends are run at once, in the test."""
    before = current_app.conf.task_always_eager
    current_app.conf.task_always_eager = True
    yield
    current_app.conf.task_always_eager = before

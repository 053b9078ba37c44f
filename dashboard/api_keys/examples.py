"""The first request that somebody makes with a key, to copy: in curl and in Python.

The same files are what the reference shows, and a test runs them.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.template.loader import render_to_string

KEY_PLACEHOLDER = "ccl_live_…"
FOLDER = "dashboard/api_keys/examples"


@dataclass(frozen=True, slots=True)
class Example:
    """One program: ``name`` is its language, ``text`` all of it."""

    name: str
    text: str


def first_requests(*, key: str = KEY_PLACEHOLDER, now: datetime) -> list[Example]:
    """Programs that record one call of a minute ago with ``key``, and say what it cost."""
    answered_at = (now - timedelta(minutes=5)).replace(microsecond=0)
    context = {
        "key": key,
        "site": settings.SITE_URL,
        "call_id": f"first-{answered_at:%Y%m%d-%H%M%S}",
        "started_at": _rfc3339(answered_at - timedelta(seconds=7)),
        "connected_at": _rfc3339(answered_at),
        "ended_at": _rfc3339(answered_at + timedelta(seconds=65)),
    }
    return [
        Example(name, render_to_string(f"{FOLDER}/record_a_call.{ending}.txt", context))
        for name, ending in (("curl", "sh"), ("Python", "py"))
    ]


def _rfc3339(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}Z"

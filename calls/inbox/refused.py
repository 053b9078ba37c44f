"""What was refused at the address of a source: told on its page, so that a mistyped secret is seen.

Kept in the cache for a week, not in the database: whoever knows the address can send as much as
they like.
"""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from django.core.cache import cache

KEPT_FOR: Final = timedelta(days=7)


class Refused(NamedTuple):
    """``times`` a message was refused, the last one at ``at`` because of ``reason``."""

    times: int
    at: datetime
    reason: str


def note_refused(*, source_id: int, reason: str, now: datetime) -> None:
    """Note that a message was refused. Two at once may be counted as one."""
    known = refused_of(source_id)
    refused = Refused((known.times if known else 0) + 1, now, reason[:200])
    cache.set(_key(source_id), tuple(refused), timeout=int(KEPT_FOR.total_seconds()))


def refused_of(source_id: int) -> Refused | None:
    """What was refused within the last week; None where nothing was, or the cache is away."""
    known = cache.get(_key(source_id))
    return Refused(*known) if known else None


def _key(source_id: int) -> str:
    return f"calls.inbox.refused.{source_id}"

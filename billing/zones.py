"""Time zones: which an account may have, and one of them as a table of its offsets from UTC.

PostgreSQL has a time zone database too, of another age than Python's, and reads some names another
way (``CET`` is no zone to it but an offset). So no name of a zone may reach it: it is given what
Python computes. Imports no Django.
"""

from bisect import bisect_left
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from math import ceil, floor
from zoneinfo import ZoneInfo, available_timezones

# Not even an offset: what they stand for is up to the machine.
NO_PLACES = {"Factory", "localtime"}

# No zone ever changed its offset twice within three days (the record: Freetown, September 1939).
STEP_SECONDS = 24 * 60 * 60


@cache
def place_names() -> frozenset[str]:
    """The names that an account may have, of the IANA time zone database, as Python knows it."""
    return frozenset(available_timezones() - NO_PLACES)


def is_known(name: str) -> bool:
    """Whether Python can make a zone of ``name``, though an account might not be given it now."""
    try:
        ZoneInfo(name)
    except (LookupError, OSError, ValueError):
        return False
    return True


def local(at: datetime, zone: tzinfo, *, seconds: bool = False) -> str:
    """``at`` as it is written wherever its zone is not known anyway: "23 Nov 2026, 14:05 UTC"."""
    return f"{at.astimezone(zone):%-d %b %Y, %H:%M{':%S' if seconds else ''}} {zone}"


def offsets_between(
    zone: ZoneInfo, first: datetime, last: datetime
) -> tuple[list[datetime], list[timedelta]]:
    """The instants from ``first`` to ``last`` at which the offset of ``zone`` changes, ascending,
    and the offsets before, between and after them: one more.
    """

    def offset_at(second: int) -> timedelta:
        offset = datetime.fromtimestamp(second, zone).utcoffset()
        assert offset is not None
        return offset

    at, end = floor(first.timestamp()), ceil(last.timestamp())
    changes, offsets = [], [offset_at(at)]
    while at < end:
        next_at = min(at + STEP_SECONDS, end)
        if offset_at(next_at) != offsets[-1]:
            seconds = range(at + 1, next_at + 1)
            changed = bisect_left(seconds, True, key=lambda one: offset_at(one) != offsets[-1])
            changes.append(datetime.fromtimestamp(seconds[changed], UTC))
            offsets.append(offset_at(next_at))
        at = next_at
    return changes, offsets

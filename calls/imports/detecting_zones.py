"""Which zone the times of a file are in, where the IDs of its calls prove it.

A unique ID that begins with the second in which its channel was made tells when that was in UTC;
what is written beside it is that time on some wall clock. One such record proves the offset to
anybody; several on both sides of a change of clocks prove the zone.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from calls.sources.mapped.id_times import offset_in_words, zone_of_offset

QUARTER: Final = timedelta(minutes=15)  # the step of all zones
NEAR: Final = timedelta(minutes=2)
OFFSET_MIN, OFFSET_MAX = timedelta(hours=-12), timedelta(hours=14)
SHARE_MIN: Final = 0.9

# Zones that change their clocks, tried where no single offset fits; of each change the best known.
CHANGING: Final = (
    "Europe/London",
    "Europe/Berlin",
    "Europe/Helsinki",
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "America/Halifax",
    "America/Sao_Paulo",
    "Australia/Sydney",
    "Australia/Adelaide",
    "Pacific/Auckland",
    "Asia/Jerusalem",
)


class Pair(NamedTuple):
    """A time as it is written, without an offset, and that in the ID of its record, in UTC."""

    written: datetime
    in_id: datetime


class Proven(NamedTuple):
    """A zone that IDs prove, and what to say of it: "UTC+3", or the name of the account's zone."""

    zone: str
    words: str


def proven_zone(pairs: Sequence[Pair], *, account_zone: ZoneInfo) -> Proven | None:
    """Return the zone that nearly all ``pairs`` agree on, the account's where that is one of them.

    None where they do not agree, as where the clock of the system was wrong.
    """
    if not pairs:
        return None
    if _agree(pairs, account_zone):
        return Proven(account_zone.key, account_zone.key)
    offsets = Counter(filter(None, map(_offset, pairs)))
    in_utc = sum(_offset(pair) == timedelta() for pair in pairs)
    offset, most = max([*offsets.items(), (timedelta(), in_utc)], key=lambda one: one[1])
    if most >= SHARE_MIN * len(pairs):
        name = zone_of_offset(offset)
        return Proven(name, offset_in_words(offset) if offset else "UTC") if name else None
    for name in CHANGING:
        if _agree(pairs, ZoneInfo(name)):
            return Proven(name, name)
    return None


def agreement(pairs: Sequence[Pair]) -> float:
    """Return the share of ``pairs`` that the most frequent offset fits, from 0 to 1."""
    offsets = Counter(offset for pair in pairs if (offset := _offset(pair)) is not None)
    return max(offsets.values(), default=0) / len(pairs) if pairs else 0


def _agree(pairs: Sequence[Pair], zone: ZoneInfo) -> bool:
    near = sum(abs(one.written.replace(tzinfo=zone) - one.in_id) <= NEAR for one in pairs)
    return near >= SHARE_MIN * len(pairs)


def _offset(pair: Pair) -> timedelta | None:
    difference = pair.written.replace(tzinfo=UTC) - pair.in_id
    offset = QUARTER * round(difference / QUARTER)
    is_one = OFFSET_MIN <= offset <= OFFSET_MAX and abs(difference - offset) <= NEAR
    return offset if is_one else None

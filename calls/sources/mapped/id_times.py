"""Times that are in IDs, and what they prove about the times that are written beside them.

Asterisk's uniqueid begins with the second in which its channel was made, a UUID of version 7 and a
ULID with their millisecond; a UUID of version 1 has its 100 ns. Some were made minutes away from
the start of their call: so most of them must agree on a quarter of an hour, the step of all zones.
"""

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

_UNIQUEID: Final = re.compile(r"(?:.+-)?(1[0-9]{9})\.[0-9]+")
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[17][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_ULID: Final = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_CROCKFORD: Final = {
    letter: value for value, letter in enumerate("0123456789ABCDEFGHJKMNPQRSTVWXYZ")
}

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
FIRST: Final = datetime(2005, 1, 1, tzinfo=UTC)
GREGORIAN_TO_1970_US: Final = 12_219_292_800_000_000

QUARTER: Final = timedelta(minutes=15)
NEAR: Final = timedelta(minutes=2)
OFFSET_MAX: Final = timedelta(hours=14)
ROWS_MIN: Final = 3
SHARE_MIN: Final = 0.9


def time_in_id(call_id: str) -> datetime | None:
    """The time at which an ID was made, in UTC; None where it does not tell."""
    if found := _UNIQUEID.fullmatch(call_id):
        return _plausible(int(found[1]) * 1_000_000)
    small = call_id.lower()
    if _UUID.fullmatch(small):
        digits = small.replace("-", "")
        if digits[12] == "7":
            return _plausible(int(digits[:12], 16) * 1_000)
        ticks = int(digits[13:16] + digits[8:12] + digits[:8], 16)
        return _plausible(ticks // 10 - GREGORIAN_TO_1970_US)
    if _ULID.fullmatch(call_id):
        milliseconds = 0
        for letter in call_id[:10]:
            milliseconds = milliseconds * 32 + _CROCKFORD[letter]
        return _plausible(milliseconds * 1_000)
    return None


def _plausible(microseconds: int) -> datetime | None:
    try:
        at = EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return None
    return at if FIRST < at < FIRST.replace(year=2100) else None


class IdProof:
    """Counts how far written times are from those in the IDs of their records."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._offsets: Counter[timedelta] = Counter()
        self._in_zone = 0
        self.rows = 0

    def add(self, written: datetime, in_id: datetime) -> None:
        """Compare a time without an offset, as it is ``written``, with that in the ID."""
        self.rows += 1
        difference = written.replace(tzinfo=UTC) - in_id
        offset = QUARTER * round(difference / QUARTER)
        if abs(difference - offset) <= NEAR and abs(offset) <= OFFSET_MAX:
            self._offsets[offset] += 1
        if abs(written.replace(tzinfo=self._zone) - in_id) <= NEAR:
            self._in_zone += 1

    @property
    def is_of_zone(self) -> bool:
        """Whether the times are on the wall clock of the zone, in summer as in winter."""
        return self.rows >= ROWS_MIN and self._in_zone >= SHARE_MIN * self.rows

    @property
    def offset(self) -> timedelta | None:
        """How far ahead of UTC the written times are, where that is proven."""
        if self.rows < ROWS_MIN:
            return None
        ((offset, rows),) = self._offsets.most_common(1) or [(timedelta(), 0)]
        return offset if rows >= SHARE_MIN * self.rows else None


_FIXED: Final = {
    timedelta(hours=3, minutes=30): "Asia/Tehran",
    timedelta(hours=4, minutes=30): "Asia/Kabul",
    timedelta(hours=5, minutes=30): "Asia/Kolkata",
    timedelta(hours=5, minutes=45): "Asia/Kathmandu",
    timedelta(hours=6, minutes=30): "Asia/Yangon",
    timedelta(hours=9, minutes=30): "Australia/Darwin",
}


def zone_of_offset(offset: timedelta) -> str | None:
    """The name of a zone that is always ``offset`` ahead of UTC; None where there is none."""
    if not offset:
        return "UTC"
    hours, rest = divmod(offset, timedelta(hours=1))
    if rest:
        return _FIXED.get(offset)
    # Signs are the other way round in these names, by an old convention.
    return f"Etc/GMT{-hours:+d}"


def offset_in_words(offset: timedelta) -> str:
    """ "UTC+5:30"."""
    minutes = round(offset / timedelta(minutes=1))
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'-' if minutes < 0 else '+'}{hours}{f':{rest:02}' if rest else ''}"

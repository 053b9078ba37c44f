"""Times as people write them: ISO 8601, with an offset or on the wall clock of a time zone."""

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from calls.records import Rejected

# A date or an hour alone would be read as its beginning, and charge a call that nobody has timed.
DATE_AND_TIME = re.compile(r"[\dW-]+[T ]\d\d:?\d\d", re.ASCII | re.IGNORECASE)
WELL_WRITTEN = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.,]\d+)?)? ?(Z|[+-]\d\d:?\d\d)?",
    re.ASCII | re.IGNORECASE,
)


def read_time(field: str, text: str) -> datetime:
    """The date and time in ``text``, aware if it names an offset. Raises Rejected."""
    if DATE_AND_TIME.match(text):
        try:
            return datetime.fromisoformat(text.upper())
        except ValueError:
            pass
        if WELL_WRITTEN.fullmatch(text):
            raise Rejected(field, f"is “{text[:40]}”: there is no such day, time or offset.")
    raise Rejected(field, f"is “{text[:40]}”; write it like 2026-11-23T14:05:09.")


def meanings(field: str, time: datetime, zone: ZoneInfo) -> list[datetime]:
    """The instants that ``time`` can mean, in UTC, earliest first: one, or two.

    A time without an offset is on the wall clock of ``zone``. When that clock is set back, an hour
    happens twice. When it is set forward, an hour never happens: raises Rejected.
    """
    try:
        if time.tzinfo is not None:
            return [time.astimezone(UTC)]
        first, second = time.replace(tzinfo=zone), time.replace(tzinfo=zone, fold=1)
        before, after = first.utcoffset(), second.utcoffset()
        if before is not None and before == after:
            return [time.replace(tzinfo=UTC) - before]  # in half the time of astimezone
        if before is not None and after is not None and before > after:
            return [first.astimezone(UTC), second.astimezone(UTC)]
    except OverflowError:
        raise Rejected(field, "is out of range.") from None
    raise Rejected(
        field,
        f"is {time:%H:%M:%S} on {time:%-d %b %Y}, which the clocks of {zone.key} skipped; "
        "is it in another time zone?",
    )

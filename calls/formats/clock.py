"""Times as people write them: ISO 8601, with an offset or on the wall clock of a time zone."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from calls.records import Rejected


def read_time(field: str, text: str) -> datetime:
    """The date and time in ``text``, aware if it names an offset. Raises Rejected."""
    try:
        # A date alone would be read as midnight, and charge a call that nobody has timed.
        if ":" in text or "T" in text:
            return datetime.fromisoformat(text)
    except ValueError:
        pass
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
        if before == after:
            return [first.astimezone(UTC)]
        if before is not None and after is not None and before > after:
            return [first.astimezone(UTC), second.astimezone(UTC)]
    except OverflowError:
        raise Rejected(field, "is out of range.") from None
    raise Rejected(
        field,
        f"is {time:%H:%M:%S} on {time:%d %b %Y}, which the clocks of {zone.key} skipped; "
        "is it in another time zone?",
    )

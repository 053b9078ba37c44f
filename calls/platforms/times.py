"""Times in messages of platforms."""

from datetime import UTC, datetime, timedelta
from typing import Final

from calls.notations.clock import finer_of
from calls.records import Instant, Rejected

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def iso_time(field: str, text: str) -> datetime | None:
    """Read a time in ISO 8601, without an offset in UTC; None where it is empty. Raises Rejected.

    What is finer than a microsecond is cut, which `iso_instant` keeps.
    """
    text = text.strip()
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Rejected(field, f"is “{text[:40]}”, which is no time.") from None


def iso_instant(field: str, text: str) -> Instant | None:
    """Read a time as `iso_time` does, to the last decimal. Raises Rejected."""
    time = iso_time(field, text)
    return None if time is None else Instant(time, finer_of(text.strip()))


def iso_or_none(text: str) -> datetime | None:
    """The time that ``text`` is; None where it is none."""
    try:
        return iso_time("", text)
    except Rejected:
        return None


def whole_number(text: str) -> int | None:
    """The number that ``text`` is in digits; None where it is none."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 17 else None


def since_epoch(text: str, *, unit: timedelta) -> datetime | None:
    """The time so many ``unit`` after 1970 as ``text`` says; None where it is none."""
    number = whole_number(text)
    try:
        return None if number is None else EPOCH + number * unit
    except OverflowError:
        return None


def earlier(field: str, time: datetime, *, seconds: int) -> datetime:
    """So many seconds before ``time``. Raises Rejected where no calendar has that moment."""
    try:
        return time - timedelta(seconds=seconds)
    except OverflowError:
        raise Rejected(
            field, f"is {seconds:,} seconds: such a call began before any date."
        ) from None


def is_recent(at_ms: int, now: datetime, *, past: timedelta, ahead: timedelta) -> bool:
    """Whether a time in milliseconds since 1970 is so near to ``now``. Both ends count as near."""
    now_ms = (now - EPOCH) // timedelta(milliseconds=1)
    return (
        -(ahead // timedelta(milliseconds=1)) <= now_ms - at_ms <= past // timedelta(milliseconds=1)
    )


def in_ms(time: datetime) -> int:
    """Milliseconds since 1970."""
    return (time - EPOCH) // timedelta(milliseconds=1)


def in_seconds(time: datetime) -> int:
    """Whole seconds since 1970."""
    return (time - EPOCH) // timedelta(seconds=1)


def as_iso(time: datetime) -> str:
    """``time`` in UTC with milliseconds, as JavaScript writes it."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

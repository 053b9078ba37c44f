"""Times as people write them: ISO 8601, with an offset or on the wall clock of a time zone."""

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from billing.texts import storable
from calls.records import Instant, Rejected

# A date or an hour alone would be read as its beginning, and charge a call that nobody has timed.
# What stands in its group are decimals of a second that a datetime has no room for.
DATE_AND_TIME = re.compile(
    r"[\dW-]+[T ]\d\d:?\d\d(?::?\d\d[.,]\d{6}(\d+))?", re.ASCII | re.IGNORECASE
)
WELL_WRITTEN = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.,]\d+)?)? ?(Z|[+-]\d\d:?\d\d)?",
    re.ASCII | re.IGNORECASE,
)
ENDS_WITH_OFFSET = re.compile(r"[T ]\d\d[\d:.,]* ?(Z|[+-]\d\d:?\d\d)", re.ASCII | re.IGNORECASE)


def read_time(field: str, text: str) -> Instant:
    """Read the date and time in ``text``, aware if it names an offset. Raises Rejected."""
    if text[13:14] == ":" and text[10] in "T ":  # as nearly always
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            pass
        else:
            # Seven decimals and more reach so far; so do offsets.
            return Instant(at, finer_of(text) if text[26:27].isdigit() else "")
    begins = DATE_AND_TIME.match(text)
    if begins is not None:
        try:
            at = datetime.fromisoformat(text.upper())
        except ValueError:
            pass
        else:
            return Instant(at, finer_of(text))
        if WELL_WRITTEN.fullmatch(text):
            raise Rejected(field, f"is “{text[:40]}”: there is no such day, time or offset.")
    said = storable(text[:40])
    raise Rejected(field, f"is “{said}”; write it like 2026-11-23T14:05:09.")


def finer_of(text: str) -> str:
    """The decimals after those of the microsecond, as `calls.records.Instant` has them."""
    begins = DATE_AND_TIME.match(text)
    return begins[1].rstrip("0") if begins is not None and begins[1] else ""


def may_be_torn(text: str) -> bool:
    """Whether ``text`` may be the beginning of a longer time: without an offset it may go on."""
    found = ENDS_WITH_OFFSET.search(text)
    return found is None or found.end() != len(text)


def meanings(field: str, instant: Instant, zone: ZoneInfo) -> list[Instant]:
    """Return the instants that ``instant`` can mean, in UTC, earliest first: one, or two.

    A time without an offset is on the wall clock of ``zone``. When that clock is set back, an hour
    happens twice. When it is set forward, an hour never happens: raises Rejected.
    """
    time, finer = instant
    if time.tzinfo is UTC:
        return [instant]
    try:
        if time.tzinfo is not None:
            return [Instant(time.astimezone(UTC), finer)]
        first, second = time.replace(tzinfo=zone), time.replace(tzinfo=zone, fold=1)
        before, after = first.utcoffset(), second.utcoffset()
        if before is not None and before == after:
            # In half the time of astimezone.
            return [Instant(time.replace(tzinfo=UTC) - before, finer)]
        if before is not None and after is not None and before > after:
            return [Instant(one.astimezone(UTC), finer) for one in (first, second)]
    except OverflowError:
        raise Rejected(field, "is out of range.") from None
    raise Rejected(
        field,
        f"is {time:%H:%M:%S} on {time:%-d %b %Y}, which the clocks of {zone.key} skipped; "
        "is it in another time zone?",
    )

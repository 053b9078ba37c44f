"""Lengths of time as people write them, in whole microseconds: what is finer is rounded up.

Decimals after those of the nanosecond are no time but what is left of a calculation with floats;
they are rounded away first, else 30.000000000000004 s would be charged as more than 30 s.

Whatever is longer than any length that people write is refused before it is matched or calculated
with, and no pattern has two parts side by side that take the same characters: so a cell of any
content costs no time.
"""

import re
from collections.abc import Callable
from typing import Final, TypeAlias

from billing.texts import storable
from calls.notations.nothing import NOTHING, unquoted
from calls.records import Rejected

# Of a field's name and its text: microseconds, or None where it says nothing. Raises Rejected.
DurationReader: TypeAlias = Callable[[str, str], int | None]

LENGTH_MAX: Final = 60  # characters

PER_UNIT: Final = {"s": 1_000_000, "ms": 1_000, "us": 1, "min": 60_000_000}
_NAMES: Final = {
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "min": "minutes",
    "h:m:s": "hours, minutes and seconds like 0:03:20",
    "m:s": "minutes and seconds like 3:20",
    "h:m": "hours and minutes like 1:10",
    "words": "a length like 3m 10s",
    "iso8601": "a length like PT3M10S",
}
_SUFFIXES: Final = {
    "s": r"(?:\s*s(?:ecs?|econds?)?\.?)?",
    "ms": r"(?:\s*(?:ms|msecs?|milliseconds?)\.?)?",
    "us": r"(?:\s*(?:us|µs|microseconds?)\.?)?",
    "min": r"(?:\s*m(?:ins?|inutes?)?\.?)?",
}

_NUMBER = r"(-?)([0-9]{1,18}|[0-9]{1,3}(?:%s[0-9]{3})+)?(?:%s([0-9]+))?"
_CLOCK = re.compile(
    r"(?:1899-12-3[01][T ]|1900-01-0[0-9][T ])?"
    r"(?P<sign>-?)(?:(?P<days>[0-9]{1,3})(?:\.|\s*days?,?\s*))?"
    r"(?:(?P<h>[0-9]{1,6}):)?(?P<m>[0-9]{0,6}):(?P<s>[0-9]{1,2})(?:[.,](?P<f>[0-9]+))?"
    r"(?:\s*(?P<half>[AaPp])(?:\.\s?)?[Mm]\.?)?"
)
_NEXT = r"[\s,]*(?:and\s+)?"
_WORDS = re.compile(
    rf"(-?)(?:([0-9]+)\s*d(?:ays?)?{_NEXT})?(?:([0-9]+)\s*h(?:rs?|ours?)?\.?{_NEXT})?"
    rf"(?:([0-9]+)\s*m(?:ins?|inutes?)?\.?{_NEXT})?"
    rf"(?:([0-9]+)(?:[.,]([0-9]+))?\s*s(?:ecs?|econds?)?\.?{_NEXT})?"
    r"(?:([0-9]+)\s*(?:ms|msecs?|milliseconds?)\.?)?",
    re.IGNORECASE,
)
_ISO = re.compile(
    r"(-?)P(?:([0-9]+)D)?(?:T(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+)(?:[.,]([0-9]+))?S)?)?",
    re.IGNORECASE,
)


def duration_reader(unit: str, *, decimal: str = ".") -> DurationReader:
    """Return what reads lengths of time in ``unit`` with the mark ``decimal`` before decimals."""
    if unit in PER_UNIT:
        return _numbers(unit, decimal)
    if ":" in unit:
        return _clock(unit)
    return {"words": _words, "iso8601": _iso}[unit]


def _numbers(unit: str, decimal: str) -> DurationReader:
    per_unit = PER_UNIT[unit]
    grouping = "," if decimal == "." else r"\."
    pattern = re.compile(_NUMBER % (grouping, re.escape(decimal)) + _SUFFIXES[unit], re.IGNORECASE)
    thousands = "," if decimal == "." else "."

    def read(field: str, text: str) -> int | None:
        if text.isdigit() and text.isascii() and len(text) < 16:
            return int(text) * per_unit
        text = unquoted(text.strip())
        if text in NOTHING:
            return None
        found = _matched(pattern, text)
        if found is None or (found[2] is None and found[3] is None):
            raise _unreadable(field, text, unit)
        whole, decimals = (found[2] or "0").replace(thousands, ""), found[3] or ""
        return _signed(field, text, found[1], _exact(int(whole), decimals, per_unit))

    return read


def _clock(unit: str) -> DurationReader:
    """Read lengths as clocks show them; where two numbers stand, ``unit`` says what they are."""
    has_hours_first = unit == "h:m"
    asked = "h:m" if has_hours_first else "h:m:s"

    def read(field: str, text: str) -> int | None:
        text = unquoted(text.strip())
        if text in NOTHING:
            return None
        if text in ("0", "00"):
            return 0
        found = _matched(_CLOCK, text)
        if found is None:
            raise _unreadable(field, text, asked)
        parts = found.group("h", "m", "s")
        if has_hours_first and parts[0] is None:
            if found["f"]:
                raise _unreadable(field, text, asked)
            parts = (parts[1], parts[2], None)
        hours, minutes, seconds = (int(part or 0) for part in parts)
        if (parts[0] is not None and minutes > 59) or seconds > 59:
            raise _unreadable(field, text, asked)
        if half := found["half"]:  # a spreadsheet took it for a time of day
            hours = hours % 12 + (12 if half in "Pp" else 0)
        whole = ((int(found["days"] or 0) * 24 + hours) * 60 + minutes) * 60 + seconds
        return _signed(field, text, found["sign"], _exact(whole, found["f"] or "", 1_000_000))

    return read


def _words(field: str, text: str) -> int | None:
    text = unquoted(text.strip())
    if text in NOTHING:
        return None
    if text == "0":
        return 0
    found = _matched(_WORDS, text)
    if found is None or not any(found.groups()[1:]):
        raise _unreadable(field, text, "words")
    sign, days, hours, minutes, seconds, decimals, milliseconds = found.groups()
    whole = _in_seconds(days, hours, minutes, seconds)
    length = _exact(whole, decimals or "", 1_000_000) + int(milliseconds or 0) * 1_000
    return _signed(field, text, sign, length)


def _iso(field: str, text: str) -> int | None:
    text = unquoted(text.strip())
    if text in NOTHING:
        return None
    found = _matched(_ISO, text)
    if found is None or not any(found.groups()[1:]):
        raise _unreadable(field, text, "iso8601")
    sign, days, hours, minutes, seconds, decimals = found.groups()
    whole = _in_seconds(days, hours, minutes, seconds)
    return _signed(field, text, sign, _exact(whole, decimals or "", 1_000_000))


def _matched(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    return pattern.fullmatch(text) if len(text) <= LENGTH_MAX else None


def _in_seconds(*parts: str | None) -> int:
    days, hours, minutes, seconds = (int(part or 0) for part in parts)
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _exact(whole: int, decimals: str, per_unit: int) -> int:
    """``whole.decimals`` units in microseconds: rounded to the nanosecond, then up."""
    if not decimals:
        return whole * per_unit
    scale: int = 10 ** len(decimals)
    nanoseconds, rest = divmod((whole * scale + int(decimals)) * per_unit * 1_000, scale)
    return -(-(nanoseconds + (2 * rest >= scale)) // 1_000)


def _signed(field: str, text: str, sign: str, length: int) -> int:
    if sign and length:
        raise Rejected(field, f"is negative ({text[:40]}).")
    return length


def _unreadable(field: str, text: str, unit: str) -> Rejected:
    return Rejected(field, f"is “{storable(text[:40])}”, not {_a_number_of(unit)}.")


def _a_number_of(unit: str) -> str:
    return f"a number of {_NAMES[unit]}" if unit in PER_UNIT else _NAMES[unit]

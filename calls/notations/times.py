"""Times in the forms that systems and people write, one form for a whole column.

Nothing is guessed for a single value: ``time_reader`` takes the form, and what does not fit it is
rejected. A month in letters may stand before or after its day in any form, as it can't be mistaken.

A zone or an offset may follow the time. ``GMT+5:30`` is five and a half hours ahead of UTC, as
people mean it. Other abbreviations than UTC and GMT belong to several places (IST to India, Ireland
and Israel): they are only taken where the zone of the column uses them on that day.

A cell may hold anything: what is longer than any time is not matched, no pattern has two parts side
by side that take the same characters, and only so many digits become a number.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

from billing.texts import storable
from billing.zones import is_known
from calls.notations.clock import read_time
from calls.notations.nothing import NOTHING, unquoted
from calls.records import Instant, Rejected

# Of a field's name, its text and the zone of its column: the time, aware if it names an offset; or
# None where there is none. Raises Rejected.
TimeReader: TypeAlias = Callable[[str, str, ZoneInfo], Instant | None]

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
EXCEL_DAY_0: Final = datetime(1899, 12, 30)
GREGORIAN_SECONDS_TO_1970: Final = 62_167_219_200
LENGTH_MAX: Final = 100  # characters of a time
DIGITS_MAX: Final = 20  # of a time as a number
SERIAL_MAX: Final = 3_000_000  # days in a spreadsheet: its calendar ends before

_NAMES: Final = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
MONTHS: Final = {
    name: number
    for number, full in enumerate(_NAMES, 1)
    for name in {full, full[:3], *(["sept"] if full == "september" else [])}
}
_MONTH: Final = "|".join(sorted(MONTHS, key=len, reverse=True))
_WEEKDAY: Final = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+)?"
_DAY: Final = r"(?P<d>[0-9]{1,2})(?:st|nd|rd|th)?"
_SEPARATOR: Final = r"(?:\s*[-/.,]\s*|\s+)"
_YEAR: Final = r"(?P<y>[0-9]{4}|'?[0-9]{2})"
_TIME: Final = (
    r"(?P<h>[0-9]{1,2})(?:[:.](?P<mi>[0-9]{2})(?:[:.](?P<s>[0-9]{2})(?:[.,:](?P<f>[0-9]+))?)?)?"
    r"(?:\s*(?P<half>[ap])(?:\.\s?)?m\.?)?"  # also as Spanish has it: p. m.
)
_ZONE: Final = (
    r"(?:\s*(?P<zone>z|(?:utc|gmt)?\s?[-+−][0-9]{1,2}(?::?[0-9]{2})?"
    r"|[a-z_]+/[a-z_/+-]+[0-9]*|[a-z]{2,5})(?:\s*\([^()]*\))?)?"
)
_REST: Final = rf"(?:(?:\s*[T,]\s*|\s+at\s+|\s+){_TIME}{_ZONE})?"


def _pattern(date: str) -> re.Pattern[str]:
    return re.compile(_WEEKDAY + date + _REST, re.IGNORECASE)


_IN_DIGITS: Final = {
    "ymd": _pattern(rf"{_YEAR}{_SEPARATOR}(?P<mo>[0-9]{{1,2}}){_SEPARATOR}{_DAY}"),
    "dmy": _pattern(rf"{_DAY}{_SEPARATOR}(?P<mo>[0-9]{{1,2}}){_SEPARATOR}{_YEAR}"),
    "mdy": _pattern(rf"(?P<mo>[0-9]{{1,2}}){_SEPARATOR}{_DAY}{_SEPARATOR}{_YEAR}"),
}
_IN_LETTERS: Final = (
    _pattern(rf"{_DAY}{_SEPARATOR}(?P<mo>{_MONTH})\.?{_SEPARATOR}{_YEAR}"),
    _pattern(rf"(?P<mo>{_MONTH})\.?{_SEPARATOR}{_DAY}{_SEPARATOR}{_YEAR}"),
    _pattern(rf"{_YEAR}{_SEPARATOR}(?P<mo>{_MONTH})\.?{_SEPARATOR}{_DAY}"),
)
_COMPACT: Final = re.compile(
    r"(?P<y>[0-9]{4})(?P<mo>[0-9]{2})(?P<d>[0-9]{2})"
    r"(?:[T ]?(?P<h>[0-9]{2})(?P<mi>[0-9]{2})(?P<s>[0-9]{2})?(?:[.,](?P<f>[0-9]+))?(?P<half>(?!))?"
    + _ZONE
    + ")?",
    re.IGNORECASE,
)
# The console of Twilio writes 10:05:33 IST 2026-11-20.
_TIME_FIRST: Final = re.compile(
    r"(?P<time>[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?(?:\s*[ap](?:\.\s?)?m\.?)?"
    r"(?:\s*(?:z|(?:utc|gmt)(?:\s?[-+−][0-9:]+)?|[-+−][0-9:]+|[a-z_]+/[a-z_/]+"
    r"|(?!on\b|[ap]m\b)[a-z]{2,5})(?=[\s,]))?)"
    r"(?:\s*,\s*|\s+on\s+|\s+)(?P<date>\S.*)",
    re.IGNORECASE,
)
_ZEROS: Final = re.compile(r"[0\-/.:TZ ]+")
_NUMBER: Final = re.compile(rf"(-?)([0-9]{{1,{DIGITS_MAX}}})(?:[.,]([0-9]*))?")
_EXPONENT: Final = re.compile(r"([0-9])[.,]([0-9]+)[Ee]\+?([0-9]{1,2})")
_OFFSET: Final = re.compile(r"(?:utc|gmt)?\s?([-+−])([0-9]{1,2})(?::?([0-9]{2}))?")
_DATE_OF_MIDNIGHT: Final = re.compile(
    r"(.*?[0-9])[T ]+0?0:00(?::00(?:\.0+)?)?(?:Z)?", re.IGNORECASE
)
_DAY_OF_NO_DATE: Final = re.compile(r"(?:1899-12-3[01]|1900-01-0[01]|0?1/0/1900)[T ]+")

ORDERS: Final = {"ymd": "year, month, day", "dmy": "day, month, year", "mdy": "month, day, year"}
DIGITS_LOST: Final = "lost its last digits in a spreadsheet; export it again as text."


def time_reader(form: str) -> TimeReader:
    """Return what reads times of ``form``, one of `calls.sources.mapped.profile.FORMS`."""
    readers: dict[str, TimeReader] = {
        "iso": _iso,
        "rfc2822": _calendar("dmy"),
        "epoch_s": _epoch(6),
        "epoch_ms": _epoch(3),
        "epoch_us": _epoch(0),
        "epoch_ns": _epoch(-3),
        "excel": _excel,
        "gregorian_s": _gregorian,
    }
    return readers[form] if form in readers else _calendar(form)


def date_first(text: str) -> str:
    """``text`` with its date before its time of day, where that stands first."""
    if ":" not in text[:3]:
        return text
    found = _TIME_FIRST.fullmatch(text)
    return f"{found['date']} {found['time']}" if found else text


def date_with_time(date: str, time: str) -> str:
    """Join what stands in a column of dates and one of times of day.

    A spreadsheet may have given the date a midnight, and the time a day in 1899.
    """
    date, time = unquoted(date.strip()), unquoted(time.strip())
    if date in NOTHING or time in NOTHING:
        return ""  # a day on which it did not happen, as of a call that nobody answered
    if ":" in date and (found := _DATE_OF_MIDNIGHT.fullmatch(date)):
        date = found[1]
    if found := _DAY_OF_NO_DATE.match(time):
        time = time[found.end() :]
    return f"{date} {time}"


def _iso(field: str, text: str, zone: ZoneInfo) -> Instant | None:
    if len(text) >= 16 and text[10] in "T ":
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            pass
        else:
            if at.year > 1970:
                # Seven decimals and more reach so far; so do other times, which have none.
                return Instant(at, _finer(text) if text[26:27].isdigit() else "")
    return _year_first(field, text, zone)


def _finer(text: str) -> str:
    found = re.search(r"[.,][0-9]{6}([0-9]+)", text)
    return found[1].rstrip("0") if found else ""


def _calendar(form: str) -> TimeReader:
    in_digits = _IN_DIGITS[form]
    patterns = (in_digits, *_IN_LETTERS, *((_COMPACT,) if form == "ymd" else ()))

    def read(field: str, text: str, zone: ZoneInfo) -> Instant | None:
        found = in_digits.fullmatch(text)
        if found is None:
            text = unquoted(text.strip())
            if text in NOTHING:
                return None
            if len(text) > LENGTH_MAX:
                return _otherwise_written(field, text, form)
            in_order = date_first(text)
            for pattern in patterns:
                if found := pattern.fullmatch(in_order):
                    break
            else:
                return _otherwise_written(field, text, form)
        return _of_calendar(field, text, found, zone)

    return read


_year_first = _calendar("ymd")


def _otherwise_written(field: str, text: str, form: str) -> Instant | None:
    """What fits none of the patterns: nothing written with zeros, a week's date, or a mistake."""
    if _ZEROS.fullmatch(text):
        return None
    if form == "ymd":
        return read_time(field, text)
    raise Rejected(
        field, f"is “{storable(text[:40])}”, not a time with the date as {ORDERS[form]}."
    )


def _of_calendar(field: str, text: str, found: re.Match[str], zone: ZoneInfo) -> Instant | None:
    year, month, day, hour, minute, second, decimals, half, named = found.group(
        "y", "mo", "d", "h", "mi", "s", "f", "half", "zone"
    )
    if hour is None or (minute is None and half is None):
        if _ZEROS.fullmatch(text):
            return None
        raise Rejected(field, f"is “{storable(text[:40])}”, a date without a time of day.")
    hours = int(hour)
    if half and hours <= 12:
        hours = hours % 12 + (12 if half in "Pp" else 0)
    days = 0
    if hours == 24 and not int(minute or 0) and not int(second or 0):
        hours, days = 0, 1
    try:
        if half and half in "Aa" and hours > 12:
            raise ValueError
        at = datetime(
            int(year) if len(year) == 4 else 2000 + int(year.lstrip("'")),
            int(month) if month.isdigit() else MONTHS[month.lower()],
            int(day),
            hours,
            int(minute or 0),
            int(second or 0),
            int(decimals[:6].ljust(6, "0")) if decimals else 0,
        )
        if days:
            at += timedelta(days=days)
    except (ValueError, OverflowError):
        if _ZEROS.fullmatch(text):
            return None
        if month.isdigit() and int(month) > 12 >= int(day):
            raise Rejected(
                field,
                f"is “{storable(text[:40])}”: there is no month {month}; do day and month stand "
                "the other way round?",
            ) from None
        raise Rejected(
            field, f"is “{storable(text[:40])}”: there is no such day or time."
        ) from None
    if at.year <= 1970 and (at.year == 1 or at.replace(tzinfo=UTC) == EPOCH):
        return None
    finer = decimals[6:].rstrip("0") if decimals else ""
    return Instant(_with_zone(field, at, named, zone) if named else at, finer)


def _with_zone(field: str, at: datetime, named: str, zone: ZoneInfo) -> datetime:
    own = zone_named(named)
    if own is not None:
        return at.replace(tzinfo=own)
    for fold in (0, 1):
        local = at.replace(tzinfo=zone, fold=fold)
        if local.tzname() == named.upper():
            # As an offset: where an hour happens twice, the abbreviation says which of the two.
            offset = local.utcoffset()
            assert offset is not None
            return at.replace(tzinfo=timezone(offset))
    raise Rejected(
        field,
        f"names the zone “{named}”, which may be of several places, and {zone.key} does not have "
        "it then; name a time zone like Asia/Kolkata.",
    )


@lru_cache(maxsize=1_000)
def zone_named(text: str) -> tzinfo | None:
    """Return the zone that ``text`` names for certain: UTC, an offset or a place; else None."""
    name = text.strip().lower()
    if name in ("z", "utc", "gmt"):
        return UTC
    if found := _OFFSET.fullmatch(name):
        offset = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
        if offset < timedelta(hours=24):
            return timezone(-offset if found[1] in "-−" else offset)
        return None
    name = text.strip()
    return ZoneInfo(name) if "/" in name and is_known(name) else None


def _epoch(digits: int) -> TimeReader:
    """Since 1970 in a unit of which a microsecond is 10 to the power of minus ``digits``."""

    def read(field: str, text: str, zone: ZoneInfo) -> Instant | None:
        if len(text) < DIGITS_MAX and text.isdigit() and text.isascii():
            sign, whole, decimals = "", text, ""
        else:
            sign, whole, decimals = _parts(field, text)
        if digits >= 0:
            microseconds = whole + decimals[:digits].ljust(digits, "0")
            finer = decimals[digits:].rstrip("0")
        else:
            whole = whole.zfill(4)
            microseconds, finer = whole[:digits], (whole[digits:] + decimals).rstrip("0")
        return _since(field, text, EPOCH, int(f"{sign}{microseconds or 0}"), finer)

    return read


def _gregorian(field: str, text: str, zone: ZoneInfo) -> Instant | None:
    sign, whole, decimals = _parts(field, text)
    seconds = int(f"{sign}{whole}") - GREGORIAN_SECONDS_TO_1970 if int(whole) else 0
    microseconds = seconds * 1_000_000 + int(decimals[:6].ljust(6, "0") or 0)
    return _since(field, text, EPOCH, microseconds, decimals[6:].rstrip("0"))


def _parts(field: str, text: str) -> tuple[str, str, str]:
    """Sign, whole number and decimals. Nothing is zero."""
    text = unquoted(text.strip())
    if text in NOTHING:
        return "", "0", ""
    if found := _NUMBER.fullmatch(text):
        return found[1], found[2], found[3] or ""
    if found := _EXPONENT.fullmatch(text):
        decimals, exponent = found[2], int(found[3])
        if len(decimals) < exponent:
            raise Rejected(field, DIGITS_LOST)
        return "", found[1] + decimals[:exponent], decimals[exponent:]
    if _ZEROS.fullmatch(text):
        return "", "0", ""
    raise Rejected(field, f"is “{storable(text[:40])}”, not a time as a number.")


def _since(field: str, text: str, zero: datetime, microseconds: int, finer: str) -> Instant | None:
    if microseconds == 0 and not finer:
        return None
    try:
        return Instant(zero + timedelta(microseconds=microseconds), finer)
    except OverflowError:
        raise Rejected(
            field, f"is “{storable(text[:40])}”, a time far outside the calendar; check its unit."
        ) from None


def _excel(field: str, text: str, zone: ZoneInfo) -> Instant | None:
    """Days since the end of 1899 on a wall clock, to the millisecond: their decimals are floats."""
    text = unquoted(text.strip())
    if text in NOTHING:
        return None
    try:
        days = sum(Decimal(part.replace(",", ".")) for part in text.split())
        if not days:
            return None
        if not abs(days) < SERIAL_MAX:  # before an exponent is written out
            raise ValueError
        milliseconds = round(Decimal(days) * 86_400_000)
        at = EXCEL_DAY_0 + timedelta(milliseconds=milliseconds)
    except (ArithmeticError, ValueError):
        raise Rejected(
            field, f"is “{storable(text[:40])}”, not the serial number of a day in a spreadsheet."
        ) from None
    if days < 1:
        raise Rejected(field, f"is “{storable(text[:40])}”, a time of day without a date.")
    return Instant(at)

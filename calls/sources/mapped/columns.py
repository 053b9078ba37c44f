"""What the values of a column look like, by its first records: times, lengths, words, numbers."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import median
from typing import Final
from zoneinfo import ZoneInfo

from calls.notations.durations import duration_reader
from calls.notations.nothing import NOTHING, unquoted
from calls.notations.times import TimeReader, date_first, date_with_time, time_reader
from calls.records import Rejected
from calls.sources.mapped.date_order import DATE
from calls.sources.mapped.naming import TIMELIKE, Name, name_of

# Of the values in a column so many may be of another kind: one broken row is no other column.
FITTING_MIN: Final = 0.9

CLOCK: Final = re.compile(
    r"(?:1899-12-3[01][T ])?\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:\s*[ap](?:\.\s?)?m\.?)?"
    # A zone or an offset. "1:05 MIN" is a length.
    r"(?:\s*(?:z|(?:utc|gmt)?\s?[-+−]\d{1,2}(?::?\d{2})?"
    r"|(?!(?:hrs|mins?|secs?)$)(?-i:[A-Z]{3,5})))?",
    re.IGNORECASE,
)
LENGTH_CLOCK: Final = re.compile(r"\d{0,4}:\d{2}(?::\d{2}(?:[.,]\d+)?)?")
NUMBER: Final = re.compile(r"-?(?:\d+|\d{1,3}(?:[.,]\d{3})*)?(?:[.,]\d+)?")
ALONE: Final = re.compile(
    r"(?:[A-Za-z]{2,9}[.,]* )?"  # Fri 11/20/2026
    r"\d{1,4}[-/. ]+(?:\d{1,2}|[A-Za-z]{3,9})[-/., ]+\d{1,4}(?:[T ]00:00(?::00)?)?"
)
IN_LETTERS: Final = re.compile(
    r"(?:[A-Za-z]+,? )?(?:\d{1,2}[-/. ]+[A-Za-z]{3,}"
    r"|(?!(?:mon|tue|wed|thu|fri|sat|sun))[A-Za-z]{3,}[-/. ]+\d{1,2})",
    re.IGNORECASE,
)
NO_DATE: Final = re.compile(r"0000[-/.]00[-/.]00|00[-/.]00[-/.]0000")
YEAR_FIRST: Final = re.compile(r"'?\d{4}[-/.]?\d{1,2}[-/.]?\d{1,2}")
SECONDS: Final = re.compile(
    r"(?<!\d)\d{1,2}[:.]\d{2}[:.](\d{2}(?:[.,]\d*[1-9])?)(?!\d)|\d{8}[T ]?\d{4}(\d{2})"
)

# Digits of a whole number that counts time, and what it then counts.
EPOCHS: Final = {10: "epoch_s", 11: "gregorian_s", 13: "epoch_ms", 16: "epoch_us", 19: "epoch_ns"}
SERIALS: Final = (40_000, 60_000)  # days in a spreadsheet, from 2009 to 2064
_COMPACT: Final = re.compile(r"20[0-9]{12}")
WORDS_MAX: Final = 60

ANY_ZONE: Final = ZoneInfo("UTC")


@dataclass(frozen=True)
class Column:
    """A column with its values as far as they are known: without blanks and what is nothing.

    ``zone`` decides which abbreviations of zones its times may have.
    """

    title: str
    texts: Sequence[str] = field(repr=False)  # as they stand, of all records of the sample
    place: int = 0
    zone: ZoneInfo = ANY_ZONE

    @cached_property
    def name(self) -> Name:
        """What its name says."""
        return name_of(self.title)

    @cached_property
    def values(self) -> list[str]:
        """Its values that say something."""
        stripped = (unquoted(text.strip()) for text in self.texts)
        return [text for text in stripped if text not in NOTHING and not NO_DATE.match(text)]

    @cached_property
    def distinct(self) -> list[str]:
        """Each value once, in the order in which they come."""
        return list(dict.fromkeys(self.values))

    @property
    def is_empty(self) -> bool:
        """Whether nothing stands in it."""
        return not self.values

    @property
    def is_full(self) -> bool:
        """Whether it says something in nearly all records."""
        return len(self.values) >= FITTING_MIN * len(self.texts)

    @property
    def is_unique(self) -> bool:
        """Whether nearly each value is another: some IDs stand twice, as records are corrected."""
        return len(self.distinct) >= FITTING_MIN * len(self.values)

    @property
    def has_few_words(self) -> bool:
        """Whether its values may be words for a few things."""
        return 0 < len(self.distinct) <= WORDS_MAX and (
            all(len(text) <= 80 for text in self.distinct)
        )

    def fits(self, test: Callable[[str], object]) -> bool:
        """Whether nearly all values pass the test."""
        values = self.values
        return bool(values) and _share(map(test, values), len(values)) >= FITTING_MIN

    @cached_property
    def forms(self) -> tuple[str, ...]:
        """The forms of times with date and time of day; ("dmy", "mdy") where both are possible."""
        if self.is_empty or self.fits(CLOCK.fullmatch):
            return ()
        if self.fits(_is_plain_number):
            return self._number_forms()
        return self._date_forms(lambda form: _reads(time_reader(form), self.zone))

    @cached_property
    def date_forms(self) -> tuple[str, ...]:
        """The forms of dates without a time of day."""
        if self.is_empty or not self.fits(ALONE.fullmatch):
            return ()
        return self._date_forms(_reads_date)

    def _date_forms(self, test: Callable[[str], Callable[[str], bool]]) -> tuple[str, ...]:
        if self._begins(YEAR_FIRST):
            return next(((form,) for form in ("iso", "ymd") if self.fits(test(form))), ())
        if self._begins(IN_LETTERS):
            return ("dmy",) if self.fits(test("dmy")) else ()
        if not self._begins(DATE):
            return ()
        day_or_month_first = [test("dmy"), test("mdy")]
        if self.fits(lambda text: any(reads(text) for reads in day_or_month_first)):
            return ("dmy", "mdy")
        return ()

    def _begins(self, pattern: re.Pattern[str]) -> bool:
        """Whether nearly all dates begin so: they may stand behind their times of day."""
        return self.fits(lambda text: pattern.match(date_first(text)))

    def _number_forms(self) -> tuple[str, ...]:
        if not self.is_timelike:
            return ()
        whole = [text.replace(",", ".").partition(".")[0] for text in self.values]
        first, last = SERIALS
        if self.fits(lambda text: first <= self.as_number(text) < last):
            return ("excel",)
        form = EPOCHS.get(int(median(map(len, whole))))
        if form and self.fits(_reads(time_reader(form))):
            return (form,)
        return ("ymd",) if self.fits(_COMPACT.fullmatch) else ()

    @cached_property
    def is_clock(self) -> bool:
        """Whether its values may be times of day."""
        return self.fits(CLOCK.fullmatch)

    @cached_property
    def units(self) -> tuple[str, ...]:
        """The units in which its values may be lengths of time, the likeliest first."""
        if self.is_empty:
            return ()
        if self.fits(LENGTH_CLOCK.fullmatch) or (
            self.is_clock and self.fits(_reads_length("h:m:s"))
        ):
            if self.name.unit == "h:m":
                return ("h:m",)
            has_hours = any(text.count(":") > 1 for text in self.values)
            return ("h:m:s",) if has_hours else ("m:s", "h:m")
        if self.fits(NUMBER.fullmatch):
            return self._number_units()
        for unit in ("s", "min", "ms", "iso8601", "words", "h:m:s"):
            if self.fits(_reads_length(unit)):
                return (unit,)
        return ()

    def _number_units(self) -> tuple[str, ...]:
        lengths = sorted(filter(None, map(self.as_number, self.values)))
        middle = median(lengths) if lengths else 0
        if any(text.strip("0.,") and self.decimal in text for text in self.values):
            return ("s", "min", "ms", "us")
        if middle > 100_000_000:
            return ("us", "ms", "s", "min")
        return ("ms", "s", "us", "min") if middle > 100_000 else ("s", "ms", "min", "us")

    @cached_property
    def decimal(self) -> str:
        """The mark before decimals, as the column as a whole has it."""
        for text in self.values:
            point, comma = text.rfind("."), text.rfind(",")
            if point >= 0 and comma >= 0:
                return "," if comma > point else "."
            if comma >= 0 and not re.fullmatch(r"-?\d{1,3}(,\d{3})+", text):
                return ","
        return "."

    def as_number(self, text: str) -> float:
        """A value as a number, good enough to tell units apart."""
        thousands = "," if self.decimal == "." else "."
        try:
            return float(text.replace(thousands, "").replace(",", "."))
        except ValueError:
            return 0

    @property
    def is_timelike(self) -> bool:
        """Whether its name may be that of a time, so that numbers in it may count time."""
        return bool(TIMELIKE.search(self.name.words))


def has_seconds(text: str) -> bool:
    """Whether a time has seconds that are not zero."""
    found = SECONDS.search(text)
    return bool(found and (found[1] or found[2]) != "00")


def _share(passed: Iterable[object], of: int) -> float:
    return sum(map(bool, passed)) / of


def _is_plain_number(text: str) -> bool:
    return text.replace(".", "", 1).replace(",", "", 1).isdigit()


def _reads(reader: TimeReader, zone: ZoneInfo = ANY_ZONE) -> Callable[[str], bool]:
    """Whether a text is a time with date and time of day."""

    def test(text: str) -> bool:
        try:
            return reader("", text, zone) is not None
        except Rejected:
            return False

    return test


def _reads_date(form: str) -> Callable[[str], bool]:
    """Whether a text is a date that a time of day can be added to."""
    reads = _reads(time_reader(form))
    return lambda text: reads(date_with_time(text, "12:00:00"))


def _reads_length(unit: str) -> Callable[[str], bool]:
    reader = duration_reader(unit)

    def test(text: str) -> bool:
        try:
            return reader("", text) is not None
        except Rejected:
            return False

    return test

"""Whether day or month comes first in a column of dates such as 03/11/2026.

It is decided for the whole column, by what is certain: a number above 12. Both certain is a
contradiction. Without that, order of the rows and the calendar may tell; else a person must.
"""

import re
from datetime import date
from typing import Final, Literal, NamedTuple

from billing.texts import storable
from calls.notations import BadFileError
from calls.notations.times import date_first

Order = Literal["dmy", "mdy"]
# Fewer dates may be in order by chance: six are so once in 360 times.
SORTED_MIN: Final = 5
DATE_LENGTH: Final = len("03/11/2026")
ORDERS: Final[tuple[Order, Order]] = ("dmy", "mdy")

DATE: Final = re.compile(
    r"\D*?([0-9]{1,2})\s?[-/. ]\s?([0-9]{1,2})\s?[-/. ]\s?([0-9]{4}|[0-9]{2})\b"
)


class Place(NamedTuple):
    """A value with its line."""

    number: int
    text: str


class _Reading:
    """What the column is when its dates are read one way."""

    def __init__(self) -> None:
        self.is_possible = True
        self.ascends = self.descends = True
        self.last: date | None = None
        self._before: date | None = None
        self._dates = 0  # how often another date follows

    def add(self, year: int, month: int, day: int) -> None:
        try:
            at = date(year, month, day)
        except ValueError:
            self.is_possible = False
            return
        before = self._before
        if before is not None:
            self.ascends = self.ascends and at >= before
            self.descends = self.descends and at <= before
            self._dates += at != before
        self._before = at
        self.last = at if self.last is None or at > self.last else self.last

    @property
    def is_sorted(self) -> bool:
        return (self.ascends or self.descends) and self._dates >= SORTED_MIN


class DateOrder:
    """Collects what a column says about the order of its dates."""

    def __init__(self) -> None:
        self.day_first: Place | None = None  # a value that proves it
        self.month_first: Place | None = None
        self.example: Place | None = None  # the first value that has two meanings
        self._readings = {order: _Reading() for order in ORDERS}
        self._before = ""

    def add(self, number: int, text: str) -> None:
        """Take the value on line ``number``."""
        written = date_first(text)
        if written[:DATE_LENGTH] == self._before:
            return  # most calls are of the same day as the one before
        self._before = written[:DATE_LENGTH]
        found = DATE.match(written)
        if found is None:
            return
        first, second, year = int(found[1]), int(found[2]), int(found[3])
        if year < 100:
            year += 2000
        if first > 12 >= second:
            self.day_first = self.day_first or Place(number, text)
        elif second > 12 >= first:
            self.month_first = self.month_first or Place(number, text)
        elif first != second and self.example is None:
            self.example = Place(number, text)
        self._readings["dmy"].add(year, second, first)
        self._readings["mdy"].add(year, first, second)

    def check(self, column: str) -> None:
        """Raise BadFileError where some dates have the day first for certain, others the month."""
        if self.day_first and self.month_first:
            day, month = self.day_first, self.month_first
            raise BadFileError(
                f"“{storable(column[:40])}” has “{storable(day.text[:30])}” with the day first "
                f"(line {day.number}) and “{storable(month.text[:30])}” with the month first "
                f"(line {month.number}); it can't be told what the other dates mean. Export it "
                "again with one kind of date."
            )

    @property
    def proven(self) -> Order | None:
        """The order that a number above 12 proves."""
        if self.day_first:
            return "dmy"
        return "mdy" if self.month_first else None

    @property
    def sorted_as(self) -> Order | None:
        """The order in which the rows are sorted, where they are not so in the other."""
        return self._only([order for order in ORDERS if self._readings[order].is_sorted])

    def until(self, last: date) -> Order | None:
        """The order in which all dates exist and none is after ``last``, if it is only one.

        How far they go back proves nothing: files of calls from before the account are welcome.
        """
        fitting: list[Order] = []
        for order in ORDERS:
            reading = self._readings[order]
            if reading.is_possible and reading.last is not None and reading.last <= last:
                fitting.append(order)
        return self._only(fitting)

    @property
    def matters(self) -> bool:
        """Whether any date has two meanings."""
        return self.example is not None

    @staticmethod
    def _only(orders: list[Order]) -> Order | None:
        return orders[0] if len(orders) == 1 else None

    def spelt_out(self) -> dict[Order, str]:
        """What the example means in each order: "3 November"."""
        if self.example is None:
            return {}
        found = DATE.match(date_first(self.example.text))
        assert found is not None
        first, second = int(found[1]), int(found[2])
        return {"dmy": _day(first, second), "mdy": _day(second, first)}


def _day(day: int, month: int) -> str:
    return f"{day} {date(2000, month, 1):%B}"

"""Calendar months, by which the operators' front page sums and their lists are filtered.

An instant is of the month that UTC shows; a day of an account, of the month of its date.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from calls.usage.periods import Days

_NAME: Final = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])", re.ASCII)
_LONGER_THAN_A_MONTH = timedelta(days=32)
_A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Month:
    """One month, by its first day."""

    first_day: date

    @classmethod
    def of(cls, at: datetime) -> "Month":
        """The month of the instant ``at``."""
        return cls(at.astimezone(UTC).date().replace(day=1))

    @classmethod
    def read(cls, name: str) -> "Month | None":
        """The month that an address calls ``name``; None where there is no such month."""
        found = _NAME.fullmatch(name)
        return cls(date(int(found[1]), int(found[2]), 1)) if found else None

    @property
    def name(self) -> str:
        """What an address calls it: "2026-11"."""
        return f"{self.first_day:%Y-%m}"

    @property
    def words(self) -> str:
        """What people call it: "November 2026"."""
        return f"{self.first_day:%B %Y}"

    @property
    def days(self) -> Days:
        """Its days."""
        return Days(self.first_day, self._next - _A_DAY)

    @property
    def starts_at(self) -> datetime:
        """Its first instant."""
        return datetime.combine(self.first_day, time.min, UTC)

    @property
    def ends_at(self) -> datetime:
        """The first instant after it."""
        return datetime.combine(self._next, time.min, UTC)

    def and_before(self, count: int) -> "list[Month]":
        """This month and those before it, ``count`` altogether, the latest first."""
        found = [self]
        while len(found) < count:
            found.append(Month((found[-1].first_day - _A_DAY).replace(day=1)))
        return found

    @property
    def _next(self) -> date:
        return (self.first_day + _LONGER_THAN_A_MONTH).replace(day=1)

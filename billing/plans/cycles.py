"""Months on the calendar of an account: billing cycles and how long credits last. Pure, no Django.

A month later is the same day and wall-clock time in the account's zone; where the month is too
short, its last day. It is always counted from the anchor, so that a cycle that began on the 31st
returns to the 31st.
"""

from calendar import monthrange
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

MONTHS_OF_A_YEAR = 12
TOP_UP_VALID_MONTHS = 12


def add_months(anchor: datetime, months: int, zone: ZoneInfo) -> datetime:
    """The instant ``months`` months after ``anchor`` on the calendar of ``zone``, in UTC.

    A wall-clock time that a change of clocks skips or repeats is taken with the offset before it.
    """
    local = anchor.astimezone(zone)
    years, month = divmod(local.month - 1 + months, MONTHS_OF_A_YEAR)
    year = local.year + years
    day = min(local.day, monthrange(year, month + 1)[1])
    moved = local.replace(year=year, month=month + 1, day=day, fold=local.fold if not months else 0)
    return moved.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Cycle:
    """One billing cycle, ``starts_at`` included, ``ends_at`` not. ``number`` counts from 0."""

    number: int
    starts_at: datetime
    ends_at: datetime


def cycles(*, anchor: datetime, zone: ZoneInfo, until: datetime) -> Iterator[Cycle]:
    """The monthly cycles from ``anchor`` that have begun by ``until`` (inclusive), oldest first."""
    number = 0
    starts_at = add_months(anchor, 0, zone)
    while starts_at <= until:
        ends_at = add_months(anchor, number + 1, zone)
        yield Cycle(number, starts_at, ends_at)
        number, starts_at = number + 1, ends_at


def cycle_at(*, anchor: datetime, zone: ZoneInfo, at: datetime) -> Cycle:
    """The cycle that ``at`` lies in; the first one, where ``at`` is before ``anchor``."""
    found = deque(cycles(anchor=anchor, zone=zone, until=max(at, anchor)), maxlen=1)
    return found.pop()

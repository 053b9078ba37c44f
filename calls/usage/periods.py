"""Periods: from what a link says ("last 7 days", two dates) to days and instants. Pure, no Django.

A day is a calendar day in the account's time zone. It begins at the first instant that its date is
on the wall clock there, so days of 23 and 25 hours are neither cut nor counted twice. There is no
clock here: today, and the billing cycle, are arguments.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from calls.limits import FIRST_DAY

DAY = timedelta(days=1)
A_MOMENT = timedelta(microseconds=1)

AHEAD_DAYS_MAX = 366
PERIOD_YEARS_MAX = 10

# What somebody wrote is repeated to this length.
SAID_MAX = 40

# Above these a bar for every day (week) is too thin to read.
BY_DAY_DAYS_MAX = 92
BY_WEEK_YEARS_MAX = 2


class Preset(StrEnum):
    """The periods offered by name, in the order in which they are offered."""

    TODAY = "today"
    LAST_7_DAYS = "last_7_days"
    LAST_30_DAYS = "last_30_days"
    THIS_CYCLE = "this_cycle"
    THIS_MONTH = "this_month"
    LAST_MONTH = "last_month"
    CUSTOM = "custom"


DEFAULT_PRESET = Preset.LAST_7_DAYS

LABELS: Mapping[Preset, str] = {
    Preset.TODAY: "Today",
    Preset.LAST_7_DAYS: "Last 7 days",
    Preset.LAST_30_DAYS: "Last 30 days",
    Preset.THIS_CYCLE: "This cycle",
    Preset.THIS_MONTH: "This month",
    Preset.LAST_MONTH: "Last month",
    Preset.CUSTOM: "Custom range",
}


class Granularity(StrEnum):
    """What one bar of the graph stands for."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class PeriodError(ValueError):
    """A period that can't be shown: ``field`` (period, from or to) and why, for the person.

    The message has no full stop: `choose_period` says with it what is shown instead.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


@dataclass(frozen=True, slots=True)
class Days:
    """Consecutive days: both ends belong to them."""

    first_day: date
    last_day: date

    def __iter__(self) -> Iterator[date]:
        for number in range(len(self)):
            yield self.first_day + number * DAY

    def __len__(self) -> int:
        return (self.last_day - self.first_day).days + 1


@dataclass(frozen=True, slots=True)
class Period:
    """The days that a page shows, in ``zone``, and the preset that chose them."""

    preset: Preset
    first_day: date
    last_day: date
    zone: ZoneInfo

    @property
    def starts_at(self) -> datetime:
        """The first instant of the period, in UTC."""
        return day_starts_at(self.first_day, self.zone)

    @property
    def ends_at(self) -> datetime:
        """The first instant after the period, in UTC."""
        return day_starts_at(self.last_day + DAY, self.zone)

    @property
    def days(self) -> list[date]:
        """Every day of the period, oldest first."""
        return list(Days(self.first_day, self.last_day))

    @property
    def label(self) -> str:
        """The preset's name."""
        return LABELS[self.preset]

    @property
    def words(self) -> str:
        """The days in words with the zone: "17–23 November 2026, Asia/Kolkata"."""
        return f"{days_in_words(self.first_day, self.last_day)}, {self.zone.key}"

    @property
    def granularity(self) -> Granularity:
        """How finely the period can be drawn."""
        if (self.last_day - self.first_day).days < BY_DAY_DAYS_MAX:
            return Granularity.DAY
        if self.last_day < years_later(self.first_day, BY_WEEK_YEARS_MAX):
            return Granularity.WEEK
        return Granularity.MONTH

    @property
    def buckets(self) -> list[Days]:
        """The days grouped by `granularity`, oldest first, without gaps.

        Weeks are ISO weeks (Monday to Sunday). The first and last group may be cut by the period.
        """
        buckets = []
        first = self.first_day
        while first <= self.last_day:
            last = min(_bucket_end(first, self.granularity), self.last_day)
            buckets.append(Days(first, last))
            first = last + DAY
        return buckets


@dataclass(frozen=True, slots=True)
class Chosen:
    """The period to show, and what was wrong with the one asked for (field → message)."""

    period: Period
    errors: Mapping[str, str]


def day_starts_at(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of ``day`` in ``zone``, in UTC.

    Where a change of clocks skips midnight this is the instant of the change; where it repeats
    midnight, the first of the two.
    """
    return hour_starts_at(day, 0, zone)


def hour_starts_at(day: date, hour: int, zone: ZoneInfo) -> datetime:
    """The first instant of an ``hour`` (0 to 24) of ``day`` in ``zone``, in UTC; see above."""
    if hour == 24:
        day, hour = day + DAY, 0
    return datetime.combine(day, time(hour), tzinfo=zone).astimezone(UTC)


def hours_in_order(day: date, zone: ZoneInfo) -> list[range]:
    """The hours of ``day`` (0 to 23), grouped so that the groups follow each other in time.

    Each hour is a group, also one that the clocks skip (it is empty) or repeat (it is twice as
    long). Where they go back by two (Antarctica/Troll), the hours that come in turns are one.
    """
    groups = []
    first = 0
    for hour in range(24):
        last_moment = datetime.combine(day, time(hour, 59, 59, 999_999), tzinfo=zone)
        if last_moment.replace(fold=1).astimezone(UTC) < hour_starts_at(day, hour + 1, zone):
            groups.append(range(first, hour + 1))
            first = hour + 1
    return groups if first == 24 else [*groups, range(first, 24)]


def years_later(day: date, years: int) -> date:
    """The same day ``years`` later; 29 February becomes 1 March."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)


def days_in_words(first_day: date, last_day: date) -> str:
    """Two days as people write them: what both have in common is said once, two months in short."""
    if first_day.year != last_day.year:
        return f"{first_day.day} {first_day:%b %Y} – {last_day.day} {last_day:%b %Y}"
    if first_day.month != last_day.month:
        return f"{first_day.day} {first_day:%b} – {last_day.day} {last_day:%b %Y}"
    last = f"{last_day.day} {last_day:%B %Y}"
    return last if first_day == last_day else f"{first_day.day}–{last}"


def choose_period(
    *,
    preset: str,
    first: str,
    last: str,
    today: date,
    zone: ZoneInfo,
    cycle: tuple[datetime, datetime] | None,
) -> Chosen:
    """Read the period that a link names. Never fails: what can't be read becomes the default.

    ``preset`` is the parameter ``period``, ``first`` and ``last`` are ``from`` and ``to`` (ISO
    dates), which alone mean a custom range. ``cycle`` is the current billing cycle (start, end).
    """
    try:
        period = read_period(
            preset=preset, first=first, last=last, today=today, zone=zone, cycle=cycle
        )
    except PeriodError as error:
        days = _preset_days(DEFAULT_PRESET, today, zone, cycle)
        period = Period(DEFAULT_PRESET, days.first_day, days.last_day, zone)
        shown = f"{error.message}, so the {period.label.lower()} are shown."
        return Chosen(period, {error.field: shown})
    return Chosen(period, {})


def last_30_days(*, today: date, zone: ZoneInfo) -> Period:
    """The days of the preset: 30 of them, ``today`` is the last."""
    days = _preset_days(Preset.LAST_30_DAYS, today, zone, None)
    return Period(Preset.LAST_30_DAYS, days.first_day, days.last_day, zone)


def read_period(
    *,
    preset: str,
    first: str,
    last: str,
    today: date,
    zone: ZoneInfo,
    cycle: tuple[datetime, datetime] | None,
) -> Period:
    """Read what `choose_period` does. Raises PeriodError for what can't be read."""
    name = preset or (Preset.CUSTOM if first or last else DEFAULT_PRESET)
    if name not in set(Preset):
        raise PeriodError("period", f"The period “{name[:SAID_MAX]}” does not exist")
    chosen = Preset(name)
    if chosen is Preset.CUSTOM:
        days = _custom_days(first, last, today)
    else:
        days = _preset_days(chosen, today, zone, cycle)
    return Period(chosen, days.first_day, days.last_day, zone)


def _preset_days(
    preset: Preset, today: date, zone: ZoneInfo, cycle: tuple[datetime, datetime] | None
) -> Days:
    """Days of a preset. The running month and cycle end today: what lies ahead is not use yet."""
    match preset:
        case Preset.TODAY:
            return Days(today, today)
        case Preset.LAST_30_DAYS:
            return Days(today - 29 * DAY, today)
        case Preset.THIS_CYCLE:
            if cycle is None:
                raise PeriodError("period", "There is no billing cycle without a plan")
            first = cycle[0].astimezone(zone).date()
            return Days(
                first, max(first, min(today, (cycle[1] - A_MOMENT).astimezone(zone).date()))
            )
        case Preset.THIS_MONTH:
            return Days(today.replace(day=1), today)
        case Preset.LAST_MONTH:
            last = today.replace(day=1) - DAY
            return Days(last.replace(day=1), last)
        case _:
            return Days(today - 6 * DAY, today)


def _custom_days(first: str, last: str, today: date) -> Days:
    first_day = _read_day("from", first, today)
    last_day = _read_day("to", last, today)
    if first_day > last_day:
        raise PeriodError("to", "The last day is before the first day")
    if last_day >= years_later(first_day, PERIOD_YEARS_MAX):
        raise PeriodError("from", f"The period is longer than {PERIOD_YEARS_MAX} years")
    return Days(first_day, last_day)


def _read_day(field: str, text: str, today: date) -> date:
    name = "The first day" if field == "from" else "The last day"
    text = text.strip()
    if not text:
        raise PeriodError(field, f"{name} is missing")
    try:
        day = date.fromisoformat(text)
    except ValueError:
        said = f"{name} “{text[:SAID_MAX]}” is not a date like {today.isoformat()}"
        raise PeriodError(field, said) from None
    if day < FIRST_DAY:
        raise PeriodError(field, f"{name} is before {FIRST_DAY.year}")
    if day > today + AHEAD_DAYS_MAX * DAY:
        raise PeriodError(field, f"{name} is more than a year ahead")
    return day


def _bucket_end(day: date, granularity: Granularity) -> date:
    if granularity is Granularity.WEEK:
        return day + (7 - day.isoweekday()) * DAY
    if granularity is Granularity.MONTH:
        return (day.replace(day=1) + 31 * DAY).replace(day=1) - DAY
    return day

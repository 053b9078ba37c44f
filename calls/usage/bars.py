"""What was counted, drawn together: one bar per day, week or month."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from statistics import fmean, median, pstdev

from billing.models import Kind
from billing.models.ledger import USAGE_TYPES
from calls.usage.counts import Counted
from calls.usage.periods import Days, Granularity, Period

# A bar is high above mean + 2 σ of the period. In a quiet period that is soon reached, so it must
# also stand out from the usual day.
HIGH_SIGMAS = 2
HIGH_TIMES_MEDIAN = 1.5


@dataclass(slots=True)
class Bar:
    """One bar: a day, or the days of a week or month.

    ``credits_added - credits_removed`` is the sum of the column Credits Added: what kinds of rows
    brought in on a day, and what others took; of one kind that did both (adjustments) the net.
    """

    days: Days
    label: str
    short: str
    calls: int = 0
    credits_used: int = 0
    by_type: dict[str, int] = field(default_factory=lambda: {value: 0 for value, _ in USAGE_TYPES})
    credits_added: int = 0
    credits_removed: int = 0
    billed_seconds: int = 0
    is_high: bool = False

    @property
    def first_day(self) -> date:
        """The bar's first day."""
        return self.days.first_day

    @property
    def last_day(self) -> date:
        """The bar's last day."""
        return self.days.last_day

    @property
    def is_weekend(self) -> bool:
        """Whether the bar, of one day, is a Saturday or a Sunday."""
        return self.first_day.isoweekday() > 5

    @property
    def billed_minutes(self) -> float:
        """Billed time in minutes, to one decimal."""
        return round(self.billed_seconds / 60, 1)

    def add(self, counted: Counted) -> None:
        """Add the numbers of one day."""
        self.calls += counted.calls
        self.credits_used += counted.credits_used
        if Kind(counted.kind).is_usage:
            self.by_type[counted.usage_type] += counted.credits_used
        self.credits_added += max(0, counted.credits_added)
        self.credits_removed += max(0, -counted.credits_added)
        self.billed_seconds += counted.billed_seconds


def bars_of(*, period: Period, counted: Iterable[Counted]) -> list[Bar]:
    """Return the bars of ``period``, oldest first; they are zero where nothing was counted."""
    return _bars(period, counted, period.buckets, period.granularity)


def days_of(*, period: Period, counted: Iterable[Counted]) -> list[Bar]:
    """Return a bar for every day of ``period``, however long it is."""
    days = [Days(day, day) for day in period.days]
    return _bars(period, counted, days, Granularity.DAY)


def _bars(
    period: Period, counted: Iterable[Counted], buckets: Sequence[Days], granularity: Granularity
) -> list[Bar]:
    by_day: dict[date, list[Counted]] = defaultdict(list)
    for row in counted:
        by_day[row.day].append(row)
    one_year = period.first_day.year == period.last_day.year
    bars = []
    for days in buckets:
        label, short = _labels(days, granularity, one_year=one_year)
        bar = Bar(days, label, short)
        for day in days:
            for row in by_day.get(day, ()):
                bar.add(row)
        bars.append(bar)
    _mark_high(bars)
    return bars


def _mark_high(bars: Sequence[Bar]) -> None:
    used = [bar.credits_used for bar in bars]
    above = fmean(used) + HIGH_SIGMAS * pstdev(used)
    at_least = HIGH_TIMES_MEDIAN * median(used)
    for bar in bars:
        bar.is_high = bar.credits_used > above and bar.credits_used >= at_least


def _labels(days: Days, granularity: Granularity, *, one_year: bool) -> tuple[str, str]:
    """Return a bar's name in full ("Tue 17 Nov 2026") and under the axis ("17 Nov")."""
    first, last = days.first_day, days.last_day
    year = "" if one_year else f" {first:%Y}"
    if granularity is Granularity.MONTH:
        return f"{first:%B %Y}", f"{first:%b %Y}"
    if granularity is Granularity.WEEK:
        return (
            f"{first.day} {first:%b} – {last.day} {last:%b %Y}",
            f"{first.day} {first:%b}{year}",
        )
    return f"{first:%a} {first.day} {first:%b %Y}", f"{first.day} {first:%b}{year}"

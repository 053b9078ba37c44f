"""What was counted, drawn together: one bar per day, week or month."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from statistics import median

from billing.models import Kind
from billing.models.ledger import USAGE_TYPES
from calls.usage.counts import Counted
from calls.usage.periods import DAY, Days, Granularity, Period

# A bar is high far above those before it: robust, so that one high day does not hide the next.
# Where use hardly varies little is far, so it must also stand out from the usual.
HIGH_DEVIATIONS = 3
SIGMAS_PER_DEVIATION = 1.4826  # a median deviation of a normal distribution is this part of its σ
HIGH_TIMES_USUAL = 1.5
# What a bar is compared with: four weeks of days, with weekends; a quarter of weeks; a year.
BASELINE_DAYS = 28
BASELINE_BARS = {Granularity.DAY: BASELINE_DAYS, Granularity.WEEK: 13, Granularity.MONTH: 12}
BASELINE_BARS_MIN = {Granularity.DAY: 7, Granularity.WEEK: 4, Granularity.MONTH: 3}


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
    times_usual: float | None = None

    @property
    def is_high(self) -> bool:
        """Whether far more was used than usual: ``times_usual`` as much."""
        return self.times_usual is not None

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


def bars_of(
    *, period: Period, counted: Iterable[Counted], earlier: Iterable[Counted] = ()
) -> list[Bar]:
    """Return the bars of ``period``, oldest first; they are zero where nothing was counted.

    ``earlier`` was counted before it: by that the first bars are told to be high.
    """
    bars = _bars(period, counted, period.buckets, period.granularity)
    _mark_high(bars, _used_before(period, earlier), period.granularity)
    return bars


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
    return bars


def _used_before(period: Period, earlier: Iterable[Counted]) -> list[int]:
    """What was used on each day before ``period``, where a bar is a day; else nothing."""
    if period.granularity is not Granularity.DAY:
        return []
    used: dict[date, int] = defaultdict(int)
    for row in earlier:
        used[row.day] += row.credits_used
    first_day = period.first_day - BASELINE_DAYS * DAY
    return [used[first_day + number * DAY] for number in range(BASELINE_DAYS)]


def _mark_high(bars: Sequence[Bar], before: Sequence[int], granularity: Granularity) -> None:
    """Compare each bar with those before it, from the first on that was used at all."""
    used = [*before, *(bar.credits_used for bar in bars)]
    began = next((at for at, credits in enumerate(used) if credits), len(used))
    for at, bar in enumerate(bars, start=len(before)):
        baseline = used[max(began, at - BASELINE_BARS[granularity]) : at]
        if len(baseline) < BASELINE_BARS_MIN[granularity]:
            continue
        usual = median(baseline)
        deviation = SIGMAS_PER_DEVIATION * median(abs(credits - usual) for credits in baseline)
        is_far = bar.credits_used > usual + HIGH_DEVIATIONS * deviation
        if usual > 0 and is_far and bar.credits_used >= HIGH_TIMES_USUAL * usual:
            bar.times_usual = round(bar.credits_used / usual, 1)


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

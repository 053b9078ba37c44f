"""How the tiles compare with as many days before the period: "▲ 12 % on 15–21 Nov"."""

from dataclasses import dataclass

from calls.usage.periods import days_in_words
from calls.usage.report import UsageReport


@dataclass(frozen=True, slots=True)
class Change:
    """How a figure differs from before, in whole ``percent``; None where it was zero before."""

    percent: int | None


@dataclass(frozen=True, slots=True)
class Compared:
    """The tiles of a period against those of the days before it; ``is_over``: with all its days."""

    days_words: str
    is_over: bool
    calls: Change
    credits_used: Change


def compared(report: UsageReport, *, is_over: bool) -> Compared | None:
    """Compare ``report`` with the days before its period; None where nothing was used in them.

    One whose last day has not passed is compared with whole days all the same, and that is said:
    which part of a day has passed tells little of how many of its calls have come.
    """
    before, totals = report.before, report.totals
    if before is None or totals.total_calls is None or totals.credits_used is None:
        return None
    return Compared(
        days_words=days_in_words(before.days.first_day, before.days.last_day),
        is_over=is_over,
        calls=_change(before.calls, totals.total_calls),
        credits_used=_change(before.credits_used, totals.credits_used),
    )


def _change(before: int, now: int) -> Change:
    # Corrections can make more of a use be given back than there was.
    return Change(round(100 * (now - before) / before) if before > 0 else None)

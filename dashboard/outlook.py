"""How long the credits last: what an average day of the period uses, against what is left."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import dropwhile

from dashboard.graph import Bar

# Fewer days say little of a week, in which weekends differ from working days.
FULL_DAYS_MIN = 5


@dataclass(frozen=True, slots=True)
class Outlook:
    """What ``full_days`` used on average, and how many such days the credits cover, both whole.

    The average is rounded to the nearest credit; ``days_left`` is rounded down, from exact numbers.
    """

    full_days: int
    credits_per_day: int
    days_left: int


def outlook_of(*, days: Sequence[Bar], available_credits: int, today: date) -> Outlook | None:
    """The outlook by the ``days`` of the graph that are over, from the first one with any use on.

    Days before that may be from before the account called at all, and today goes on. None where it
    would mislead: fewer than five such days, nothing used in them, nothing left.
    """
    unused = dropwhile(lambda bar: bar.credits_used == 0, days)
    over = [bar for bar in unused if bar.last_day < today]
    full_days = sum(len(bar.days) for bar in over)
    used = sum(bar.credits_used for bar in over)
    if full_days < FULL_DAYS_MIN or used <= 0 or available_credits <= 0:
        return None
    return Outlook(
        full_days=full_days,
        credits_per_day=(2 * used + full_days) // (2 * full_days),
        days_left=available_credits * full_days // used,
    )

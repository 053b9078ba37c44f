"""How long the credits last: what an average day of the period uses, against what is left."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from math import floor

from billing.models import CreditGrant
from billing.texts import in_credits
from calls.usage.counts import Counted
from calls.usage.periods import DAY, Days, Period

# Fewer days say little of a week, in which weekends differ from working days.
FULL_DAYS_MIN = 5
DAYS_FORESEEN_MAX = 365
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What ``full_days`` used on average, and when the credits are gone if it goes on like that.

    They are used up after ``days_left``, or, where that comes first, what is left of the last of
    them expires at ``expires_at``; the other one is None. ``some_expire``: before they are used
    up, some of them expire unused. Average and days are rounded to the nearest whole.
    """

    full_days: int
    credits_per_day: int
    days_left: int | None
    expires_at: datetime | None = None
    some_expire: bool = False

    @property
    def average_words(self) -> str:
        """The credits of an average day, for a sentence."""
        return in_credits(self.credits_per_day) if self.credits_per_day else "less than 1 credit"

    @property
    def days_words(self) -> str:
        """How long they last, where none is left to expire: no forecast reaches past a year."""
        days = self.days_left or 0
        if days > DAYS_FORESEEN_MAX:
            return "more than a year"
        return f"about {days} {'day' if days == 1 else 'days'}" if days else "less than a day"


def outlook_of(
    *, period: Period, counted: Iterable[Counted], grants: Sequence[CreditGrant], now: datetime
) -> Outlook | None:
    """The outlook by the days of ``period`` that are over, from the first one with any use on.

    Days before that may be from before the account called at all, and today goes on. ``grants``
    are those with anything left, in the order of their expiry. None where it would mislead: fewer
    than five such days, nothing used in them, nothing left.
    """
    used_on: dict[date, int] = defaultdict(int)
    for row in counted:
        used_on[row.day] += row.credits_used
    last_day = min(period.last_day, now.astimezone(period.zone).date() - DAY)
    # Where a clock ran ahead, a call may be from tomorrow.
    used_days = (day for day, used in used_on.items() if used and day <= last_day)
    first_day = min(used_days, default=last_day + DAY)
    full_days = len(Days(first_day, last_day))
    used = sum(used for day, used in used_on.items() if day <= last_day)
    if full_days < FULL_DAYS_MIN or used <= 0 or not grants:
        return None
    days_left, expires_at, some_expire = _last(grants, Fraction(used, full_days), now)
    return Outlook(
        full_days=full_days,
        credits_per_day=_nearest(Fraction(used, full_days)),
        days_left=None if expires_at else _nearest(days_left),
        expires_at=expires_at,
        some_expire=some_expire,
    )


def _last(
    grants: Sequence[CreditGrant], per_day: Fraction, now: datetime
) -> tuple[Fraction, datetime | None, bool]:
    """After how many days ``grants`` are gone, when the last expired unused, whether any did."""
    days = Fraction(0)
    expired_at = None
    some_expire = False
    for grant in grants:
        used_up = days + grant.remaining / per_day
        if grant.expires_at is not None:
            until = Fraction((grant.expires_at - now) // MICROSECOND, DAY // MICROSECOND)
            if used_up > until:
                days, expired_at, some_expire = until, grant.expires_at, True
                continue
        days, expired_at = used_up, None
    return days, expired_at, some_expire


def _nearest(number: Fraction) -> int:
    return floor(number + Fraction(1, 2))

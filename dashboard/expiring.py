"""What expires soon, as the pages tell it: what its owners are warned of, and no earlier."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from billing.models import CreditGrant, GrantSource
from billing.notices.warnings import EXPIRY_WARNINGS_DAYS, warning_due
from billing.plans.cycles import Cycle

SHOWN_MAX = 5


@dataclass(frozen=True, slots=True)
class ExpiringSoon:
    """``credits`` that expire within ``days``: the ``first`` to do so, and how many come later."""

    days: int
    credits: int
    first: Sequence[CreditGrant]
    later_credits: int


@dataclass(frozen=True, slots=True)
class LeftBySource:
    """How many credits are left of what the plan gave in this cycle, of top-ups, and of others.

    ``plan_credits`` are those that the plan gave; None where it gave none. What is left of them
    ends at ``plan_ends_at``; None where nothing is left. Others are adjustments, credits that calls
    returned, and what an earlier plan gave.
    """

    plan_left: int
    plan_credits: int | None
    plan_ends_at: datetime | None
    top_up_left: int
    other_left: int


def left_by_source(*, grants: Sequence[CreditGrant], cycle: Cycle | None) -> LeftBySource:
    """Tell what ``grants`` have left by where it came from.

    They are all that have anything left, and those of the plan, which count although they are used
    up. None of them has expired.
    """
    of_plan = [
        grant
        for grant in grants
        if grant.source == GrantSource.PLAN
        and cycle is not None
        and grant.granted_at >= cycle.starts_at
    ]
    top_up_left = sum(each.remaining for each in grants if each.source == GrantSource.TOP_UP)
    plan_left = sum(grant.remaining for grant in of_plan)
    return LeftBySource(
        plan_left=plan_left,
        plan_credits=sum(grant.credits for grant in of_plan) if of_plan else None,
        plan_ends_at=next((grant.expires_at for grant in of_plan if grant.remaining), None),
        top_up_left=top_up_left,
        other_left=sum(grant.remaining for grant in grants) - plan_left - top_up_left,
    )


def expiring_soon(*, left: Iterable[CreditGrant], now: datetime) -> ExpiringSoon | None:
    """What owners of the grants that are ``left`` are warned of by ``now``, if anything."""
    days = max(EXPIRY_WARNINGS_DAYS)
    until = now + timedelta(days=days)
    grants = [
        grant
        for grant in left
        if grant.expires_at and grant.expires_at <= until and warning_due(grant=grant, at=now)
    ]
    if not grants:
        return None
    return ExpiringSoon(
        days=days,
        credits=sum(grant.remaining for grant in grants),
        first=grants[:SHOWN_MAX],
        later_credits=sum(grant.remaining for grant in grants[SHOWN_MAX:]),
    )

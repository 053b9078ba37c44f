"""What expires soon, as the account's first page tells it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from billing.alerts import EXPIRY_WARNINGS_DAYS
from billing.models import Account, CreditGrant, GrantSource

SHOWN_MAX = 5
# Plan credits end with every cycle: that is news only when they are about to.
PLAN_CREDITS_SHOWN = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class ExpiringSoon:
    """``credits`` that expire within ``days``: the ``first`` to do so, and how many come later."""

    days: int
    credits: int
    first: Sequence[CreditGrant]
    later_credits: int


def expiring_soon(*, account: Account, now: datetime) -> ExpiringSoon | None:
    """What expires as soon as its owners begin to be warned of it, if it is worth a word.

    One query.
    """
    days = max(EXPIRY_WARNINGS_DAYS)
    grants = [
        grant
        for grant in CreditGrant.objects.filter(
            account=account,
            remaining__gt=0,
            expires_at__gt=now,
            expires_at__lte=now + timedelta(days=days),
        )
        if not _goes_without_saying(grant, now)
    ]
    if not grants:
        return None
    return ExpiringSoon(
        days=days,
        credits=sum(grant.remaining for grant in grants),
        first=grants[:SHOWN_MAX],
        later_credits=sum(grant.remaining for grant in grants[SHOWN_MAX:]),
    )


def _goes_without_saying(grant: CreditGrant, now: datetime) -> bool:
    assert grant.expires_at is not None
    return grant.source == GrantSource.PLAN and grant.expires_at - now > PLAN_CREDITS_SHOWN

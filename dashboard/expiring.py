"""What expires soon, as the pages tell it: what its owners are warned of, and no earlier."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from billing.alerts import EXPIRY_WARNINGS_DAYS, warning_due
from billing.models import Account, CreditGrant

SHOWN_MAX = 5


@dataclass(frozen=True, slots=True)
class ExpiringSoon:
    """``credits`` that expire within ``days``: the ``first`` to do so, and how many come later."""

    days: int
    credits: int
    first: Sequence[CreditGrant]
    later_credits: int


def expiring_soon(*, account: Account, now: datetime) -> ExpiringSoon | None:
    """What its owners are warned of by ``now``, in the order of expiry, if anything; one query."""
    days = max(EXPIRY_WARNINGS_DAYS)
    grants = [
        grant
        for grant in CreditGrant.objects.filter(
            account=account,
            is_open=True,
            expires_at__gt=now,
            expires_at__lte=now + timedelta(days=days),
        )
        if warning_due(grant=grant, at=now)
    ]
    if not grants:
        return None
    return ExpiringSoon(
        days=days,
        credits=sum(grant.remaining for grant in grants),
        first=grants[:SHOWN_MAX],
        later_credits=sum(grant.remaining for grant in grants[SHOWN_MAX:]),
    )

"""What expires soon, as the pages tell it: what its owners are warned of, and no earlier."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from billing.models import CreditGrant
from billing.notices.warnings import EXPIRY_WARNINGS_DAYS, warning_due

SHOWN_MAX = 5


@dataclass(frozen=True, slots=True)
class ExpiringSoon:
    """``credits`` that expire within ``days``: the ``first`` to do so, and how many come later."""

    days: int
    credits: int
    first: Sequence[CreditGrant]
    later_credits: int


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

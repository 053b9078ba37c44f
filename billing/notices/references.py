"""References of notices: what makes a notice one for each person, however often it is noticed.

This is the only place that writes their text.
"""

from datetime import datetime

LOW_CREDITS = "low-credits:"
EXPIRING = "expiring:"

PREFIXES = (LOW_CREDITS, EXPIRING)


def of_low_credits(level: int, seq: int) -> str:
    """The warning that entry ``seq`` took the balance to ``level`` or below."""
    return f"{LOW_CREDITS}{level}:{seq}"


def of_expiring(grant_reference: str, expires_at: datetime, days_before: int) -> str:
    """The warning, ``days_before`` its end, of a grant that expires at ``expires_at``.

    It contains the end: whoever was warned of another end has to be warned of this one too.
    """
    return f"{EXPIRING}{grant_reference}:{expires_at.isoformat()}:{days_before}"

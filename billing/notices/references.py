"""References of notices: what makes a notice one for each person, however often it is noticed.

This is the only place that writes their text.
"""

LOW_CREDITS = "low-credits:"
EXPIRING = "expiring:"

PREFIXES = (LOW_CREDITS, EXPIRING)


def of_low_credits(level: int, above_seq: int) -> str:
    """The warning that no balance since entry ``above_seq`` was above ``level``."""
    return f"{LOW_CREDITS}{level}:{above_seq}"


def of_expiring(grant_seq: int, days_before: int) -> str:
    """The warning, ``days_before`` its end, of the grant that the entry ``grant_seq`` opened."""
    return f"{EXPIRING}{grant_seq}:{days_before}"

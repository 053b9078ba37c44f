"""Which warning of low credits a person is owed, as a pure function of what is known.

The rule ("Warnings"): it is owed at or below a threshold to whoever was not told since the balance
was last above it.
"""

from collections.abc import Iterable
from typing import NamedTuple


class Reachable(NamedTuple):
    """A threshold as it is now: what it is called, and the balance at or below which it is reached.

    ``above_seq`` is the last entry at which the balance was above it, 0 where it never was.
    """

    words: str
    level: int
    above_seq: int


class Told(NamedTuple):
    """A mail that a person got: the account's latest entry and its balance then."""

    seq: int
    balance: int


def owed(
    *, thresholds: Iterable[Reachable], told: Iterable[Told], balance: int
) -> Reachable | None:
    """Return the lowest threshold at which a person has to be warned of ``balance`` credits.

    None where they need not be warned. A mail tells of every threshold at or above the balance
    that it was about, also of one that was raised there only later: nobody is told twice of the
    same balance.
    """
    told = list(told)
    untold = [
        threshold
        for threshold in thresholds
        if balance <= threshold.level
        and not any(
            mail.seq >= threshold.above_seq and mail.balance <= threshold.level for mail in told
        )
    ]
    return min(untold, key=lambda threshold: threshold.level, default=None)

"""The state of an account that a page shows: pages that are turned stay within it.

Named in the address by ``as_of``, "1234-1764412345": the number of the last entry that was booked,
and when the page was opened, in seconds since 1970, which decides what "last 7 days" are.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from billing.models import Balance

_AS_OF = re.compile(r"([0-9]{1,18})-([0-9]{1,11})", re.ASCII)


@dataclass(frozen=True, slots=True)
class AsOf:
    """The state after the entry numbered ``seq``, seen ``at``."""

    seq: int
    at: datetime

    def __str__(self) -> str:
        return f"{self.seq}-{int(self.at.timestamp())}"


def read_as_of(text: str, *, balance: Balance, now: datetime) -> AsOf | None:
    """Read a state that has been; None for anything else that stands in an address."""
    found = _AS_OF.fullmatch(text)
    if found is None:
        return None
    seq, seconds = int(found[1]), int(found[2])
    if seq > balance.last_seq or seconds > now.timestamp():
        return None
    return AsOf(seq, datetime.fromtimestamp(seconds, UTC))

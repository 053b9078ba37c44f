"""Rating: tariff x usage type x instants -> charge. Pure: no Django, no clock, no database.

Owns the arithmetic of a charge and nothing else. Everything is a whole number: microseconds in,
increments and credits out. No float comes near it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

MICROSECOND = timedelta(microseconds=1)
MICROSECONDS_PER_SECOND = 1_000_000


class UsageType(StrEnum):
    """What a call was. The type decides which part of it is billable."""

    OUTBOUND = "outbound"
    INBOUND = "inbound"
    TRANSLATION = "translation"


@dataclass(frozen=True, slots=True)
class Tariff:
    """What one increment costs: ``credits_per_increment`` for every ``increment_seconds`` begun."""

    increment_seconds: int
    credits_per_increment: int

    def __post_init__(self) -> None:
        if self.increment_seconds < 1:
            raise ValueError(f"increment_seconds must be at least 1, not {self.increment_seconds}")
        if self.credits_per_increment < 1:
            raise ValueError(
                f"credits_per_increment must be at least 1, not {self.credits_per_increment}"
            )

    def __str__(self) -> str:
        return f"{self.credits_per_increment:,} per {self.increment_seconds:,} s"


class Charge(NamedTuple):
    """A rated call: exact billable time, the increments it was rounded up to, and their price."""

    billable_us: int
    increments: int
    billed_seconds: int
    credits: int

    @property
    def billable_seconds(self) -> Decimal:
        """Billable time before rounding, in seconds, exact to the microsecond."""
        return Decimal(self.billable_us) / MICROSECONDS_PER_SECOND


FREE = Charge(billable_us=0, increments=0, billed_seconds=0, credits=0)


def rate(
    *,
    tariff: Tariff,
    usage_type: UsageType,
    started_at: datetime,
    connected_at: datetime | None,
    ended_at: datetime | None,
) -> Charge:
    """Return the charge of one call under ``tariff``.

    A call that never connected (``connected_at`` is None) is free. Otherwise outbound time runs
    from connection to end, inbound and translation time from start to end; it is rounded *up* to
    whole increments, and a connection costs at least one, even at 0 s.

    Raises ValueError where a connected call has no end, or the billable time is negative.

    Rule: "How credits are consumed": increments = ceil(billable time / increment), on exact time.
    """
    if connected_at is None:
        return FREE
    if ended_at is None:
        raise ValueError("a connected call needs ended_at to be rated")
    billable_from = connected_at if usage_type == UsageType.OUTBOUND else started_at
    billable_us = (ended_at - billable_from) // MICROSECOND
    if billable_us < 0:
        raise ValueError("ended_at is before the billable time began")
    increment_us = tariff.increment_seconds * MICROSECONDS_PER_SECOND
    increments = max(1, -(-billable_us // increment_us))  # floor of the negative: rounds up
    return Charge(
        billable_us=billable_us,
        increments=increments,
        billed_seconds=increments * tariff.increment_seconds,
        credits=increments * tariff.credits_per_increment,
    )

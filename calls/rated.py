"""A call with its charge, and what the charge was computed from. Pure."""

from typing import NamedTuple

from billing.plans.rating import MICROSECONDS_PER_SECOND, Charge, Tariff, rate
from calls.records import CallRecord


class RatedCall(NamedTuple):
    """What is known of a call, its charge, and what the charge was computed from.

    ``is_history``: it started before its account's first subscription, and costs no credits.
    """

    record: CallRecord
    plan_name: str
    tariff: Tariff
    charge: Charge
    is_history: bool

    @property
    def billable_seconds(self) -> str:
        """Exact to the microsecond, as the database writes it."""
        whole, rest = divmod(self.charge.billable_us, MICROSECONDS_PER_SECOND)
        return f"{whole}.{rest:06d}"


def rated(record: CallRecord, plan_name: str, tariff: Tariff, *, is_history: bool) -> RatedCall:
    """Rate ``record`` by ``tariff``; history costs nothing. Rule: "How credits are consumed", 8."""
    charge = rate(
        tariff=tariff,
        usage_type=record.usage_type,
        started_at=record.started_at,
        connected_at=record.connected_at,
        ended_at=record.ended_at,
    )
    if is_history:
        charge = charge._replace(credits=0)
    return RatedCall(record, plan_name, tariff, charge, is_history)

"""The arithmetic of a charge: the worked table, and properties that hold for every call."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.plans.rating import FREE, Tariff, UsageType, rate

START = datetime(2026, 3, 29, 0, 59, 59, 123456, tzinfo=UTC)
BASE = Tariff(increment_seconds=60, credits_per_increment=2)
PROFESSIONAL = Tariff(increment_seconds=30, credits_per_increment=1)
ENTERPRISE = Tariff(increment_seconds=6, credits_per_increment=1)

WORKED = [
    ("0", 2, 1, 1),
    ("1", 2, 1, 1),
    ("20", 2, 1, 4),
    ("30", 2, 1, 5),
    ("30.001", 2, 2, 6),
    ("60", 2, 2, 10),
    ("60.001", 4, 3, 11),
    ("65", 4, 3, 11),
    ("3600", 120, 120, 600),
    ("30.000001", 2, 2, 6),
    ("29.999999", 2, 1, 5),
]


@pytest.mark.parametrize(("seconds", "base", "professional", "enterprise"), WORKED)
def test_worked_table(seconds, base, professional, enterprise):
    billable = timedelta(microseconds=int(Decimal(seconds) * 1_000_000))
    for tariff, credits in ((BASE, base), (PROFESSIONAL, professional), (ENTERPRISE, enterprise)):
        charge = rate(
            tariff=tariff,
            usage_type=UsageType.OUTBOUND,
            started_at=START - timedelta(seconds=17),
            connected_at=START,
            ended_at=START + billable,
        )
        assert charge.credits == credits
        assert charge.billable_seconds == Decimal(seconds)


@pytest.mark.parametrize("tariff", [BASE, PROFESSIONAL, ENTERPRISE])
@pytest.mark.parametrize("usage_type", list(UsageType))
def test_a_call_that_never_connected_is_free(tariff, usage_type):
    charge = rate(
        tariff=tariff,
        usage_type=usage_type,
        started_at=START,
        connected_at=None,
        ended_at=START + timedelta(minutes=1),
    )
    assert charge == FREE


@pytest.mark.parametrize(
    ("usage_type", "credits"),
    [(UsageType.OUTBOUND, 1), (UsageType.INBOUND, 2), (UsageType.TRANSLATION, 2)],
)
def test_ringing_is_free_for_outbound_calls_only(usage_type, credits):
    charge = rate(
        tariff=PROFESSIONAL,
        usage_type=usage_type,
        started_at=START,
        connected_at=START + timedelta(seconds=20),
        ended_at=START + timedelta(seconds=45),
    )
    assert charge.credits == credits


@given(
    increment=st.integers(1, 86_400),
    per_increment=st.integers(1, 1_000),
    billable_us=st.integers(0, 7 * 86_400 * 1_000_000),
)
def test_billed_time_covers_billable_time_by_less_than_an_increment(
    increment, per_increment, billable_us
):
    charge = rate(
        tariff=Tariff(increment, per_increment),
        usage_type=UsageType.INBOUND,
        started_at=START,
        connected_at=START,
        ended_at=START + timedelta(microseconds=billable_us),
    )
    billed_us = charge.billed_seconds * 1_000_000
    assert charge.increments >= 1
    assert charge.credits == charge.increments * per_increment
    assert charge.billed_seconds == charge.increments * increment
    assert billable_us <= billed_us
    assert billed_us - billable_us < increment * 1_000_000 or charge.increments == 1


@pytest.mark.parametrize(("increment", "credits"), [(0, 1), (-1, 1), (1, 0), (30, -1)])
def test_a_tariff_that_would_cost_nothing_is_refused(increment, credits):
    with pytest.raises(ValueError, match="must be at least 1"):
        Tariff(increment, credits)


def test_a_connected_call_without_an_end_cannot_be_rated():
    with pytest.raises(ValueError, match="needs ended_at"):
        rate(
            tariff=BASE,
            usage_type=UsageType.OUTBOUND,
            started_at=START,
            connected_at=START,
            ended_at=None,
        )


def test_negative_billable_time_cannot_be_rated():
    with pytest.raises(ValueError, match="before the billable time began"):
        rate(
            tariff=BASE,
            usage_type=UsageType.OUTBOUND,
            started_at=START,
            connected_at=START + timedelta(seconds=5),
            ended_at=START,
        )

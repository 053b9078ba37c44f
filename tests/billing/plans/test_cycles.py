"""Months on an account's calendar: short months, leap days and changes of clocks."""

from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from billing.plans.cycles import add_months, cycle_at, cycles

KOLKATA, LONDON, NEW_YORK = map(ZoneInfo, ["Asia/Kolkata", "Europe/London", "America/New_York"])


def local(zone, *parts):
    return datetime(*parts).replace(tzinfo=zone)


@pytest.mark.parametrize(
    ("anchor", "months", "expected"),
    [
        ((2026, 1, 31), 1, (2026, 2, 28)),
        ((2026, 1, 31), 2, (2026, 3, 31)),
        ((2026, 1, 31), 3, (2026, 4, 30)),
        ((2027, 12, 31), 2, (2028, 2, 29)),
        ((2028, 2, 29), 12, (2029, 2, 28)),
        ((2028, 2, 29), 48, (2032, 2, 29)),
        ((2026, 12, 15), 1, (2027, 1, 15)),
    ],
)
@pytest.mark.parametrize("zone", [KOLKATA, LONDON, NEW_YORK])
def test_a_month_later_is_the_same_day_or_the_last_of_a_short_month(zone, anchor, months, expected):
    assert add_months(local(zone, *anchor, 9, 30), months, zone) == local(zone, *expected, 9, 30)


@pytest.mark.parametrize(
    ("zone", "anchor", "utc_before", "utc_after"),
    [
        (LONDON, (2026, 3, 15, 0, 0), 0, 23),
        (NEW_YORK, (2026, 2, 20, 0, 0), 5, 4),
        (KOLKATA, (2026, 3, 15, 5, 30), 0, 0),
    ],
)
def test_the_wall_clock_time_stays_across_a_change_of_clocks(zone, anchor, utc_before, utc_after):
    start = local(zone, *anchor)
    assert start.astimezone(UTC).hour == utc_before
    later = add_months(start, 1, zone)
    assert later.hour == utc_after
    assert later.astimezone(zone).time() == start.time()


def test_a_time_that_the_clocks_skip_is_taken_with_the_offset_before():
    # London, 29 March 2026: 01:30 does not exist.
    moved = add_months(local(LONDON, 2026, 2, 28, 1, 30).replace(day=28), 1, LONDON)
    assert moved == local(LONDON, 2026, 3, 28, 1, 30)
    skipped = add_months(local(LONDON, 2026, 1, 29, 1, 30), 2, LONDON)
    assert skipped == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


def test_cycles_touch_and_never_overlap():
    anchor = local(NEW_YORK, 2026, 1, 31, 0, 0)
    found = list(cycles(anchor=anchor, zone=NEW_YORK, until=local(NEW_YORK, 2027, 2, 1)))
    assert [cycle.number for cycle in found] == list(range(13))
    assert all(a.ends_at == b.starts_at for a, b in pairwise(found))


def test_a_cycle_includes_its_start_and_not_its_end():
    anchor = local(KOLKATA, 2026, 11, 3)
    at_start = cycle_at(anchor=anchor, zone=KOLKATA, at=anchor)
    at_end = cycle_at(anchor=anchor, zone=KOLKATA, at=at_start.ends_at)
    assert (at_start.number, at_end.number) == (0, 1)

"""How times are written on the pages."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from dashboard.templatetags.times import at, at_second, day, duration, in_seconds, on_day

INSTANT = datetime(2026, 11, 23, 8, 35, 9, 250_000, tzinfo=UTC)


def test_an_instant_is_shown_in_the_zone_given_with_the_exact_one_behind_it():
    assert at(INSTANT, ZoneInfo("Asia/Kolkata")) == (
        '<time datetime="2026-11-23T08:35:09.250000Z" '
        'title="Monday 23 November 2026, 14:05:09, Asia/Kolkata (UTC+05:30)">'
        "23 Nov 2026, 14:05</time>"
    )


def test_an_instant_is_shown_in_its_own_zone_by_default():
    assert ">23 Nov 2026, 03:35:09</time>" in at_second(
        INSTANT.astimezone(ZoneInfo("America/New_York"))
    )


def test_the_hour_that_comes_twice_is_told_apart():
    london = ZoneInfo("Europe/London")
    first, second = (datetime(2026, 10, 25, 1, 30, tzinfo=london, fold=fold) for fold in (0, 1))
    assert "UTC+01:00" in at(first)
    assert ">25 Oct 2026, 01:30 BST</time>" in at(first)
    assert "UTC+00:00" in at(second)
    assert ">25 Oct 2026, 01:30:00 GMT</time>" in at_second(second)
    assert ">25 Oct 2026</time>" in on_day(second)
    assert ">25 Oct 2026, 02:00</time>" in at(datetime(2026, 10, 25, 2, tzinfo=london))


def test_the_day_of_an_instant_depends_on_the_zone():
    late = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
    assert ">24 Nov 2026</time>" in on_day(late, ZoneInfo("Asia/Kolkata"))


def test_a_day_is_written_without_a_leading_zero():
    assert day(date(2026, 3, 7)) == "7 Mar 2026"


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (0, "0 s"),
        (65, "1 min 5 s"),
        (60, "1 min"),
        (3_600, "1 h"),
        (3_661, "1 h 1 min 1 s"),
        (Decimal("30.001000"), "30.001 s"),
        (Decimal("0.500000"), "0.5 s"),
        (Decimal("60.000001"), "1 min 0.000001 s"),
        (timedelta(minutes=5), "5 min"),
        (timedelta(seconds=2, microseconds=1), "2.000001 s"),
    ],
)
def test_a_length_of_time_is_exact_and_short(length, text):
    assert duration(length) == text


@pytest.mark.parametrize(
    ("length", "text"),
    [(0, "0 s"), (60, "60 s"), (3_600, "3,600 s"), (Decimal("103.764000"), "103.764 s")],
)
def test_a_length_of_time_as_charges_count_it(length, text):
    assert in_seconds(length) == text

"""How long the credits last, by the days that are over."""

from datetime import date, timedelta

from dashboard.graph import Bar
from dashboard.outlook import Outlook, outlook_of
from dashboard.periods import Days

TODAY = date(2026, 11, 23)


def days(*used: int) -> list[Bar]:
    """One bar a day, ending today."""
    first = TODAY - timedelta(days=len(used) - 1)
    bars = []
    for number, credits in enumerate(used):
        day = first + timedelta(days=number)
        bars.append(Bar(Days(day, day), "", "", credits_used=credits))
    return bars


def outlook(*used: int, left: int = 100) -> Outlook | None:
    return outlook_of(days=days(*used), available_credits=left, today=TODAY)


def test_the_average_leaves_out_today_which_is_not_over():
    assert outlook(10, 20, 30, 20, 10, 30, 999) == Outlook(6, 20, 5)


def test_days_left_are_rounded_down_from_the_exact_average():
    assert outlook(7, 7, 7, 7, 5, 0, left=100) == Outlook(5, 7, 15)  # 33 in 5 days: 15.15 days


def test_the_average_is_rounded_to_the_nearest_credit():
    assert outlook(1, 1, 1, 1, 0, 1, 0) == Outlook(6, 1, 120)


def test_days_before_the_first_use_do_not_count():
    assert outlook(0, 0, 0, 20, 0, 20, 20, 40, 0) == Outlook(5, 20, 5)


def test_there_is_none_from_fewer_than_five_full_days():
    assert outlook(10, 10, 10, 10, 10) is None


def test_there_is_none_when_nothing_was_used():
    assert outlook(0, 0, 0, 0, 0, 0, 0) is None


def test_there_is_none_when_nothing_is_left():
    assert outlook(1, 1, 1, 1, 1, 1, 1, left=0) is None
    assert outlook(1, 1, 1, 1, 1, 1, 1, left=-5) is None

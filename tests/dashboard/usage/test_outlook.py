"""How long the credits last, by the days that are over and by what expires."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from billing.models import Account, CreditGrant, User
from calls.usage.counts import Counted
from calls.usage.periods import Granularity, Period, Preset
from dashboard.usage.outlook import Outlook, outlook_of
from tests.dashboard.conftest import NOW, call, post, top_up

TODAY = date(2026, 11, 23)
ZONE = ZoneInfo("Asia/Kolkata")


def left(credits: int, days: int | None = None) -> CreditGrant:
    expires_at = None if days is None else NOW + timedelta(days=days)
    return CreditGrant(remaining=credits, expires_at=expires_at)


def outlook(*used: int, grants: list[CreditGrant] | None = None, days: int = 0) -> Outlook | None:
    """By what was used a day, ending today, in a period of at least so many ``days``."""
    counted = [
        Counted(
            day=TODAY - timedelta(days=ago),
            kind="call",
            usage_type="outbound",
            entries=1,
            calls=1,
            credits_used=credits,
            credits_added=0,
            billed_seconds=0,
        )
        for ago, credits in enumerate(reversed(used))
        if credits
    ]
    first_day = TODAY - timedelta(days=max(len(used), days) - 1)
    return outlook_of(
        period=Period(Preset.CUSTOM, first_day, TODAY, ZONE),
        counted=counted,
        grants=[left(100)] if grants is None else grants,
        now=NOW,
    )


def test_the_average_leaves_out_today_which_is_not_over():
    assert outlook(10, 20, 30, 20, 10, 30, 999) == Outlook(6, 20, 5)


@pytest.mark.parametrize("days", [100, 1_000])
def test_only_today_is_left_out_where_bars_are_weeks_or_months(days: int):
    period = Period(Preset.CUSTOM, TODAY - timedelta(days=days - 1), TODAY, ZONE)
    assert period.granularity is not Granularity.DAY
    assert outlook(10, 20, 30, 20, 10, 30, 999, days=days) == Outlook(6, 20, 5)


@pytest.mark.parametrize(
    ("used", "credits", "said"),
    [
        ((2, 0, 0, 0, 0, 0, 9), 10, ("less than 1 credit", "about 30 days")),
        ((1, 1, 1, 1, 1, 1, 9), 1, ("1 credit", "about 1 day")),
        ((10, 10, 10, 10, 10, 10, 9), 3_650, ("10 credits", "about 365 days")),
        ((10, 10, 10, 10, 10, 10, 9), 2 * 10**9, ("10 credits", "more than a year")),
        ((10, 10, 10, 10, 10, 10, 9), 4, ("10 credits", "less than a day")),
    ],
)
def test_words_fit_little_use_and_much_that_is_left(
    used: tuple[int, ...], credits: int, said: tuple[str, str]
):
    found = outlook(*used, grants=[left(credits)])
    assert found is not None
    assert (found.average_words, found.days_words) == said


@pytest.mark.parametrize(("credits", "days"), [(399, 4), (349, 3), (350, 4), (49, 0)])
def test_days_left_are_rounded_to_the_nearest(credits: int, days: int):
    assert outlook(100, 100, 100, 100, 100, 0, grants=[left(credits)]) == Outlook(5, 100, days)


def test_the_average_is_rounded_to_the_nearest_credit():
    assert outlook(1, 1, 1, 1, 0, 1, 0) == Outlook(6, 1, 120)


def test_days_before_the_first_use_do_not_count():
    assert outlook(0, 0, 0, 20, 0, 20, 20, 40, 0) == Outlook(5, 20, 5)


def test_credits_that_expire_before_they_are_used_up_last_until_then():
    grant = left(350, days=8)
    found = outlook(5, 5, 5, 5, 5, 0, grants=[grant])
    assert found == Outlook(5, 5, None, grant.expires_at, some_expire=True)


def test_credits_that_are_used_up_before_they_expire_last_as_long_as_they_are_used():
    assert outlook(5, 5, 5, 5, 5, 0, grants=[left(50, days=11)]) == Outlook(5, 5, 10)


def test_what_expires_on_the_way_is_not_counted_on():
    # 8 days of the first, which loses 310, then 20 days of the second
    grants = [left(350, days=8), left(100)]
    assert outlook(5, 5, 5, 5, 5, 0, grants=grants) == Outlook(5, 5, 28, some_expire=True)


def test_there_is_none_from_fewer_than_five_full_days():
    assert outlook(10, 10, 10, 10, 10) is None


def test_use_after_today_by_a_clock_that_ran_ahead_does_not_count():
    ahead = Counted(
        day=TODAY + timedelta(days=1),
        kind="call",
        usage_type="outbound",
        entries=1,
        calls=1,
        credits_used=7,
        credits_added=0,
        billed_seconds=0,
    )
    last_day = TODAY + timedelta(days=2)
    for first_day in (TODAY - timedelta(days=30), TODAY, last_day):
        period = Period(Preset.CUSTOM, first_day, last_day, ZONE)
        assert outlook_of(period=period, counted=[ahead], grants=[left(100)], now=NOW) is None


def test_there_is_none_when_nothing_was_used():
    assert outlook(0, 0, 0, 0, 0, 0, 0) is None


def test_there_is_none_when_nothing_is_left():
    assert outlook(1, 1, 1, 1, 1, 1, 1, grants=[]) is None


@pytest.mark.usefixtures("now")
def test_the_sentence_says_the_earlier_of_the_two_and_of_when_it_is(
    client: Client, member: User, account: Account
):
    client.force_login(member)
    post(top_up(account, 400, NOW - timedelta(days=357)))
    post(*(call(account, str(ago), 5, NOW - timedelta(days=ago)) for ago in range(7)))
    page = client.get("/a/acme/billing/usage/").text
    sentence = page.partition('<details class="menu tile-more">')[2].partition("</details>")[0]
    assert "<summary>some will expire unused at this rate</summary>" in sentence
    assert "At that rate the 365 credits of <time" in sentence
    assert ">23 Nov 2026, 18:00</time> are not used up when the last of them expire" in sentence
    assert ">1 Dec 2026</time>." in sentence

"""The account's first page and the frame around all of them."""

import re
from datetime import timedelta

import pytest
from django.test import Client

from billing.models import Account, Plan, User
from tests.clock import StopClock
from tests.dashboard.conftest import NOW, call, goodwill, post, top_up

pytestmark = pytest.mark.usefixtures("now")


@pytest.fixture
def visitor(client: Client, member: User) -> Client:
    client.force_login(member)
    return client


def test_the_overview_counts_the_cycle_so_far(
    visitor: Client, account: Account, professional: Plan
) -> None:
    post(
        call(account, "before the cycle", 9, NOW - timedelta(days=25)),
        call(account, "in it", 4, NOW - timedelta(days=15)),
        call(account, "now", 2, NOW),
    )
    overview = visitor.get("/a/acme/").context["overview"]
    assert (overview.calls, overview.credits_used) == (2, 6)
    assert [bar.credits_used for bar in overview.week] == [0, 0, 0, 0, 0, 0, 2]


def test_without_a_plan_the_overview_counts_30_days(visitor: Client, account: Account) -> None:
    post(goodwill(account, 9))
    overview = visitor.get("/a/acme/").context["overview"]
    assert overview.period.preset == "last_30_days"


def test_the_overview_shows_the_latest_rows(visitor: Client, account: Account) -> None:
    post(*(call(account, f"{day}", 1, NOW - timedelta(days=day)) for day in range(9)))
    recent = visitor.get("/a/acme/").context["overview"].recent
    assert [row.call_id for row in recent] == ["0", "1", "2", "3", "4"]


def test_the_frame_of_an_account_without_plan_and_credits(visitor: Client) -> None:
    frame = visitor.get("/a/acme/").context["frame"]
    assert (frame.balance, frame.credit_state, frame.plan_name) == (0, "zero", "")
    assert (frame.cycle, frame.zone) == (None, "Asia/Kolkata")


def test_the_frame_of_an_account_in_debt(visitor: Client, account: Account) -> None:
    post(call(account, "a", 7, NOW))
    frame = visitor.get("/a/acme/").context["frame"]
    assert (frame.balance, frame.credit_state) == (-7, "negative")


def test_the_frame_says_when_credits_run_low(
    visitor: Client, account: Account, professional: Plan
) -> None:
    post(call(account, "a", 1_200, NOW))
    assert visitor.get("/a/acme/").context["frame"].credit_state == "ok"  # 20 % left
    post(call(account, "b", 1, NOW))
    assert visitor.get("/a/acme/").context["frame"].credit_state == "low"


def test_pages_without_an_account_have_no_frame(client: Client, db: None) -> None:
    assert client.get("/accounts/login/").context["frame"] is None


# ── What expires soon ─────────────────────────────────────────────────────────────────────────
def said_to_expire(visitor: Client) -> str:
    html = visitor.get("/a/acme/").content.decode()
    found = re.search(r'aria-label="Credits that expire soon">(.*?)</section>', html, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", found[1]).split()) if found else ""


def test_credits_that_expire_within_30_days_are_said_with_their_end(
    visitor: Client, account: Account
) -> None:
    post(top_up(account, 200, NOW - timedelta(days=335)))
    assert said_to_expire(visitor) == (
        "200 credits expire on 23 Dec 2026, 18:00 (top-up). "
        "Calls use the credits that expire soonest first."
    )


def test_credits_that_expire_later_are_not_said_to(visitor: Client, account: Account) -> None:
    post(top_up(account, 200, NOW - timedelta(days=334)))
    assert said_to_expire(visitor) == ""


def test_the_tile_says_what_expires_as_soon_as_its_owners_are_warned(
    visitor: Client, account: Account
) -> None:
    tile = re.compile(r"now; .* expire on|(?<=>)now, whatever the period")
    post(top_up(account, 200, NOW - timedelta(days=334)))
    assert tile.findall(visitor.get("/a/acme/billing/usage/").text) == ["now, whatever the period"]
    post(top_up(account, 50, NOW - timedelta(days=335)))
    assert tile.findall(visitor.get("/a/acme/billing/usage/").text) == ["now; 50 expire on"]


def test_credits_that_last_hardly_longer_than_a_warning_are_not_said_to_expire_at_once(
    visitor: Client, account: Account
) -> None:
    post(goodwill(account, 200, expires_at=NOW + timedelta(days=30)))
    assert said_to_expire(visitor) == ""


def test_plan_credits_are_said_to_expire_in_their_last_week_only(
    visitor: Client,
    member: User,
    account: Account,
    professional: Plan,
    stop_clock: StopClock,
) -> None:
    assert said_to_expire(visitor) == ""
    stop_clock(NOW + timedelta(days=5))
    visitor.force_login(member)  # nobody stays signed in for so long
    assert "1,500 credits expire on 4 Dec 2026, 15:00 (plan credits)." in said_to_expire(visitor)


def test_many_that_expire_are_listed_soonest_first_and_the_rest_added_up(
    visitor: Client, account: Account
) -> None:
    for day in range(7):
        post(top_up(account, 100 + day, NOW - timedelta(days=336 + day)))
    text = said_to_expire(visitor)
    assert text.startswith("721 credits expire within 30 days. Calls use")
    assert "first. 106 credits on 16 Dec 2026, 18:00 (top-up) 105 credits on 17 Dec" in text
    assert text.endswith("102 credits on 20 Dec 2026, 18:00 (top-up) 201 credits after that")

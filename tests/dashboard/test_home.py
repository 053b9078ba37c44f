"""The account's first page and the frame around all of them."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client

from billing.models import Account, Plan
from tests.dashboard.conftest import NOW, call, post, top_up

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
    post(call(account, "a", 9, NOW - timedelta(days=25)))
    overview = visitor.get("/a/acme/").context["overview"]
    assert (overview.period.preset, overview.credits_used) == ("last_30_days", 9)


def test_the_overview_shows_the_latest_rows(visitor: Client, account: Account) -> None:
    post(*(call(account, f"{day}", 1, NOW - timedelta(days=day)) for day in range(9)))
    recent = visitor.get("/a/acme/").context["overview"].recent
    assert [row.call_id for row in recent] == ["0", "1", "2", "3", "4"]


def test_the_frame_tells_what_expires_next(
    visitor: Client, account: Account, professional: Plan
) -> None:
    post(top_up(account, 200, NOW - timedelta(days=1), days=4))
    expiring = visitor.get("/a/acme/").context["frame"].expiring
    assert (expiring.credits, expiring.days_left) == (200, 3)
    assert expiring.expires_at.isoformat() == "2026-11-26T18:00:00+05:30"


def test_the_frame_of_an_account_without_plan_and_credits(visitor: Client) -> None:
    frame = visitor.get("/a/acme/").context["frame"]
    assert (frame.balance, frame.credit_state, frame.plan_name) == (0, "zero", "")
    assert (frame.expiring, frame.cycle, frame.zone) == (None, None, "Asia/Kolkata")


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

"""The page of a row that is no call: why credits moved, and what is left of those that came."""

from datetime import timedelta

import pytest
from django.test import Client

from billing.models import Account, LedgerEntry, Plan, User
from dashboard.usage.row import RowPage, row_page
from tests.dashboard.conftest import NOW, call, goodwill, post, top_up

pytestmark = pytest.mark.usefixtures("now")

DAY = timedelta(days=1)


def page_of(account: Account, kind: str, *, may_pay: bool = True) -> RowPage:
    seq = LedgerEntry.objects.filter(account=account, kind=kind).latest("seq").seq
    page = row_page(account=account, seq=seq, may_pay=may_pay, now=NOW)
    assert page is not None
    return page


def test_a_top_up_says_what_is_left_of_it_and_until_when(account: Account) -> None:
    post(top_up(account, 500, NOW - DAY), call(account, "a", 120, NOW))
    page = page_of(account, "top_up")
    assert page.left is not None
    assert (page.left.remaining, page.left.credits, page.left.used) == (380, 500, 120)
    assert (page.left.expired, page.left.taken_back) == (0, 0)
    assert str(page.left.expires_at) == "2027-11-22 18:00:00+05:30"
    assert page.left.log_url == "/a/acme/billing/usage/?from=2026-11-22&to=2026-11-23#log"


def test_plan_credits_say_what_expired_of_them(account: Account, professional: Plan) -> None:
    post(call(account, "a", 1_400, NOW - DAY), at=NOW - DAY)
    later = NOW + 30 * DAY
    post(goodwill(account, 1), at=later)
    seq = LedgerEntry.objects.filter(kind="plan_credits").earliest("seq").seq
    page = row_page(account=account, seq=seq, may_pay=True, now=later)
    assert page is not None
    assert page.left is not None
    assert (page.left.remaining, page.left.used, page.left.expired) == (0, 1_400, 100)
    assert page.left.log_url.endswith("?from=2026-11-04&to=2026-12-04#log")


def test_an_expiry_says_whose_credits_it_took_and_leads_to_their_top_up(account: Account) -> None:
    paid_at = NOW - timedelta(days=366)
    post(top_up(account, 40, paid_at), at=paid_at)
    post(goodwill(account, 1))
    page = page_of(account, "expiry")
    bought = account.top_ups.get()
    assert page.row.words == "Top-up: 40 of 40 credits were not used and expired"
    assert page.paid_words == "40 from the top-up of 22 Nov 2025"
    assert page.top_up_url == f"/a/acme/billing/top-up/{bought.public_id}/"
    assert page.left is None


def test_who_may_not_pay_is_not_led_to_the_top_up(account: Account) -> None:
    post(top_up(account, 40, NOW))
    assert page_of(account, "top_up", may_pay=False).top_up_url == ""


def test_credits_that_never_expire_say_so(client: Client, member: User, account: Account) -> None:
    post(goodwill(account, 7, reason="Sorry"))
    client.force_login(member)
    text = client.get("/a/acme/billing/usage/rows/1/").text
    assert "<dd>they are used</dd>" in text
    assert "7 of 7 credits" in text


def test_the_row_of_another_account_is_not_found(account: Account, other_account: Account) -> None:
    post(top_up(other_account, 40, NOW))
    assert row_page(account=account, seq=1, may_pay=True, now=NOW) is None

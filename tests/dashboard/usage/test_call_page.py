"""A call's own page: its facts, and the arithmetic of its charge in words."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from billing import ledger
from billing.models import Account, LedgerEntry, Plan, User
from calls.charging import record_calls
from calls.numbers import delete_old_numbers
from calls.records import CallRecord, validate
from calls.usage.call import CallPage, call_page
from calls.withdrawing import withdraw_calls
from dashboard.templatetags.links import row_url
from tests.billing import postings
from tests.dashboard.conftest import NOW, call, post, top_up

pytestmark = pytest.mark.usefixtures("now")

START = datetime(2026, 11, 20, 4, 30, tzinfo=UTC)  # 10:00 in India


def record(account: Account, call_id: str = "CA1", *, seconds: float = 65, **more) -> CallRecord:
    facts = {
        "usage_type": "outbound",
        "status": "completed",
        "started_at": START,
        "connected_at": START + timedelta(seconds=7),
        "ended_at": START + timedelta(seconds=7 + seconds),
        **more,
    }
    return validate(account_id=account.pk, call_id=call_id, now=NOW, **facts)


def unconnected(account: Account, status: str) -> CallRecord:
    return record(account, status=status, connected_at=None, ended_at=START)


def page_of(account: Account, call_id: str = "CA1") -> CallPage:
    page = call_page(account=account, call_id=call_id)
    assert page is not None
    return page


def test_a_charge_is_explained_in_words(account: Account, professional: Plan) -> None:
    record_calls(records=[record(account)], now=NOW)
    assert page_of(account).charge_words == (
        "65 s, billed as 3 × 30 s at 1 credit = 3 credits, plan Professional"
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s, billed as 1 × 30 s at 1 credit = 1 credit, plan Professional"),
        (30.001, "30.001 s, billed as 2 × 30 s at 1 credit = 2 credits, plan Professional"),
        (3600, "3,600 s, billed as 120 × 30 s at 1 credit = 120 credits, plan Professional"),
    ],
)
def test_exact_time_is_said_exactly(
    account: Account, professional: Plan, seconds: float, words: str
) -> None:
    record_calls(records=[record(account, seconds=seconds)], now=NOW)
    assert page_of(account).charge_words == words


@pytest.mark.parametrize("status", ["no_answer", "busy", "failed", "blocked"])
def test_a_call_that_never_connected_cost_nothing(
    account: Account, professional: Plan, status: str
) -> None:
    record_calls(records=[unconnected(account, status)], now=NOW)
    page = page_of(account)
    assert page.charge_words.endswith("the call was never connected, so it cost nothing.")
    assert (page.credits, page.connected_at, page.rang_for) == (0, None, None)


def test_times_are_in_the_accounts_zone(account: Account, professional: Plan) -> None:
    record_calls(records=[record(account)], now=NOW)
    page = page_of(account)
    assert page.started_at.isoformat() == "2026-11-20T10:00:00+05:30"
    assert page.ended_at is not None
    assert page.ended_at.isoformat() == "2026-11-20T10:01:12+05:30"
    assert (page.rang_for, page.lasted) == (timedelta(seconds=7), timedelta(seconds=72))


def test_a_corrected_call_shows_what_it_cost_in_the_end_and_every_row(
    account: Account, professional: Plan
) -> None:
    record_calls(records=[record(account)], now=NOW)
    record_calls(records=[record(account, seconds=125)], now=NOW)
    page = page_of(account)
    assert page.is_corrected
    assert [(row.kind, row.credits_used) for row in page.rows] == [("call", 3), ("correction", 2)]
    assert page.credits == 5
    assert "= 5 credits" in page.charge_words
    assert page.balance_after == 1_495


def test_the_page_says_when_each_row_was_booked(
    client: Client, member: User, account: Account, professional: Plan
) -> None:
    record_calls(records=[record(account)], now=NOW)
    record_calls(records=[record(account, seconds=125)], now=NOW + timedelta(days=2))
    client.force_login(member)
    page = client.get(reverse("dashboard:call", args=["acme", "CA1"]))
    booked = [row.posted_at.isoformat() for row in page.context["page"].rows]
    assert booked == ["2026-11-23T18:00:00+05:30", "2026-11-25T18:00:00+05:30"]
    assert page.text.count('class="log-booked"') == 2
    assert ">25 Nov 2026, 18:00</time>" in page.text


def test_the_row_of_a_correction_leads_to_its_call(
    client: Client, member: User, account: Account, professional: Plan
) -> None:
    record_calls(records=[record(account)], now=NOW)
    record_calls(records=[record(account, seconds=125)], now=NOW)
    client.force_login(member)
    correction = LedgerEntry.objects.get(kind="correction")
    page = client.get(f"/a/acme/billing/usage/rows/{correction.seq}/").text
    assert "Correction: 65\xa0s → 125\xa0s, 3 → 5 credits" in page
    assert f'<a href="{reverse("dashboard:call", args=["acme", "CA1"])}">CA1</a>' in page


@pytest.mark.broken_ledger
def test_a_call_that_only_the_log_knows_has_a_page_too(account: Account) -> None:
    facts = {"billable_us": 65_000_000, "increment_seconds": 30, "call_status": "completed"}
    ledger.post(postings=[postings.call(account, "CA1", 3, at=NOW, **facts)], posted_at=NOW)
    page = page_of(account)
    assert (page.call, page.charge_words) == (None, "3 credits")


@pytest.mark.parametrize(
    "call_id",
    [
        "plain",
        "with space",
        "a/b",
        "/a",
        "a/",
        "a//b",
        "100%",
        "?x=1#y",
        "ü-通話",
        "a+b",
        "-",
        "%2F",
        "a&b=c;d,(e)!*'$~:@",
    ],
)
def test_every_call_id_leads_to_its_page(
    client: Client, member: User, account: Account, call_id: str
) -> None:
    post(call(account, call_id, 1, NOW))
    client.force_login(member)
    (row,) = client.get("/a/acme/billing/usage/").context["usage"].rows
    assert row_url(row) == reverse("dashboard:call", args=["acme", call_id])
    response = client.get(row_url(row))
    assert response.status_code == 200
    assert response.context["page"].call_id == call_id


@pytest.mark.parametrize("call_id", [".", "..", "a/../b", "./a"])
def test_an_id_that_browsers_would_shorten_leads_to_its_row(
    client: Client, member: User, account: Account, call_id: str
) -> None:
    post(call(account, call_id, 1, NOW))
    client.force_login(member)
    (row,) = client.get("/a/acme/billing/usage/").context["usage"].rows
    assert row_url(row) == "/a/acme/billing/usage/rows/1/"
    assert client.get(row_url(row)).context["page"].row.call_id == call_id


@pytest.mark.parametrize("call_id", ["unknown", "a\x00b", "x" * 5_000, "%"])
def test_an_unknown_call_is_not_found(
    client: Client, member: User, account: Account, call_id: str
) -> None:
    client.force_login(member)
    assert client.get(reverse("dashboard:call", args=["acme", call_id])).status_code == 404


@pytest.mark.parametrize("seq", [0, 2, 10**30])
def test_an_unknown_row_is_not_found(
    client: Client, member: User, account: Account, seq: int
) -> None:
    post(call(account, "a", 1, NOW))
    client.force_login(member)
    assert client.get(f"/a/acme/billing/usage/rows/{seq}/").status_code == 404


def test_the_page_says_which_grants_paid(
    client: Client, member: User, account: Account, professional: Plan
) -> None:
    post(top_up(account, 10, NOW - timedelta(days=11)), call(account, "before", 1_498, START))
    record_calls(records=[record(account)], now=NOW)
    client.force_login(member)
    page = client.get(reverse("dashboard:call", args=["acme", "CA1"])).text
    assert "<dt>Paid with</dt><dd>2 from plan credits, 1 from the top-up of 12 Nov</dd>" in page


def test_the_page_says_what_is_not_paid_yet(account: Account) -> None:
    post(call(account, "a", 3, NOW))
    assert page_of(account, "a").paid_words == "3 not paid yet"


@pytest.mark.parametrize("corrections", [0, 5])
def test_the_page_takes_three_queries_however_often_the_call_was_corrected(
    account: Account, professional: Plan, corrections: int, django_assert_num_queries
) -> None:
    for number in range(corrections + 1):
        record_calls(records=[record(account, seconds=65 + 60 * number)], now=NOW)
    with django_assert_num_queries(3):
        assert len(page_of(account).rows) == corrections + 1


@pytest.mark.parametrize(("seconds", "is_flagged"), [(43_193, False), (43_193.000001, True)])
def test_a_call_of_more_than_twelve_hours_is_flagged(
    client: Client,
    member: User,
    account: Account,
    professional: Plan,
    *,
    seconds: float,
    is_flagged: bool,
) -> None:
    record_calls(records=[record(account, seconds=seconds)], now=NOW)
    client.force_login(member)
    page = client.get(reverse("dashboard:call", args=["acme", "CA1"]))
    assert ("longer than 12 hours" in page.text) == is_flagged


def test_a_call_whose_numbers_were_deleted_says_so(
    client: Client, member: User, account: Account, professional: Plan, settings: Any
) -> None:
    settings.NUMBERS_KEPT_DAYS = 30
    record_calls(records=[record(account, from_number="+918000000001")], now=NOW)
    client.force_login(member)
    address = reverse("dashboard:call", args=["acme", "CA1"])
    assert '<dd class="number">+918000000001</dd>' in client.get(address).text
    later = NOW + timedelta(days=31)
    assert not delete_old_numbers(clock=lambda: later)
    page = client.get(address).text
    assert "+918000000001" not in page
    assert '<dd>Deleted <span class="soft">they are kept for 30 days</span></dd>' in page


# ── Withdrawn ─────────────────────────────────────────────────────────────────────────────────
def withdraw(account: Account, now: datetime = NOW) -> None:
    withdraw_calls(account_id=account.pk, call_ids=["CA1"], reason="A test", now=now)


def test_the_page_of_a_withdrawn_call_says_when_and_that_it_costs_nothing(
    client: Client, member: User, account: Account, professional: Plan
) -> None:
    record_calls(records=[record(account)], now=NOW)
    withdraw(account)
    client.force_login(member)
    page = client.get(reverse("dashboard:call", args=["acme", "CA1"])).content.decode()
    assert "Withdrawn on 23 Nov 2026: it costs nothing." in page
    assert '<p class="charge-figure">0 credits</p>' in page
    assert "costs and counts nothing" in page
    assert page_of(account).rows[-1].words == ("Withdrawal: Outbound call, 65 s, 3 × 30 s · A test")


def test_a_withdrawn_call_was_paid_with_nothing_in_the_end(
    account: Account, professional: Plan
) -> None:
    record_calls(records=[record(account)], now=NOW)
    withdraw(account)
    page = page_of(account)
    assert (page.credits, page.paid_words) == (0, "")
    assert page.has_withdrawals
    assert not page.is_corrected


def test_a_call_that_came_again_is_charged_by_its_latest_record(
    account: Account, professional: Plan
) -> None:
    record_calls(records=[record(account)], now=NOW)
    withdraw(account)
    record_calls(records=[record(account, seconds=125)], now=NOW)
    page = page_of(account)
    assert (page.credits, page.withdrawn_at, len(page.rows)) == (5, None, 3)
    assert page.charge_words.startswith("125 s, billed as 5 × 30 s")


def test_the_page_of_a_withdrawn_call_takes_three_queries(
    account: Account, professional: Plan, django_assert_num_queries
) -> None:
    record_calls(records=[record(account)], now=NOW)
    withdraw(account)
    account = Account.objects.get(pk=account.pk)
    with django_assert_num_queries(3):
        page_of(account)

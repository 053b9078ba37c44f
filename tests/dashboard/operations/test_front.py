"""The operators' front page: what waits, this month's figures, and the lists that they lead to."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing.models import Account, Plan, PlanRequest, Review
from billing.notices import warnings
from billing.notices.levels import CreditState, in_state
from billing.payments import settling
from billing.payments.gateways.base import DisputeStatus
from billing.plans.subscriptions import subscribe
from calls.inbox import silence
from calls.models import CallSource, FileImport
from dashboard.operations.accounts.standing import standings
from dashboard.operations.front.month import MonthSoFar
from dashboard.operations.front.waiting import Row
from dashboard.operations.months import Month
from tests.billing.payments.purchases import dispute_facts
from tests.dashboard.bulk import insert_calls
from tests.dashboard.conftest import NOW
from tests.dashboard.operations import waiting
from tests.factories import AccountFactory
from tests.movements import call, goodwill, post, top_up

pytestmark = pytest.mark.usefixtures("now")

FRONT = "/admin/"
DAY = timedelta(days=1)
KINDS = (
    "Requests for plans",
    "Top-ups to review",
    "Top-ups in dispute",
    "Accounts below zero",
    "Accounts without credits",
    "Accounts with low credits",
    "Failed imports",
    "Sources that fell silent",
    "Mails that do not go out",
)
# The queries of the page: 3 to sign in, 1 whether there are calls, then 14 and 3.
QUERIES = 3 + 1 + 14 + 3


@pytest.fixture
def acme(staff: Client) -> Account:
    """One thing of every kind waits, most of them of this account."""
    return waiting.fill(now=NOW)


def rows(browser: Client) -> dict[str, Row]:
    groups = browser.get(FRONT).context["groups"]
    return {row.words: row for group in groups for row in group.rows}


def figures(browser: Client) -> dict[str, tuple[str, str]]:
    month: MonthSoFar = browser.get(FRONT).context["month"]
    return {each.name: (each.number, each.note) for each in month.figures}


def listed(browser: Client, url: str) -> int:
    """How many rows the list has to which the page leads."""
    return len(browser.get(url).context["cl"].result_list)


# ── What waits ────────────────────────────────────────────────────────────────────────────────
def test_where_nothing_waits_every_kind_says_so(staff: Client) -> None:
    found = rows(staff)
    assert tuple(found) == KINDS
    assert {row.listed.count for row in found.values()} == {0}
    text = staff.get(FRONT).text
    assert text.count(">none<") == len(KINDS)
    assert "Models in the" not in text


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_counted_and_leads_to_the_list_that_shows_as_many(
    staff: Client, acme: Account, kind: str
) -> None:
    row = rows(staff)[kind]
    if kind == "Mails that do not go out":  # of several lists: each kind leads to its own
        assert (row.listed.count, row.listed.url) == (4, "")
        assert [listed(staff, each.url) for each in row.details[:-1]] == [1, 1, 1, 1]
    else:
        assert (row.listed.count, listed(staff, row.listed.url)) == (1, 1)


def test_requests_and_disputes_are_named_with_since_when_and_until_when(
    staff: Client, acme: Account
) -> None:
    found = rows(staff)
    (request,) = found["Requests for plans"].details
    assert request.words == "Acme Voice asks for Base"
    assert request.note == "since 23 Nov 2026, 17:00 Asia/Kolkata"
    assert request.url == reverse(
        "admin:billing_planrequest_change", args=[PlanRequest.objects.get().pk]
    )
    assert "Approve" in staff.get(request.url).text
    (dispute,) = found["Top-ups in dispute"].details
    assert dispute.words.startswith("Acme Voice: INR 5,999, TU-")
    assert dispute.note == "answer by 26 Nov 2026, 18:00 Asia/Kolkata"
    assert staff.get(dispute.url).status_code == 200


def test_disputes_stand_in_the_order_of_their_deadlines(staff: Client, customer: Account) -> None:
    for days in (9, None, -1, 2):
        due_by = NOW + days * DAY if days is not None else None
        waiting.dispute(customer, NOW, due_by=due_by)
    assert [each.note for each in rows(staff)["Top-ups in dispute"].details] == [
        "the deadline was 22 Nov 2026, 18:00 Asia/Kolkata",
        "answer by 25 Nov 2026, 18:00 Asia/Kolkata",
        "answer by 2 Dec 2026, 18:00 Asia/Kolkata",
        "no deadline known",
    ]


def test_a_top_up_with_several_disputes_is_one(staff: Client, customer: Account) -> None:
    paid = waiting.dispute(customer, NOW, due_by=NOW + 9 * DAY)
    for number, status in ((1, DisputeStatus.INQUIRY), (2, DisputeStatus.WON)):
        facts = dispute_facts(
            paid, 100, dispute_id=f"more_{number}", due_by=NOW + number * DAY, status=status
        )
        settling.settle(payment_pk=paid.pk, facts=facts, now=NOW)
    row = rows(staff)["Top-ups in dispute"]
    assert (row.listed.count, len(row.details), row.more) == (1, 1, 0)
    assert row.details[0].words.startswith("Acme Voice: INR 6,000, TU-")
    assert row.details[0].note == "2 disputes, answer by 24 Nov 2026, 18:00 Asia/Kolkata"
    assert listed(staff, row.listed.url) == 1
    assert "A dispute or inquiry is open" in staff.get(row.listed.url).text


def test_of_many_the_first_five_are_named_and_the_others_counted(
    staff: Client, customer: Account
) -> None:
    for _ in range(7):
        waiting.dispute(customer, NOW, due_by=NOW + DAY)
    row = rows(staff)["Top-ups in dispute"]
    assert (row.listed.count, len(row.details), row.more) == (7, 5, 2)
    assert "and 2 more" in staff.get(FRONT).text


def test_what_is_done_waits_no_more(staff: Client, acme: Account) -> None:
    Review.objects.update(decision=Review.Decision.CLOSED, decided_at=NOW)
    FileImport.objects.update(file_deleted_at=NOW)
    CallSource.objects.update(paused_at=NOW)
    found = rows(staff)
    for kind in ("Top-ups to review", "Failed imports", "Sources that fell silent"):
        assert found[kind].listed.count == 0


def test_mails_that_went_or_are_about_to_go_do_not_wait(staff: Client, acme: Account) -> None:
    soon = waiting.late_notice(acme, acme.memberships.get().user, NOW, reference="soon")
    soon.due_at = NOW - timedelta(minutes=9)
    soon.save()
    assert rows(staff)["Mails that do not go out"].listed.count == 4
    acme.notices.update(sent_at=NOW, seq=1, balance=1)
    PlanRequest.objects.update(mailed_state="open")
    CallSource.objects.update(silence_told_at=NOW)
    mails = rows(staff)["Mails that do not go out"]
    assert mails.listed.url == mails.details[0].url
    assert [each.words for each in mails.details] == [
        "about downloads",
        "Send yourself a test mail",
    ]


def test_where_no_mail_server_is_named_it_is_said_although_nothing_waits(staff: Client) -> None:
    assert "No mail leaves this server" in rows(staff)["Mails that do not go out"].about
    assert "No mail leaves this server" in staff.get(FRONT).text


def test_where_nobody_is_told_of_silence_it_is_said(
    staff: Client, acme: Account, settings: Any
) -> None:
    settings.SOURCE_SILENCE_HOURS = 0
    assert rows(staff)["Sources that fell silent"].listed.count == 0
    assert "SOURCE_SILENCE_HOURS is 0" in staff.get(FRONT).text


# ── One rule ──────────────────────────────────────────────────────────────────────────────────
def test_low_is_what_the_list_and_the_warnings_say(acme: Account, professional: Plan) -> None:
    on_plan = (-1, 0, 1, 19, 299, 300, 301, 5_000)
    without_plan = (1, 19)
    for credits in on_plan:
        account = AccountFactory()
        subscribe(account=account, plan=professional, at=NOW - DAY)
        post(goodwill(account, credits - 1_500), at=NOW)
        warnings.watch(account=account, now=NOW)
    for credits in without_plan:
        account = AccountFactory()
        post(goodwill(account, credits), at=NOW)
        warnings.watch(account=account, now=NOW)
    AccountFactory(name="Nothing yet")
    accounts = list(Account.objects.select_related("balance", "credit_watch"))
    by_hand = standings(accounts, at=NOW)
    for state in CreditState:
        counted = set(Account.objects.filter(in_state(state)).values_list("pk", flat=True))
        assert counted == {pk for pk, standing in by_hand.items() if standing.state == state}, state
    assert {standing.state for standing in by_hand.values()} == set(CreditState)


@pytest.mark.parametrize("heard", [None, 5, 7])
@pytest.mark.parametrize("event", [None, 5, 7])
@pytest.mark.parametrize("paused", [False, True])
def test_silent_is_what_the_page_of_a_source_says(
    acme: Account, heard: int | None, event: int | None, paused: bool
) -> None:
    def ago(hours: int | None) -> datetime | None:
        return None if hours is None else NOW - timedelta(hours=hours)

    source = CallSource.objects.get()
    source.last_event_at, source.paused_at = ago(heard), NOW if paused else None
    source.save()
    if event is not None:
        source.events.create(
            sha256=b"1" * 32, fields={}, received_at=NOW - timedelta(hours=event), call_id="c"
        )
    known = [at for at in (ago(heard), ago(event)) if at is not None]
    is_silent = silence.is_silent(source, heard_at=max(known, default=None), now=NOW)
    assert silence.silent_sources(now=NOW).exists() == is_silent


# ── This month ────────────────────────────────────────────────────────────────────────────────
def test_the_month_sums_what_the_accounts_pages_say(
    staff: Client, account: Account, other_account: Account
) -> None:
    for one in (account, other_account):
        post(
            call(one, "november", 3, NOW - DAY),
            call(one, "october", 100, NOW - 30 * DAY),
            at=NOW,
        )
    found = figures(staff)
    assert found["Total Calls"] == ("2", "of all accounts")
    assert found["Credits Used"] == ("6", "by these calls")


def test_what_was_sold_is_summed_by_currency(
    staff: Client, account: Account, other_account: Account
) -> None:
    Account.objects.filter(pk=other_account.pk).update(currency="GBP")
    other_account.refresh_from_db()
    post(top_up(account, 500), top_up(account, 1_000), top_up(other_account, 10), at=NOW)
    post(top_up(account, 7), at=NOW - 30 * DAY)
    assert figures(staff)["Credits Sold"] == ("1,510", "for GBP 120 · INR 18,000, tax included")


def test_where_nothing_was_sold_the_month_says_so(staff: Client) -> None:
    assert figures(staff)["Credits Sold"] == ("0", "no top-up was credited")


def test_figures_lead_to_the_rows_that_they_sum(staff: Client, account: Account) -> None:
    post(top_up(account, 500), call(account, "november", 3, NOW - DAY), at=NOW)
    post(top_up(account, 7), call(account, "october", 3, NOW - 30 * DAY), at=NOW - 30 * DAY)
    Account.objects.update(created_at=NOW - 30 * DAY)
    AccountFactory(created_at=NOW)
    month: MonthSoFar = staff.get(FRONT).context["month"]
    urls = {each.name: each.url for each in month.figures}
    assert month.words == "November 2026"
    days = staff.get(urls["Credits Used"]).context["cl"].result_list
    assert sum(row.credits_used for row in days) == 3
    assert [row.credits for row in staff.get(urls["Credits Sold"]).context["cl"].result_list] == [
        500
    ]
    assert listed(staff, urls["New Accounts"]) == 1


def test_a_month_that_there_is_not_filters_nothing(staff: Client, account: Account) -> None:
    for name in ("2026-13", "november", "٢٠٢٦-11", "1999-01"):
        assert listed(staff, f"/admin/billing/account/?opened={name}") == 1


def test_months_begin_and_end_by_utc() -> None:
    december = Month.of(datetime(2026, 12, 31, 23, 59, tzinfo=UTC))
    assert (december.name, december.words) == ("2026-12", "December 2026")
    assert december.starts_at == datetime(2026, 12, 1, tzinfo=UTC)
    assert december.ends_at == datetime(2027, 1, 1, tzinfo=UTC)
    assert (december.days.first_day.day, december.days.last_day.day) == (1, 31)
    assert [each.name for each in december.and_before(13)][-2:] == ["2026-01", "2025-12"]
    assert Month.read("2024-02").days.last_day.day == 29  # type: ignore[union-attr]


# ── How it is read ────────────────────────────────────────────────────────────────────────────
def test_the_page_takes_as_many_queries_for_many_accounts_as_for_one(
    staff: Client, acme: Account
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert staff.get(FRONT).status_code == 200
        return len(captured)

    staff.get(FRONT)
    assert queries() == QUERIES
    for number in range(20):
        account = waiting.on(Plan.objects.get(name="Base"), "More", f"more-{number}", NOW)
        post(call(account, "more", 60, NOW - DAY), at=NOW)
    insert_calls(AccountFactory(), 3_000, last_at=NOW)
    assert queries() == QUERIES


def test_every_link_leads_to_a_page(staff: Client, acme: Account) -> None:
    context = staff.get(FRONT).context
    urls = {figure.url for figure in context["month"].figures}
    for group in context["groups"]:
        for row in group.rows:
            urls |= {row.listed.url or FRONT, *(detail.url for detail in row.details)}
    for url in urls:
        assert staff.get(urlsplit(url)._replace(fragment="").geturl()).status_code == 200, url


def test_the_menu_leads_to_it(staff: Client) -> None:
    assert f'href="{FRONT}"' in staff.get("/admin/billing/account/").text

"""How often a page asks the database: a fixed number of times, and never while it is rendered."""

from typing import Any

import pytest
from django.db import connection
from django.template.backends.django import Template
from django.test import Client
from django.test.utils import CaptureQueriesContext

from billing.models import Account, Plan, User
from billing.plans.subscriptions import subscribe
from calls.usage.periods import DAY
from tests.calls.exports.exporting import asked, worked
from tests.calls.usage.test_report import WEEK, read
from tests.dashboard.bulk import insert_calls
from tests.dashboard.conftest import NOW, call, post
from tests.dashboard.test_access import NAMES, PAGES, address
from tests.factories import MembershipFactory

pytestmark = pytest.mark.usefixtures("now")

RECORDS = {"public_id", "member_id"}  # parameters of pages that show one
USAGE = "/a/acme/billing/usage/"
HELP = "/a/acme/help/troubleshooting/"  # has no queries of its own
# Session, person, what is known of the person's accounts, and what the account has agreed to.
AROUND_A_PAGE = 4
QUERIES = [
    "",
    "?page=4",
    "?page=10",
    "?kind=call&page=5",
    "?usage_type=inbound&page=2",
    "?agent=Asha&page=3",
    "?period=last_30_days&page=7",
    "?call_id=call-0000000",
]


def queries_of(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


@pytest.mark.parametrize("page", ["1", "5", "10"])
def test_the_numbers_of_the_page_take_six_queries(
    account: Account, page: str, django_assert_num_queries: Any
) -> None:
    insert_calls(account, 95, last_at=NOW, days=6)
    # balance, counts by day and hour, which rows the page has, these rows, and what there ever was
    with django_assert_num_queries(6):
        assert read(account, WEEK, page).rows


def test_the_whole_page_takes_as_many_queries_for_100_calls_as_for_100_000(
    client: Client, member: User, account: Account, outsider: User, other_account: Account
) -> None:
    insert_calls(account, 100, last_at=NOW, days=6)
    insert_calls(other_account, 100_000, last_at=NOW, days=6)
    client.force_login(member)
    client.get(USAGE)  # the first visit notes in the session which account was seen
    few = {query: queries_of(client, USAGE + query) for query in QUERIES}
    client.force_login(outsider)
    many_address = USAGE.replace("acme", "other")
    client.get(many_address)
    many = {query: queries_of(client, many_address + query) for query in QUERIES}
    assert many == few
    assert max(few.values()) <= AROUND_A_PAGE + 6  # of the numbers, without the balance


def test_four_queries_stand_around_every_page(
    client: Client, owner: User, account: Account, professional: Plan
) -> None:
    client.force_login(owner)
    client.get(HELP)  # the first visit notes in the session which account was seen
    assert queries_of(client, HELP) == AROUND_A_PAGE


def test_low_credits_planned_changes_and_news_of_downloads_take_no_more(
    client: Client, owner: User, account: Account, professional: Plan, other_account: Account
) -> None:
    post(call(account, "a", 1_400, NOW))
    subscribe(account=account, plan=Plan.objects.get(name="Base"), at=NOW + DAY, now=NOW)
    MembershipFactory(user=owner, account=other_account)
    worked(asked(account, owner))
    client.force_login(owner)
    client.get(HELP)
    assert queries_of(client, HELP) == AROUND_A_PAGE
    frame = client.get(HELP).context["frame"]
    assert (frame.left.plan_left, len(frame.export_news), len(frame.upcoming)) == (100, 1, 1)


def test_changes_take_one_query_of_their_own(
    client: Client, member: User, account: Account
) -> None:
    insert_calls(account, 1_000, last_at=NOW, days=6)
    client.force_login(member)
    # session, person, membership with account and balance, and the new rows
    assert queries_of(client, f"{USAGE}changes/?since=900") == 4
    assert queries_of(client, f"{USAGE}changes/?since=1000") == 3


@pytest.mark.parametrize("name", [name for name in NAMES if not RECORDS & PAGES[name][0].keys()])
def test_rendering_asks_nothing(
    client: Client,
    owner: User,
    account: Account,
    professional: Plan,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    post(call(account, PAGES["call"][0]["call_id"], 1, NOW))
    asked: list[dict[str, str]] = []
    render = Template.render

    def watched(*args: Any, **kwargs: Any) -> str:
        with CaptureQueriesContext(connection) as captured:
            text = render(*args, **kwargs)
        asked.extend(captured.captured_queries)
        return text

    monkeypatch.setattr(Template, "render", watched)
    client.force_login(owner)
    assert client.get(address(name)).status_code == 200
    assert asked == []

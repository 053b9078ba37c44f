"""A page that is turned shows the state it began with, whatever is booked meanwhile."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from billing.ledger.balances import balance_of
from billing.models import Account
from calls.usage import newer
from calls.usage.filters import UsageFilters
from calls.usage.report import UsageReport, usage_report
from calls.withdrawing import withdraw_calls
from tests.calls.usage.test_report import period_of
from tests.dashboard.conftest import NOW, call, correction, post, top_up

pytestmark = pytest.mark.django_db

WEEK = period_of("2026-11-17", "2026-11-23")


def read(account: Account, *, page: str = "1", until: int | None = None, **filters: Any):
    return usage_report(
        account=account,
        period=WEEK,
        filters=UsageFilters(until_seq=until, **filters),
        page_number=page,
    )


def shown(report: UsageReport) -> tuple[Any, ...]:
    """All that a reader sees of it but the balance, which is always that of now."""
    used = [
        (bar.calls, bar.credits_used, bar.credits_added, bar.billed_seconds) for bar in report.bars
    ]
    totals = replace(report.totals, available_credits=0)
    return totals, used, list(report.rows), report.rows.paginator.count


@pytest.fixture
def begun(account: Account) -> int:
    """Fifty calls, two of them corrected; the number of the last entry."""
    post(
        top_up(account, 900, NOW - timedelta(days=4)),
        *(
            call(account, f"Call-{n}", 1 + n % 3, NOW - timedelta(hours=3 * n), agent=f"a{n % 2}")
            for n in range(50)
        ),
        correction(account, "Call-7", 2, NOW - timedelta(hours=21), agent="a1"),
    )
    return balance_of(account).last_seq


def book_more(account: Account) -> None:
    """Calls before, between and after those there are, a correction, a top-up, a withdrawal."""
    post(
        *(
            call(account, f"late-{n}", 5, NOW - timedelta(hours=7 * n, minutes=20), agent="a1")
            for n in range(20)
        ),
        correction(account, "Call-8", -1, NOW - timedelta(hours=24), agent="a0"),
        top_up(account, 50, NOW),
    )
    withdraw_calls(account_id=account.pk, call_ids=["Call-14"], reason="A test", now=NOW)


@pytest.mark.parametrize(
    "filters",
    [{}, {"agent": "a1"}, {"kind": "correction"}, {"call_id": "call-1"}],
    ids=["all", "agent", "kind", "search"],
)
def test_every_page_stays_as_it_was(account: Account, begun: int, filters: dict[str, Any]):
    pages = read(account, **filters).rows.paginator.num_pages
    before = [shown(read(account, page=str(n), **filters)) for n in range(1, pages + 1)]
    book_more(account)
    after = [shown(read(account, page=str(n), until=begun, **filters)) for n in range(1, pages + 1)]
    assert after == before
    assert read(account, until=begun, **filters).last_seq == begun


def test_it_is_told_how_many_rows_are_newer(account: Account, begun: int):
    book_more(account)
    assert read(account, until=begun).newer_rows == 23
    assert read(account, until=begun, agent="a1").newer_rows == 20
    assert read(account, until=begun, call_id="LATE-1").newer_rows == 11
    assert read(account).newer_rows == 0


def test_the_newest_state_is_shown_where_too_much_came_since(
    account: Account, begun: int, monkeypatch: pytest.MonkeyPatch
):
    book_more(account)
    newest = balance_of(account).last_seq
    monkeypatch.setattr("calls.usage.report.NEWER_MAX", newest - begun)
    assert read(account, until=begun).last_seq == begun
    monkeypatch.setattr("calls.usage.report.NEWER_MAX", newest - begun - 1)
    report = read(account, until=begun)
    assert (report.last_seq, report.newer_rows) == (newest, 0)


@pytest.mark.parametrize("ahead", [0, 1, 10**17])
def test_the_newest_state_and_any_to_come_take_no_query_more(
    account: Account, begun: int, ahead: int, django_assert_num_queries: Any
):
    with django_assert_num_queries(6):
        read(account, until=begun + ahead)
    book_more(account)
    with django_assert_num_queries(7):
        read(account, until=begun)


def test_the_numbers_before_the_period_are_those_of_as_many_days(account: Account):
    post(
        call(account, "in", 3, NOW),
        *(call(account, f"before-{n}", 2, NOW - timedelta(days=7 + n)) for n in range(7)),
        call(account, "long before", 9, NOW - timedelta(days=14)),
    )
    before = read(account).before
    assert before is not None
    assert (before.calls, before.credits_used) == (7, 14)
    assert (before.days.first_day, before.days.last_day) == (date(2026, 11, 10), date(2026, 11, 16))


def test_nothing_is_compared_with_days_without_calls(account: Account):
    post(call(account, "in", 3, NOW))
    assert read(account).before is None
    assert newer.booked_since(account=account, period=WEEK, filters=UsageFilters()) == []

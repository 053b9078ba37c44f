"""Searching by call ID: prefix, literal, bounded, under the other filters, and helpful."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from billing.models import Account
from calls.usage import search
from calls.usage.search import ROWS_MAX
from tests.calls.usage.test_report import WEEK, read
from tests.dashboard.bulk import insert_calls
from tests.dashboard.conftest import NOW, call, correction, post, top_up


def ids(account: Account, text: str, **filters: str) -> list[str]:
    return [row.call_id for row in read(account, WEEK, call_id=text, **filters).rows]


@pytest.fixture
def calls(account: Account) -> Account:
    post(
        top_up(account, 500, NOW - timedelta(days=1)),
        call(account, "CA1", 1, NOW - timedelta(minutes=5), agent="Asha"),
        call(account, "CA12", 2, NOW - timedelta(minutes=4), usage_type="inbound"),
        correction(account, "CA12", 3, NOW - timedelta(minutes=4), usage_type="inbound"),
        call(account, "ca12", 4, NOW - timedelta(minutes=3)),
        call(account, "100%", 5, NOW - timedelta(minutes=2)),
        call(account, "a_b\\c", 6, NOW - timedelta(minutes=1)),
        call(account, "Anruf-ß-通話", 7, NOW),
        call(account, "CA9-old", 8, NOW - timedelta(days=60)),
        call(account, "CA9-older", 8, NOW - timedelta(days=90)),
    )
    return account


def test_the_beginning_of_an_id_is_enough(calls: Account) -> None:
    assert ids(calls, "a_") == ["a_b\\c"]


def test_a_corrected_call_is_found_with_its_corrections(calls: Account) -> None:
    page = read(calls, call_id="CA12")
    assert [(row.call_id, row.kind) for row in page.rows].count(("CA12", "correction")) == 1


@pytest.mark.parametrize("text", ["CA1", "ca1", "cA1"])
def test_capitals_do_not_matter(calls: Account, text: str) -> None:
    assert sorted(ids(calls, text)) == ["CA1", "CA12", "CA12", "ca12"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("100%", ["100%"]),
        ("1%", []),
        ("%", []),
        ("_", []),
        ("a_", ["a_b\\c"]),
        ("a_b\\", ["a_b\\c"]),
        ("Anruf-ß-通", ["Anruf-ß-通話"]),
        ("'; DROP TABLE", []),
    ],
)
def test_every_character_means_itself(calls: Account, text: str, found: list[str]) -> None:
    assert ids(calls, text) == found


def test_the_other_filters_hold_too(calls: Account) -> None:
    assert ids(calls, "CA", agent="Asha") == ["CA1"]
    assert ids(calls, "CA", kind="correction") == ["CA12"]
    assert ids(calls, "CA", usage_type="inbound", kind="call") == ["CA12"]


def test_rows_that_are_not_calls_are_not_found(calls: Account) -> None:
    assert ids(calls, "CA", kind="top_up") == []


def test_what_lies_outside_the_period_is_pointed_at(calls: Account) -> None:
    found = read(calls, call_id="CA9").search
    assert found is not None
    assert found.outside == (date(2026, 8, 25), date(2026, 9, 24))


def test_what_lies_outside_is_not_pointed_at_when_something_lies_within(calls: Account) -> None:
    found = read(calls, call_id="CA").search
    assert found is not None
    assert found.outside is None


def test_what_the_other_filters_hold_back_is_not_pointed_at(calls: Account) -> None:
    found = read(calls, call_id="CA9", agent="Asha").search
    assert found is not None
    assert found.outside is None


def test_the_calls_of_another_account_are_not_found(calls: Account, other_account: Account) -> None:
    page = read(other_account, call_id="CA")
    assert not page.rows
    assert page.search is not None
    assert page.search.outside is None


def test_too_many_matches_give_none_and_say_so(account: Account) -> None:
    insert_calls(account, ROWS_MAX + 1, last_at=NOW, days=6)
    page = read(account, call_id="call-")
    assert page.search is not None
    assert page.search.too_many
    assert (list(page.rows), page.rows.paginator.count) == ([], 0)
    assert (page.totals.total_calls, page.totals.credits_used) == (None, None)


@pytest.mark.parametrize("matches_read_max", [10, search.MATCHES_READ_MAX])
def test_only_what_period_and_filters_leave_counts_against_the_limit(
    account: Account, matches_read_max: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MATCHES_READ_MAX", matches_read_max)
    insert_calls(account, 2 * ROWS_MAX, last_at=NOW, days=28)
    week = read(account, WEEK, call_id="call-")
    narrowed = read(account, call_id="call-", usage_type="inbound")
    assert week.totals == replace(read(account, WEEK).totals, available_credits=-4_000)
    assert week.rows.paginator.count == week.totals.total_calls
    assert week.rows.paginator.count > 400
    assert narrowed.totals == read(account, usage_type="inbound").totals
    assert list(narrowed.rows) == list(read(account, usage_type="inbound").rows)


def test_a_period_of_too_many_rows_is_not_read_through(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MATCHES_READ_MAX", 10)
    monkeypatch.setattr(search, "PERIOD_ROWS_MAX", 99)
    insert_calls(account, 100, last_at=NOW, days=6)
    assert read(account, WEEK, call_id="call-").totals.total_calls is None


def test_as_many_matches_as_allowed_are_all_shown(account: Account) -> None:
    insert_calls(account, ROWS_MAX, last_at=NOW, days=6)
    page = read(account, call_id="call-", page="100")
    assert page.rows.paginator.count == 1_000
    assert page.rows[-1].call_id == "call-000000001"

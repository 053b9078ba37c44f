"""The CSV export: exactly the rows of the table, safe to open, in constant memory."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest

from billing.models import Account
from calls.usage import export
from calls.usage.filters import UsageFilters
from tests.calls.usage.test_report import FILTERS, WEEK, all_rows
from tests.dashboard.bulk import insert_calls
from tests.dashboard.conftest import NOW, call, correction, goodwill, post, top_up

MONTH = timedelta(days=30)


def lines_of(account: Account, **filters: Any) -> list[list[str]]:
    text = "".join(export.export_csv(account=account, period=WEEK, filters=UsageFilters(**filters)))
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))


@pytest.fixture
def busy(account: Account, monkeypatch: pytest.MonkeyPatch) -> Account:
    """Rows enough for several reads, many at the same instant."""
    monkeypatch.setattr(export, "ROWS_PER_READ", 7)
    for number in range(60):
        at = NOW - timedelta(hours=number // 10)
        agent = ("Asha", "")[number % 2]
        post(call(account, f"call-{number}", number % 4, at, agent=agent))
        if number % 9 == 0:
            post(correction(account, f"call-{number}", 1, at, agent=agent))
    post(top_up(account, 30, NOW - timedelta(days=1)), top_up(account, 40, NOW - timedelta(days=9)))
    return account


@pytest.mark.parametrize("filters", [*FILTERS, {"call_id": "call-1"}, {"call_id": "no such"}])
def test_the_file_has_exactly_the_rows_of_the_table(busy: Account, filters: dict[str, str]) -> None:
    expected = [
        [
            f"{row.occurred_at:%Y-%m-%d %H:%M:%S}",
            row.call_id,
            str(row.credits_used),
            str(row.credits_added),
            row.words,
        ]
        for row in all_rows(busy, WEEK, **filters)
    ]
    assert [line[:5] for line in lines_of(busy, **filters)[1:]] == expected


def test_the_first_columns_are_those_of_the_table_with_the_zone(account: Account) -> None:
    assert lines_of(account)[0][:5] == [
        "Date & Time (Asia/Kolkata)",
        "Call ID",
        "Credits Used",
        "Credits Added",
        "Remarks",
    ]


def test_a_correction_names_its_call_and_says_when_it_was_booked(account: Account) -> None:
    post(call(account, "a", 1, NOW - timedelta(days=1)))
    post(correction(account, "a", 2))
    head, line, _ = lines_of(account)
    row = dict(zip(head, line, strict=True))
    assert (row["Call ID"], row["Kind"]) == ("a", "Correction")
    assert row["Time (UTC)"] == "2026-11-22T12:30:00+00:00"
    assert row["Booked (UTC)"] == "2026-11-23T12:30:00+00:00"


@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
def test_no_text_is_run_as_a_formula(account: Account, start: str) -> None:
    post(
        call(account, f"{start}1+1", 1, NOW, agent=f"{start}A1"),
        goodwill(account, 1, reason=f"{start}cmd|' /C'!A0"),
    )
    added, called = lines_of(account)[1:]
    assert added[4] == f"'{start}cmd|' /C'!A0"
    assert (called[1], called[7]) == (f"'{start}1+1", f"'{start}A1")


def test_numbers_stay_numbers(account: Account) -> None:
    post(call(account, "a", 3, NOW), correction(account, "a", -2, NOW))
    assert [line[2] for line in lines_of(account)[1:]] == ["-2", "3"]


def test_quotes_and_commas_survive(account: Account) -> None:
    post(call(account, 'a,"b"', 1, NOW, remarks='first, "second", “third”'))
    assert lines_of(account)[1][1] == 'a,"b"'
    assert lines_of(account)[1][4].endswith(' · first, "second", “third”')


def test_what_is_booked_while_the_file_is_read_is_left_out(account: Account) -> None:
    post(call(account, "a", 1, NOW))
    lines = export.export_csv(account=account, period=WEEK, filters=UsageFilters())
    head = next(lines)
    post(call(account, "late", 1, NOW - timedelta(hours=1)))
    assert "late" not in head + "".join(lines)


def test_reads_are_as_many_as_the_rows_need(
    account: Account, django_assert_num_queries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "ROWS_PER_READ", 1_000)
    insert_calls(account, 4_500, last_at=NOW, days=5)
    with django_assert_num_queries(1 + 5 + 5):
        assert len(lines_of(account)) == 4_501


def test_rows_that_are_not_calls_have_their_words_too(account: Account) -> None:
    post(goodwill(account, 9, reason="Sorry", expires_at=NOW - timedelta(days=2)), at=NOW - MONTH)
    post(top_up(account, 30, NOW - timedelta(days=1)))
    assert [line[4] for line in lines_of(account)[1:]] == [
        f"Top-up of 30 credits, receipt {account.top_ups.get().receipt_number}",
        "Adjustment: 9 of 9 credits were not used and expired",
    ]


def test_expiries_take_one_more_query_for_each_read_that_has_any(
    account: Account, django_assert_num_queries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "ROWS_PER_READ", 10)
    for number in range(1, 16):
        until = NOW - timedelta(days=3, hours=-number)
        post(goodwill(account, number, expires_at=until), at=NOW - MONTH)
    post(goodwill(account, 1))
    with django_assert_num_queries(1 + 2 + 2):
        assert len(lines_of(account)) == 1 + 1 + 15

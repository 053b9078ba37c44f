"""Withdrawn calls and the calls of one import, as the pages read them: everything agrees."""

from datetime import UTC, timedelta
from typing import Any

import pytest

from billing.models import Account, Kind, Plan
from billing.plans.subscriptions import subscribe
from calls.charging import record_calls
from calls.models import Call
from calls.usage import words
from calls.usage.export import export_csv
from calls.usage.filters import UsageFilters
from calls.usage.log import LogRow
from calls.usage.report import UsageReport, usage_report
from calls.withdrawing import withdraw_calls, withdraw_import
from tests.calls.calling import NOW, record, unanswered, words_of
from tests.calls.usage.test_report import period_of

pytestmark = pytest.mark.django_db

IMPORT, OTHER = 7, 8
MONTH = period_of("2026-02-20", "2026-03-20")


def read(account: Account, page: str = "1", **filters: Any) -> UsageReport:
    return usage_report(
        account=account, period=MONTH, filters=UsageFilters(**filters), page_number=page
    )


def all_rows(account: Account, **filters: Any) -> list[LogRow]:
    pages = read(account, **filters).rows.paginator.num_pages
    return [
        row for number in range(1, pages + 1) for row in read(account, str(number), **filters).rows
    ]


def brought(account: Account, import_id: int | None, *records) -> None:
    record_calls(records=records, now=NOW, import_id=import_id)


@pytest.fixture
def imported(professional: Account) -> Account:
    """Forty calls of an import and some of others, over eight days; a few are corrected."""
    for number in range(40):
        one = {
            "started_at": NOW - timedelta(hours=5 * number),
            "agent": ("Asha", "Ravi")[number % 2],
            "usage_type": ("outbound", "inbound", "translation")[number % 3],
        }
        call_id = f"call-{number:02}"
        brought(professional, IMPORT, record(professional, call_id, 30 * (number % 4), **one))
        brought(professional, OTHER, record(professional, f"other-{number}", **one))
        if number % 8 == 0:
            source = None if number % 16 else IMPORT
            brought(professional, source, record(professional, call_id, 125, **one))
    return professional


# ── Words ─────────────────────────────────────────────────────────────────────────────────────
def test_the_rows_of_a_withdrawn_call_say_so(professional: Account) -> None:
    brought(professional, None, record(professional, remarks="hot lead"))
    brought(professional, None, record(professional, seconds=125, remarks="hot lead"))
    withdraw_calls(account_id=professional.pk, call_ids=["c1"], reason="A test", now=NOW)
    assert words_of(professional) == [
        "Withdrawn. Outbound call, 65 s, 3 × 30 s · hot lead",
        "Withdrawn. Correction: 65 s → 125 s, 3 → 5 credits · hot lead",
        "Withdrawal of a correction, with its call · A test",
        "Withdrawal: Outbound call, 65 s, 3 × 30 s · A test",
    ]


def test_the_rows_of_a_restored_call_say_what_is_again(professional: Account) -> None:
    brought(professional, None, record(professional))
    brought(professional, IMPORT, unanswered(professional, status="busy"))
    withdraw_import(account_id=professional.pk, import_id=IMPORT, now=NOW)
    assert words_of(professional) == [
        "Outbound call, 65 s, 3 × 30 s",
        "Withdrawn. Correction: completed → busy, 65 s → 0 s, 3 → 0 credits",
        "Withdrawal of a correction: busy → completed, 0 s → 65 s, 0 → 3 credits",
    ]


def test_what_is_again_and_free_is_not_taken_for_history(professional: Account) -> None:
    brought(professional, None, unanswered(professional, status="busy"))
    brought(professional, IMPORT, record(professional))
    withdraw_import(account_id=professional.pk, import_id=IMPORT, now=NOW)
    assert words_of(professional)[-1] == (
        "Withdrawal of a correction: completed → busy, 65 s → 0 s, 3 → 0 credits"
    )


def test_withdrawn_history_says_that_it_was_not_charged(
    account: Account, default_plans: None
) -> None:
    subscribe(account=account, plan=Plan.objects.get(name="Professional"), at=NOW)
    brought(account, IMPORT, record(account))
    withdraw_import(account_id=account.pk, import_id=IMPORT, now=NOW)
    assert words_of(account)[-1] == (
        "Withdrawal: Outbound call, 65 s, 3 × 30 s, before your subscription began, not charged"
    )


def test_the_first_life_of_a_call_that_came_again_is_withdrawn_and_the_second_is_not(
    professional: Account,
) -> None:
    brought(professional, IMPORT, record(professional))
    withdraw_import(account_id=professional.pk, import_id=IMPORT, now=NOW)
    brought(professional, OTHER, record(professional, seconds=125))
    assert words_of(professional) == [
        "Withdrawn. Outbound call, 65 s, 3 × 30 s",
        "Withdrawal: Outbound call, 65 s, 3 × 30 s",
        "Outbound call, 125 s, 5 × 30 s",
    ]


def test_the_arithmetic_of_a_withdrawn_call_is_when_it_was_withdrawn(professional: Account) -> None:
    brought(professional, None, record(professional))
    at = NOW + timedelta(hours=9)  # the next day in India
    withdraw_calls(account_id=professional.pk, call_ids=["c1"], reason="A test", now=at)
    call = Call.objects.get()
    assert words.in_full(call, zone=UTC) == "Withdrawn on 10 Mar 2026: it costs nothing."
    assert words.in_full(call, zone=professional.zone).startswith("Withdrawn on 11 Mar 2026:")


# ── Numbers ───────────────────────────────────────────────────────────────────────────────────
def test_withdrawn_calls_are_shown_and_neither_counted_nor_charged(imported: Account) -> None:
    before = read(imported)
    withdrawn = withdraw_import(account_id=imported.pk, import_id=OTHER, now=NOW)
    after = read(imported)
    assert withdrawn.withdrawn == 40
    assert after.totals.total_calls == (before.totals.total_calls or 0) - 40
    assert after.totals.credits_used == (before.totals.credits_used or 0) - withdrawn.credits
    assert after.rows.paginator.count == before.rows.paginator.count + 40
    assert sum(bar.calls for bar in after.bars) == after.totals.total_calls


@pytest.mark.parametrize("is_withdrawn", [False, True])
@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"usage_type": "inbound"},
        {"agent": "Asha"},
        {"usage_type": "outbound", "agent": "Ravi"},
        {"kind": "call"},
        {"kind": "correction"},
        {"kind": "withdrawal"},
        {"call_id": "call-0"},
        {"call_id": "call-08", "kind": "call"},
        {"call_id": "other"},
    ],
)
def test_the_numbers_of_one_import_are_those_of_its_rows(
    imported: Account, filters: dict[str, str], is_withdrawn: bool
) -> None:
    if is_withdrawn:
        withdraw_import(account_id=imported.pk, import_id=IMPORT, now=NOW)
    asked: dict[str, Any] = {"import_id": IMPORT, **filters}
    report = read(imported, **asked)
    rows = all_rows(imported, **asked)
    assert len(rows) == report.rows.paginator.count
    assert all(row.call_id.startswith(filters.get("call_id", "call-")) for row in rows)
    assert [(row.occurred_at, row.seq) for row in rows] == sorted(
        ((row.occurred_at, row.seq) for row in rows), reverse=True
    )
    withdrawn = sum(row.words.startswith("Withdrawal: ") for row in rows)
    calls = sum(row.kind == Kind.CALL for row in rows) - withdrawn
    assert report.totals.total_calls == calls
    assert report.totals.credits_used == sum(row.credits_used for row in rows)
    days = {
        bar.first_day: (bar.calls, bar.credits_used, bar.billed_seconds)
        for bar in report.bars
        if bar.billed_seconds or bar.calls
    }
    for day, (_, used, billed) in days.items():
        own = [row for row in rows if row.occurred_at.date() == day]
        assert (used, billed) == (
            sum(row.credits_used for row in own),
            sum(row.billed_seconds for row in own),
        )
    lines = "".join(
        export_csv(account=imported, period=MONTH, filters=UsageFilters(**asked))
    ).splitlines()
    assert len(lines) == 1 + len(rows)


def test_a_correction_by_something_else_is_no_row_of_the_import(imported: Account) -> None:
    corrections = all_rows(imported, import_id=IMPORT, kind="correction")
    assert {row.call_id for row in corrections} == {"call-00", "call-16", "call-32"}


def test_an_import_that_is_taken_back_costs_what_was_kept(imported: Account) -> None:
    """The rows of the import that something else corrected since still stand."""
    withdrawn = withdraw_import(account_id=imported.pk, import_id=IMPORT, now=NOW)
    assert withdrawn.kept == 2
    assert read(imported, import_id=IMPORT).totals.total_calls == 2


@pytest.mark.parametrize("page", ["1", "5"])
def test_the_numbers_of_one_import_take_five_queries(
    imported: Account, page: str, django_assert_num_queries
) -> None:
    # balance, what there ever was, counts, which rows the page has, these rows
    with django_assert_num_queries(5):
        assert read(imported, page, import_id=IMPORT).rows

"""Paging: every page holds exactly the rows that counting from the newest one would give."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.models import Account, LedgerEntry
from calls.usage.paging import LogPaginator
from calls.usage.periods import DAY, Period, Preset
from tests.calls.usage.test_report import period_of, read
from tests.dashboard.bulk import insert_calls
from tests.dashboard.conftest import NOW, call, post, top_up

MONTH = period_of("2026-10-25", "2026-11-23")


def pages_of(rows_total: int) -> LogPaginator:
    """Pages that say which rows they have, without having them."""
    return LogPaginator(count=rows_total, read=lambda first, end: [])


@pytest.mark.parametrize(
    ("rows_total", "asked", "number"),
    [
        (95, "1", 1),
        (95, "10", 10),
        (95, "11", 10),
        (95, "0", 1),
        (95, "-3", 1),
        (95, "", 1),
        (95, "two", 1),
        (95, "²", 1),
        (95, "1\x00", 1),
        (95, "9" * 30, 10),
        (95, "9" * 6_000, 10),
        (95, "0" * 6_000 + "2", 2),
        (0, "5", 1),
        (100, "10", 10),
        (101, "11", 11),
    ],
)
def test_the_nearest_page_that_exists_is_shown(rows_total: int, asked: str, number: int) -> None:
    assert pages_of(rows_total).get_page(asked).number == number


def test_a_page_says_which_rows_it_has() -> None:
    page = pages_of(95).get_page("10")
    assert (page.start_index(), page.end_index()) == (91, 95)
    assert (page.previous_page_number(), page.has_next()) == (9, False)


def test_every_page_is_the_slice_of_the_whole_log(account: Account) -> None:
    """Days of 0 to 40 rows, many at the same instant, so that pages span days and split ties."""
    postings = []
    for day in range(29):
        for number in range(day * 7 % 41):
            at = NOW - day * DAY - timedelta(minutes=number // 3)
            postings.append(call(account, f"{day}-{number}", 1, at))
    post(*postings, top_up(account, 5, NOW - 30 * DAY))
    expected = list(
        LedgerEntry.objects.filter(account=account, call_id__gt="")
        .order_by("-occurred_at", "-id")
        .values_list("call_id", flat=True)
    )
    pages = range(1, read(account, MONTH).rows.paginator.num_pages + 1)
    shown = [[row.call_id for row in read(account, MONTH, str(number)).rows] for number in pages]
    assert [len(page) for page in shown[:-1]] == [10] * (len(shown) - 1)
    assert [call_id for page in shown for call_id in page] == expected


def rows_skipped(account: Account, page: str) -> int:
    """The most rows that a node of the page's plan went through."""
    with CaptureQueriesContext(connection) as captured:
        read(account, MONTH, page)
    (sql,) = [query["sql"] for query in captured if "OFFSET" in query["sql"]]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
        plan = cursor.fetchone()[0][0]["Plan"]
    return _most_rows(plan)


def _most_rows(plan: dict[str, Any]) -> int:
    own: int = plan["Actual Rows"] * plan["Actual Loops"] + plan.get("Rows Removed by Filter", 0)
    return max([own, *(_most_rows(part) for part in plan.get("Plans", []))])


def test_no_page_skips_more_than_half_of_an_hour(account: Account) -> None:
    insert_calls(account, 28_800, last_at=NOW, days=3)
    read_pages = {page: rows_skipped(account, page) for page in ("1", "750", "1500", "2879")}
    assert max(read_pages.values()) <= 200 + 10


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("Europe/London", date(2026, 10, 25)),  # 01:00 to 02:00 comes twice
        ("Europe/London", date(2026, 3, 29)),  # 01:00 to 02:00 is skipped
        ("Australia/Lord_Howe", date(2026, 4, 5)),  # half an hour comes twice
        ("Australia/Lord_Howe", date(2026, 10, 4)),  # half an hour is skipped
        ("Africa/Cairo", date(2026, 4, 24)),  # begins at 01:00
        ("Antarctica/Troll", date(2026, 10, 25)),  # 01:00 to 03:00 comes twice, as a whole
        ("Antarctica/Troll", date(2026, 3, 29)),  # 01:00 to 03:00 is skipped
    ],
)
def test_pages_are_slices_also_on_a_day_when_the_clocks_change(
    account: Account, zone: str, day: date
) -> None:
    account.time_zone = zone
    account.save()
    period = Period(Preset.CUSTOM, day, day, account.zone)
    minutes = range(-90, 26 * 60, 6)
    post(*(call(account, f"{m}", 1, period.starts_at + timedelta(minutes=m)) for m in minutes))
    expected = list(
        LedgerEntry.objects.filter(
            occurred_at__gte=period.starts_at, occurred_at__lt=period.ends_at
        )
        .order_by("-occurred_at")
        .values_list("call_id", flat=True)
    )
    pages = range(1, read(account, period).rows.paginator.num_pages + 1)
    shown = [row.call_id for page in pages for row in read(account, period, str(page)).rows]
    assert shown == expected

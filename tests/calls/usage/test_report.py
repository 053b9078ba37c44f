"""The numbers of the page: tiles, graph and log agree, whatever the period and the filters."""

from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from billing.models import Account, CustomTerms, Plan
from billing.plans.subscriptions import subscribe
from calls.usage.counts import AGENTS_MAX
from calls.usage.filters import NO_AGENT, UsageFilters
from calls.usage.log import LogRow
from calls.usage.periods import DEFAULT_PRESET, Period, Preset, choose_period
from calls.usage.report import UsageReport, usage_report
from tests.dashboard.conftest import NOW, call, correction, goodwill, post, top_up
from tests.factories import AccountFactory
from tests.movements import Movement

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.xdist_group("usage report"),  # one process: what is read is stored once
]

KOLKATA = ZoneInfo("Asia/Kolkata")


def period_of(first: str, last: str, zone: ZoneInfo = KOLKATA) -> Period:
    return Period(Preset.CUSTOM, date.fromisoformat(first), date.fromisoformat(last), zone)


WEEK = period_of("2026-11-17", "2026-11-23")


def read(account: Account, period: Period = WEEK, page: str = "1", **filters: Any) -> UsageReport:
    return usage_report(
        account=account, period=period, filters=UsageFilters(**filters), page_number=page
    )


def all_rows(account: Account, period: Period, **filters: Any) -> list[LogRow]:
    last = read(account, period, **filters).rows.paginator.num_pages
    return [
        row
        for number in range(1, last + 1)
        for row in read(account, period, str(number), **filters).rows
    ]


@pytest.fixture(scope="module")
def busy(stored_for_module: None) -> Account:
    """Three weeks of everything, also two moments from midnight in India (18:30 UTC)."""
    account: Account = AccountFactory()
    postings: list[Movement] = []
    for number in range(120):
        at = NOW - timedelta(hours=4 * number)
        usage_type = ("outbound", "inbound", "translation")[number % 3]
        agent = ("Asha", "", "Ravi", "Zoë 100%")[number % 4]
        name = f"call-{number:03}"
        postings.append(call(account, name, number % 5, at, usage_type=usage_type, agent=agent))
        if number % 10 == 3:
            postings.append(
                correction(account, name, 1 - number % 3, at, usage_type=usage_type, agent=agent)
            )
        if number % 25 == 0:
            postings.append(top_up(account, 40, at))
            post(goodwill(account, 40, expires_at=at + timedelta(days=3)), at=at)
    before, after = (
        datetime(2026, 11, 19, 18, 29, 59, 999999, UTC),
        datetime(2026, 11, 19, 18, 30, tzinfo=UTC),
    )
    postings += [call(account, "last-of-19", 3, before), call(account, "first-of-20", 7, after)]
    post(*postings)
    return account


def test_tiles_of_a_simple_week(account: Account) -> None:
    post(
        top_up(account, 100, NOW - timedelta(days=30)),
        call(account, "a", 3, NOW - timedelta(hours=1)),
        call(account, "b", 0, NOW - timedelta(hours=2)),
        correction(account, "a", -1, NOW - timedelta(hours=1)),
        call(account, "before the period", 9, NOW - timedelta(days=8)),
    )
    tiles = read(account).totals
    assert (tiles.total_calls, tiles.credits_used, tiles.available_credits) == (2, 2, 89)


def test_columns_of_the_log_by_kind(account: Account) -> None:
    at = NOW - timedelta(hours=3)
    post(
        goodwill(account, 100, expires_at=at - timedelta(days=1)),
        call(account, "a", 3, at - timedelta(days=2)),
        correction(account, "a", -2, at, revised_at=at),
        at=at - timedelta(days=2),
    )
    post(call(account, "b", 4, NOW))  # books the expiry of what was left first
    rows = [(r.kind, r.call_id, r.credits_used, r.credits_added) for r in read(account).rows]
    assert rows == [
        ("call", "b", 4, 0),
        ("correction", "a", -2, 0),
        ("expiry", "", 0, -99),
        ("call", "a", 3, 0),
        ("adjustment", "", 0, 100),
    ]


def test_times_are_in_the_accounts_zone(account: Account) -> None:
    post(call(account, "a", 1, NOW))
    assert read(account).rows[0].occurred_at.isoformat() == "2026-11-23T18:00:00+05:30"


def test_days_begin_at_midnight_of_the_accounts_zone(busy: Account) -> None:
    nineteenth = all_rows(busy, period_of("2026-11-19", "2026-11-19"))
    twentieth = all_rows(busy, period_of("2026-11-20", "2026-11-20"))
    assert (nineteenth[0].call_id, twentieth[-1].call_id) == ("last-of-19", "first-of-20")


def test_days_without_calls_are_zero(account: Account) -> None:
    post(call(account, "a", 3, NOW - timedelta(days=3)))
    assert [bar.calls for bar in read(account).bars] == [0, 0, 0, 1, 0, 0, 0]


FILTERS = [
    {"kind": kind, "usage_type": usage_type, "agent": agent}
    for kind, usage_type, agent in product(
        ("", "call", "correction", "top_up", "expiry"),
        ("", "inbound"),
        ("", "Asha", "nobody", NO_AGENT),
    )
]


@pytest.mark.parametrize("filters", [*FILTERS, {"call_id": "call-0"}, {"call_id": "call-010"}])
def test_tiles_graph_and_log_agree(busy: Account, filters: dict[str, str]) -> None:
    period = period_of("2026-11-08", "2026-11-21")
    page = read(busy, period, **filters)
    rows = all_rows(busy, period, **filters)
    assert page.rows.paginator.count == len(rows)
    assert (
        page.totals.total_calls
        == sum(bar.calls for bar in page.bars)
        == sum(row.is_call for row in rows)
    )
    assert (
        page.totals.credits_used
        == sum(bar.credits_used for bar in page.bars)
        == sum(sum(bar.by_type.values()) for bar in page.bars)
        == sum(row.credits_used for row in rows)
    )
    assert sum(bar.credits_added - bar.credits_removed for bar in page.bars) == sum(
        row.credits_added for row in rows
    )
    for bar in page.bars:
        own = [row for row in rows if row.occurred_at.date() == bar.first_day]
        assert bar.credits_used == sum(row.credits_used for row in own)
        assert bar.billed_seconds == sum(row.billed_seconds for row in own)


@pytest.mark.parametrize("filters", FILTERS)
def test_filters_let_through_what_they_say(busy: Account, filters: dict[str, str]) -> None:
    everything = all_rows(busy, WEEK)
    asked = {name: value for name, value in filters.items() if value}
    if asked.get("agent") == NO_AGENT:
        asked["agent"] = ""
        everything = [row for row in everything if row.usage_type]
    expected = [
        row
        for row in everything
        if all(getattr(row, name) == value for name, value in asked.items())
    ]
    assert all_rows(busy, WEEK, **filters) == expected


def test_the_change_of_the_balance_is_added_less_used(busy: Account) -> None:
    page = read(busy, period_of("2025-01-01", "2026-12-31"))
    added = sum(bar.credits_added - bar.credits_removed for bar in page.bars)
    assert page.totals.credits_used == added - page.totals.available_credits


def test_billed_minutes_are_to_one_decimal(account: Account) -> None:
    custom = CustomTerms(increment_seconds=20, credits_per_increment=1)
    enterprise = Plan.objects.get(name="Enterprise")
    subscribe(account=account, plan=enterprise, at=NOW, custom_terms=custom)
    post(call(account, "a", 3, NOW))  # of 90 s
    assert read(account).bars[-1].billed_minutes == 1.7


def test_credits_used_are_split_by_usage_type(account: Account) -> None:
    post(
        call(account, "a", 3, NOW, usage_type="outbound"),
        call(account, "b", 4, NOW, usage_type="inbound"),
        correction(account, "b", 2, NOW, usage_type="inbound"),
    )
    assert read(account).bars[-1].by_type == {"outbound": 3, "inbound": 6, "translation": 0}


def test_credits_added_and_removed_on_one_day_do_not_hide_each_other(account: Account) -> None:
    yesterday = NOW - timedelta(days=1)
    post(goodwill(account, 80, expires_at=yesterday), at=NOW - timedelta(days=2))
    post(top_up(account, 500, NOW - timedelta(days=1)))
    bar = read(account).bars[-2]
    assert (bar.credits_added, bar.credits_removed) == (500, 80)


def use_daily(account: Account, *credits: int) -> None:
    """Use so many credits on each day up to that of `NOW`."""
    at = NOW - timedelta(days=len(credits) - 1)
    for number, used in enumerate(credits):
        post(call(account, f"of day {number}", used, at + timedelta(days=number)))


def test_a_day_far_above_the_weeks_before_is_marked_in_any_period(account: Account) -> None:
    use_daily(account, *[9, 10, 11] * 5, 16)
    times = [bar.times_usual for bar in read(account).bars]
    assert times == [None] * 6 + [1.6]
    month = read(account, period_of("2026-10-25", "2026-11-23"))
    assert [bar.times_usual for bar in month.bars] == [None] * 29 + [1.6]
    assert read(account, period_of("2026-11-23", "2026-11-23")).bars[0].is_high


def test_a_second_high_day_is_marked_as_well(account: Account) -> None:
    use_daily(account, *[10] * 9, 30, 10, 30)
    assert [bar.is_high for bar in read(account).bars] == [False] * 4 + [True, False, True]


def test_a_day_that_hardly_stands_out_is_not_marked(account: Account) -> None:
    use_daily(account, *[10] * 9, 14)  # less than 1.5 times the usual
    assert not any(bar.is_high for bar in read(account).bars)


def test_a_day_within_what_is_usual_is_not_marked(account: Account) -> None:
    use_daily(account, *[5, 20, 8, 35, 10] * 3, 30)
    assert not read(account).bars[-1].is_high


def test_fewer_than_seven_days_tell_nothing(account: Account) -> None:
    use_daily(account, *[10] * 6, 90)
    assert not any(bar.is_high for bar in read(account).bars)
    post(call(account, "earlier", 10, NOW - timedelta(days=7)))
    assert read(account).bars[-1].times_usual == 9


def test_a_month_far_above_those_before_it_is_marked(account: Account) -> None:
    for month in (5, 6, 7, 8, 9, 10):
        post(call(account, f"{month}", 10 if month < 10 else 40, NOW.replace(month=month)))
    bars = read(account, period_of("2024-01-01", "2026-11-23")).bars
    assert [bar.label for bar in bars if bar.is_high] == ["October 2026"]


def test_a_period_without_use_has_no_high_days(account: Account) -> None:
    assert not any(bar.is_high for bar in read(account).bars)


def test_an_account_with_credits_and_no_call_is_told_so(account: Account) -> None:
    post(top_up(account, 5, NOW))
    assert (read(account).has_calls, read(account).is_new_account) == (False, False)
    post(call(account, "a", 5, NOW))
    assert read(account).has_calls


def test_a_period_without_calls_says_where_the_calls_are(account: Account) -> None:
    assert read(account).elsewhere is None  # there are none
    last_year = NOW - timedelta(days=400)
    post(call(account, "a", 5, last_year), call(account, "b", 5, last_year + timedelta(days=30)))
    days = read(account).elsewhere
    assert days is not None
    assert days.last_day - days.first_day == timedelta(days=30)
    shown = read(account, Period(Preset.CUSTOM, days.first_day, days.last_day, account.zone))
    assert (shown.totals.total_calls, shown.elsewhere) == (2, None)
    assert read(account, agent="Asha").elsewhere is None  # the filters may be why
    post(call(account, "c", 5, NOW))
    assert read(account).elsewhere is None


def test_of_calls_that_no_period_can_show_together_the_latest_are_linked(account: Account) -> None:
    for years in (1, 9, 12):
        post(call(account, f"{years}", 1, NOW - timedelta(days=365 * years)))
    days = read(account).elsewhere
    assert days is not None
    chosen = choose_period(
        preset="custom",
        first=days.first_day.isoformat(),
        last=days.last_day.isoformat(),
        today=NOW.date(),
        zone=account.zone,
        cycle=None,
    )
    assert chosen.errors == {}
    assert read(account, chosen.period).totals.total_calls == 2


def test_an_account_without_anything(account: Account) -> None:
    page = read(account)
    assert page.is_new_account
    assert (page.totals.total_calls, page.totals.available_credits, page.totals.credits_used) == (
        0,
        0,
        0,
    )
    assert (page.rows.number, page.rows.paginator.num_pages, page.rows.start_index()) == (1, 1, 0)
    assert not page.rows


def test_a_negative_balance_is_shown_as_it_is(account: Account) -> None:
    post(call(account, "a", 5, NOW))
    assert read(account).totals.available_credits == -5


def test_an_account_sees_nothing_of_another(busy: Account, other_account: Account) -> None:
    page = read(other_account, period_of("2026-01-01", "2026-12-31"))
    assert page.is_new_account
    assert (list(page.rows), page.agents) == ([], [])


@pytest.mark.parametrize("text", ["", "call-0"])
def test_without_an_agent_are_calls_and_their_corrections_that_name_none(
    busy: Account, text: str
) -> None:
    every = all_rows(busy, WEEK, call_id=text)
    unnamed = [row for row in every if row.usage_type and not row.agent]
    assert {row.kind for row in unnamed} == {"call", "correction"}
    assert all_rows(busy, WEEK, call_id=text, agent=NO_AGENT) == unnamed


def test_more_agents_than_are_listed_are_told(account: Account) -> None:
    names = [f"Agent {number:03}" for number in range(AGENTS_MAX + 1)]
    post(*(call(account, name, 1, NOW, agent=name) for name in names[:-1]))
    assert (read(account).agents, read(account).more_agents) == (names[:-1], False)
    post(call(account, "one more", 1, NOW, agent=names[-1]))
    assert (read(account).agents, read(account).more_agents) == (names[:-1], True)


def test_agents_are_named_once_in_order_whatever_the_period(busy: Account) -> None:
    assert read(busy, period_of("2025-01-01", "2025-01-02")).agents == ["Asha", "Ravi", "Zoë 100%"]


@pytest.mark.parametrize(
    ("zone", "day", "first", "last"),
    [
        ("Pacific/Kiritimati", "2026-11-24", "2026-11-23T10:00:00", "2026-11-24T09:59:59"),
        ("Pacific/Pago_Pago", "2026-11-23", "2026-11-23T11:00:00", "2026-11-24T10:59:59"),
        ("Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00", "2026-03-29T21:59:59"),
        ("Europe/Berlin", "2026-10-25", "2026-10-24T22:00:00", "2026-10-25T22:59:59"),
    ],
)
def test_rows_and_counts_agree_on_the_day_in_every_zone(
    account: Account, zone: str, day: str, first: str, last: str
) -> None:
    account.time_zone = zone
    account.save()
    start, end = (datetime.fromisoformat(at).replace(tzinfo=UTC) for at in (first, last))
    second = timedelta(seconds=1)
    post(
        call(account, "before", 1, start - second),
        call(account, "first", 1, start),
        call(account, "last", 1, end),
        call(account, "after", 1, end + second),
    )
    page = read(account, period_of(day, day, ZoneInfo(zone)))
    assert [row.call_id for row in page.rows] == ["last", "first"]
    assert page.totals.total_calls == 2


def test_the_default_period_is_today_and_the_six_days_before(account: Account) -> None:
    chosen = choose_period(
        preset=DEFAULT_PRESET, first="", last="", today=date(2026, 11, 23), zone=KOLKATA, cycle=None
    )
    assert chosen.period.days == WEEK.days

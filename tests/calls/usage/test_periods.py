"""Periods: which days and instants a link means, in any zone."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calls.usage.periods import Chosen, Granularity, Period, Preset, choose_period

KOLKATA = ZoneInfo("Asia/Kolkata")
BERLIN = ZoneInfo("Europe/Berlin")
TODAY = date(2026, 11, 23)
CYCLE = (datetime(2026, 11, 4, 9, 30, tzinfo=UTC), datetime(2026, 12, 4, 9, 30, tzinfo=UTC))


def choose(
    preset: str = "",
    first: str = "",
    last: str = "",
    *,
    today: date = TODAY,
    zone: ZoneInfo = KOLKATA,
    cycle: tuple[datetime, datetime] | None = CYCLE,
) -> Chosen:
    return choose_period(preset=preset, first=first, last=last, today=today, zone=zone, cycle=cycle)


def custom(first: str, last: str, zone: ZoneInfo = KOLKATA) -> Period:
    chosen = choose("custom", first, last, zone=zone)
    assert chosen.errors == {}
    return chosen.period


@pytest.mark.parametrize(
    ("preset", "first", "last"),
    [
        ("", "2026-11-17", "2026-11-23"),
        ("today", "2026-11-23", "2026-11-23"),
        ("last_7_days", "2026-11-17", "2026-11-23"),
        ("last_30_days", "2026-10-25", "2026-11-23"),
        ("this_cycle", "2026-11-04", "2026-11-23"),
        ("this_month", "2026-11-01", "2026-11-23"),
        ("last_month", "2026-10-01", "2026-10-31"),
    ],
)
def test_a_preset_means_these_days(preset: str, first: str, last: str) -> None:
    period = choose(preset).period
    assert (str(period.first_day), str(period.last_day)) == (first, last)


@pytest.mark.parametrize(
    ("today", "first", "last"),
    [
        (date(2026, 1, 1), "2025-12-01", "2025-12-31"),
        (date(2028, 3, 31), "2028-02-01", "2028-02-29"),
    ],
)
def test_last_month_is_a_whole_calendar_month(today: date, first: str, last: str) -> None:
    period = choose("last_month", today=today).period
    assert (str(period.first_day), str(period.last_day)) == (first, last)


def test_a_custom_range_includes_its_first_and_its_last_day() -> None:
    period = custom("2026-11-01", "2026-11-03")
    assert period.days == [date(2026, 11, 1), date(2026, 11, 2), date(2026, 11, 3)]


def test_two_dates_alone_are_a_custom_range() -> None:
    assert choose(first="2026-11-01", last="2026-11-03").period.preset is Preset.CUSTOM


def test_a_preset_takes_no_notice_of_dates() -> None:
    assert choose("today", "2026-11-01", "garbage").period.first_day == TODAY


@pytest.mark.parametrize(
    ("first", "last", "field", "words"),
    [
        ("23.11.2026", "2026-11-23", "from", "not a date"),
        ("2026-11-01", "2026-02-30", "to", "not a date"),
        ("2026-11-01", "२०२६-११-०२", "to", "not a date"),
        ("\x00", "2026-11-23", "from", "not a date"),
        ("2026-11-02", "2026-11-01", "to", "before the first day"),
        ("1900-01-01", "2026-11-01", "from", "before 2000"),
        ("1999-12-31", "2026-11-01", "from", "before 2000"),
        ("2026-11-01", "9999-12-31", "to", "more than a year ahead"),
        ("2016-11-23", "2026-11-23", "from", "longer than 10 years"),
        ("", "2026-11-23", "from", "first day is missing"),
        ("2026-11-23", "", "to", "last day is missing"),
    ],
)
def test_bad_dates_name_their_field_and_give_the_default_period(
    first: str, last: str, field: str, words: str
) -> None:
    chosen = choose("custom", first, last)
    assert list(chosen.errors) == [field]
    assert words in chosen.errors[field]
    assert chosen.errors[field].endswith(", so the last 7 days are shown.")
    assert chosen.period == choose().period


def test_ten_years_are_not_too_long() -> None:
    assert choose("custom", "2016-11-24", "2026-11-23").errors == {}


@pytest.mark.parametrize("preset", ["yesterday", "\x00", "TODAY", "x" * 10_000])
def test_an_unknown_preset_gives_the_default_with_a_message(preset: str) -> None:
    chosen = choose(preset)
    assert list(chosen.errors) == ["period"]
    assert chosen.period.preset is Preset.LAST_7_DAYS


def test_this_cycle_without_a_plan_gives_the_default_with_a_message() -> None:
    chosen = choose("this_cycle", cycle=None)
    assert list(chosen.errors) == ["period"]
    assert chosen.period.preset is Preset.LAST_7_DAYS


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        ("2026-11-17", "2026-11-23", "17–23 November 2026, Asia/Kolkata"),
        ("2026-10-30", "2026-11-05", "30 Oct – 5 Nov 2026, Asia/Kolkata"),
        ("2025-12-28", "2026-01-03", "28 Dec 2025 – 3 Jan 2026, Asia/Kolkata"),
        ("2026-11-05", "2026-11-05", "5 November 2026, Asia/Kolkata"),
    ],
)
def test_a_period_says_in_words_what_it_shows(first: str, last: str, words: str) -> None:
    assert custom(first, last).words == words


@pytest.mark.parametrize(
    ("zone", "starts_at"),
    [
        ("Asia/Kolkata", "2026-11-22T18:30:00+00:00"),
        ("Pacific/Kiritimati", "2026-11-22T10:00:00+00:00"),
        ("Pacific/Pago_Pago", "2026-11-23T11:00:00+00:00"),
    ],
)
def test_a_day_starts_at_midnight_of_its_zone(zone: str, starts_at: str) -> None:
    period = custom("2026-11-23", "2026-11-23", ZoneInfo(zone))
    assert period.starts_at.isoformat() == starts_at
    assert period.ends_at - period.starts_at == timedelta(hours=24)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", "2026-03-29", 23),
        ("Europe/Berlin", "2026-10-25", 25),
        # The clocks here jump at midnight itself: the day begins at 01:00 …
        ("America/Sao_Paulo", "2018-11-04", 23),
        # … or the hour before midnight comes twice.
        ("America/Sao_Paulo", "2018-02-17", 25),
        ("Africa/Cairo", "2026-04-24", 23),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        # Samoa left out 30 December 2011 when it changed sides of the date line.
        ("Pacific/Apia", "2011-12-30", 0),
    ],
)
def test_a_day_is_as_long_as_its_zone_makes_it(zone: str, day: str, hours: float) -> None:
    period = custom(day, day, ZoneInfo(zone))
    assert period.ends_at - period.starts_at == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("first", "last", "granularity"),
    [
        ("2026-08-01", "2026-10-31", Granularity.DAY),  # 92 days
        ("2026-08-01", "2026-11-01", Granularity.WEEK),  # 93 days
        ("2024-11-24", "2026-11-23", Granularity.WEEK),  # two years
        ("2024-11-23", "2026-11-23", Granularity.MONTH),  # two years and a day
    ],
)
def test_long_periods_are_grouped(first: str, last: str, granularity: Granularity) -> None:
    assert custom(first, last).granularity is granularity


def test_weeks_are_iso_weeks_cut_at_the_ends_of_the_period() -> None:
    buckets = custom("2026-08-01", "2026-11-02").buckets  # a Saturday, a Monday
    assert [str(buckets[0].first_day), str(buckets[0].last_day)] == ["2026-08-01", "2026-08-02"]
    assert [str(buckets[1].first_day), str(buckets[1].last_day)] == ["2026-08-03", "2026-08-09"]
    assert [str(buckets[-1].first_day), str(buckets[-1].last_day)] == ["2026-11-02", "2026-11-02"]


def test_months_are_calendar_months_cut_at_the_ends_of_the_period() -> None:
    buckets = custom("2024-02-10", "2026-11-23").buckets
    assert [str(buckets[0].first_day), str(buckets[0].last_day)] == ["2024-02-10", "2024-02-29"]
    assert [str(buckets[-1].first_day), str(buckets[-1].last_day)] == ["2026-11-01", "2026-11-23"]
    assert len(buckets) == 34


@given(st.dates(date(2017, 1, 1), TODAY), st.integers(0, 3600))
def test_buckets_hold_every_day_once_and_in_order(first: date, length: int) -> None:
    last = min(first + timedelta(days=length), TODAY)
    period = custom(str(first), str(last))
    assert [day for bucket in period.buckets for day in bucket] == period.days


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_no_text_breaks_the_reading_of_a_period(preset: str, first: str, last: str) -> None:
    chosen = choose(preset, first, last)
    assert chosen.period.first_day <= chosen.period.last_day

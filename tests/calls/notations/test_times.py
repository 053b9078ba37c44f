import time
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from calls.notations.times import date_with_time, time_reader, zone_named
from calls.records import Rejected

KOLKATA = ZoneInfo("Asia/Kolkata")
INDIA = timezone(timedelta(hours=5, minutes=30))
WALL = datetime(2026, 11, 3, 14, 5, 9)


def read(form, text, zone=KOLKATA):
    return time_reader(form)("started_at", text, zone)


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        ("iso", "2026-11-03T14:05:09", WALL),
        ("iso", "2026-11-03 14:05", WALL.replace(second=0)),
        ("iso", "2026-11-03T14:05:09Z", WALL.replace(tzinfo=UTC)),
        ("iso", "2026-11-03t14:05:09z", WALL.replace(tzinfo=UTC)),
        ("iso", " 2026-11-03 14:05:09 ", WALL),
        ("iso", "2026-11-03 14:05:09+05:30", WALL.replace(tzinfo=INDIA)),
        ("iso", "2026-11-03 14:05:09 +0530", WALL.replace(tzinfo=INDIA)),
        ("iso", "2026-11-03 14:05:09 GMT+0", WALL.replace(tzinfo=UTC)),
        ("iso", "2026-11-03 14:05:09 UTC", WALL.replace(tzinfo=UTC)),
        ("iso", "2026-11-03 14:05:09 GMT+5:30", WALL.replace(tzinfo=INDIA)),
        ("iso", "2026-11-03 14:05:09 UTC−7", WALL.replace(tzinfo=timezone(-timedelta(hours=7)))),
        ("iso", "2026-11-03 14:05:09 Asia/Kolkata", WALL.replace(tzinfo=KOLKATA)),
        ("iso", "2026-11-03T14:05:09,25", WALL.replace(microsecond=250_000)),
        ("iso", "20261103T140509", WALL),
        ("iso", "20261103140509", WALL),
        ("iso", "2026-W45-2T14:05:09", WALL),
        ("iso", "'2026-11-03 14:05:09", WALL),
        ("iso", '="2026-11-03 14:05:09"', WALL),
        ("ymd", "2026/11/3 14:05:09", WALL),
        ("ymd", "2026.11.03 2:05:09 pm", WALL),
        ("ymd", "26-11-03 14:05:09", WALL),
        ("dmy", "3/11/2026 14:05:09", WALL),
        ("dmy", "03.11.26 14.05.09", WALL),
        ("dmy", "03-11-2026, 02:05:09 PM", WALL),
        ("dmy", "03-11-2026 2:05:09\u202fPM", WALL),
        ("dmy", "03-11-2026 2:05:09 p.m.", WALL),
        ("dmy", "03-11-2026 2:05:09 p. m.", WALL),
        ("dmy", "03-11-2026 2:05:09\u00a0p.\u00a0m.", WALL),
        ("dmy", "02:05:09 p. m. 03/11/2026", WALL),
        ("dmy", "03-11-2026 2:05:09 p. m. IST", WALL.replace(tzinfo=INDIA)),
        ("dmy", "3 November 2026 14:05:09", WALL),
        ("dmy", "03-Nov-26 14:05:09", WALL),
        ("dmy", "Tue, 3rd Nov. 2026 at 14:05:09", WALL),
        ("dmy", "Nov 3, 2026 14:05:09", WALL),
        ("mdy", "11/3/2026 14:05:09", WALL),
        ("mdy", "11-03-26 2:05:09PM", WALL),
        ("mdy", "November 3, 2026, 2:05:09 PM", WALL),
        (
            "mdy",
            "Tue Nov 03 2026 14:05:09 GMT+0530 (India Standard Time)",
            WALL.replace(tzinfo=INDIA),
        ),
        ("mdy", "3 Nov 2026 14:05:09", WALL),
        ("rfc2822", "Tue, 03 Nov 2026 14:05:09 +0000", WALL.replace(tzinfo=UTC)),
        ("rfc2822", "Tue, 03 Nov 2026 14:05:09 GMT", WALL.replace(tzinfo=UTC)),
        ("dmy", "3/11/2026 12:30 AM", datetime(2026, 11, 3, 0, 30)),
        ("dmy", "3/11/2026 12:30 PM", datetime(2026, 11, 3, 12, 30)),
        ("dmy", "3/11/2026 2 PM", datetime(2026, 11, 3, 14)),
        ("dmy", "3/11/2026 14:05:09 PM", WALL),
        ("dmy", "31/12/2026 24:00:00", datetime(2027, 1, 1)),
        ("iso", "2026-11-03 24:00:00", datetime(2026, 11, 4)),
        ("iso", "14:05:09 IST 2026-11-03", WALL.replace(tzinfo=INDIA)),
        ("iso", "14:05:09 UTC 2026-11-03", WALL.replace(tzinfo=UTC)),
        ("iso", "02:05:09 PM IST 2026-11-03", WALL.replace(tzinfo=INDIA)),
        ("iso", "2:05:09 pm, 2026-11-03", WALL),
        ("dmy", "14:05:09 +05:30 03/11/2026", WALL.replace(tzinfo=INDIA)),
        ("dmy", "14:05 on 3 November 2026", WALL.replace(second=0)),
        ("mdy", "14:05:09 GMT+5:30, Nov 3, 2026", WALL.replace(tzinfo=INDIA)),
        ("epoch_s", "1793698509", datetime(2026, 11, 3, 9, 35, 9, tzinfo=UTC)),
        ("epoch_s", "1793698509.25", datetime(2026, 11, 3, 9, 35, 9, 250_000, tzinfo=UTC)),
        ("epoch_ms", "1793698509250", datetime(2026, 11, 3, 9, 35, 9, 250_000, tzinfo=UTC)),
        ("epoch_ms", "1793698509250.0", datetime(2026, 11, 3, 9, 35, 9, 250_000, tzinfo=UTC)),
        ("epoch_ms", "1.793698509250E+12", datetime(2026, 11, 3, 9, 35, 9, 250_000, tzinfo=UTC)),
        ("epoch_us", "1793698509250001", datetime(2026, 11, 3, 9, 35, 9, 250_001, tzinfo=UTC)),
        ("excel", "46329.5869097222", WALL),
        ("excel", "46329,5869097222", WALL),
        ("excel", "46329 0.5869097222", WALL),
        ("excel", "46329", datetime(2026, 11, 3)),
        ("gregorian_s", "63960917709", datetime(2026, 11, 3, 9, 35, 9, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_in_the_form_of_its_column(form, text, expected):
    instant = read(form, text)
    assert instant is not None
    assert instant.finer == ""
    assert instant.at == expected
    assert (instant.at.tzinfo is None) is (expected.tzinfo is None)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("iso", "2026-11-03T14:05:09.123456789"),
        ("iso", "2026-11-03 14:05:09.1234567890Z"),
        ("dmy", "03/11/2026 14:05:09.123456789"),
        ("epoch_s", "1793698509.123456789"),
        ("epoch_ms", "1793698509123.456789"),
        ("epoch_ns", "1793698509123456789"),
    ],
)
def test_decimals_after_the_microsecond_are_kept(form, text):
    instant = read(form, text)
    assert instant is not None
    assert (instant.at.microsecond, instant.finer) == (123_456, "789")


@pytest.mark.parametrize(
    ("form", "text"),
    [
        *(
            (form, text)
            for form in ("iso", "ymd", "dmy", "mdy", "epoch_s", "epoch_us", "excel")
            for text in ("", "  ", "NULL", "\\N", "None", "null", "N/A", "-", "0", "0.0")
        ),
        *(
            (form, text)
            for form in ("iso", "dmy", "mdy", "epoch_s")
            for text in ("0000-00-00 00:00:00", "0000-00-00", "00/00/0000 00:00")
        ),
        ("iso", "1970-01-01 00:00:00"),
        ("iso", "1970-01-01T00:00:00Z"),
        ("iso", "0001-01-01T00:00:00Z"),
        ("gregorian_s", "0"),
    ],
)
def test_words_for_no_time(form, text):
    assert read(form, text) is None


@pytest.mark.parametrize(
    ("form", "text", "reason"),
    [
        ("iso", "yesterday", "write it like"),
        ("iso", "14:05:09 2026-02-30", "there is no such day"),
        ("iso", "14:05:09 IST", "write it like"),
        ("iso", "2026-11-03", "a date without a time of day"),
        ("iso", "2026-02-30 10:00:00", "there is no such day"),
        ("dmy", "2026-11-03 14:05:09", "not a time with the date as day, month, year"),
        ("dmy", "11/20/2026 10:00", "there is no month 20; do day and month stand the other way"),
        ("mdy", "20/11/2026 10:00", "there is no month 20"),
        ("dmy", "03/11/2026", "a date without a time of day"),
        ("dmy", "03/11/2026 14", "a date without a time of day"),
        ("dmy", "03/11/2026 25:00:00", "there is no such day or time"),
        ("dmy", "03/11/2026 24:00:01", "there is no such day or time"),
        ("dmy", "03/11/2026 14:00:01 AM", "there is no such day or time"),
        ("dmy", "03/11/2026 10:61", "there is no such day or time"),
        ("epoch_ms", "1.79E+12", "lost its last digits in a spreadsheet"),
        ("epoch_s", "17936985092500000000", "far outside the calendar; check its unit"),
        ("epoch_s", "03/11/2026", "not a time as a number"),
        ("excel", "0.5869", "a time of day without a date"),
        ("excel", "2026-11-03", "not the serial number of a day"),
    ],
)
def test_what_does_not_fit_the_form_is_rejected(form, text, reason):
    with pytest.raises(Rejected) as caught:
        read(form, text)
    assert caught.value.field == "started_at"
    assert reason in caught.value.reason


def test_an_abbreviation_is_only_taken_where_the_zone_has_it_on_that_day():
    instant = read("iso", "2026-11-03 14:05:09 IST", KOLKATA)
    assert instant is not None
    assert instant.at.utcoffset() == timedelta(hours=5, minutes=30)
    with pytest.raises(Rejected, match="“IST”, which may be of several places"):
        read("iso", "2026-11-03 14:05:09 IST", ZoneInfo("Europe/Dublin"))
    with pytest.raises(Rejected, match="“CST”"):
        read("iso", "2026-11-03 14:05:09 CST", KOLKATA)


def test_an_abbreviation_tells_the_two_hours_apart_that_a_clock_shows_twice():
    chicago = ZoneInfo("America/Chicago")
    offsets = []
    for name in ("CDT", "CST"):
        instant = read("iso", f"2026-11-01 01:30:00 {name}", chicago)
        assert instant is not None
        offsets.append(instant.at.utcoffset())
    assert offsets == [timedelta(hours=-5), timedelta(hours=-6)]


@pytest.mark.parametrize(
    ("date", "time", "expected"),
    [
        ("20/11/2026", "2:05:09 PM", "20/11/2026 2:05:09 PM"),
        ("2026-11-20 00:00:00", "14:05:09", "2026-11-20 14:05:09"),
        ("2026-11-20T00:00:00Z", "14:05:09", "2026-11-20 14:05:09"),
        ("2026-11-20", "1899-12-30 14:05:09", "2026-11-20 14:05:09"),
        ("2026-11-20", "", ""),
        ("NULL", "14:05:09", ""),
    ],
)
def test_a_date_and_a_time_in_two_columns(date, time, expected):
    assert date_with_time(date, time) == expected


@pytest.mark.parametrize("name", ["IST", "CST", "+25:00", "Mars/Base", "Asia", "../etc/passwd", ""])
def test_a_zone_that_is_not_named_for_certain(name):
    assert zone_named(name) is None


@pytest.mark.parametrize("form", ["iso", "ymd", "dmy", "mdy", "rfc2822"])
@pytest.mark.parametrize(
    "text",
    [
        "1" + " " * 4_000 + "x",
        ("1" + " " * 30) * 3 + "x",
        "1/1/2026" + " " * 4_000 + "x",
        "Mon, " + "1 " * 4_000,
        "10:05" + " " * 4_000 + "x",
        "9" * 5_000,
    ],
)
def test_a_cell_of_any_content_is_no_time_at_once(form, text):
    began = time.monotonic()
    with pytest.raises(Rejected):
        read(form, text)
    assert time.monotonic() - began < 0.5


@pytest.mark.parametrize(
    "form", ["epoch_s", "epoch_ms", "epoch_us", "epoch_ns", "gregorian_s", "excel"]
)
@pytest.mark.parametrize(
    "text",
    [
        "9" * 5_000,
        f"{'9' * 5_000}.5",
        f"9e{'9' * 7}",
        "1e999999",
        "9e400",
        "-1e400",
        "1e99999999999999999999",
        "nan1",
        "sNaN",
        "Infinity",
        f"1.{'9' * 99}E+99",
    ],
)
def test_a_number_of_any_size_is_no_time_at_once(form, text):
    began = time.monotonic()
    with pytest.raises(Rejected):
        read(form, text)
    assert time.monotonic() - began < 0.5

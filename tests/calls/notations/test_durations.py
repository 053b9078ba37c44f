import time

import pytest

from calls.notations.durations import duration_reader
from calls.records import Rejected

SECOND = 1_000_000


def read(unit, text, decimal="."):
    return duration_reader(unit, decimal=decimal)("talk", text)


@pytest.mark.parametrize(
    ("unit", "text", "expected"),
    [
        ("s", "0", 0),
        ("s", "65", 65 * SECOND),
        ("s", "64.5", 64_500_000),
        ("s", "64.500000", 64_500_000),
        ("s", ".5", 500_000),
        ("s", "30.0000001", 30_000_001),
        ("s", "30.000000000000004", 30 * SECOND),
        ("s", "1,234.5", 1_234_500_000),
        ("s", "65 sec", 65 * SECOND),
        ("s", "65s", 65 * SECOND),
        ("s", "'65", 65 * SECOND),
        ("ms", "20600", 20_600_000),
        ("ms", "20600.5", 20_600_500),
        ("us", "20600123", 20_600_123),
        ("min", "1.5", 90 * SECOND),
        ("min", "1.0833333333333333", 65 * SECOND),
        ("min", "2 mins", 120 * SECOND),
        ("h:m:s", "00:03:20", 200 * SECOND),
        ("h:m:s", "1:00:00", 3_600 * SECOND),
        ("h:m:s", "0:03:20.5", 200_500_000),
        ("h:m:s", "1.02:03:04", 93_784 * SECOND),
        ("h:m:s", "1 day, 2:03:04", 93_784 * SECOND),
        ("h:m:s", "12:03:20 AM", 200 * SECOND),
        ("h:m:s", "12:03:20 a. m.", 200 * SECOND),
        ("h:m:s", "1899-12-30 00:03:20", 200 * SECOND),
        ("h:m:s", "03:20", 200 * SECOND),
        ("h:m:s", "0", 0),
        ("m:s", "3:20", 200 * SECOND),
        ("m:s", "75:20", 4_520 * SECOND),
        ("m:s", ":45", 45 * SECOND),
        ("h:m", "01:10", 4_200 * SECOND),
        ("h:m", "26:00", 93_600 * SECOND),
        ("h:m", "1:10:05", 4_205 * SECOND),
        ("h:m", "1 day, 2:03", 93_780 * SECOND),
        ("h:m", "12:10 AM", 600 * SECOND),
        ("h:m", "0", 0),
        ("words", "3m 10s", 190 * SECOND),
        ("words", "1 hour, 2 minutes and 3 seconds", 3_723 * SECOND),
        ("words", "1h", 3_600 * SECOND),
        ("words", "45.5 s", 45_500_000),
        ("words", "2 s 500 ms", 2_500_000),
        ("words", "0", 0),
        ("words", "1 day, 2 hours and 3 minutes and 4 secs", 93_784 * SECOND),
        ("words", "3m, 10s,", 190 * SECOND),
        ("iso8601", "PT3M10S", 190 * SECOND),
        ("iso8601", "PT0.5S", 500_000),
        ("iso8601", "P1DT1H", 90_000 * SECOND),
    ],
)
def test_a_length_in_the_unit_of_its_column(unit, text, expected):
    assert read(unit, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("64,5", 64_500_000), ("1.234,5", 1_234_500_000), ("7", 7_000_000)]
)
def test_a_decimal_comma(text, expected):
    assert read("s", text, decimal=",") == expected


@pytest.mark.parametrize("unit", ["s", "ms", "min", "h:m:s", "words", "iso8601"])
@pytest.mark.parametrize("text", ["", " ", "NULL", "\\N", "-", "N/A", "none"])
def test_words_for_no_length(unit, text):
    assert read(unit, text) is None


@pytest.mark.parametrize(
    ("unit", "text", "reason"),
    [
        ("s", "0:03:20", "is “0:03:20”, not a number of seconds."),
        ("s", "64,5", "not a number of seconds"),
        ("s", "1,23,456", "not a number of seconds"),
        ("s", "-5", "is negative (-5)."),
        ("s", "5 min", "not a number of seconds"),
        ("s", ".", "not a number of seconds"),
        ("min", "many", "not a number of minutes"),
        ("h:m:s", "0:75:00", "not hours, minutes and seconds"),
        ("h:m:s", "0:03:75", "not hours, minutes and seconds"),
        ("h:m:s", "-0:00:05", "is negative"),
        ("h:m:s", "45", "not hours, minutes and seconds"),
        ("h:m", "1:75", "not hours and minutes like 1:10"),
        ("h:m", ":75", "not hours and minutes like 1:10"),
        ("h:m", "1:10.5", "not hours and minutes like 1:10"),
        ("h:m", "70", "not hours and minutes like 1:10"),
        ("words", "45", "not a length like 3m 10s"),
        ("iso8601", "P", "not a length like PT3M10S"),
    ],
)
def test_what_is_no_length_in_that_unit_is_rejected(unit, text, reason):
    with pytest.raises(Rejected) as caught:
        read(unit, text)
    assert caught.value.field == "talk"
    assert reason in caught.value.reason


@pytest.mark.parametrize(
    "unit", ["s", "ms", "us", "min", "h:m:s", "m:s", "h:m", "words", "iso8601"]
)
@pytest.mark.parametrize(
    "text",
    [
        "," * 400 + "x",
        "1 d" + " " * 100_000 + "x",
        "1 m" + "," * 50 + "x",
        "1:" * 50_000,
        "9" * 5_000,
        "9" * 5_000 + ":00:00",
        f"0:00:00.{'9' * 5_000}",
        f"1.{'9' * 100_000}",
        "9" * 5_000 + "h",
        f"PT{'9' * 5_000}S",
    ],
)
def test_a_cell_of_any_content_is_refused_at_once(unit, text):
    began = time.monotonic()
    with pytest.raises(Rejected, match="talk"):
        read(unit, text)
    assert time.monotonic() - began < 0.5

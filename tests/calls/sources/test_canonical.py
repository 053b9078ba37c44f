"""The canonical CSV: what a line means, and what it may not say."""

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from billing.plans.rating import Tariff, UsageType, rate
from calls.models import Status
from calls.notations import BadFileError, RawRecord
from calls.records import CallRecord, Rejected
from calls.sources.canonical import CanonicalCsv

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HEADER = ["call_id", "usage_type", "status", "started_at", "connected_at", "ended_at"]


def read(values, *, header=HEADER, zone="Asia/Kolkata"):
    source = CanonicalCsv(account_id=7, zone=ZoneInfo(zone), now=NOW)
    assert source.takes_as_header(header)
    [result] = source.read([RawRecord(2, "text", values)])
    return result.record


def completed(started, connected, ended, **options):
    return read(["c1", "outbound", "completed", started, connected, ended], **options)


def times(record):
    assert isinstance(record, CallRecord), record
    return [
        at and at.isoformat() for at in (record.started_at, record.connected_at, record.ended_at)
    ]


def test_columns_may_come_in_any_order_and_case():
    record = read(
        ["2026-11-20T09:00:00Z", "hot lead", "Busy", "+912", "+911", "Asha", "c1", "inbound"],
        header=["Started_At", " remarks", "STATUS", "to", "from", "agent", "call_id", "usage_type"],
    )
    assert record == CallRecord(
        7,
        "c1",
        UsageType.INBOUND,
        "Asha",
        "+911",
        "+912",
        datetime(2026, 11, 20, 9, tzinfo=UTC),
        None,
        None,
        Status.BUSY,
        "hot lead",
    )


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (
            ["call_id", "usage_type", "status", "started_at", "cost", "fee"],
            "Unknown columns: “cost”, “fee”. Known are: call_id, usage_type, status, started_at, "
            "connected_at, ended_at, agent, from, to, remarks, revised_at, carrier_id.",
        ),
        (["call_id", "status"], "Missing columns: usage_type, started_at."),
        ([*HEADER, "ended_at"], "Columns that stand twice: ended_at."),
        (
            ["c1", "outbound"],
            "The first line does not name the columns. It must have at least: "
            "call_id, usage_type, status, started_at.",
        ),
    ],
)
def test_a_header_with_wrong_columns_is_refused_with_their_names(header, message):
    with pytest.raises(BadFileError) as caught:
        CanonicalCsv(account_id=7, zone=ZoneInfo("UTC"), now=NOW).takes_as_header(header)
    assert str(caught.value) == message


@pytest.mark.parametrize("status", ["no_answer", "No answer", "NO-ANSWER", " no_answer "])
def test_words_may_be_written_in_several_ways(status):
    assert read(["c1", "Inbound", status, "2026-11-20T09:00:00", "", ""]).status == "no_answer"


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-20T14:30:00", "2026-11-20T09:00:00+00:00"),
        ("2026-11-20 14:30:00.25", "2026-11-20T09:00:00.250000+00:00"),
        ("2026-11-20T14:30", "2026-11-20T09:00:00+00:00"),
        ("20261120T143000", "2026-11-20T09:00:00+00:00"),
        ("2026-11-20T09:00:00Z", "2026-11-20T09:00:00+00:00"),
        ("2026-11-20t09:00:00.123456789z", "2026-11-20T09:00:00.123456+00:00"),
        (" 2026-11-20T10:00:00.123456+01:00 ", "2026-11-20T09:00:00.123456+00:00"),
    ],
)
def test_a_time_with_offset_is_taken_as_it_is_and_one_without_in_the_zone(text, instant):
    record = read(["c1", "inbound", "busy", text, "", ""])
    assert record.started_at.isoformat() == instant


@pytest.mark.parametrize(
    "text", ["2026-11-20", "2026-11-20T09", "20/11/2026 09:00", "1763629200", "soon", "9:00"]
)
def test_anything_but_a_date_and_time_is_rejected(text):
    rejected = read(["c1", "inbound", "busy", text, "", ""])
    assert isinstance(rejected, Rejected)
    assert (rejected.field, rejected.reason) == (
        "started_at",
        f"is “{text}”; write it like 2026-11-23T14:05:09.",
    )


@pytest.mark.parametrize(
    "text",
    ["2026-02-29T09:00:00", "2026-11-20 24:00", "2026-11-20T09:00:60Z", "2026-11-20T09:00+25:00"],
)
def test_a_time_that_is_written_well_but_never_comes_is_rejected_as_such(text):
    rejected = read(["c1", "inbound", "busy", text, "", ""])
    assert isinstance(rejected, Rejected)
    assert rejected.reason == f"is “{text}”: there is no such day, time or offset."


def test_a_wall_clock_time_that_the_clocks_skipped_is_rejected():
    rejected = completed(
        "2026-03-29T01:30:00", "2026-03-29T02:30:00", "2026-03-29T02:31:00", zone="Europe/London"
    )
    assert (rejected.field, rejected.reason) == (
        "started_at",
        "is 01:30:00 on 29 Mar 2026, which the clocks of Europe/London skipped; "
        "is it in another time zone?",
    )


def test_a_wall_clock_time_that_happened_twice_is_the_first_one():
    record = completed(
        "2026-10-25T01:10:00", "2026-10-25T01:10:05", "2026-10-25T01:50:00", zone="Europe/London"
    )
    assert times(record) == [
        "2026-10-25T00:10:00+00:00",
        "2026-10-25T00:10:05+00:00",
        "2026-10-25T00:50:00+00:00",
    ]


def test_a_wall_clock_time_that_happened_twice_is_the_second_one_where_order_needs_it():
    record = completed(
        "2026-10-25T01:50:00", "2026-10-25T01:50:05", "2026-10-25T01:10:00", zone="Europe/London"
    )
    assert times(record) == [
        "2026-10-25T00:50:00+00:00",
        "2026-10-25T00:50:05+00:00",
        "2026-10-25T01:10:00+00:00",
    ]


def test_a_wall_clock_time_that_happened_twice_never_lengthens_the_call():
    record = completed(
        "2026-11-01T01:59:00", "2026-11-01T01:59:05", "2026-11-01T02:05:00", zone="America/New_York"
    )
    assert times(record) == [
        "2026-11-01T06:59:00+00:00",
        "2026-11-01T06:59:05+00:00",
        "2026-11-01T07:05:00+00:00",
    ]


@pytest.mark.parametrize(
    ("usage_type", "connected", "ended", "seconds"),
    [
        ("outbound", "09:00:00", "09:00:30.0000004", "30.000001"),
        ("outbound", "09:00:00.0000004", "09:00:30.0000004", "30.000000"),
        ("outbound", "09:00:00.0000004", "09:00:30", "30.000000"),
        ("outbound", "09:00:00.000000399", "09:00:30.0000004", "30.000001"),
        ("outbound", "09:00:00.0000009", "09:00:30.0000010", "30.000001"),
        ("outbound", "09:00:00.123456789", "09:00:30.123456789000", "30.000000"),
        ("inbound", "09:00:10", "09:00:30.0000004", "30.000001"),
        ("inbound", "09:00:10.0000009", "09:00:30", "30.000000"),
        ("translation", "", "09:00:30.000000000001", "30.000001"),
    ],
)
def test_nanoseconds_count_and_billable_time_is_rounded_up(usage_type, connected, ended, seconds):
    times = [at and f"2026-11-20T{at}" for at in ("09:00:00", connected, ended)]
    record = read(["c1", usage_type, "completed", *times])
    charge = rate(
        tariff=Tariff(30, 1),
        usage_type=record.usage_type,
        started_at=record.started_at,
        connected_at=record.connected_at,
        ended_at=record.ended_at,
    )
    assert str(charge.billable_seconds.quantize(Decimal("1.000000"))) == seconds
    assert charge.increments == (1 if seconds == "30.000000" else 2)


def test_times_out_of_order_stay_out_of_order_where_no_clock_explains_it():
    rejected = completed("2026-11-20T10:00:00", "2026-11-20T09:00:00", "2026-11-20T11:00:00")
    assert str(rejected) == "connected_at: is before the call started."


@pytest.mark.parametrize(
    ("values", "said"),
    [(["c1"], "1 value"), (["c1", "inbound", "busy", "2026-11-20T09:00", "", "", "x"], "7 values")],
)
def test_a_line_with_other_columns_than_the_header_is_rejected(values, said):
    assert str(read(values)) == f"line: has {said}, the header names 6 columns."


def test_a_time_at_the_end_of_the_calendar_is_rejected():
    assert str(read(["c1", "inbound", "busy", "0001-01-01T00:00:00+10:00", "", ""])) == (
        "started_at: is out of range."
    )

"""Asterisk's Master.csv: what its lines mean, and the traps that real files hold."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from billing.plans.rating import UsageType
from calls.models import Status
from calls.notations import BadFileError, RawRecord
from calls.records import CallRecord, Rejected
from calls.sources.asterisk import COLUMNS, AsteriskCsv

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


OTHER_LEGS = (
    "line: is of the same call as lines 6, 8, which can't be read; a part of a call is not charged "
    "as if it were all."
)


def row(
    start="2026-11-20 09:00:00",
    answer="2026-11-20 09:00:05",
    end="2026-11-20 09:01:10",
    duration="70",
    billsec="65",
    disposition="ANSWERED",
    *,
    context="from-agents",
    source="+911",
    destination="+912",
    more=("1763629200.7", ""),
):
    before = [
        "",
        source,
        destination,
        context,
        '"Asha" <+911>',
        "SIP/1-01",
        "SIP/2-02",
        "Dial",
        "SIP/2",
    ]
    return [*before, start, answer, end, duration, billsec, disposition, "DOCUMENTATION", *more]


def read(*rows, zone="UTC", **options):
    source = AsteriskCsv(account_id=7, zone=ZoneInfo(zone), now=NOW, **options)
    lines = [RawRecord(number, "text", values) for number, values in enumerate(rows, start=1)]
    [result] = source.read(lines)
    assert list(result.raw) == lines
    if isinstance(result.record, Rejected):
        return Rejected(source.field_name(result.record.field), result.record.reason)
    return result.record


def times(record):
    assert isinstance(record, CallRecord), record
    return [
        at and f"{at:%H:%M:%S}" for at in (record.started_at, record.connected_at, record.ended_at)
    ]


def test_an_answered_call():
    assert read(row(more=("1763629200.7", "vip"))) == CallRecord(
        7,
        "1763629200.7",
        UsageType.OUTBOUND,
        "",
        "+911",
        "+912",
        datetime(2026, 11, 20, 9, tzinfo=UTC),
        datetime(2026, 11, 20, 9, 0, 5, tzinfo=UTC),
        datetime(2026, 11, 20, 9, 1, 10, tzinfo=UTC),
        Status.COMPLETED,
        "vip",
        revised_at=datetime(2026, 11, 20, 9, 1, 10, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("disposition", "status"),
    [
        ("NO ANSWER", "no_answer"),
        ("BUSY", "busy"),
        ("FAILED", "failed"),
        ("CONGESTION", "failed"),
    ],
)
def test_an_unanswered_call_has_no_answer_time(disposition, status):
    record = read(row(answer="", billsec="0", disposition=disposition))
    assert (record.status, record.connected_at) == (status, None)


@pytest.mark.parametrize("disposition", ["NO ANSWER", "BUSY", "FAILED", "CONGESTION"])
def test_talk_after_an_answer_is_a_call_whatever_the_last_attempt_came_to(disposition):
    record = read(row(disposition=disposition))
    assert record.status == "completed"
    assert times(record) == ["09:00:00", "09:00:05", "09:01:10"]


@pytest.mark.parametrize("disposition", ["NO ANSWER", "BUSY", "FAILED", "CONGESTION"])
def test_without_talk_the_disposition_beats_an_answer_time(disposition):
    record = read(row(disposition=disposition, billsec="0"))
    assert record.status != "completed"
    assert times(record) == ["09:00:00", None, "09:01:10"]


def test_a_leg_that_was_answered_and_not_put_through_adds_to_its_call():
    first = ("2026-11-20 11:00:00", "2026-11-20 11:00:02", "2026-11-20 11:00:32", "32", "30")
    second = ("2026-11-20 11:00:32", "2026-11-20 11:00:38", "2026-11-20 11:02:38", "126", "120")
    record = read(row(*first, "NO ANSWER"), row(*second))
    assert times(record) == ["11:00:00", "11:00:02", "11:02:38"]


def test_times_are_on_the_wall_clock_of_the_zone():
    assert times(read(row(), zone="Asia/Kolkata")) == ["03:30:00", "03:30:05", "03:31:10"]


def test_the_direction_is_named_by_the_import():
    assert read(row(), usage_type=UsageType.INBOUND).usage_type == "inbound"


def test_a_dialplan_context_can_be_inbound():
    contexts = ["from-pstn", "from-trunk"]
    assert read(row(context="from-trunk"), inbound_contexts=contexts).usage_type == "inbound"
    assert read(row(context="from-agents"), inbound_contexts=contexts).usage_type == "outbound"


@pytest.mark.parametrize(
    ("more", "call_id", "remarks"),
    [
        (("1763629200.7", "vip"), "1763629200.7", "vip"),
        (("1763629200.7",), "1763629200.7", ""),
        (("pbx-1-1763629200.7",), "pbx-1-1763629200.7", ""),
    ],
)
def test_the_optional_columns_are_told_apart(more, call_id, remarks):
    record = read(row(more=more))
    assert (record.call_id, record.remarks) == (call_id, remarks)


@pytest.mark.parametrize(("more", "remarks"), [((), ""), (("vip",), "vip"), (("", "vip"), "vip")])
def test_without_uniqueid_a_call_is_named_after_its_line(more, remarks):
    record = read(row(more=more))
    assert record.call_id == read(row(more=())).call_id
    assert record.call_id != read(row(more=(), billsec="66")).call_id
    assert (len(record.call_id), record.remarks) == (len("asterisk-") + 32, remarks)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"duration": "-70"}, "duration: is negative (-70)."),
        ({"billsec": "-1"}, "billsec: is negative (-1)."),
        ({"duration": "1:10"}, "duration: is “1:10”, not a number of seconds."),
        ({"duration": "72"}, "duration: is 72 s, but from start to end are 70 s."),
        ({"duration": "68"}, "duration: is 68 s, but from start to end are 70 s."),
        ({"billsec": "63"}, "billsec: is 63 s, but from answer to end are 65 s."),
        ({"start": ""}, "start: is missing."),
        ({"end": ""}, "end: is missing."),
        ({"answer": ""}, "answer: is missing, although the call was ANSWERED."),
        (
            {"disposition": "MAYBE"},
            "disposition: is “MAYBE”; it must be one of: "
            "ANSWERED, NO ANSWER, BUSY, FAILED, CONGESTION, CANCEL.",
        ),
        (
            {"start": "20.11.2026 09:00"},
            "start: is “20.11.2026 09:00”; write it like 2026-11-23T14:05:09.",
        ),
        (
            {"answer": "2026-11-20 08:59:59", "billsec": "71"},
            "answer: is before the call started.",
        ),
        (
            {"answer": "", "billsec": "9", "disposition": "BUSY"},
            "billsec: is 9 s, but from answer to end are 0 s.",
        ),
        ({"end": "2026-11-20 08:59:00"}, "end: is before the start."),
        ({"end": "2026-11-20 09:00:01", "duration": "1"}, "end: is before the answer."),
        (
            {"disposition": " "},
            "disposition: is missing; it must be one of: "
            "ANSWERED, NO ANSWER, BUSY, FAILED, CONGESTION, CANCEL.",
        ),
        ({"more": ("\x07", "")}, "uniqueid: has U+0007, which can't be printed; remove it."),
    ],
)
def test_a_line_that_contradicts_itself_is_rejected_in_the_words_of_the_file(changes, said):
    assert str(read(row(**changes))) == said


@pytest.mark.parametrize("changes", [{"duration": "69"}, {"duration": "71"}, {"billsec": "64"}])
def test_a_second_of_truncation_is_tolerated_and_the_times_decide(changes):
    assert times(read(row(**changes))) == ["09:00:00", "09:00:05", "09:01:10"]


def test_the_legs_of_a_transferred_call_are_one_call_from_first_start_to_last_end():
    record = read(
        row("2026-11-20 09:01:10", "2026-11-20 09:01:12", "2026-11-20 09:05:00", "230", "228"),
        row(context="from-pstn"),
        inbound_contexts=["from-pstn"],
    )
    assert times(record) == ["09:00:00", "09:00:05", "09:05:00"]
    assert record.usage_type == "inbound"


def test_a_call_with_one_answered_leg_is_completed():
    missed = row("2026-11-20 08:59:00", "", "2026-11-20 09:00:00", "60", "0", "NO ANSWER")
    record = read(missed, row())
    assert record.status == "completed"
    assert times(record) == ["08:59:00", "09:00:05", "09:01:10"]


def test_a_call_without_an_answered_leg_ended_like_its_last():
    first = row("2026-11-20 09:00:00", "", "2026-11-20 09:00:10", "10", "0", "BUSY")
    last = row("2026-11-20 09:00:10", "", "2026-11-20 09:00:20", "10", "0", "NO ANSWER")
    assert read(first, last).status == "no_answer"


def test_ringing_in_vain_between_two_talks_ties_them_together():
    record = read(
        row("2026-11-20 10:00:00", "2026-11-20 10:00:00", "2026-11-20 10:00:05", "5", "5"),
        row("2026-11-20 10:00:05", "", "2026-11-20 10:00:25", "20", "0", "NO ANSWER"),
        row("2026-11-20 10:00:25", "2026-11-20 10:00:26", "2026-11-20 10:00:59", "34", "33"),
    )
    assert times(record) == ["10:00:00", "10:00:00", "10:00:59"]


def test_lines_of_a_call_with_a_bad_leg_each_say_why_they_are_rejected():
    source = AsteriskCsv(account_id=7, zone=ZoneInfo("UTC"), now=NOW)
    rows = [row(), row(duration="-1"), row(), row(billsec="x")]
    lines = [RawRecord(number, "text", values) for number, values in enumerate(rows, start=5)]
    assert [(read.raw[0].number, str(read.record)) for read in source.read(lines)] == [
        (5, OTHER_LEGS),
        (6, "duration: is negative (-1)."),
        (7, OTHER_LEGS),
        (8, "billsec: is “x”, not a number of seconds."),
    ]


@pytest.mark.parametrize(
    ("start", "end", "duration", "expected"),
    [
        ("2026-10-25 01:30:00", "2026-10-25 01:40:00", "600", ["00:30:00", None, "00:40:00"]),
        ("2026-10-25 01:30:00", "2026-10-25 01:40:00", "4200", ["00:30:00", None, "01:40:00"]),
        ("2026-10-25 01:50:00", "2026-10-25 01:10:00", "1200", ["00:50:00", None, "01:10:00"]),
        ("2026-10-25 01:30:00", "2026-10-25 02:10:00", "2400", ["01:30:00", None, "02:10:00"]),
        ("2026-10-25 01:30:00", "2026-10-25 02:10:00", "6000", ["00:30:00", None, "02:10:00"]),
    ],
)
def test_where_clocks_were_set_back_the_duration_tells_which_hour(start, end, duration, expected):
    record = read(row(start, "", end, duration, "0", "BUSY"), zone="Europe/London")
    assert times(record) == expected


def test_a_header_that_somebody_added_is_no_call():
    source = AsteriskCsv(account_id=7, zone=ZoneInfo("UTC"), now=NOW)
    assert source.takes_as_header([" Accountcode", *COLUMNS[1:], "uniqueid"])
    assert not source.takes_as_header(row())


@pytest.mark.parametrize("columns", [2, 15, 22])
def test_a_file_with_other_columns_is_refused(columns):
    source = AsteriskCsv(account_id=7, zone=ZoneInfo("UTC"), now=NOW)
    with pytest.raises(BadFileError, match=f"has {columns} columns; Asterisk's .* has 16 to 21"):
        source.takes_as_header(["x"] * columns)


def test_a_file_of_as_many_columns_with_other_values_is_refused():
    source = AsteriskCsv(account_id=7, zone=ZoneInfo("UTC"), now=NOW)
    with pytest.raises(BadFileError, match="no record by Asterisk: its times, its seconds"):
        source.takes_as_header(["x"] * 19)


def test_a_later_line_with_other_columns_is_rejected():
    assert str(read(["x"] * 3)) == "line: has 3 columns instead of 16 to 21."

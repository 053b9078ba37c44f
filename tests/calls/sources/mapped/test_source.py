from datetime import UTC, datetime

import pytest

from calls.models import Status
from calls.notations import BadFileError, RawRecord
from calls.notations.layout import JSON
from calls.records import CallRecord, Note, Rejected
from calls.sources import Ignored
from calls.sources.mapped.identifying import made_id
from tests.calls.sources.mapped.reading import (
    local_times,
    read_document,
    read_row,
    read_rows,
    results,
    source_of,
)

START = {"columns": ["Start"]}
PLAIN = {"call_id": {"columns": ["ID"]}, "started_at": START, "talk": {"column": "Talk"}}
ROW = {"ID": "c1", "Start": "2026-11-20 10:00:00", "Talk": "65"}

CENTRE = {
    "call_id": {"columns": ["Conversation"]},
    "started_at": {"columns": ["Date", "Time"], "form": "dmy"},
    "waiting": {"column": "Wait (s)"},
    "talk": {"column": "Talk time", "unit": "h:m:s"},
    "status": {
        "column": "Answered (Y/N)",
        "words": {"completed": ["Y"], "no_answer": ["N"]},
    },
    "agent": ["Agent"],
    "remarks": ["Topic"],
}
CENTRE_COLUMNS = [
    "Conversation",
    "Date",
    "Time",
    "Agent",
    "Answered (Y/N)",
    "Wait (s)",
    "Talk time",
    "Topic",
]
CENTRE_ROWS = [
    ["K-1", "13/11/2026", "2:05:09 PM", "Ravi", "Y", "12", "00:03:20", "Delivery"],
    ["K-2", "13/11/2026", "2:07:00 PM", "", "N", "45", "", "Refund"],
    ["K-3", "14/11/2026", "12:00:30 AM", "Asha", "Y", "3", "01:00:00", "Delivery"],
]


def test_waiting_and_talk_stand_for_connection_and_end():
    first, second, third = (read.record for read in read_rows(CENTRE, CENTRE_COLUMNS, CENTRE_ROWS))
    assert local_times(first) == ["14:05:09", "14:05:21", "14:08:41"]
    assert (first.agent, first.remarks, first.call_id) == ("Ravi", "Delivery", "K-1")
    assert local_times(second) == ["14:07:00", None, "14:07:45"]
    assert second.status is Status.NO_ANSWER
    assert local_times(third) == ["00:00:30", "00:00:33", "01:00:33"]


PLATFORM = {
    "call_id": {"columns": ["Call ID"]},
    "usage_type": {
        "column": "Type",
        "words": {"outbound": ["outbound*"], "inbound": ["inbound*"]},
    },
    "status": {
        "column": "Ended reason",
        "words": {"completed": ["*-ended-call", "customer-ended*"], "no_answer": ["customer-did*"]},
    },
    "started_at": {"columns": ["Start"], "form": "epoch_ms"},
    "ended_at": {"columns": ["End"], "form": "epoch_ms"},
}


def platform(reason, kind="outboundPhoneCall", **options):
    row = {
        "Call ID": "v1",
        "Type": kind,
        "Start": "1793698509123",
        "End": "1793698526123",
        "Ended reason": reason,
    }
    return read_row(PLATFORM, row, **options)


def test_a_reason_beats_times():
    record = platform("customer-did-not-answer")
    assert (record.status, record.connected_at) == (Status.NO_ANSWER, None)


def test_words_are_compared_without_case_and_by_their_beginning():
    assert platform("Customer-Ended-Call", "INBOUNDphonecall").usage_type == "inbound"


def test_a_word_that_has_no_meaning_is_rejected_with_the_known_ones():
    record = platform("silence")
    assert isinstance(record, Rejected)
    assert record.field == "status"
    assert record.reason == (
        "is “silence”, which has no meaning yet; known are: “*-ended-call”, “customer-ended*”, "
        "“customer-did*”."
    )


def test_reasons_name_the_columns_of_the_file():
    source = source_of(CENTRE, CENTRE_COLUMNS)
    assert source.field_name("status") == "Answered (Y/N)"
    assert source.field_name("started_at") == "Date, Time"
    assert source.field_name("ended_at") == "Talk time"
    assert source.field_name("connected_at") == "Wait (s)"
    assert source.field_name("line") == "line"


def test_talk_beats_a_word_for_no_answer():
    profile = PLAIN | {"status": {"column": "Status", "words": {"no_answer": ["NO ANSWER"]}}}
    record = read_row(profile, ROW | {"Status": "NO ANSWER"})
    assert record.status is Status.COMPLETED


def test_talk_tells_who_answered_where_no_word_does():
    profile = PLAIN | {"status": {"by": "talk"}}
    assert read_row(profile, ROW).status is Status.COMPLETED
    assert read_row(profile, ROW | {"Talk": "0"}).status is Status.NO_ANSWER


def test_the_time_of_the_answer_tells_who_answered_where_no_word_does():
    profile = {
        "call_id": {"columns": ["ID"]},
        "status": {"by": "connected_at"},
        "started_at": START,
        "connected_at": {"columns": ["Answer"]},
        "ended_at": {"columns": ["End"]},
    }
    row = {"ID": "c1", "Start": "2026-11-20 10:00:00", "End": "2026-11-20 10:01:00"}
    answered = read_row(profile, row | {"Answer": "2026-11-20 10:00:05"})
    assert local_times(answered) == ["10:00:00", "10:00:05", "10:01:00"]
    unanswered = read_row(profile, row | {"Answer": "0000-00-00 00:00:00"})
    assert unanswered.status is Status.NO_ANSWER


def test_a_completed_call_without_its_time_of_answer_is_rejected_not_charged_for_ringing():
    profile = {
        "call_id": {"columns": ["ID"]},
        "started_at": START,
        "connected_at": {"columns": ["Answer"]},
        "ended_at": {"columns": ["End"]},
    }
    row = {"ID": "1", "Start": "2026-11-20 10:00:00", "Answer": "", "End": "2026-11-20 10:01:00"}
    record = read_row(profile, row)
    assert isinstance(record, Rejected)
    assert record.field == "connected_at"


@pytest.mark.parametrize(
    ("zone", "value", "expected"),
    [
        ("", "2026-11-20 10:00:00", 4.5),
        ("Europe/Berlin", "2026-11-20 10:00:00", 9),
        ("Europe/Berlin", "2026-11-20 10:00:00+02:00", 8),
        ({"column": "Zone"}, "2026-11-20 10:00:00", 15),
        ({"column": "Zone"}, "2026-11-20 10:00:00Z", 10),
    ],
)
def test_an_offset_goes_before_the_zone_of_the_column_and_that_before_the_import(
    zone, value, expected
):
    profile = PLAIN | {"started_at": START | {"zone": zone}}
    record = read_row(profile, ROW | {"Start": value, "Zone": "America/New_York"})
    midnight = datetime(2026, 11, 20, tzinfo=UTC)
    assert (record.started_at - midnight).total_seconds() == expected * 3600


@pytest.mark.parametrize(
    ("named", "hour"), [("GMT+5:30", 4.5), ("IST", 4.5), ("UTC", 10), ("", 4.5), ("+01:00", 9)]
)
def test_a_column_of_zones_may_hold_offsets_and_certain_abbreviations(named, hour):
    profile = PLAIN | {"started_at": START | {"zone": {"column": "Zone"}}}
    record = read_row(profile, ROW | {"Zone": named})
    midnight = datetime(2026, 11, 20, tzinfo=UTC)
    assert (record.started_at - midnight).total_seconds() == hour * 3600


def test_a_column_of_zones_with_an_uncertain_abbreviation_is_rejected():
    profile = PLAIN | {"started_at": START | {"zone": {"column": "Zone"}}}
    record = read_row(profile, ROW | {"Zone": "CST"})
    assert isinstance(record, Rejected)
    assert "“CST”, which may be of several places" in record.reason


def test_of_an_hour_that_happens_twice_that_counts_in_which_lengths_agree():
    profile = PLAIN | {"ended_at": {"columns": ["End"]}}
    row = {"ID": "c1", "Start": "2026-10-25 02:50:00", "End": "2026-10-25 02:10:00", "Talk": "1200"}
    record = read_row(profile, row, zone="Europe/Berlin")
    assert (record.ended_at - record.started_at).total_seconds() == 1200
    long = read_row(
        profile, row | {"End": "2026-10-25 02:55:00", "Talk": "3900"}, zone="Europe/Berlin"
    )
    assert (long.ended_at - long.started_at).total_seconds() == 3900


def test_an_hour_that_never_was_is_rejected():
    record = read_row(PLAIN, ROW | {"Start": "2026-03-29 02:30:00"}, zone="Europe/Berlin")
    assert isinstance(record, Rejected)
    assert "which the clocks of Europe/Berlin skipped" in record.reason


def test_times_of_day_with_one_date_may_lead_past_midnight():
    profile = {
        "call_id": {"columns": ["ID"]},
        "started_at": {"columns": ["Date", "From"]},
        "ended_at": {"columns": ["Date", "Until"]},
    }
    row = {"ID": "c1", "Date": "2026-11-20", "From": "23:59:30", "Until": "00:00:40"}
    record = read_row(profile, row)
    assert (record.ended_at - record.started_at).total_seconds() == 70


def test_talk_decides_where_times_have_no_seconds():
    profile = PLAIN | {
        "started_at": START | {"precision": "minute"},
        "connected_at": {"columns": ["Answer"]},
        "ended_at": {"columns": ["End"]},
    }
    minute = "2026-11-20 22:41"
    record = read_row(
        profile, {"ID": "1", "Start": minute, "Answer": minute, "End": minute} | {"Talk": "9"}
    )
    assert local_times(record) == ["22:41:00", "22:41:00", "22:41:09"]


def test_a_length_far_from_the_times_is_noted():
    profile = PLAIN | {"ended_at": {"columns": ["End"]}}
    row = ROW | {"End": "2026-11-20 10:01:05", "Talk": "65000"}
    (read,) = read_rows(profile, list(row), [list(row.values())])
    assert read.agrees is False
    assert read.record.notes == (Note("talk", "is far from what the times say; the times decide."),)


def test_a_number_that_a_spreadsheet_spoilt_is_left_out_and_the_call_kept():
    profile = PLAIN | {"from": ["Caller"], "to": ["Called", "Dialled"]}
    row = ROW | {"Caller": "9.18287E+11", "Called": "NULL", "Dialled": "918287463433.0"}
    record = read_row(profile, row)
    assert (record.from_number, record.to_number) == ("", "918287463433")
    assert record.notes == (Note("from", "lost its last digits in a spreadsheet; it is left out."),)


def test_several_columns_make_one_text():
    profile = PLAIN | {"agent": ["First", "Last"], "remarks": ["Topic", "Rating"]}
    row = ROW | {"First": "Asha", "Last": "Rao", "Topic": "Refund", "Rating": "N/A"}
    record = read_row(profile, row)
    assert (record.agent, record.remarks) == ("Asha Rao", "Refund")


def test_what_is_the_same_for_all_records_is_set():
    profile = PLAIN | {"set": {"agent": "Desk"}, "usage_type": {"otherwise": "inbound"}}
    record = read_row(profile, ROW)
    assert (record.agent, record.usage_type) == ("Desk", "inbound")


def test_a_prefix_stands_before_every_id():
    profile = PLAIN | {"call_id": {"columns": ["ID"], "prefix": "2026-"}}
    assert read_row(profile, ROW).call_id == "2026-c1"


@pytest.mark.parametrize("call_id", ["", "NULL", "\\N", "N/A"])
def test_an_id_that_is_nothing_is_missing(call_id):
    record = read_row(PLAIN, ROW | {"ID": call_id})
    assert isinstance(record, Rejected)
    assert (record.field, record.reason) == ("call_id", "is missing.")


def test_an_id_that_lost_its_digits_is_rejected():
    record = read_row(PLAIN, ROW | {"ID": "9.18287E+11"})
    assert isinstance(record, Rejected)
    assert record.field == "call_id"


NO_ID = {"started_at": START, "talk": {"column": "Talk"}}


@pytest.mark.parametrize(
    "identity", [{"columns": ["ID", "Start"]}, {"columns": ["Start", "ID"]}, {}]
)
def test_a_made_id_is_of_the_raw_text_whatever_the_mapping_reads_in_it(identity):
    profile = NO_ID | {"call_id": identity}
    row = ROW | {"Start": "03/11/2026 10:00:00"}
    day_first = read_row(profile | {"started_at": START | {"form": "dmy"}}, row)
    month_first = read_row(profile | {"started_at": START | {"form": "mdy"}}, row)
    assert day_first.started_at != month_first.started_at
    assert day_first.call_id == month_first.call_id
    assert day_first.call_id.startswith("row-")
    assert len(day_first.call_id) == len("row-") + 32


def test_a_made_id_differs_where_any_of_its_columns_does():
    profile = NO_ID | {"call_id": {"columns": ["ID", "Start"]}}
    assert read_row(profile, ROW).call_id != read_row(profile, ROW | {"ID": "c2"}).call_id
    assert read_row(profile, ROW).call_id == read_row(profile, ROW | {"Talk": "9"}).call_id
    assert read_row(NO_ID, ROW).call_id != read_row(NO_ID, ROW | {"Talk": "9"}).call_id


def test_what_is_ignored_is_no_part_of_the_id_of_a_whole_record():
    profile = NO_ID | {"ignore": ["Transcript"]}
    with_text = read_row(profile, ROW | {"Transcript": "Hello"})
    assert with_text.call_id == read_row(profile, ROW).call_id


def test_equal_rows_are_several_calls_where_ids_are_made():
    source = source_of(NO_ID, list(ROW))
    assert source.equal_rows_are_calls
    row = list(ROW.values())
    ids = []
    for occurrence in (1, 2):
        (read,) = source.read([RawRecord(2, "", row, occurrence=occurrence)])
        ids.append(read.record.call_id)
    assert ids == [source.call_id(row), f"{source.call_id(row)}#2"]


def test_equal_rows_are_one_call_where_a_column_has_the_id():
    source = source_of(PLAIN, list(ROW))
    assert not source.equal_rows_are_calls


def test_the_values_of_a_made_id_can_not_be_moved_from_one_column_to_the_next():
    assert made_id([("a", "1"), ("b", "23")]) != made_id([("a", "12"), ("b", "3")])
    assert made_id([("a", "1"), ("b", "")]) == made_id([("b", ""), ("a", "1"), ("c", "")])


LEGS = {
    "call_id": {"columns": ["sid"]},
    "group": {"column": "parent"},
    "status": {"column": "status", "words": {"completed": ["completed"], "no_answer": ["no"]}},
    "started_at": {"columns": ["start"]},
    "ended_at": {"columns": ["end"]},
}
LEG_COLUMNS = ["sid", "parent", "status", "start", "end"]


def leg(sid, parent, status, start, end):
    return [sid, parent, status, f"2026-11-20 10:{start}", f"2026-11-20 10:{end}"]


def legs(*rows):
    source = source_of(LEGS, LEG_COLUMNS)
    assert source.tells_legs
    return list(source.read([RawRecord(number, "", row) for number, row in enumerate(rows, 2)]))


def test_a_leg_has_the_id_of_its_call():
    source = source_of(LEGS, LEG_COLUMNS)
    assert source.call_id(leg("a", "", "completed", "00:00", "01:00")) == "a"
    assert source.call_id(leg("a", "a", "completed", "00:00", "01:00")) == "a"
    assert source.call_id(leg("b", "a", "completed", "00:00", "01:00")) == "a"


def test_parallel_legs_overlap_and_are_one_call():
    (read,) = legs(
        leg("a", "", "no", "00:00", "00:40"),
        leg("b", "a", "completed", "00:20", "02:00"),
        leg("c", "a", "completed", "00:10", "01:00"),
    )
    assert local_times(read.record) == ["10:00:00", "10:00:10", "10:02:00"]
    assert [one.number for one in read.raw] == [2, 3, 4]


def test_a_leg_alone_makes_the_call_of_its_parent():
    (read,) = legs(leg("b", "a", "completed", "00:20", "02:00"))
    assert read.record.call_id == "a"


def test_a_leg_that_can_not_be_read_keeps_its_call_from_being_recorded_in_part():
    first, second = legs(
        leg("a", "", "completed", "00:00", "00:40"), leg("b", "a", "what?", "00:20", "02:00")
    )
    assert isinstance(first.record, Rejected)
    assert first.record.reason.startswith("is of the same call as line 3")
    assert isinstance(second.record, Rejected)
    assert second.record.field == "status"


def test_legs_that_are_skipped_are_ignored_and_the_others_joined():
    source = source_of(LEGS | {"skip": [{"column": "sid", "values": ["x*"]}]}, LEG_COLUMNS)
    rows = [leg("x1", "a", "??", "00:00", "00:40"), leg("b", "a", "completed", "00:20", "02:00")]
    ignored, read = source.read([RawRecord(2, "", rows[0]), RawRecord(3, "", rows[1])])
    assert isinstance(ignored.record, Ignored)
    assert isinstance(read.record, CallRecord)


def test_records_that_are_no_calls_are_ignored_whatever_else_is_wrong_with_them():
    profile = PLAIN | {"skip": [{"column": "Context", "values": ["internal", "feature*"]}]}
    ignored = read_row(profile, ROW | {"Context": "Features-60", "Start": "?"})
    assert ignored == Ignored("“Context” is “Features-60”.")
    assert isinstance(read_row(profile, ROW | {"Context": "trunk"}), CallRecord)


def test_a_document_is_read_by_its_paths():
    profile = PLAIN | {"to": ["customer.number"]}
    record = read_document(profile, ROW | {"customer.number": "+911", "other": "x"})
    assert record.to_number == "+911"
    assert read_document(profile, ROW).to_number == ""


def test_the_id_of_a_whole_document_is_of_all_its_paths():
    source = source_of(NO_ID, [], notation=JSON)
    assert source.call_id(ROW | {"a.b": "1"}) != source.call_id(ROW | {"a.b": "2"})


@pytest.mark.parametrize(
    ("row", "is_good"),
    [
        (["c1", "2026-11-20 10:00:00", "65"], True),
        (["c1", "2026-11-20 10:00:00", "65", "", " "], True),
        (["c1", "2026-11-20 10:00:00", "65", "x"], False),
        (["c1", "2026-11-20 10:00:00"], False),
    ],
)
def test_a_row_has_as_many_values_as_the_header_but_empty_ones(row, is_good):
    ((read),) = results(source_of(PLAIN, list(ROW)), [row])
    assert isinstance(read.record, CallRecord) is is_good
    if not is_good:
        assert read.record.field == "line"
        assert "the header names 3 columns" in read.record.reason


def test_a_record_that_could_not_be_cut_is_rejected():
    source = source_of(PLAIN, list(ROW))
    (read,) = source.read([RawRecord(2, "", [], defect="has a quotation mark too many.")])
    assert isinstance(read.record, Rejected)
    assert read.record.reason == "has a quotation mark too many."


def test_names_of_columns_are_found_without_case_and_blanks():
    assert isinstance(
        read_row(PLAIN, {"id": "c1", "START ": "2026-11-20 10:00:00", "Ta lk": "5"}), CallRecord
    )


def test_a_file_without_a_column_that_is_needed_is_refused():
    with pytest.raises(BadFileError, match=r"The file has no column “Talk”; it has “ID”, “Start”."):
        source_of(PLAIN, ["ID", "Start"])


def test_a_file_may_be_without_a_column_of_texts():
    profile = PLAIN | {"agent": ["Agent"], "revised_at": {"columns": ["Changed"]}}
    assert isinstance(read_row(profile, ROW), CallRecord)


def test_a_file_without_a_header_has_the_columns_that_the_profile_names():
    profile = PLAIN | {"columns": ["ID", "Start", "Talk"]}
    (read,) = read_rows(profile, ["1", "2", "3", "4"], [[*ROW.values(), "x"]], has_header=False)
    assert read.record.call_id == "c1"


@pytest.mark.parametrize(
    ("columns", "last", "is_closed", "is_torn"),
    [
        (["ID", "Start", "Talk", "Topic"], ["c1", "t", "5", "Ref"], False, False),
        (["ID", "Start", "Talk", "Topic"], ["c1", "t", "5"], False, True),
        (["ID", "Start", "Talk"], ["c1", "t", "5"], False, True),
        (["ID", "Start", "Talk"], ["c1", "t", "5"], True, False),
        (["ID", "Start", "Talk"], ["c1", "t", "0:00:05"], False, False),
        (["Talk", "ID", "Start"], ["5", "c1", "2026-11-20 10:00:00"], False, True),
        (["Talk", "ID", "Start"], ["5", "c1", "2026-11-20 10:00:00Z"], False, False),
        (["Start", "Talk", "ID"], ["t", "5", "c1"], True, True),
    ],
)
def test_a_last_line_that_nothing_ends_is_torn_where_a_part_that_matters_may_be_missing(
    columns, last, is_closed, is_torn
):
    assert source_of(PLAIN, columns).may_be_torn(last, is_closed) is is_torn


def test_a_last_line_that_ends_with_a_known_word_is_whole():
    profile = PLAIN | {"status": {"column": "Status", "words": {"completed": ["Y"]}}}
    source = source_of(profile, [*ROW, "Status"])
    assert not source.may_be_torn([*ROW.values(), "Y"], False)
    assert source.may_be_torn([*ROW.values(), "?"], False)


CUT = {
    "call_id": {"columns": ["ID"]},
    "started_at": {"columns": ["Start"]},
    "connected_at": {"columns": ["Answer"]},
    "ended_at": {"columns": ["End"]},
    "talk": {"column": "Talk"},
    "status": {"by": "talk"},
}


@pytest.mark.parametrize(
    ("start", "answer", "end", "expected"),
    [
        ("22:41", "22:41", "22:41", ["22:41:00", "22:41:00", "22:41:09"]),
        ("22:41", "", "22:42", ["22:41:00", "22:41:00", "22:41:09"]),
        ("22:41:00", "22:41:00", "22:41:12", ["22:41:00", "22:41:00", "22:41:12"]),
        ("22:41", "22:41", "22:41:12", ["22:41:00", "22:41:00", "22:41:12"]),
        ("22:41+05:30", "22:41+05:30", "22:42+05:30", ["22:41:00", "22:41:00", "22:41:09"]),
    ],
    ids=["all cut", "no answer told", "with seconds", "an end with seconds", "with offsets"],
)
def test_talk_time_goes_before_times_without_seconds(start, answer, end, expected):
    day = "2026-11-20 {}".format
    row = {"ID": "c1", "Start": day(start), "Answer": answer and day(answer), "End": day(end)}
    assert local_times(read_row(CUT, row | {"Talk": "9"})) == expected

"""What is proposed for files that nobody knows, and what is asked."""

import csv
import io
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from calls.imports.contradicting import records_of
from calls.models import Status
from calls.notations import BadFileError, RawRecord
from calls.sources.mapped.answers import answered
from calls.sources.mapped.profile import ProfileError
from calls.sources.mapped.proposing import propose
from tests.calls.imports.cutting import examined
from tests.calls.sources.mapped.reading import KOLKATA, NOW, local_times, read_rows


def table(text):
    """Header and rows of a text with semicolons, one record a line."""
    rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text), delimiter=";")]
    head, *rows = [row for row in rows if any(row)]
    return head, rows


def proposed(text, zone=KOLKATA, sample_max=None):
    head, rows = table(text)
    sample: list[RawRecord[Mapping[str, str]]] = [
        RawRecord(number, "", dict(zip(head, row, strict=True)))
        for number, row in enumerate(rows, 2)
    ]
    every = [RawRecord(number, "", row) for number, row in enumerate(rows, 2)]
    return propose(
        head,
        sample[:sample_max],
        zone=ZoneInfo(zone),
        now=NOW,
        records=every if sample_max else None,
    )


def calls(text, profile=None, zone=KOLKATA):
    """ID, status, and times of what the proposal makes of each row."""
    head, rows = table(text)
    profile = profile or proposed(text, zone).profile
    told = [read.record for read in read_rows(profile, head, rows, zone=zone)]
    return [(one.call_id, one.status, *local_times(one, zone)) for one in told]


def topics(proposal):
    return [question.topic for question in proposal.questions]


def facts(proposal, topic):
    return [fact.said for fact in proposal.facts if fact.topic == topic]


CALL_CENTRE = """
Conversation;Date;Time;Agent name;Answered (Y/N);Wait (s);Talk time;Topic
A-1;20/11/2026;2:05:09 PM;Asha;Y;12;00:03:20;Delivery
A-2;20/11/2026;2:07:00 PM;;N;45;;Refund
A-3;21/11/2026;12:00:30 AM;Ravi;Y;3;01:00:00;Delivery
"""


def test_an_export_of_a_call_centre_is_read_without_help():
    assert calls(CALL_CENTRE) == [
        ("A-1", Status.COMPLETED, "14:05:09", "14:05:21", "14:08:41"),
        ("A-2", Status.NO_ANSWER, "14:07:00", None, "14:07:45"),
        ("A-3", Status.COMPLETED, "00:00:30", "00:00:33", "01:00:33"),
    ]


def test_only_who_called_whom_is_asked_of_it():
    proposal = proposed(CALL_CENTRE)
    assert topics(proposal) == ["usage_type"]
    inbound = answered(proposal.profile, "usage_type", "inbound")
    head, rows = table(CALL_CENTRE)
    assert {read.record.usage_type for read in read_rows(inbound, head, rows)} == {"inbound"}


PLATFORM = """
Call ID;Type;Assistant;Start;Duration (seconds);Ended reason;Cost (USD)
p-1;outboundPhoneCall;Desk;1795255200123;64.5;customer-ended-call;0.12
p-2;outboundPhoneCall;Desk;1795255300456;0;customer-did-not-answer;0.00
p-3;inboundPhoneCall;Desk;1795255400789;30.001;assistant-ended-call;0.05
"""


def test_an_export_of_a_platform_is_read_without_help_or_question():
    assert proposed(PLATFORM).questions == ()
    told = calls(PLATFORM, zone="UTC")
    assert [(one[1], one[2], one[4]) for one in told] == [
        (Status.COMPLETED, "10:00:00.123000", "10:01:04.623000"),
        (Status.NO_ANSWER, "10:01:40.456000", "10:01:40.456000"),
        (Status.COMPLETED, "10:03:20.789000", "10:03:50.790000"),
    ]


@pytest.mark.parametrize(
    ("text", "times"),
    [
        (
            """
            Call UUID;Call started;Call answered;Call ended;Direction;Result
            x-1;2026-11-20T10:00:00+05:30;2026-11-20T10:00:07+05:30;2026-11-20T10:01:00+05:30;in;OK
            """,
            ["10:00:00", "10:00:07", "10:01:00"],
        ),
        (
            """
            id;start_time_unix;length_in_sec;call_type;status
            x-1;1795255200;90;INBOUND;completed
            """,
            ["15:30:00", "15:30:00", "15:31:30"],
        ),
        (
            """
            Call ref;Start date;Start time;End time;Direction;Outcome
            x-1;20.11.2026;23:59:50;00:00:20;Outgoing;Answered
            """,
            ["23:59:50", "23:59:50", "00:00:20"],
        ),
        (
            """
            Call ID;Date & time;Ring time;Talk duration;Direction
            x-1;20 Nov 2026 10:00;5;0:01:30;Outbound
            """,
            ["10:00:00", "10:00:05", "10:01:35"],
        ),
        (
            """
            Call ID;Start;Duration (min);Direction;Answered
            x-1;46346.5;1.5;Outbound;Yes
            """,
            ["12:00:00", "12:00:00", "12:01:30"],
        ),
        (
            """
            Call ID;Started at (UTC);Duration (ms);Direction;Answered
            x-1;2026-11-20 04:30:00;61500;Outbound;true
            """,
            ["10:00:00", "10:00:00", "10:01:01.500000"],
        ),
        (
            """
            Call ID;Started;Talk time (s);Direction
            x-1;20/11/2026 02:05:09 PM IST;10;Outbound
            """,
            ["14:05:09", "14:05:09", "14:05:19"],
        ),
        (
            """
            Call ID;Started;Talk time (s);Direction
            x-1;02:05:09 PM 20/11/2026;10;Outbound
            """,
            ["14:05:09", "14:05:09", "14:05:19"],
        ),
        (
            """
            Call ID;Started;Talk time (s);Direction
            x-1;02:05 PM IST 20 Nov 2026;10;Outbound
            """,
            ["14:05:00", "14:05:00", "14:05:10"],
        ),
        (
            """
            Call ID;Started;Talk time (s);Direction
            x-1;20/11/2026 02:05 p. m.;10;Outbound
            """,
            ["14:05:00", "14:05:00", "14:05:10"],
        ),
        (
            """
            Call ID;Date;Time;Talk time (s);Direction
            x-1;20/11/2026;02:05 p. m.;10;Outbound
            """,
            ["14:05:00", "14:05:00", "14:05:10"],
        ),
    ],
    ids=[
        *("offsets", "epoch", "end-after-midnight", "month-in-letters", "serial", "utc-in-name"),
        *("own-abbreviation", "time-first", "time-first-in-letters", "half-with-a-blank"),
        "half-with-a-blank-in-its-column",
    ],
)
def test_times_are_read_as_they_are_written(text, times):
    ((_, status, *told),) = calls(text)
    assert (status, told) == (Status.COMPLETED, times)


def test_an_abbreviation_of_another_zone_than_the_accounts_is_proposed_nowhere():
    text = "Call ID;Started;Talk time (s)\nx-1;20/11/2026 02:05:09 PM IST;10\n"
    assert proposed(text, zone="Europe/Paris").profile is None
    [said] = facts(proposed(text), "zone")
    assert "names its own offset" in said


def test_the_unit_of_a_length_is_the_one_that_agrees_with_the_times():
    text = """
    Call ID;Start;End;Duration;Direction
    x-1;2026-11-20 10:00:00;2026-11-20 10:01:30;1.5;out
    x-2;2026-11-20 10:05:00;2026-11-20 10:08:00;3;out
    x-3;2026-11-20 10:15:00;2026-11-20 10:15:30;0.5;out
    """
    proposal = proposed(text)
    assert proposal.profile.total.unit == "min"
    assert facts(proposal, "durations") == [
        "100 % of the durations agree with the times of their calls within a second."
    ]


@pytest.mark.parametrize(
    ("name", "talk", "end"),
    [
        ("Talk time (hh:mm)", "01:10", "11:10:00"),
        ("Talk time (hh:mm)", "01:10:00", "11:10:00"),
        ("Talk time (mm:ss)", "01:10", "10:01:10"),
        ("Talk time", "01:10", "10:01:10"),
    ],
)
def test_the_name_of_a_column_tells_hours_from_minutes(name, talk, end):
    text = f"Call ID;Start;{name};Direction\nx-1;2026-11-20 10:00:00;{talk};Outbound\n"
    ((*_, ended),) = calls(text)
    assert ended == end


def test_lengths_that_agree_with_the_times_as_hours_and_minutes_are_such():
    text = (
        "Call ID;Start;End;Duration;Direction\n"
        "x-1;2026-11-20 10:00:00;2026-11-20 11:10:00;01:10;Outbound\n"
        "x-2;2026-11-20 12:00:00;2026-11-20 12:02:00;00:02;Outbound\n"
    )
    proposal = proposed(text)
    assert proposal.profile.total.unit == "h:m"
    assert facts(proposal, "durations")[0].startswith("100")


def test_lengths_decide_where_times_are_cut_to_minutes():
    text = """
    Call ID;Start;Answer;End;Talk time;Direction
    x-1;20/11/2026 22:41;20/11/2026 22:41;20/11/2026 22:41;9;out
    x-2;20/11/2026 22:45;20/11/2026 22:45;20/11/2026 22:46;61;out
    x-3;20/11/2026 22:50;;20/11/2026 22:51;0;out
    """
    assert [(one[1], one[3], one[4]) for one in calls(text)][:2] == [
        (Status.COMPLETED, "22:41:00", "22:41:09"),
        (Status.COMPLETED, "22:45:00", "22:46:01"),
    ]


# ── Day or month first ────────────────────────────────────────────────────────────────────────
DATES = "Call ID;Start;Duration;Direction;Answered\n"


def dated(*dates, ids=None, unit=10):
    names = ids or [f"x-{number}" for number in range(len(dates))]
    return DATES + "\n".join(
        f"{name};{at};{unit};out;Y" for name, at in zip(names, dates, strict=True)
    )


def order(proposal):
    return proposal.profile.started_at.form


def test_a_number_above_12_proves_it_for_the_whole_column():
    proposal = proposed(dated("01/11/2026 10:00:01", "11/13/2026 10:00:02"))
    assert (order(proposal), topics(proposal)) == ("mdy", [])
    assert facts(proposal, "dates") == ["The month comes first: “11/13/2026 10:00:02” (line 3)."]


def test_both_proofs_are_refused_with_two_lines():
    with pytest.raises(BadFileError, match=r"day first \(line 2\).*month first \(line 3\)"):
        proposed(dated("13/11/2026 10:00:01", "11/14/2026 10:00:02"))


def test_times_in_ids_prove_zone_and_order():
    at = datetime(2026, 11, 5, 4, 30, tzinfo=UTC)  # 07:30 in Moscow
    starts = [at + timedelta(minutes=number) for number in range(4)]
    ids = [f"{int(start.timestamp())}.{number}" for number, start in enumerate(starts)]
    local = [(start + timedelta(hours=3)).strftime("%m/%d/%Y %H:%M:%S") for start in starts]
    proposal = proposed(dated(*local, ids=ids))
    assert (order(proposal), topics(proposal)) == ("mdy", [])
    assert facts(proposal, "zone") == ["IDs prove that times are in UTC+3."]
    assert proposal.profile.started_at.zone == "Etc/GMT-3"


def test_the_order_of_the_rows_tells():
    days = ["02/09", "05/09", "01/10", "08/10", "03/11", "04/11"]
    proposal = proposed(dated(*(f"{day}/2026 10:00:01" for day in days)))
    assert (order(proposal), topics(proposal)) == ("dmy", [])
    assert facts(proposal, "dates") == ["The day comes first: so read, the rows are in order."]


def test_a_few_rows_may_be_in_order_by_chance():
    days = ["01/10", "08/10", "03/11"]
    proposal = proposed(dated(*(f"{day}/2026 10:00:01" for day in days)))
    assert topics(proposal) == ["dates"]


def test_what_would_be_in_the_future_is_not_meant():
    proposal = proposed(dated("03/12/2026 10:00:01"))
    assert (order(proposal), topics(proposal)) == ("mdy", [])
    assert "in the future" in facts(proposal, "dates")[0]


def test_dates_long_before_the_account_prove_nothing():
    assert topics(proposed(dated("03/11/2019 10:00:01", "04/11/2019 10:00:01"))) == ["dates"]


def test_what_nothing_tells_is_asked_with_an_example_spelt_out():
    proposal = proposed(dated("03/11/2026 10:00:01"))
    (question,) = proposal.questions
    assert question.said == "What does “03/11/2026 10:00:01” in “Start” mean?"
    assert question.choices == (("dmy", "3 November"), ("mdy", "11 March"))
    started_at = answered(proposal.profile, "dates", "mdy").started_at
    assert started_at is not None
    assert started_at.form == "mdy"


def test_dates_that_mean_the_same_either_way_are_not_asked_about():
    assert topics(proposed(dated("05/05/2026 10:00:01", "11/11/2026 10:00:01"))) == []


def test_what_one_column_proves_counts_for_the_others():
    text = """
    Call ID;Start;End;Direction
    x-1;03/11/2026 23:59:01;04/11/2026 00:01:02;out
    x-2;12/11/2026 23:59:01;13/11/2026 00:01:02;out
    """
    proposal = proposed(text)
    assert "dates" not in topics(proposal)
    assert order(proposal) == "dmy"


def test_the_proof_may_stand_after_the_first_records():
    text = dated("03/11/2026 10:00:01", "04/11/2026 10:00:01", "13/11/2026 10:00:01")
    proposal = proposed(text, sample_max=1)
    assert (order(proposal), topics(proposal)) == ("dmy", [])


def test_a_contradiction_may_stand_after_the_first_records():
    text = dated("13/11/2026 10:00:01", "04/11/2026 10:00:01", "11/14/2026 10:00:01")
    with pytest.raises(BadFileError, match=r"line 2.*line 4"):
        proposed(text, sample_max=1)


def test_words_and_seconds_may_stand_after_the_first_records():
    text = """
    Call ID;Start;Talk time;Direction;Status
    x-1;2026-11-20 10:00;10;out;Busy
    x-2;2026-11-20 10:01;11;out;Answered
    x-3;2026-11-20 10:02;12;in;Odd
    x-4;2026-11-20 10:03:05;12;in;Odd
    """
    proposal = proposed(text, sample_max=3)
    assert topics(proposal) == ["status:Odd"]
    assert proposal.profile.started_at.precision == ""
    assert proposed(text.replace(":05", ":00")).profile.started_at.precision == "minute"


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("Start (UTC)", "UTC"),
        ("Start (GMT+5:30)", "Asia/Kolkata"),
        ("Start (UTC-7)", "Etc/GMT+7"),
        ("Start (Europe/Berlin)", "Europe/Berlin"),
        ("start_time_utc", "UTC"),
    ],
)
def test_a_name_may_tell_the_zone(name, zone):
    text = dated("2026-11-20 10:00:01").replace("Start", name)
    assert proposed(text).profile.started_at.zone == zone


def test_ids_prove_the_zone_of_the_account_in_summer_and_winter():
    starts = [datetime(2026, month, 5, 4, 30, tzinfo=UTC) for month in (2, 3, 7, 8)]
    ids = [f"{int(start.timestamp())}.{number}" for number, start in enumerate(starts)]
    berlin = ZoneInfo("Europe/Berlin")
    local = [f"{start.astimezone(berlin):%Y-%m-%d %H:%M:%S}" for start in starts]
    proposal = proposed(dated(*local, ids=ids), zone="Europe/Berlin")
    assert facts(proposal, "zone") == [
        "IDs prove that times are on the wall clock of Europe/Berlin, your own."
    ]
    assert proposal.profile.started_at.zone == ""


# ── Lengths ───────────────────────────────────────────────────────────────────────────────────
def test_a_duration_without_ringing_is_talk_time():
    text = """
    Call ID;Start;End;Duration;Direction;Status
    x-1;2026-11-20 10:00:00;2026-11-20 10:01:30;60;out;Answered
    x-2;2026-11-20 10:05:00;2026-11-20 10:08:00;170;out;Answered
    x-3;2026-11-20 10:15:00;2026-11-20 10:15:30;0;out;No answer
    """
    assert [one[3] for one in calls(text)] == ["10:00:30", "10:05:10", None]


def test_a_duration_of_calls_that_nobody_answered_is_no_talk_time():
    text = """
    Call ID;Start;End;Duration;Direction;Status
    x-1;2026-11-20 10:00:00;2026-11-20 10:01:30;60;out;Answered
    x-2;2026-11-20 10:15:00;2026-11-20 10:15:30;20;out;No answer
    """
    assert [one[1] for one in calls(text)] == [Status.COMPLETED, Status.NO_ANSWER]


def test_a_duration_tells_who_answered_where_nothing_else_does():
    text = """
    Call ID;Start;Duration;Direction
    x-1;2026-11-20 10:00:00;60;out
    x-2;2026-11-20 10:05:00;0;out
    """
    assert [one[1] for one in calls(text)] == [Status.COMPLETED, Status.NO_ANSWER]


def test_short_numbers_with_decimals_are_asked_about_where_no_time_tells():
    text = """
    Call ID;Start;Duration;Direction
    x-1;2026-11-20 10:00:00;1.5;out
    x-2;2026-11-20 10:05:00;0.25;out
    """
    proposal = proposed(text)
    said = {question.topic: question.said for question in proposal.questions}
    assert said["unit:total"] == "What does “1.5” in “Duration” mean?"
    minutes = answered(proposal.profile, "unit:total", "min")
    assert [one[4] for one in calls(text, minutes)] == ["10:01:30", "10:05:15"]


def test_a_decimal_comma_is_told_by_the_column():
    text = """
    Call ID;Start;Talk time (s);Direction
    x-1;2026-11-20 10:00:00;61,5;out
    x-2;2026-11-20 10:05:00;1.061,25;out
    """
    assert [one[4] for one in calls(text)] == ["10:01:01.500000", "10:22:41.250000"]


# ── Words, IDs and what is left out ───────────────────────────────────────────────────────────
def test_words_that_are_not_known_are_asked_about_and_answered():
    text = """
    Call ID;Start;Duration;Direction;Status
    x-1;2026-11-20 10:00:01;10;out;Zugesagt
    x-2;2026-11-20 10:00:02;0;out;Busy
    """
    proposal = proposed(text)
    assert topics(proposal) == ["status:Zugesagt"]
    profile = answered(proposal.profile, "status:Zugesagt", "completed")
    assert [one[1] for one in calls(text, profile)] == [Status.COMPLETED, Status.BUSY]


def test_beginnings_stand_for_what_later_files_may_have():
    profile = proposed(PLATFORM).profile
    assert dict(profile.usage_type.words) == {
        "outbound": ("outboundPhoneCall", "outbound*"),
        "inbound": ("inboundPhoneCall", "inbound*"),
    }


@pytest.mark.parametrize(
    ("topic", "value"),
    [
        ("unit:total", "s"),
        ("unit:talk", "days"),
        ("status:Zugesagt", "perhaps"),
        ("dates", "ymd"),
        ("weather", "dmy"),
        ("usage_type", ""),
    ],
)
def test_an_answer_that_is_none_is_refused(topic, value):
    with pytest.raises(ProfileError):
        answered(proposed(CALL_CENTRE).profile, topic, value)


def test_a_column_of_missed_calls_says_the_opposite():
    text = """
    Call ID;Start;Duration;Direction;Missed call
    x-1;2026-11-20 10:00:01;10;in;No
    x-2;2026-11-20 10:00:02;0;in;Yes
    """
    assert [one[1] for one in calls(text)] == [Status.COMPLETED, Status.NO_ANSWER]


def test_without_ids_they_are_made_of_what_tells_calls_apart():
    text = """
    Start;Caller number;Called number;Talk time;Direction
    2026-11-20 10:00:01;+911234567;+911234568;10;in
    2026-11-20 10:00:01;+911234569;+911234568;20;in
    """
    proposal = proposed(text)
    assert proposal.profile.call_id.columns == ("Start", "Caller number", "Called number")
    assert len({one[0] for one in calls(text)}) == 2


def test_transcripts_and_recordings_are_left_out():
    text = """
    Call ID;Start;Duration;Direction;Answered;Transcript;Recording URL
    x-1;2026-11-20 10:00:01;10;in;Y;Hello;https://recordings.example/1
    """
    assert proposed(text).profile.ignore == ("Transcript", "Recording URL")


def test_a_file_without_times_gets_no_profile():
    proposal = proposed("Name;City\nAsha;Pune\nRavi;Delhi\n")
    assert proposal.profile is None
    assert "No column of dates and times" in facts(proposal, "columns")[0]


def test_words_for_nothing_hide_no_column_of_answers():
    text = """
    ID;Start;Answered at;End;Status;Direction
    n-1;2026-11-20 10:00:00;NULL;2026-11-20 10:00:20;missed;outbound
    n-2;2026-11-20 10:01:00;0000-00-00 00:00:00;2026-11-20 10:01:20;missed;outbound
    n-3;2026-11-20 10:02:00;2026-11-20 10:02:05;2026-11-20 10:02:35;answered;outbound
    """
    assert calls(text)[2][3:] == ("10:02:05", "10:02:35")


LENGTH_ONLY = """
Ref;Begin;Length;Wynik;Direction
W1;2026-11-20 10:00:00;65;ODEBRANE;outbound
W2;2026-11-20 10:05:00;12;NIEODEBRANE;outbound
"""


def test_where_only_a_duration_may_tell_who_answered_that_is_asked():
    proposal = proposed(LENGTH_ONLY)
    assert topics(proposal) == ["status"]
    all_of_them = answered(proposal.profile, "status", "completed")
    assert all_of_them.status.by == ""
    by_duration = answered(all_of_them, "status", "total")
    assert (by_duration.status.by, by_duration.status.otherwise) == ("total", "no_answer")


def test_talk_beside_an_outcome_without_an_answer_counts_and_is_said():
    text = """
    ID;Start;Talk;Answered;Direction
    m-1;2026-11-20 10:00:00;65;Y;outbound
    m-2;2026-11-20 10:00:00;25;N;outbound
    """
    head, rows = table(text)
    told = [read.record for read in read_rows(proposed(text).profile, head, rows)]
    assert [one.status for one in told] == [Status.COMPLETED, Status.COMPLETED]
    assert [[note.field for note in one.notes] for one in told] == [[], ["status"]]


# ── Totals, and IDs that stand twice ──────────────────────────────────────────────────────────
DAY = """
Ref;Date;Outcome;Agent;Talk time
r1;13/11/2026 10:00:00;Answered;Asha;00:01:05
r2;13/11/2026 10:05:00;Answered;Ravi;00:02:05
r3;13/11/2026 10:10:00;Missed;Asha;
"""


@pytest.mark.parametrize(
    "last", [";;;;00:03:10", "Total;;;;00:03:10", "Total;3 calls;;;00:03:10", ";;2;Total;00:03:10"]
)
def test_a_line_of_totals_changes_nothing_of_what_is_proposed(last):
    without, found = whole(DAY), whole(f"{DAY}{last}\n")
    assert found.profile == without.profile
    assert topics(found) == topics(without)
    assert found.profile.call_id.columns == ("Ref",)


def whole(text):
    """What is proposed for a file of text with semicolons."""
    found = examined(text.strip().encode())
    return propose(
        found.layout.columns,
        found.sample,
        zone=ZoneInfo(KOLKATA),
        now=NOW,
        records=records_of(found),
    )


@pytest.mark.parametrize("name", ["Call ID", "callId", "UUID", "Call reference"])
def test_a_column_that_is_named_as_the_id_of_a_call_is_taken_though_some_stand_twice(name):
    text = DAY.replace("Ref", name).replace("r2", "r1")
    proposal = proposed(text)
    assert proposal.profile is not None
    assert proposal.profile.call_id.columns == (name,)
    assert "the last line counts" in facts(proposal, "call_id")[0]


def test_a_column_with_another_id_in_each_line_goes_before_one_in_which_they_repeat():
    text = DAY.replace("Ref;", "Call ID;Record ID;").replace("r1;", "c;r1;")
    text = text.replace("r2;", "c;r2;").replace("r3;", "d;r3;")
    proposal = proposed(text)
    assert proposal.profile is not None
    assert proposal.profile.call_id.columns == ("Record ID",)


def test_a_reference_that_repeats_is_no_id_of_a_call():
    proposal = proposed(DAY.replace("Ref", "Reference").replace("r2", "r1"))
    assert proposal.profile is not None
    assert proposal.profile.call_id.columns == ()
    made, why_not = facts(proposal, "call_id")
    assert made.startswith("No column has an ID for each call")
    assert why_not.startswith("“Reference” is not used as the ID: lines that share one")


TRANSFERRED = """
Ref;Start;End;From;To;Direction;Result
k1;2026-11-20 10:00:00;2026-11-20 10:01:05;+911;+922;out;answered
k1;2026-11-20 10:01:06;2026-11-20 10:03:00;+911;+933;out;answered
k2;2026-11-20 11:00:00;2026-11-20 11:00:40;+911;+944;out;answered
k3;2026-11-20 12:00:00;2026-11-20 12:00:30;+911;+955;out;answered
k3;2026-11-20 12:00:30;2026-11-20 12:02:00;+911;+955;out;answered
"""


@pytest.mark.parametrize("name", ["Ref", "Conversation ref no", "Session ID", "Call ID", "GUID"])
def test_an_id_that_repeats_on_parts_of_one_call_joins_them(name):
    proposal = proposed(TRANSFERRED.replace("Ref", name))
    assert proposal.profile is not None
    assert (proposal.profile.call_id.columns, proposal.profile.group) == ((name,), name)
    (said,) = facts(proposal, "call_id")
    assert said.startswith(f"Lines that share a “{name}” have the same number and follow on")


@pytest.mark.parametrize(
    ("part", "changed"),
    [
        ("10:01:06", "10:01:30"),
        ("10:01:06", "10:00:30"),
        ("10:01:06", "10:00:00"),
        ("+911;+933", "+966;+933"),
    ],
    ids=["later", "meanwhile", "at once", "of others"],
)
def test_lines_that_are_no_parts_of_one_call_are_not_joined(part, changed):
    proposal = proposed(TRANSFERRED.replace(part, changed))
    assert proposal.profile is not None
    assert (proposal.profile.call_id.columns, proposal.profile.group) == (
        ("Start", "From", "To"),
        "",
    )
    assert "“Ref” is not used as the ID" in facts(proposal, "call_id")[1]


def test_a_column_whose_name_sounds_like_an_id_is_taken_where_each_line_has_another():
    proposal = proposed(DAY.replace("Ref", "Conversation ref no"))
    assert proposal.profile is not None
    assert proposal.profile.call_id.columns == ("Conversation ref no",)


@pytest.mark.parametrize("name", ["Customer ID", "Agent ID", "Order no", "Recall date"])
def test_other_ids_are_not_those_of_calls(name):
    proposal = proposed(TRANSFERRED.replace("Ref", name))
    assert proposal.profile is not None
    assert proposal.profile.group == ""


@pytest.mark.parametrize("zone", ["IST", "+05:30", "GMT+5:30", ""])
def test_a_time_of_day_in_a_column_of_its_own_may_name_its_zone(zone):
    text = (
        "\nRef;Date;Time;Talk;Answered;Direction\n"
        f"A-1;13/03/2026;10:00:00 AM {zone};00:01:05;yes;out\n"
        f"A-2;14/03/2026;02:30:00 PM {zone};00:00:00;no;in\n"
    )
    assert proposed(text).profile.started_at.columns == ("Date", "Time")
    assert [told[2] for told in calls(text)] == ["10:00:00", "14:30:00"]


# ── Other languages, and names that say nothing ───────────────────────────────────────────────
GERMAN = """
Vorgang;Datum;Uhrzeit;Richtung;Rufnummer;Mitarbeiter;Gesprächsdauer;Wartezeit;Ergebnis
1001;20.11.2026;10:05:33;ausgehend;+49301234567;Jürgen;00:01:05;00:00:07;angenommen
1002;20.11.2026;10:07:33;eingehend;+49301234568;;00:00:00;00:00:20;verpasst
"""
FRENCH = """
Identifiant;Date de l'appel;Heure;Sens;Appelant;Appelé;Durée de conversation;Attente (s);Statut
1001;20/11/2026;10:05:33;Sortant;0140000000;0612345678;00:01:05;7;Répondu
1002;20/11/2026;10:07:33;Entrant;0612345679;0140000000;00:00:00;20;Manqué
"""
SPANISH = """
ID llamada;Fecha y hora;Dirección;Origen;Destino;Tiempo de conversación (s);Espera;Estado
1001;20/11/2026 10:05:33;Saliente;911234567;612345678;65;0:07;Contestada
1002;20/11/2026 10:07:33;Entrante;612345679;911234567;0;0:20;Perdida
"""
PORTUGUESE = """
ID da chamada;Data;Hora;Direção;Origem;Destino;Tempo de conversa;Tempo de espera;Situação
1001;20/11/2026;10:05:33;Saída;1130000000;11912345678;00:01:05;00:00:07;Atendida
1002;20/11/2026;10:07:33;Entrada;11912345679;1130000000;00:00:00;00:00:20;Não atendida
"""


@pytest.mark.parametrize("text", [GERMAN, FRENCH, SPANISH, PORTUGUESE])
def test_names_and_words_of_other_languages_are_known(text):
    proposal = proposed(text)
    assert topics(proposal) == []
    assert calls(text) == [
        ("1001", Status.COMPLETED, "10:05:33", "10:05:40", "10:06:45"),
        ("1002", Status.NO_ANSWER, "10:07:33", None, "10:07:53"),
    ]
    assert [ours for ours, _ in proposal.profile.usage_type.words] == ["outbound", "inbound"]


def test_the_only_column_of_times_is_the_start_whatever_its_name_is():
    text = """
    Call ID;Wann;Talk time;Direction
    x-1;2026-11-20 10:00:01;10;out
    """
    assert calls(text) == [("x-1", Status.COMPLETED, "10:00:01", "10:00:01", "10:00:11")]


def test_of_two_columns_of_times_without_a_known_name_none_is_taken():
    text = """
    Call ID;Wann;Bis;Talk time;Direction
    x-1;2026-11-20 10:00:01;2026-11-20 10:00:11;10;out
    """
    assert proposed(text).profile is None


@pytest.mark.parametrize(
    ("title", "words", "is_taken"),
    [
        ("What", ("Answered", "Missed"), True),
        ("Kind of contact", ("Answered", "Voicemail"), True),
        ("Paid", ("yes", "no"), False),
        ("Stage", ("done", "failed"), False),
        ("Topic", ("Missed delivery", "Answered letter"), False),
    ],
)
def test_a_column_of_words_that_only_calls_have_tells_the_outcome(title, words, is_taken):
    text = f"""
    Call ID;Start;Seconds;Direction;{title}
    x-1;2026-11-20 10:00:01;10;out;{words[0]}
    x-2;2026-11-20 10:00:02;20;out;{words[1]}
    """
    assert (proposed(text).profile.status.columns == (title,)) is is_taken


@pytest.mark.parametrize(("title", "yes"), [("Inbound", "inbound"), ("is_outbound", "outbound")])
def test_a_column_of_yes_and_no_can_tell_who_called_whom(title, yes):
    text = f"""
    Call ID;Start;Talk time;{title}
    x-1;2026-11-20 10:00:01;10;true
    x-2;2026-11-20 10:00:02;20;false
    """
    told = dict(proposed(text).profile.usage_type.words)
    assert told.keys() == {"inbound", "outbound"}
    assert told[yes] == ("true",)


def test_the_name_of_a_column_counts_less_than_the_words_in_it():
    text = """
    Call ID;Start;Talk time;Communication
    x-1;2026-11-20 10:00:01;10;Outbound
    x-2;2026-11-20 10:00:02;20;Internal
    """
    assert topics(proposed(text)) == ["usage_type:Internal"]


def test_a_day_without_a_time_of_day_is_no_time():
    text = """
    Call ID;Date;Start time;Answered at;End time;Direction
    x-1;20-11-2026;10:05:33;10:05:45;10:06:50;out
    x-2;20-11-2026;10:07:33;;10:07:53;out
    """
    assert calls(text) == [
        ("x-1", Status.COMPLETED, "10:05:33", "10:05:45", "10:06:50"),
        ("x-2", Status.NO_ANSWER, "10:07:33", None, "10:07:53"),
    ]


def test_a_date_may_name_its_day_of_the_week():
    text = """
    Call ID;Date;Time;Length;Direction;Result
    x-1;Fri 11/20/2026;10:05 AM;0:01:05;Outgoing;Answered
    x-2;Fri 11/20/2026;2:05 PM;0:00:20;Incoming;Missed
    """
    assert [one[2] for one in calls(text)] == ["10:05:00", "14:05:00"]

"""Each known format is told by itself, and its sample gives the right calls.

The samples in ``tests/samples`` were written for these tests; nobody made these calls.
"""

import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from calls.imports.detecting import MAPPED, detect
from calls.notations import BadFileError, RawRecord
from calls.records import CallRecord, Rejected
from calls.sources import Ignored
from calls.sources.mapped.profile import Profile
from calls.sources.mapped.source import MappedSource
from calls.sources.registry import SOURCES, shipped_profiles
from tests.calls.imports.cutting import SAMPLES, examined

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
KOLKATA = ZoneInfo("Asia/Kolkata")

UUID7 = "019a9f00-0000-7000-8000-00000000000{}"
UUID4 = "0a1b2c3d-0000-4000-8000-00000000000{}"
CA = "CA0000000000000000000000000000000{}"

# Of each file: its format or profile, whether its times need a zone of ours, and its calls:
# ID, usage type, status, start, connection and end.
KNOWN = {
    "own.csv": (
        "csv",
        [
            ("c1", "outbound", "completed", "10:00:00", "10:00:05", "10:01:10"),
            ("c2", "inbound", "no_answer", "04:35:00", None, None),
        ],
    ),
    "own-export.csv": (
        "export",
        [("c1", "outbound", "completed", "10:00:00", "10:00:05", "10:01:10")],
    ),
    "asterisk-master-21.csv": (
        "asterisk",
        [
            ("1795168800.1", "outbound", "completed", "10:00:00", "10:00:07", "10:01:12"),
            ("1795169100.3", "outbound", "no_answer", "10:05:00", None, "10:05:20"),
            ("1795169400.5", "inbound", "completed", "10:10:00", "10:10:02", "10:11:25"),
            ("1795169700.9", "outbound", "completed", "10:15:00", "10:15:00", "10:15:09"),
        ],
    ),
    "asterisk-cdr-custom.csv": (
        "asterisk",
        [("1795168800.20", "outbound", "completed", "10:00:00", "10:00:05.1", "10:00:50.45")],
    ),
    "asterisk.jsonl": (
        "asterisk",
        [
            ("1795168800.1", "outbound", "completed", "10:00:00", "10:00:07", "10:01:12"),
            ("1795169100.3", "outbound", "no_answer", "10:05:00", None, "10:05:20"),
        ],
    ),
    "freepbx.csv": (
        "asterisk",
        [
            ("1795168800.1", "outbound", "completed", "10:00:00", "10:00:07", "10:01:12"),
            ("1795169100.3", "inbound", "no_answer", "10:05:00", None, "10:05:20"),
        ],
    ),
    "cdr-table-day-first.csv": (
        "asterisk",
        [
            ("1793527200.1", "outbound", "completed", "10:00:00", "10:00:07", "10:01:12"),
            ("1793613900.3", "outbound", "busy", "10:05:00", None, "10:05:20"),
        ],
    ),
    "freeswitch-example.csv": (
        "freeswitch",
        [
            (UUID4.format(1), "outbound", "completed", "04:30:00", "04:30:07", "04:31:12"),
            (UUID4.format(2), "outbound", "no_answer", "04:35:00", None, "04:35:20"),
        ],
    ),
    "freeswitch.json": (
        "freeswitch",
        [
            (
                UUID4.format(1),
                "inbound",
                "completed",
                "10:00:00.006702",
                "10:00:09.766321",
                "10:00:30.366141",
            )
        ],
    ),
    "vapi.json": (
        "vapi",
        [
            (
                UUID7.format(1),
                "outbound",
                "completed",
                "10:00:00.25",
                "10:00:00.25",
                "10:01:04.751",
            ),
            (UUID7.format(2), "outbound", "no_answer", "10:05:00", None, "10:05:31"),
            (UUID7.format(3), "inbound", "completed", "10:10:00.5", "10:10:00.5", "10:10:30.501"),
            (UUID7.format(4), "outbound", "failed", "10:15:00", None, None),
        ],
    ),
    "vapi-webhooks.jsonl": (
        "vapi-webhooks",
        [
            (
                UUID7.format(1),
                "outbound",
                "completed",
                "10:00:00.25",
                "10:00:00.25",
                "10:01:04.751",
            ),
            (UUID7.format(2), "outbound", "no_answer", "10:05:00", None, "10:05:31"),
            (UUID7.format(3), "inbound", "completed", "10:10:00.5", "10:10:00.5", "10:10:30.501"),
            (UUID7.format(4), "outbound", "failed", "10:15:00", None, None),
        ],
    ),
    "vapi-console.csv": (
        "vapi-console",
        [
            (UUID7.format(1), "outbound", "completed", "10:00:00", "10:00:00", "10:01:04"),
            (UUID7.format(2), "outbound", "no_answer", "10:05:00", None, "10:05:31"),
            (UUID7.format(3), "inbound", "completed", "10:10:00", "10:10:00", "10:10:30"),
        ],
    ),
    "retell.json": (
        "retell",
        [
            ("call_1", "outbound", "completed", "10:00:00.12", "10:00:00.12", "10:01:00.621"),
            ("call_2", "outbound", "busy", "10:05:00", None, "10:05:20"),
            ("call_3", "inbound", "completed", "10:10:00", "10:10:00", "10:10:31"),
        ],
    ),
    "retell-webhooks.jsonl": (
        "retell-webhooks",
        [
            ("call_1", "outbound", "completed", "10:00:00.12", "10:00:00.12", "10:01:00.621"),
            ("call_1", "outbound", "completed", "10:00:00.12", "10:00:00.12", "10:01:00.621"),
            ("call_2", "outbound", "busy", "10:05:00", None, "10:05:20"),
        ],
    ),
    "elevenlabs-webhooks.json": (
        "elevenlabs-webhooks",
        [
            ("conv_1", "outbound", "completed", "10:00:00", "10:00:04", "10:01:09"),
            ("conv_2", "outbound", "no_answer", "10:05:00", None, None),
            ("conv_3", "inbound", "completed", "10:10:00", "10:10:00", "10:10:30"),
        ],
    ),
    "elevenlabs.json": (
        "elevenlabs",
        [
            ("conv_1", "outbound", "completed", "10:00:00", "10:00:00", "10:01:05"),
            ("conv_2", "outbound", "failed", "10:05:00", None, None),
            ("conv_3", "inbound", "completed", "10:10:00", "10:10:00", "10:10:30"),
        ],
    ),
    "twilio.json": (
        "twilio",
        [
            (CA.format(1), "inbound", "completed", "10:00:00", "10:00:00", "10:02:00"),
            (CA.format(3), "outbound", "busy", "10:05:00", None, None),
        ],
    ),
    "twilio-bulk-export.jsonl": (
        "twilio",
        [
            (CA.format(1), "outbound", "completed", "10:00:00", "10:00:00", "10:01:05"),
            (CA.format(2), "outbound", "no_answer", "10:05:00", None, "10:05:30"),
        ],
    ),
    "twilio-sdk.csv": (
        "twilio",
        [
            (CA.format(1), "outbound", "completed", "10:00:00", "10:00:00", "10:01:05"),
            (CA.format(2), "outbound", "busy", "10:05:00", None, "10:05:00"),
        ],
    ),
    "twilio-console.csv": (
        "twilio-console",
        [
            (CA.format(1), "outbound", "completed", "10:00:00", "10:00:00", "10:01:05"),
            (CA.format(2), "inbound", "no_answer", "10:05:00", None, "10:05:00"),
        ],
    ),
    "telnyx.json": (
        "telnyx",
        [
            ("s-1", "outbound", "completed", "10:00:00", "10:00:05", "10:01:10"),
            ("s-2", "outbound", "busy", "10:05:00", None, "10:05:20"),
        ],
    ),
    "telnyx.csv": (
        "telnyx",
        [("s-1", "inbound", "completed", "04:30:00", "04:30:05", "04:31:10")],
    ),
    "plivo.json": (
        "plivo",
        [
            ("u-1", "outbound", "completed", "10:00:00", "10:00:05", "10:01:10"),
            ("u-2", "inbound", "busy", "10:05:00", None, "10:05:20"),
        ],
    ),
    "aircall.csv": (
        "aircall",
        [
            (CA.format(1), "inbound", "completed", "10:00:00", "10:00:10", "10:01:15"),
            (CA.format(2), "outbound", "no_answer", "10:05:00", None, "10:05:20"),
        ],
    ),
    "3cx.csv": (
        "3cx",
        [
            ("row-", "outbound", "completed", "04:30:00", "04:30:05", "04:31:10"),
            ("row-", "inbound", "no_answer", "04:35:00", None, "04:35:20"),
            ("row-", "inbound", "completed", "04:40:00", "04:40:01", "04:40:31"),
        ],
    ),
    "convoso.csv": (
        "convoso",
        [
            ("901", "outbound", "completed", "04:30:00", "04:30:00", "04:31:05"),
            ("902", "outbound", "no_answer", "04:35:00", None, None),
            ("903", "inbound", "completed", "04:40:00", "04:40:00", "04:40:30"),
        ],
    ),
    "vicidial.csv": (
        "vicidial",
        [
            ("row-", "outbound", "completed", "04:30:00", "04:30:00", "04:31:05"),
            ("row-", "outbound", "no_answer", "04:35:00", None, None),
        ],
    ),
    "didww.csv": (
        "didww",
        [
            ("row-", "inbound", "completed", "10:00:00", "10:00:05", "10:01:10"),
            ("row-", "inbound", "no_answer", "10:05:00", None, "10:05:20"),
        ],
    ),
    "sinch.csv": (
        "sinch",
        [
            ("01K1", "outbound", "completed", "10:00:00", "10:00:05", "10:01:10"),
            ("01K2", "outbound", "no_answer", "10:05:00", None, None),
        ],
    ),
    "exotel.json": (
        "exotel",
        [
            ("ex1", "outbound", "completed", "10:00:00", "10:00:00", "10:01:05"),
            ("ex2", "inbound", "no_answer", "10:05:00", None, "10:05:30"),
        ],
    ),
    "amazon-connect.jsonl": (
        "amazon-connect",
        [
            ("contact-1", "inbound", "completed", "10:00:00", "10:00:01", "10:02:10"),
            ("contact-3", "outbound", "no_answer", "10:05:00", None, "10:05:20"),
        ],
    ),
    "ringcentral.json": (
        "ringcentral",
        [
            ("rc1", "outbound", "completed", "10:00:00", "10:00:00", "10:01:05"),
            ("rc2", "inbound", "no_answer", "10:05:00", None, "10:05:20"),
        ],
    ),
    "callrail.json": (
        "callrail",
        [
            ("CAL1", "inbound", "completed", "10:00:00", "10:00:00", "10:01:05"),
            ("CAL2", "outbound", "no_answer", "10:05:00", None, "10:05:12"),
        ],
    ),
    "zoom-phone.json": (
        "zoom-phone",
        [
            ("z1", "outbound", "completed", "10:00:00", "10:00:05", "10:01:10"),
            ("z2", "inbound", "no_answer", "10:05:00", None, "10:05:20"),
        ],
    ),
    "kazoo.json": (
        "kazoo",
        [
            ("kz-1", "inbound", "completed", "10:00:00", "10:00:05", "10:01:10"),
            ("kz-2", "outbound", "busy", "10:05:00", None, "10:05:20"),
        ],
    ),
}

# What each question is about, of the files that leave something open.
ASKED = {"asterisk-master-21.csv": ["internal_calls"]}


def detected(content, zone=KOLKATA, saved=()):
    return detect(examined(content), account_zone=zone, now=NOW, saved=saved)


def sample(name):
    return (SAMPLES / name).read_bytes()


def source_of(found, content):
    """The source that reads as `detect` found."""
    layout = examined(content).layout
    common = {"account_id": 7, "zone": ZoneInfo(found.zone), "now": NOW, "layout": layout}
    if found.profile is not None:
        return MappedSource(profile=found.profile, **common)
    return SOURCES[found.format](**found.options, **common)


def records_of(found, content):
    """All that the file says: the records of one call together, as they are staged."""
    source = source_of(found, content)
    reader = source.reader(examined(content).file)
    calls: dict[object, list[RawRecord]] = {}
    for raw in reader:
        assert not raw.is_torn
        key = source.call_id(raw.values) or raw.number
        calls.setdefault(key, []).append(raw)
    return [read.record for raw in calls.values() for read in source.read(raw)]


def seen(record):
    """The parts of a record that are compared."""
    assert isinstance(record, CallRecord), record
    times = [record.started_at, record.connected_at, record.ended_at]
    call_id = "row-" if record.call_id.startswith("row-") else record.call_id
    return (
        call_id,
        record.usage_type.value,
        record.status.value,
        *(at and f"{at:%H:%M:%S.%f}".rstrip("0").rstrip(".") for at in times),
    )


@pytest.mark.parametrize("name", KNOWN)
def test_a_known_format_is_told_without_a_question_and_gives_the_right_calls(name):
    kind, expected = KNOWN[name]
    content = sample(name)
    found = detected(content)
    assert (found.profile.name if found.profile else found.format) == kind
    assert found.format == (MAPPED if found.profile else kind)
    assert [question.topic for question in found.questions] == ASKED.get(name, [])
    assert found.facts[0].topic == "format"
    records = records_of(found, content)
    assert not [record for record in records if isinstance(record, Rejected)]
    assert [seen(one) for one in records if not isinstance(one, Ignored)] == expected


WEBHOOKS = {
    "Vapi": (
        "vapi-webhooks",
        {
            "message": {
                "type": "end-of-call-report",
                "endedReason": "customer-ended-call",
                "startedAt": "2026-11-20T10:00:00Z",
                "endedAt": "2026-11-20T10:00:42Z",
                "call": {"id": "call_abc", "customer": {"number": "+15550101"}},
                "artifact": {"transcript": "Hello"},
            }
        },
        ("call_abc", "outbound", "completed", "10:00:00", "10:00:00", "10:00:42"),
    ),
    "Retell": (
        "retell-webhooks",
        {
            "event": "call_ended",
            "call": {
                "call_id": "call_1",
                "call_type": "web_call",
                "call_status": "ended",
                "start_timestamp": 1795168800120,
                "end_timestamp": 1795168842120,
                "disconnection_reason": "agent_hangup",
                "transcript": "Hello",
            },
        },
        ("call_1", "inbound", "completed", "10:00:00.12", "10:00:00.12", "10:00:42.12"),
    ),
    "ElevenLabs": (
        "elevenlabs-webhooks",
        {
            "type": "post_call_transcription",
            "event_timestamp": 1795168850,
            "data": {
                "agent_id": "ag1",
                "conversation_id": "conv_1",
                "status": "done",
                "transcript": [{"role": "agent", "message": "Hello"}],
                "metadata": {"start_time_unix_secs": 1795168800, "call_duration_secs": 42},
            },
        },
        ("conv_1", "inbound", "completed", "10:00:00", "10:00:00", "10:00:42"),
    ),
}
WRITTEN = {
    "one object": lambda event: json.dumps(event, indent=2),
    "an array": lambda event: json.dumps([event, event], indent=2),
    "one a line": lambda event: f"{json.dumps(event)}\n" * 2,
}


@pytest.mark.parametrize("written", WRITTEN)
@pytest.mark.parametrize("platform", WEBHOOKS)
def test_webhooks_kept_in_a_file_go_in_with_the_ids_of_their_calls(platform, written):
    name, event, expected = WEBHOOKS[platform]
    content = WRITTEN[written](event).encode()
    found = detected(content)
    assert found.profile is not None
    assert found.profile.name == name
    assert {seen(record) for record in records_of(found, content)} == {expected}
    source = source_of(found, content)
    assert not any("Hello" in raw.text for raw in source.reader(examined(content).file))


def said(found, topic):
    return [fact.said for fact in found.facts if fact.topic == topic]


def test_what_nobody_knows_gets_a_proposed_profile():
    found = detected(
        b"Call ID,Began,Talk time,Answered\n"
        b"T-1,2026-11-20 15:30:00,00:01:05,Y\n"
        b"T-2,2026-11-20 15:35:00,00:00:00,N\n"
    )
    assert found.format == MAPPED
    assert found.profile is not None
    assert found.profile.call_id.columns == ("Call ID",)
    assert "no format that is known" in said(found, "format")[0]


def test_a_file_without_any_time_gets_no_profile():
    found = detected(b"Name,Colour\nAsha,red\nRavi,blue\n")
    assert (found.format, found.profile) == (MAPPED, None)


TWILIO = (
    "sid,parent_call_sid,account_sid,direction,from,to,status,start_time,end_time,duration,"
    "date_created\n"
)
CUT = {
    "without seconds": ("2026-11-20T10:00Z", "2026-11-20T10:00Z", "2026-11-20T10:01Z"),
    "with zeros for seconds": (
        "2026-11-20T10:00:00Z",
        "2026-11-20T10:00:00Z",
        "2026-11-20T10:01:00Z",
    ),
}


@pytest.mark.parametrize("written", CUT)
def test_durations_go_before_times_that_were_cut_to_minutes(written):
    at, soon, later = CUT[written]
    ends = [(soon, 9), (later, 65), (later, 40)]
    content = TWILIO + "".join(
        f"{CA.format(place)},,AC1,outbound-api,+1555,+1556,completed,{at},{end},{seconds},\n"
        for place, (end, seconds) in enumerate(ends, 1)
    )
    found = detected(content.encode())
    assert found.profile is not None
    assert found.profile.name == "twilio"
    told = [seen(record)[3:] for record in records_of(found, content.encode())]
    assert told == [
        ("10:00:00", "10:00:00", "10:00:09"),
        ("10:00:00", "10:00:00", "10:01:05"),
        ("10:00:00", "10:00:00", "10:00:40"),
    ]


# ── Zones, days and months ────────────────────────────────────────────────────────────────────
def master(*starts, zone_hours=0, ids=True, form="%Y-%m-%d %H:%M:%S"):
    """Rows of 18 columns that start at these epoch seconds, as a clock ahead of UTC shows them."""
    rows = []
    for place, start in enumerate(starts):
        at = datetime.fromtimestamp(start + zone_hours * 3600, UTC).strftime(form)
        call_id = f"{start}.{place}" if ids else f"x{place}"
        rows.append(
            f'"",1001,15550100,"default","","SIP/1","","Dial","","{at}","{at}","{at}",0,0,'
            f'"ANSWERED","DOCUMENTATION","{call_id}",""\n'
        )
    return "".join(rows).encode()


IN_WINTER, IN_SUMMER = 1_767_261_600, 1_782_900_000  # 1 January and 1 July 2026, 10:00 UTC


def test_ids_prove_a_zone_that_is_not_the_accounts():
    found = detected(sample("asterisk-master-21.csv"))
    assert (found.zone, said(found, "zone")) == ("Etc/GMT-3", ["IDs prove UTC+3."])


@pytest.mark.parametrize(
    ("starts", "hours", "account_zone", "zone"),
    [
        ([IN_WINTER], 0, "Asia/Kolkata", "UTC"),
        ([IN_WINTER], 5.5, "Asia/Kolkata", "Asia/Kolkata"),
        ([IN_WINTER], 5.5, "Europe/Berlin", "Asia/Kolkata"),
        ([IN_WINTER], -5, "Asia/Kolkata", "Etc/GMT+5"),
        ([IN_WINTER], 1, "Europe/Berlin", "Europe/Berlin"),
        ([IN_SUMMER], 1, "Europe/Berlin", "Etc/GMT-1"),
        ([IN_SUMMER], 1, "Europe/London", "Europe/London"),
    ],
)
def test_the_accounts_zone_goes_before_others_that_fit(starts, hours, account_zone, zone):
    content = master(*starts, zone_hours=hours)
    assert detected(content, zone=ZoneInfo(account_zone)).zone == zone


def test_ids_on_both_sides_of_a_change_prove_a_zone_that_changes():
    content = master(IN_WINTER, zone_hours=1) + master(IN_SUMMER, zone_hours=2)
    found = detected(content)
    assert (found.zone, said(found, "zone")) == ("Europe/Berlin", ["IDs prove Europe/Berlin."])


@pytest.mark.parametrize(
    "content",
    [
        master(IN_WINTER, IN_SUMMER, ids=False),
        master(IN_WINTER, zone_hours=24 * 365),
        master(IN_WINTER, zone_hours=0) + master(IN_SUMMER, zone_hours=9),
    ],
    ids=["no times in IDs", "a clock a year ahead", "a clock that was wrong for a while"],
)
def test_without_proof_the_zone_is_the_accounts_and_said_to_be(content):
    found = detected(content)
    assert (found.zone, len(said(found, "zone"))) == ("Asia/Kolkata", 1)
    assert "your own" in said(found, "zone")[0]


SPREADSHEET = "%d/%m/%Y %H:%M"


def test_ids_prove_that_the_day_comes_first():
    found = detected(sample("cdr-table-day-first.csv"))
    assert found.options["dates"] == "dmy"
    assert said(found, "dates") == ["In dates the day comes first: the IDs prove it."]


@pytest.mark.parametrize(("form", "order"), [("%d/%m/%Y %H:%M", "dmy"), ("%m/%d/%Y %H:%M", "mdy")])
def test_a_number_above_12_proves_the_order(form, order):
    found = detected(master(IN_WINTER + 20 * 86_400, ids=False, form=form))
    assert found.options["dates"] == order


def test_dates_that_contradict_each_other_are_refused():
    day_first = master(IN_WINTER + 20 * 86_400, ids=False, form="%d/%m/%Y %H:%M")
    month_first = master(IN_WINTER + 21 * 86_400, ids=False, form="%m/%d/%Y %H:%M")
    with pytest.raises(BadFileError, match=r"the day first \(line 1\).*\(line 2\)"):
        detected(day_first + month_first)


def test_dates_that_nothing_proves_are_asked_about_once():
    content = master(IN_WINTER + 2 * 86_400, ids=False, form=SPREADSHEET)  # 03/01/2026
    found = detected(content)
    [question] = [one for one in found.questions if one.topic == "dates"]
    assert "03/01/2026" in question.said
    assert [value for value, _ in question.choices] == ["dmy", "mdy"]


# ── What a switch does not say ────────────────────────────────────────────────────────────────
def test_internal_calls_are_asked_about_and_may_be_left_out():
    content = sample("asterisk-master-21.csv")
    found = detected(content)
    [question] = found.questions
    assert "“1001” to “*60”" in question.said
    assert [value for value, _ in question.choices] == ["charge", "ignore"]
    ignoring = found._replace(options={**found.options, "internal_calls": "ignore"})
    records = records_of(ignoring, content)
    assert [isinstance(record, Ignored) for record in records] == [False, False, False, True]


def test_contexts_of_calls_from_outside_are_taken_to_be_inbound():
    found = detected(sample("asterisk-master-21.csv"))
    assert found.options["inbound_contexts"] == ["from-trunk"]
    assert "“from-trunk”" in said(found, "direction")[0]


def test_it_is_said_where_nothing_tells_who_called_whom():
    assert "outbound" in said(detected(master(IN_WINTER)), "direction")[0]


def test_a_file_with_both_legs_of_calls_says_that_each_is_charged():
    content = sample("freeswitch-example.csv").decode()
    both = content.replace(f'"{UUID4.format(1)}",""', f'"{UUID4.format(1)}","{UUID4.format(2)}"')
    assert said(detected(content.encode()), "legs") == []
    assert "each is charged" in said(detected(both.encode()), "legs")[0]


def test_statements_in_sql_are_refused():
    content = sample("freeswitch-example.csv").decode().splitlines()
    statements = "\n".join(f"INSERT INTO cdr VALUES ({line});" for line in content)
    with pytest.raises(BadFileError, match="SQL statements"):
        detected(statements.encode())


# ── Profiles ──────────────────────────────────────────────────────────────────────────────────
OWN = {
    "name": "mine",
    "label": "My export",
    "recognise": {"columns": ["call id", "datetime (utc)"]},
    "call_id": {"columns": ["call id"]},
    "started_at": {"columns": ["datetime (utc)"], "form": "ymd"},
    "talk": {"column": "duration (in call)"},
}


def test_a_profile_that_the_account_saved_goes_before_those_that_are_known():
    found = detected(sample("aircall.csv"), saved=[Profile.from_json(OWN)])
    assert found.profile is not None
    assert found.profile.name == "mine"
    assert "My export" in found.facts[0].said


def test_of_several_saved_profiles_the_one_that_asks_for_most_is_taken():
    more = {**OWN, "name": "more", "recognise": {"columns": ["call id", "user", "answered"]}}
    found = detected(sample("aircall.csv"), saved=[Profile.from_json(OWN), Profile.from_json(more)])
    assert found.profile is not None
    assert found.profile.name == "more"


def test_a_saved_profile_whose_columns_are_not_there_does_not_count():
    missing = {**OWN, "talk": {"column": "seconds"}}
    found = detected(sample("aircall.csv"), saved=[Profile.from_json(missing)])
    assert found.profile is not None
    assert found.profile.name == "aircall"


def test_a_name_alone_is_not_enough_where_a_profile_asks_for_values():
    content = sample("twilio-sdk.csv").replace(b"CA0000000000", b"XX0000000000")
    found = detected(content)
    assert found.profile is None or found.profile.name != "twilio"


def test_the_zone_is_named_where_it_decides():
    assert said(detected(sample("convoso.csv")), "zone") != []
    assert said(detected(sample("retell.json")), "zone") == []
    assert said(detected(sample("aircall.csv")), "zone") == []
    assert said(detected(sample("telnyx.json")), "zone") == []
    assert said(detected(sample("telnyx.csv")), "zone") != []


def test_every_shipped_profile_has_a_sample_of_its_own():
    assert set(shipped_profiles()) <= {kind for kind, _ in KNOWN.values()}


def test_nothing_else_lies_among_the_samples():
    assert {path.name for path in SAMPLES.iterdir()} == set(KNOWN)


def test_transcripts_are_left_out_before_anything_is_kept():
    content = sample("vapi.json")
    found = detected(content)
    source = source_of(found, content)
    texts = [raw.text for raw in source.reader(examined(content).file)]
    assert "Hello" in content.decode()
    assert not any("Hello" in text for text in texts)
    assert all(json.loads(text)["id"] for text in texts)

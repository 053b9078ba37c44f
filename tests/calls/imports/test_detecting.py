"""Each known format is told by itself, and its sample gives the right calls.

The samples in ``tests/samples`` were written for these tests; nobody made these calls.
"""

import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from calls.imports.detecting import MAPPED, detect
from calls.notations import BadFileError
from calls.records import CallRecord, Rejected
from calls.sources import Ignored
from calls.sources.mapped.profile import Profile
from calls.sources.mapped.source import MappedSource
from calls.sources.registry import SOURCES, shipped_profiles
from tests.calls.imports.cutting import SAMPLES, examined

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
OPENED_AT = datetime(2026, 1, 1, tzinfo=UTC)
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
    return detect(examined(content), account_zone=zone, now=NOW, opened_at=OPENED_AT, saved=saved)


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
    calls = {}
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

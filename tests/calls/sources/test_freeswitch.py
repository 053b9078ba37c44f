"""FreeSWITCH's records: the templates of cdr_csv, and documents of json_cdr."""

import csv
import io
import json
from datetime import UTC, datetime
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest

from calls.notations import BadFileError, RawRecord
from calls.records import CallRecord, Rejected
from calls.sources.freeswitch import FreeSwitch
from calls.sources.freeswitch.columns import TEMPLATES, is_document, template_of

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
UUID = "0a1b2c3d-0000-4000-8000-00000000000{}"

VALUES = {
    "caller_id_name": "Asha",
    "caller_id_number": "15550100",
    "destination_number": "15550101",
    "ani": "15550100",
    "context": "default",
    "start_stamp": "2026-11-20 10:00:00",
    "answer_stamp": "2026-11-20 10:00:07",
    "end_stamp": "2026-11-20 10:01:12",
    "duration": "72",
    "billsec": "65",
    "hangup_cause": "NORMAL_CLEARING",
    "uuid": UUID.format(1),
    "bleg_uuid": UUID.format(2),
    "accountcode": "",
    "direction": "outbound",
}

DEFAULT = (
    '"Asha","15550100","15550101","default","2026-11-20 10:00:00","2026-11-20 10:00:07",'
    f'"2026-11-20 10:01:12","72","65","NORMAL_CLEARING","{UUID.format(1)}","{UUID.format(2)}"'
)
# As the vanilla configuration has them: a blank stands before the last quotation mark of some.
WRITTEN = {
    "default": f'{DEFAULT}, "acme"',
    "example": f'{DEFAULT},"acme","PCMU","PCMU"',
    "snom": f'{DEFAULT}, "acme","PCMU","PCMU","snom/8","","a=1,b=2","a=1","/tmp/a.wav"',
    "linksys": f'{DEFAULT},"acme","PCMU","PCMU","Linksys","a=1"',
    "asterisk": (
        '"acme","15550100","15550101","default","Asha <15550100>","sofia/a","sofia/b","bridge",'
        '"sofia/gateway/a,b","2026-11-20 10:00:00","2026-11-20 10:00:07","2026-11-20 10:01:12",'
        f'"72","65","NORMAL_CLEARING","3","{UUID.format(1)}",""'
    ),
    "opencdrrate": (
        f'"{UUID.format(1)}","{UUID.format(2)}","outbound","15550100","15550101",'
        '"2026-11-20 10:00:07","2026-11-20 10:01:12","65","","","192.0.2.1","A","gateway"'
    ),
}


def row_of(template="default", **changes):
    return [{**VALUES, **changes}.get(name, "") for name in TEMPLATES[template]]


def read(*values, zone="UTC", **options):
    source = FreeSwitch(account_id=7, zone=ZoneInfo(zone), now=NOW, **options)
    raw = [RawRecord(number, "text", one) for number, one in enumerate(values, start=1)]
    return [one.record for one in source.read(raw)]


def times(record):
    assert isinstance(record, CallRecord), record
    told = (record.started_at, record.connected_at, record.ended_at)
    return [at and f"{at:%H:%M:%S.%f}".rstrip("0").rstrip(".") for at in told]


@pytest.mark.parametrize("name", WRITTEN)
def test_every_template_is_told_by_its_values(name):
    [row] = csv.reader(io.StringIO(WRITTEN[name]))
    [record] = read(row)
    start = "10:00:07" if name == "opencdrrate" else "10:00:00"
    assert times(record) == [start, "10:00:07", "10:01:12"]
    assert (record.call_id, record.from_number, record.to_number, record.usage_type) == (
        UUID.format(1),
        "15550100",
        "15550101",
        "outbound",
    )


@pytest.mark.parametrize(
    ("cause", "status"),
    [
        ("USER_BUSY", "busy"),
        ("NO_ANSWER", "no_answer"),
        ("ORIGINATOR_CANCEL", "no_answer"),
        ("OUTGOING_CALL_BARRED", "blocked"),
        ("UNALLOCATED_NUMBER", "failed"),
    ],
)
@pytest.mark.parametrize("never", ["", "0000-00-00 00:00:00"])
def test_without_an_answer_the_hangup_cause_tells_why(cause, status, never):
    [record] = read(row_of(answer_stamp=never, billsec="0", hangup_cause=cause))
    assert (record.status, times(record)) == (status, ["10:00:00", None, "10:01:12"])


def test_stamps_are_on_the_wall_clock_of_the_zone():
    [record] = read(row_of(), zone="Asia/Kolkata")
    assert times(record)[0] == "04:30:00"


@pytest.mark.parametrize(("context", "usage_type"), [("public", "inbound"), ("a", "outbound")])
def test_a_row_without_a_direction_is_inbound_by_its_context(context, usage_type):
    [record] = read(row_of(context=context))
    assert record.usage_type == usage_type


def test_a_leg_that_is_told_again_with_another_cause_is_the_same_call():
    [record] = read(row_of(), row_of(hangup_cause="ATTENDED_TRANSFER"))
    assert times(record) == ["10:00:00", "10:00:07", "10:01:12"]


def test_seconds_that_contradict_the_times_are_rejected():
    [record] = read(row_of(billsec="99"))
    assert str(record) == "billsec: is 99 s, but from answer to end are 65 s."


def test_statements_in_sql_are_refused_with_the_way_out():
    source = FreeSwitch(account_id=7, zone=ZoneInfo("UTC"), now=NOW)
    with pytest.raises(BadFileError, match="Set default-template to “example”"):
        source.takes_as_header(['INSERT INTO cdr VALUES ("Asha"', "15550100"])


def test_another_file_is_refused():
    source = FreeSwitch(account_id=7, zone=ZoneInfo("UTC"), now=NOW)
    with pytest.raises(BadFileError, match="none of FreeSWITCH's templates"):
        source.takes_as_header(["x"] * 13)


def test_a_table_is_read_by_the_names_of_its_header():
    source = FreeSwitch(account_id=7, zone=ZoneInfo("UTC"), now=NOW)
    header = ["xml_cdr_uuid", "direction", "start_epoch", "answer_epoch", "end_epoch", "billsec"]
    assert source.takes_as_header([*header, "hangup_cause", "caller_id_number"])
    row = [UUID.format(3), "inbound", "1795168800", "1795168807", "1795168872", "65"]
    [read] = source.read([RawRecord(2, "", [*row, "NORMAL_CLEARING", "15550100"])])
    assert times(read.record) == ["10:00:00", "10:00:07", "10:01:12"]
    assert isinstance(read.record, CallRecord)
    assert read.record.usage_type == "inbound"


# ── json_cdr ──────────────────────────────────────────────────────────────────────────────────
CALLED = ("menu", "15550101")  # the newest first


def document(*, uuid=1, of=1, **changes):
    variables = {
        "uuid": UUID.format(uuid),
        "call_uuid": UUID.format(of),
        "direction": "inbound",
        "start_uepoch": "1795168800006702",
        "answer_uepoch": "1795168809766321",
        "end_uepoch": "1795168830366141",
        "duration": "30",
        "billsec": "21",
        "start_stamp": "2026-11-20 15:30:00",
        "hangup_cause": "NORMAL_CLEARING",
        "sip_from_user": "+15550100",
        **changes,
    }
    told = {f"variables.{name}": quote(text) for name, text in variables.items()}
    return {
        "channel_data.direction": "inbound",
        **told,
        "callflow": json.dumps([{"caller_profile": {"destination_number": to}} for to in CALLED]),
    }


def test_a_document_is_read_to_the_microsecond_though_billsec_says_more():
    values = document()
    assert is_document(values)
    [record] = read(values)
    assert times(record) == ["10:00:00.006702", "10:00:09.766321", "10:00:30.366141"]
    assert record.from_number == "+15550100"  # it stood there as %2B15550100
    assert record.to_number == "15550101"  # of the beginning of the call


def test_zero_microseconds_mean_never():
    [record] = read(document(answer_uepoch="0", billsec="0", hangup_cause="USER_BUSY"))
    assert (record.status, times(record)[1]) == ("busy", None)


@pytest.mark.parametrize("digits", [17, 5_000])
def test_a_number_of_very_many_digits_is_no_time(digits):
    [record] = read(document(start_uepoch="9" * digits))
    assert isinstance(record, Rejected)
    assert record.field == "start_uepoch"


@pytest.mark.parametrize(
    ("changes", "usage_type"),
    [
        ({"direction": "outbound"}, "outbound"),
        ({"direction": "inbound"}, "inbound"),
        ({"direction": "inbound", "user_name": "1001"}, "outbound"),
    ],
)
def test_directions_are_seen_from_the_switch(changes, usage_type):
    [record] = read(document(**changes))
    assert record.usage_type == usage_type


def test_legs_of_one_call_uuid_are_one_call():
    source = FreeSwitch(account_id=7, zone=ZoneInfo("UTC"), now=NOW)
    legs = [document(), document(uuid=2, of=1, direction="outbound", end_uepoch="1795168899000000")]
    assert {source.call_id(leg) for leg in legs} == {UUID.format(1)}
    [record] = read(document(), {**legs[1], "variables.billsec": "90"})
    assert times(record) == ["10:00:00.006702", "10:00:09.766321", "10:01:39"]


def test_asterisks_rows_are_of_no_template():
    row = row_of("asterisk", hangup_cause="ANSWERED", uuid="1795168800.1")
    assert template_of(row) is None


def test_an_older_document_has_one_profile_of_the_caller():
    values = document()
    del values["callflow"]
    [record] = read({**values, "callflow.caller_profile.destination_number": "15550109"})
    assert isinstance(record, CallRecord)
    assert record.to_number == "15550109"

"""From bytes to records: a file that is examined, proposed for, cut and read."""

import io
import json
from zoneinfo import ZoneInfo

import pytest

from calls.models import Status
from calls.notations.examining import examine
from calls.records import CallRecord
from calls.sources.mapped.proposing import propose
from calls.sources.mapped.source import MappedSource
from tests.calls.sources.mapped.reading import KOLKATA, NOW, local_times

ZONE = ZoneInfo(KOLKATA)


def read_file(content: bytes, name="calls.csv"):
    """The proposal for a file, the texts of its records as they are staged, and what they say."""
    examined = examine(io.BytesIO(content), name=name)
    proposal = propose(examined.layout.columns, examined.sample, zone=ZONE, now=NOW)
    assert proposal.profile is not None
    source = MappedSource(
        account_id=7, zone=ZONE, now=NOW, profile=proposal.profile, layout=examined.layout
    )
    reader = source.reader(examined.file)
    raw = list(reader)
    for one, values in zip(raw, reader.values_of([one.text for one in raw]), strict=True):
        assert source.call_id(values) == source.call_id(one.values)
    told = [read.record for one in raw if not one.is_torn for read in source.read([one])]
    return proposal, raw, told


CENTRE = """\
sep=;
Conversation;Date;Time;Agent name;Answered (Y/N);Wait (s);Talk time;Topic;Transcript
K-1;13/11/2026;2:05:09 PM;Asha;Y;12;00:03:20;Delivery;Hello
K-2;13/11/2026;2:07:00 PM;;N;45;;Refund;
K-3;14/11/2026;12:00:30 AM;Ravi;Y;3;01:00:00;Delivery;"Who; is
there"
"""


def test_a_spreadsheet_of_a_call_centre():
    proposal, _, told = read_file(CENTRE.encode())
    assert [local_times(record) for record in told] == [
        ["14:05:09", "14:05:21", "14:08:41"],
        ["14:07:00", None, "14:07:45"],
        ["00:00:30", "00:00:33", "01:00:33"],
    ]
    assert proposal.profile.ignore == ("Transcript",)


def test_transcripts_are_no_part_of_what_is_staged():
    _, raw, _ = read_file(CENTRE.encode())
    assert not any("Hello" in one.text or "there" in one.text for one in raw)


def test_a_last_line_that_may_be_cut_is_torn():
    content = (
        "Call ID,Start,Direction,Talk time (s)\n"
        "a,2026-11-20 10:00:00,out,61\n"
        "b,2026-11-20 10:00:00,out,6"
    )
    _, raw, told = read_file(content.encode())
    assert [one.is_torn for one in raw] == [False, True]
    assert len(told) == 1


@pytest.mark.parametrize("shape", ["array", "lines", "envelope"])
def test_documents(shape):
    calls = [
        {
            "id": f"v-{number}",
            "type": "outboundPhoneCall",
            "startedAt": f"2026-11-20T04:30:0{number}.123Z",
            "endedAt": f"2026-11-20T04:31:0{number}.623Z",
            "endedReason": reason,
            "customer": {"number": "+919812345678"},
            "transcript": "Hello",
        }
        for number, reason in enumerate(["customer-ended-call", "customer-did-not-answer"])
    ]
    content = {
        "array": json.dumps(calls),
        "lines": "\n".join(map(json.dumps, calls)) + "\n",
        "envelope": json.dumps({"calls": calls, "has_more": False}),
    }[shape]
    proposal, raw, told = read_file(content.encode(), name="calls.json")
    assert proposal.questions == ()
    first, second = told
    assert isinstance(first, CallRecord)
    assert isinstance(second, CallRecord)
    assert local_times(first) == ["10:00:00.123000", "10:00:00.123000", "10:01:00.623000"]
    assert (second.status, second.connected_at) == (Status.NO_ANSWER, None)
    assert first.to_number == "+919812345678"
    assert not any("Hello" in one.text for one in raw)

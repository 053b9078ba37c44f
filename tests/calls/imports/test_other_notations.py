"""A source need not be CSV: one that writes JSON lines is imported by the same engine."""

import json
from io import BytesIO
from zoneinfo import ZoneInfo

import pytest

from calls.imports.batches import RejectedLine
from calls.imports.importing import import_calls
from calls.models import Call
from calls.notations import BadFileError, RawRecord
from calls.notations.clock import read_time
from calls.records import Rejected, validate
from calls.sources import Read, Source
from tests.calls.calling import NOW

pytestmark = pytest.mark.django_db


class JsonLinesReader:
    """One JSON object a line."""

    def __init__(self, file):
        self.file = file
        self.bytes_read = 0

    def __iter__(self):
        for number, line in enumerate(self.file, start=1):
            self.bytes_read += len(line)
            text = line.decode()
            try:
                yield RawRecord(number, text, json.loads(text))
            except ValueError:
                raise BadFileError(f"Line {number} is not JSON.") from None

    def values_of(self, texts):
        return map(json.loads, texts)


class Platform(Source[dict]):
    """A platform that writes its calls as JSON, with names of its own."""

    name = "platform"
    label = "A platform's JSON"

    def reader(self, file):
        return JsonLinesReader(file)

    def call_id(self, values):
        return values.get("id", "")

    def field_name(self, field):
        return {"call_id": "id", "status": "result"}.get(field, field)

    def read(self, raw):
        for one in raw:
            try:
                yield Read([one], self.record(one.values))
            except Rejected as rejected:
                yield Read([one], rejected)

    def record(self, values):
        return validate(
            account_id=self.account_id,
            call_id=values["id"],
            usage_type="inbound",
            status=values["result"],
            started_at=read_time("begin", values["begin"]),
            connected_at=read_time("begin", values["begin"]),
            ended_at=read_time("end", values["end"]),
            now=self.now,
        )


def imported(account, *calls):
    source = Platform(account_id=account.pk, zone=ZoneInfo("UTC"), now=NOW)
    content = "\n".join(calls).encode()
    steps = list(import_calls(file=BytesIO(content), source=source, now=NOW))
    return steps[-1].summary, [line for step in steps for line in step.rejected]


def call(call_id, *, end, result="completed"):
    facts = {"id": call_id, "result": result, "begin": "2026-03-10T09:30:00Z", "end": end}
    return json.dumps(facts)


def test_calls_are_recorded_and_the_last_record_of_a_call_decides(professional):
    summary, rejected = imported(
        professional,
        call("c1", end="2026-03-10T09:31:00Z"),
        call("c2", end="2026-03-10T09:31:00Z"),
        call("c1", end="2026-03-10T09:31:30Z"),
    )
    assert (summary.created, summary.unchanged, rejected) == (2, 1, [])
    assert dict(Call.objects.values_list("call_id", "credits")) == {"c1": 3, "c2": 2}


def test_what_is_rejected_is_said_in_the_words_of_the_source(professional):
    bad = call("c2", end="2026-03-10T09:31:00Z", result="eaten")
    summary, [line] = imported(professional, call("c1", end="2026-03-10T09:31:00Z"), bad)
    assert (summary.created, summary.rejected) == (1, 1)
    assert line == RejectedLine(
        2,
        "result",
        "is “eaten”; it must be one of: completed, no_answer, busy, failed, blocked.",
        bad,
    )


def test_a_document_that_cannot_be_read_is_refused_before_anything_is_recorded(professional):
    with pytest.raises(BadFileError, match=r"Line 2 is not JSON\."):
        imported(professional, call("c1", end="2026-03-10T09:31:00Z"), "{")
    assert not Call.objects.exists()

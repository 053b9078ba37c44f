"""What a call record must be: every rule by a literal, and what the reason says."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from billing.plans.rating import UsageType
from calls.limits import FIRST_INSTANT
from calls.models import Status
from calls.records import CallRecord, Rejected, validate
from calls.usage.periods import choose_period

SECOND = timedelta(seconds=1)
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
STARTED_AT = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
GOOD: dict[str, Any] = {
    "account_id": 7,
    "call_id": "c1",
    "usage_type": "outbound",
    "status": "completed",
    "started_at": STARTED_AT,
    "connected_at": STARTED_AT + timedelta(seconds=5),
    "ended_at": STARTED_AT + timedelta(seconds=70),
    "now": NOW,
}
UNCONNECTED = {**GOOD, "status": "busy", "connected_at": None}


def rejection(**changes):
    with pytest.raises(Rejected) as caught:
        validate(**{**GOOD, **changes})
    return caught.value.field, caught.value.reason


def test_a_good_record_is_taken_as_it_is():
    assert validate(**GOOD, agent="Asha", from_number="+911", to_number="+912", remarks="r") == (
        CallRecord(
            account_id=7,
            call_id="c1",
            usage_type=UsageType.OUTBOUND,
            agent="Asha",
            from_number="+911",
            to_number="+912",
            started_at=STARTED_AT,
            connected_at=STARTED_AT + timedelta(seconds=5),
            ended_at=STARTED_AT + timedelta(seconds=70),
            status=Status.COMPLETED,
            remarks="r",
            revised_at=None,
        )
    )


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"call_id": ""}, "call_id", "is missing."),
        ({"call_id": "x" * 201}, "call_id", "has 201 characters; at most 200 are allowed."),
        ({"call_id": " x"}, "call_id", "begins or ends with a blank; remove it."),
        ({"call_id": "x "}, "call_id", "begins or ends with a blank; remove it."),
        ({"call_id": "x\ty"}, "call_id", "has U+0009, which can't be printed; remove it."),
        ({"call_id": "x\0"}, "call_id", "has U+0000, which can't be printed; remove it."),
        ({"call_id": "x\ud800"}, "call_id", "has U+D800, which can't be printed; remove it."),
        (
            {"call_id": "x\udce9"},
            "call_id",
            "has the byte 0xe9, which is no UTF-8; save it as UTF-8.",
        ),
        (
            {"call_id": "x\ufffd"},
            "call_id",
            "was damaged before: it has “\ufffd” in place of a character.",
        ),
        (
            {"usage_type": "fax"},
            "usage_type",
            "is “fax”; it must be one of: outbound, inbound, translation.",
        ),
        (
            {"status": ""},
            "status",
            "is missing; it must be one of: completed, no_answer, busy, failed, blocked.",
        ),
        ({"started_at": None}, "started_at", "is missing."),
        ({"started_at": STARTED_AT.replace(tzinfo=None)}, "started_at", "has no time zone."),
        ({"ended_at": STARTED_AT.replace(tzinfo=None)}, "ended_at", "has no time zone."),
        ({"revised_at": STARTED_AT.replace(tzinfo=None)}, "revised_at", "has no time zone."),
        (
            {"started_at": datetime.min.replace(tzinfo=timezone(timedelta(hours=1)))},
            "started_at",
            "is out of range.",
        ),
        (
            {"started_at": FIRST_INSTANT - timedelta(microseconds=1)},
            "started_at",
            "is before 2000; such an old call is taken for a mistake.",
        ),
        ({"connected_at": None}, "connected_at", "is missing: a completed call was connected."),
        ({"ended_at": None}, "ended_at", "is missing: a completed call has ended."),
        (
            {"status": "busy"},
            "connected_at",
            "must be empty where the status is “busy”: it never connected.",
        ),
        (
            {"connected_at": STARTED_AT - timedelta(microseconds=1)},
            "connected_at",
            "is before the call started.",
        ),
        (
            {"ended_at": STARTED_AT - timedelta(seconds=1)},
            "ended_at",
            "is before the call started.",
        ),
        (
            {"ended_at": STARTED_AT + timedelta(seconds=4)},
            "ended_at",
            "is before the call connected.",
        ),
        (
            {
                "started_at": NOW - timedelta(days=8),
                "connected_at": NOW - timedelta(days=8),
                "ended_at": NOW - timedelta(days=1) + timedelta(microseconds=1),
            },
            "ended_at",
            "is more than 7 days after the call started.",
        ),
        (
            {**UNCONNECTED, "started_at": NOW + timedelta(hours=24, seconds=1), "ended_at": None},
            "started_at",
            "is more than 24 hours in the future; check the time zone.",
        ),
        (
            {**UNCONNECTED, "ended_at": NOW + timedelta(hours=24, seconds=1)},
            "ended_at",
            "is more than 24 hours in the future; check the time zone.",
        ),
        (
            {"revised_at": NOW + timedelta(hours=24, seconds=1)},
            "revised_at",
            "is more than 24 hours in the future; check the time zone.",
        ),
    ],
)
def test_a_broken_rule_names_the_field_and_the_reason(changes, field, reason):
    assert rejection(**changes) == (field, reason)


@pytest.mark.parametrize(
    "changes",
    [
        {"call_id": "x" * 200},
        {"call_id": "sip:ключ@host/1 2"},
        {"connected_at": STARTED_AT},
        {"connected_at": GOOD["ended_at"]},
        {"agent": "x" * 100},
        {**UNCONNECTED, "ended_at": None},
        {**UNCONNECTED, "status": "no_answer"},
        {**UNCONNECTED, "status": "failed"},
        {**UNCONNECTED, "status": "blocked"},
        {**UNCONNECTED, "started_at": NOW + timedelta(hours=24), "ended_at": None},
        {"started_at": FIRST_INSTANT}
        | {"connected_at": FIRST_INSTANT}
        | {"ended_at": FIRST_INSTANT + timedelta(days=7)},
    ],
)
def test_the_limits_themselves_are_allowed(changes):
    assert validate(**{**GOOD, **changes})


@pytest.mark.parametrize(
    ("changes", "field", "length_max"),
    [
        ({"agent": "x" * 101}, "agent", 100),
        ({"from_number": "1" * 101}, "from", 100),
        ({"to_number": "1" * 5_000}, "to", 100),
        ({"remarks": "x" * 200_000}, "remarks", 500),
    ],
)
def test_a_text_that_is_too_long_is_shortened_and_the_record_says_so(changes, field, length_max):
    record = validate(**{**GOOD, **changes})
    [(name, text)] = changes.items()
    assert getattr(record, name) == text[: length_max - 1] + "…"
    assert record.notes == ((field, f"is too long; it is shortened to {length_max} characters."),)


@pytest.mark.parametrize("odd", ["\0", "\x1b", "\x9f", "\ud800"])
@pytest.mark.parametrize("name", ["agent", "from_number", "to_number", "remarks"])
def test_what_is_no_text_is_replaced_and_the_record_says_so(name, odd):
    record = validate(**{**GOOD, name: f"a{odd}b"})
    assert getattr(record, name) == "a\ufffdb"
    assert [note.said for note in record.notes] == [
        "has what is no text; it is replaced by “\ufffd”."
    ]


def test_a_translation_connects_when_it_starts():
    record = validate(**{**GOOD, "usage_type": "translation", "connected_at": None})
    assert record.connected_at == STARTED_AT


def test_times_become_utc_and_keep_their_microseconds():
    india = timezone(timedelta(hours=5, minutes=30))
    record = validate(
        **{**GOOD, "started_at": datetime(2026, 3, 10, 14, 30, 0, 123456, tzinfo=india)}
        | {"connected_at": datetime(2026, 3, 10, 14, 30, 0, 123456, tzinfo=india)}
    )
    assert record.started_at.isoformat() == "2026-03-10T09:00:00.123456+00:00"


def test_blanks_around_and_inside_texts_are_reduced():
    record = validate(**GOOD, agent="  Asha ", remarks="two\r\nlines")
    assert (record.agent, record.remarks) == ("Asha", "two lines")


def test_invisible_joiners_of_a_script_are_kept():
    assert validate(**GOOD, agent="ക്\u200dഷ").agent == "ക്\u200dഷ"


@pytest.mark.parametrize("zone", ["Etc/GMT+12", "UTC", "Pacific/Kiritimati"])
def test_the_oldest_call_that_is_taken_lies_in_a_period_that_can_be_shown(zone):
    oldest = validate(
        **{**UNCONNECTED, "status": "no_answer", "started_at": FIRST_INSTANT, "ended_at": None}
    )
    chosen = choose_period(
        preset="custom",
        first="2000-01-01",
        last="2000-01-31",
        today=NOW.date(),
        zone=ZoneInfo(zone),
        cycle=None,
    )
    assert not chosen.errors
    assert chosen.period.starts_at <= oldest.started_at < chosen.period.ends_at

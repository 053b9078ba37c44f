"""Times and lengths of a call, as seconds after its start; None where a record does not say it."""

from datetime import UTC, datetime, timedelta

import pytest

from calls.models import Status
from calls.records import Instant, Rejected
from calls.sources.mapped.assembling import Stated, assemble, decided_status

START = datetime(2026, 11, 20, 9, tzinfo=UTC)
ANSWERED, UNANSWERED = Status.COMPLETED, Status.NO_ANSWER


def at(seconds, finer=""):
    return None if seconds is None else Instant(START + timedelta(seconds=seconds), finer)


def stated(start, connect, end, total, talk, waiting):
    lengths = (None if one is None else round(one * 1_000_000) for one in (total, talk, waiting))
    return Stated(at(start), at(connect), at(end), *lengths)


def seconds(instant):
    return None if instant is None else (instant.at - START).total_seconds()


def times(assembled):
    return [
        seconds(one) for one in (assembled.started_at, assembled.connected_at, assembled.ended_at)
    ]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        # start connect end total talk waiting
        ((0, 5, 65, None, None, None), [0, 5, 65]),
        ((0, None, 65, None, None, None), [0, 0, 65]),
        ((0, None, None, None, 200, 12), [0, 12, 212]),
        ((0, None, None, None, 200, None), [0, 0, 200]),
        ((0, None, None, 64.5, None, None), [0, 0, 64.5]),
        ((0, None, None, 72, 65, None), [0, 7, 72]),
        ((0, None, 72, None, 65, None), [0, 7, 72]),
        ((0, None, 72, None, None, 7), [0, 7, 72]),
        ((0, None, 72, 72, 65, None), [0, 7, 72]),
        ((0, None, 60, None, 61, None), [0, 0, 60]),
        ((0, None, None, 60, 70, None), [0, 0, 70]),
        ((0, 5, None, 65, None, None), [0, 5, 65]),
        ((0, 5.5, None, 5, None, None), [0, 5.5, 5.5]),
        ((0, 5, None, None, 60, None), [0, 5, 65]),
        ((None, 5, 65, None, None, None), [5, 5, 65]),
        ((None, 5, 65, None, None, 5), [0, 5, 65]),
        ((None, None, 72, 72, 65, None), [0, 7, 72]),
        ((None, None, 72, None, 65, 7), [0, 7, 72]),
        ((0, None, 0, None, 0, None), [0, 0, 0]),
    ],
)
def test_what_times_leave_open_lengths_say(told, expected):
    assert times(assemble(status=ANSWERED, stated=stated(*told))) == expected


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ((0, 5, 20, None, None, None), [0, None, 20]),
        ((0, None, None, 20, None, None), [0, None, 20]),
        ((0, None, None, None, None, 45), [0, None, 45]),
        ((None, None, 45, None, None, 45), [0, None, 45]),
        ((None, None, 45, None, 0, 45), [0, None, 45]),
        ((0, None, None, None, None, None), [0, None, None]),
        ((0, None, None, None, 0, None), [0, None, None]),
    ],
)
def test_a_call_that_never_connected_has_no_time_of_connection(told, expected):
    assert times(assemble(status=UNANSWERED, stated=stated(*told))) == expected


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ((0, 0, 0, None, 9, None), [0, 0, 9]),
        ((0, None, 0, None, 9, None), [0, 0, 9]),
        ((0, 60, 60, None, 9, None), [0, 60, 69]),
        ((0, 60, 60, 21, 9, None), [0, 12, 21]),
        ((0, None, 0, None, 9, 12), [0, 12, 21]),
        ((0, 60, 60, 21, None, None), [0, 21, 21]),
        ((0, 0, 60, None, None, None), [0, 0, 60]),
    ],
)
def test_lengths_go_before_times_without_seconds(told, expected):
    assembled = assemble(status=ANSWERED, stated=stated(*told), has_seconds=False)
    assert times(assembled) == expected


@pytest.mark.parametrize(
    ("told", "agrees"),
    [
        ((0, 5, 65, None, None, None), None),
        ((0, None, None, 65, 60, None), None),
        ((0, 5, 65, None, 60, None), True),
        ((0, 5, 65, None, 61, None), True),
        ((0, 5, 65, None, 61.000001, None), False),
        ((0, 5, 65, None, 59, None), True),
        ((0, 5, 65, 65, 50, None), False),
        ((0, 5, 65, 50, 60, None), False),
        ((0, None, 65, 64, None, None), True),
        ((0, None, 65, None, 60, 5), True),
        ((0, None, 65, None, 50, 5), False),
        ((0, None, 65, None, 50, None), None),
        ((0, None, 65, None, 70, None), False),
    ],
)
def test_lengths_are_held_against_times(told, agrees):
    assert assemble(status=ANSWERED, stated=stated(*told)).agrees is agrees


@pytest.mark.parametrize(
    ("told", "suspicious"),
    [
        ((0, 5, 65, None, 60_000, None), "talk"),
        ((0, 5, 65, None, 1, None), "talk"),
        ((0, 5, 65, 65_000, None, None), "total"),
        ((0, 5, 65, None, 55, None), ""),
        ((0, 0, 4, None, 0, None), ""),
    ],
)
def test_a_length_far_from_the_times_is_suspicious_and_the_times_decide(told, suspicious):
    assembled = assemble(status=ANSWERED, stated=stated(*told))
    assert assembled.suspicious == suspicious
    assert times(assembled) == [told[0], told[1], told[2]]


def test_decimals_after_the_microsecond_stay_exact():
    told = Stated(started_at=at(0, finer="789"), talk=1_500_000)
    assembled = assemble(status=ANSWERED, stated=told)
    assert assembled.ended_at == at(1.5, finer="789")


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ((None, None, None, None, None, None), "started_at"),
        ((None, None, 65, None, None, None), "started_at"),
        ((0, 5, None, None, None, None), "ended_at"),
        ((0, None, None, None, None, 12), "ended_at"),
    ],
)
def test_what_nothing_tells_is_missing(told, field):
    with pytest.raises(Rejected) as caught:
        assemble(status=ANSWERED, stated=stated(*told))
    assert (caught.value.field, caught.value.reason[:10]) == (field, "is missing")


def test_a_length_that_leads_out_of_the_calendar_is_rejected():
    with pytest.raises(Rejected, match="out of range"):
        assemble(status=ANSWERED, stated=Stated(started_at=at(0), talk=10**18))


@pytest.mark.parametrize(
    ("word", "by", "otherwise", "told", "expected"),
    [
        (Status.BUSY, "", None, (0, 0, 17, None, None, None), Status.BUSY),
        (Status.NO_ANSWER, "", None, (0, None, None, None, 32, None), Status.COMPLETED),
        (Status.NO_ANSWER, "", None, (0, None, None, 32, None, None), Status.NO_ANSWER),
        (Status.COMPLETED, "", None, (0, None, None, None, 0, None), Status.COMPLETED),
        (None, "talk", None, (0, None, None, None, 32, None), Status.COMPLETED),
        (None, "talk", None, (0, None, None, None, 0, None), Status.NO_ANSWER),
        (None, "talk", None, (0, None, None, None, None, None), Status.NO_ANSWER),
        (None, "talk", Status.FAILED, (0, None, None, None, 0, None), Status.FAILED),
        (None, "talk", Status.COMPLETED, (0, None, None, None, 0, None), Status.NO_ANSWER),
        (None, "connected_at", None, (0, 5, 9, None, None, None), Status.COMPLETED),
        (None, "connected_at", None, (0, None, 9, None, None, None), Status.NO_ANSWER),
        (Status.BUSY, "connected_at", None, (0, 5, 9, None, None, None), Status.BUSY),
        (None, "", Status.COMPLETED, (0, None, 9, None, None, None), Status.COMPLETED),
        (None, "", None, (0, None, 9, None, None, None), None),
    ],
)
def test_how_an_answered_call_is_told(word, by, otherwise, told, expected):
    status = decided_status(word=word, by=by, otherwise=otherwise, stated=stated(*told))
    assert status is expected


def test_a_call_that_was_answered_is_not_told_by_its_end_and_waiting_time_alone():
    with pytest.raises(Rejected, match="is missing"):
        assemble(status=ANSWERED, stated=stated(None, None, 45, None, None, 45))

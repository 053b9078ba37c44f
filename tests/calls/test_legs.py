"""Calls told in parts: what belongs together, what does not, and in any order of arrival."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from calls.charging import Result, record_calls
from calls.legs import joined
from calls.models import Call, Status
from calls.records import Rejected, validate

NOW = datetime(2026, 12, 20, 12, tzinfo=UTC)
pytestmark = pytest.mark.django_db

START = datetime(2026, 11, 20, 9, 0, 0, tzinfo=UTC)


def leg(start, connect, end, *, account_id=1, **more):
    """A leg from ``start`` to ``end``, answered at ``connect`` (seconds; None: never)."""
    return validate(
        account_id=account_id,
        call_id="1790000000.1",
        usage_type="outbound",
        status="no_answer" if connect is None else "completed",
        started_at=START + timedelta(seconds=start),
        connected_at=None if connect is None else START + timedelta(seconds=connect),
        ended_at=START + timedelta(seconds=end),
        now=NOW,
        **more,
    )


def span(record):
    """Start, connection and end in seconds."""
    return [
        None if at is None else (at - START).total_seconds()
        for at in (record.started_at, record.connected_at, record.ended_at)
    ]


@pytest.mark.parametrize(
    ("first", "second", "whole"),
    [
        ((0, 5, 65), (65, 65, 185), [0, 5, 185]),
        ((0, 5, 65), (70, 71, 185), [0, 5, 185]),
        ((0, 5, 65), (20, 30, 50), [0, 5, 65]),
        ((0, 5, 65), (0, 5, 65), [0, 5, 65]),
        ((0, None, 20), (20, 24, 84), [0, 24, 84]),
        ((0, 5, 65), (66, None, 96), [0, 5, 65]),
        ((0, None, 20), (20, None, 50), [0, None, 50]),
        ((0, 5, 65), (60, 80, 80), [0, 5, 65]),
        ((0, 5, 65), (0, 2, 2), [0, 2, 65]),
        ((0, 5, 5), (5, 8, 8), [0, 5, 5]),
    ],
)
def test_legs_that_follow_each_other_are_one_call_in_either_order(first, second, whole):
    for one, other in permutations([leg(*first), leg(*second)]):
        assert span(joined(one, other)) == whole


@pytest.mark.parametrize(
    "second", [(71, 72, 90), (518_400, 518_405, 518_465), (43_200, None, 43_230)]
)
def test_a_leg_far_from_the_others_is_not_of_the_call(second):
    for one, other in permutations([leg(0, 5, 65), leg(*second)]):
        with pytest.raises(Rejected, match="parts of one call follow each other"):
            joined(one, other)


def test_legs_together_longer_than_a_call_can_be_are_rejected():
    week = 7 * 86_400
    with pytest.raises(Rejected, match="longer than 7 days"):
        joined(leg(0, 0, week - 1), leg(week, week, week + 60))


def test_legs_that_arrive_one_by_one_and_twice_leave_the_same_call_in_any_order(base):
    """Twice, because a leg is only taken once one that it touches is known."""
    for number, order in enumerate(permutations([(0, 5, 65), (65, 65, 185), (185, 190, 200)])):
        for arriving in (*order, *order):
            record = leg(*arriving, account_id=base.pk)._replace(call_id=f"call-{number}")
            record_calls(records=[record], now=NOW, are_legs=True)
        call = Call.objects.get(call_id=f"call-{number}")
        assert (span(call), call.credits) == ([0, 5, 200], 8)


def test_a_leg_that_is_known_changes_nothing(base):
    first, second = (leg(*part, account_id=base.pk) for part in ((0, 5, 65), (65, 65, 185)))
    results = [
        record_calls(records=[record], now=NOW, are_legs=True)[0].result
        for record in (first, second, first, second)
    ]
    assert results == [
        Result.CREATED,
        Result.CORRECTED,
        Result.UNCHANGED,
        Result.UNCHANGED,
    ]
    assert Call.objects.get().credits == 6  # 180 s on Base


def test_ringing_in_vain_between_two_talks_ties_them_together_in_files_of_their_own(base):
    legs = [leg(*part, account_id=base.pk) for part in ((0, 0, 5), (5, None, 25), (25, 26, 79))]
    for record in legs:
        record_calls(records=[record], now=NOW, are_legs=True)
    call = Call.objects.get()
    assert (span(call), call.credits) == ([0, 0, 79], 4)


def test_unanswered_legs_that_are_known_change_nothing(base):
    legs = [
        leg(*part, account_id=base.pk)._replace(status=status)
        for part, status in (
            ((0, None, 4), Status.NO_ANSWER),
            ((5, None, 9), Status.BUSY),
            ((10, None, 14), Status.NO_ANSWER),
        )
    ]
    results = [
        record_calls(records=[record], now=NOW, are_legs=True)[0].result
        for record in (*legs, *legs)
    ]
    assert results[3:] == [Result.UNCHANGED] * 3
    assert Call.objects.get().status == Status.NO_ANSWER


def test_a_leg_before_the_one_that_ties_it_to_its_call_is_taken_when_it_comes_again(base):
    first, between, last = (
        leg(*part, account_id=base.pk) for part in ((0, 5, 65), (65, None, 80), (80, 90, 130))
    )
    results = [
        record_calls(records=[record], now=NOW, are_legs=True)[0].result
        for record in (first, last, between, last)
    ]
    assert results == [Result.CREATED, Result.REJECTED, Result.UNCHANGED, Result.CORRECTED]
    assert span(Call.objects.get()) == [0, 5, 130]


def test_a_leg_of_another_time_is_rejected_and_the_call_stays(base):
    record_calls(records=[leg(0, 5, 65, account_id=base.pk)], now=NOW, are_legs=True)
    late = leg(86_400, 86_405, 86_465, account_id=base.pk)
    [outcome] = record_calls(records=[late], now=NOW, are_legs=True)
    assert (outcome.result, outcome.field) == (Result.REJECTED, "call_id")
    assert Call.objects.get().credits == 2

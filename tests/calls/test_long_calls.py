"""Calls of more than 12 hours: charged as they are, and whoever sent them is told to look."""

from datetime import timedelta

import pytest

from calls.charging import LONG, record_calls
from calls.models import Call
from calls.records import is_long
from tests.calls.calling import NOW, STARTED_AT, after, record, unanswered
from tests.calls.importing import GOOD, lines

pytestmark = pytest.mark.django_db

HALF_A_DAY = 12 * 3600
YESTERDAY = STARTED_AT - timedelta(days=1)


def notes(one, **options):
    [outcome] = record_calls(records=[one], now=NOW, **options)
    return outcome.notes


@pytest.mark.parametrize(("seconds", "noted"), [(0, ()), (0.000001, (LONG,))])
def test_a_long_call_is_charged_and_noted(professional, seconds, noted):
    long = record(professional, seconds=HALF_A_DAY - 5 + seconds, started_at=YESTERDAY)
    assert notes(long) == noted
    assert Call.objects.get().credits == 1_440


def test_ringing_for_long_is_no_long_call(professional):
    rung = unanswered(professional, started_at=YESTERDAY, ended_at=STARTED_AT)
    assert notes(rung) == ()


def test_parts_that_come_to_a_long_call_are_noted(professional):
    hour = 3_600
    parts = [
        record(professional, seconds=8 * hour, rings=0, started_at=after((start - 24) * hour))
        for start in (0, 8)
    ]
    assert [notes(part, are_legs=True) for part in parts] == [(), (LONG,)]
    assert is_long(Call.objects.get())


def test_an_import_says_how_many_calls_are_long_and_which_was_the_first(importing_file):
    long = GOOD.replace("2026-03-10T09:31", "2026-03-11T09:31")
    outcome = importing_file(
        lines(GOOD.format("c1", 10), long.format("c2", 10), long.format("c3", 10))
    )
    assert outcome.out.startswith("3 created, 0 unchanged, 0 corrected, 0 rejected")
    assert outcome.error == (
        "ended_at is more than 12 hours after the start of the call; it counts in full, but check "
        "that it is true. 2 calls, the first: c2\n"
    )

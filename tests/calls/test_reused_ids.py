"""Call IDs that a system uses again: another call is no correction of the one that is known."""

from datetime import timedelta

import pytest

from calls.charging import Result, record_calls
from calls.models import Call
from calls.records import LAST_WORD
from tests.calls.calling import NOW, STARTED_AT, after, balance, record, unanswered
from tests.calls.importing import ASTERISK, GOOD, HEADER, lines, rejects

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
A_MOMENT = timedelta(microseconds=1)
YEARS_LATER = NOW + 400 * DAY


def results(*records, **options):
    return [outcome.result for outcome in record_calls(records=records, now=NOW, **options)]


@pytest.mark.parametrize("moved", [DAY + A_MOMENT, -DAY - A_MOMENT, 365 * DAY])
def test_a_record_more_than_a_day_away_is_another_call(professional, moved):
    results(record(professional))
    other = record(professional, started_at=STARTED_AT + moved, now=YEARS_LATER)
    [outcome] = record_calls(records=[other], now=NOW)
    assert (outcome.result, outcome.field, outcome.credits) == (Result.REJECTED, "call_id", 0)
    ways_out = ("another ID or a prefix", "a later revised_at", LAST_WORD)
    for way_out in (*ways_out, "2026-03-10 09:30"):
        assert way_out in outcome.reason
    assert (Call.objects.get().started_at, balance(professional)) == (STARTED_AT, 1_497)


@pytest.mark.parametrize("moved", [DAY, -DAY])
def test_a_record_a_day_away_is_a_correction(professional, moved):
    results(record(professional))
    corrected = record(professional, started_at=STARTED_AT + moved, now=YEARS_LATER)
    assert results(corrected) == [Result.CORRECTED]


@pytest.mark.parametrize(
    ("known", "later", "result"),
    [
        ({"to_number": "+911"}, {"to_number": "+912"}, Result.REJECTED),
        ({"to_number": "+911"}, {"to_number": "+911"}, Result.CORRECTED),
        ({"to_number": "+911"}, {}, Result.CORRECTED),
        ({}, {"to_number": "+912"}, Result.CORRECTED),
        (
            {"usage_type": "inbound", "from_number": "+911", "to_number": "+91"},
            {"usage_type": "inbound", "from_number": "+912", "to_number": "+91"},
            Result.REJECTED,
        ),
        (
            {"usage_type": "inbound", "from_number": "+911", "to_number": "+91"},
            {"usage_type": "inbound", "from_number": "+911", "to_number": "+92"},
            Result.CORRECTED,
        ),
    ],
)
@pytest.mark.parametrize("minutes", [20, -20])
def test_without_overlap_the_other_partys_number_tells_whether_it_is_the_same_call(
    professional, known, later, result, minutes
):
    results(record(professional, "1", **known))
    moved = record(professional, "1", started_at=after(60 * minutes), **later)
    assert results(moved) == [result]


def test_with_overlap_another_number_is_a_correction(professional):
    results(record(professional, to_number="+911"))
    assert results(record(professional, started_at=after(69), to_number="+912")) == [
        Result.CORRECTED
    ]


@pytest.mark.parametrize(
    ("first", "second", "result"),
    [
        ({}, {"started_at": after(70)}, Result.REJECTED),  # begins in the moment the first ends
        ({}, {"started_at": after(70) - A_MOMENT}, Result.CORRECTED),
        ({"status": "busy", "connected_at": None, "ended_at": None}, {}, Result.CORRECTED),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_calls_that_only_meet_do_not_overlap(professional, first, second, result, order):
    told = [record(professional, to_number="+911", **first)]
    told.append(record(professional, to_number="+912", **second))
    assert results(told[::order][0]) == [Result.CREATED]
    assert results(told[::order][1]) == [result]


def test_unanswered_calls_without_an_end_are_told_apart_as_well(professional):
    results(unanswered(professional, to_number="+911", ended_at=None))
    other = unanswered(professional, to_number="+912", ended_at=None, started_at=after(1_200))
    assert results(other) == [Result.REJECTED]


@pytest.mark.parametrize(
    ("known", "later", "result"),
    [
        (None, 100, Result.CORRECTED),
        (100, 101, Result.CORRECTED),
        (100, 100, Result.REJECTED),
        (100, 99, Result.UNCHANGED),
        (100, None, Result.REJECTED),
        (None, None, Result.REJECTED),
    ],
)
def test_a_later_revision_may_move_a_call_anywhere(professional, known, later, result):
    def revised(revision, **more):
        revised_at = None if revision is None else after(revision)
        return record(professional, revised_at=revised_at, **more)

    results(revised(known))
    moved = revised(later, started_at=STARTED_AT - 30 * DAY)
    assert results(moved) == [result]


def test_of_one_batch_the_first_call_stands_and_the_other_is_rejected_by_itself(professional):
    first, other = record(professional), record(professional, started_at=STARTED_AT - 9 * DAY)
    corrected = record(professional, seconds=125)
    assert results(first, other, corrected) == [
        Result.UNCHANGED,
        Result.REJECTED,
        Result.CREATED,
    ]
    assert Call.objects.get().credits == 5


def test_whoever_is_told_to_revise_may_move_everything(professional):
    results(record(professional, revised_at=after(100)), record(professional, "c2"))
    moved = [
        record(professional, call_id, started_at=STARTED_AT - 9 * DAY, revised_at=revised_at)
        for call_id, revised_at in (("c1", after(-9 * 86_400)), ("c2", None))
    ]
    assert results(*moved, revise=True) == [Result.CORRECTED, Result.CORRECTED]
    assert results(*moved, revise=True) == [Result.UNCHANGED, Result.UNCHANGED]
    assert set(Call.objects.values_list("started_at", flat=True)) == {STARTED_AT - 9 * DAY}


def test_a_file_with_the_ids_of_another_year_charges_nothing_and_says_why(importing_file, tmp_path):
    next_year = GOOD.replace("2026-03-10", "2025-03-10")
    importing_file(lines(GOOD.format("ID1", 10), GOOD.format("ID2", 10)))
    outcome = importing_file(lines(next_year.format("ID1", 10), next_year.format("ID2", 40)))
    assert outcome.out.startswith("0 created, 0 unchanged, 0 corrected, 2 rejected; 0 credits")
    assert "so it is taken for a reused ID" in rejects(tmp_path)[1][2]


def test_within_one_file_a_reused_id_is_rejected_with_its_line(importing_file, tmp_path):
    content = (
        f"{HEADER},to\n1,outbound,no_answer,2026-03-09T23:50:00,,,+911\n"
        "1,outbound,no_answer,2026-03-10T00:10:00,,,+912\n"
    )
    assert importing_file(content).out.startswith("1 created, 0 unchanged, 0 corrected, 1 rejected")
    assert rejects(tmp_path)[1][:2] == ["3", "call_id"]


def test_a_zone_that_was_wrong_is_mended_with_revise(importing_file):
    content = lines(*(GOOD.format(f"c{number}", 10) for number in range(3)))
    importing_file(content, time_zone="Pacific/Kiritimati")
    assert f"With --revise a file is imported as {LAST_WORD}." in (
        importing_file(content, time_zone="Pacific/Midway").error
    )
    outcome = importing_file(content, "--revise", time_zone="Pacific/Midway")
    assert outcome.out.startswith("0 created, 0 unchanged, 3 corrected, 0 rejected; 0 credits")
    assert outcome.error == ""


def test_a_zone_that_was_wrong_is_mended_with_revise_for_calls_told_in_parts(importing_file):
    content = ASTERISK.format("1773135000.1") + "\n"
    importing_file(content, format="asterisk", time_zone="Asia/Kolkata")
    again = {"format": "asterisk", "time_zone": "UTC"}
    assert importing_file(content, **again).code == 1
    revised = importing_file(content, "--revise", **again)
    assert revised.out.startswith("0 created, 0 unchanged, 1 corrected, 0 rejected; 0 credits")
    assert Call.objects.get().started_at == STARTED_AT


@pytest.mark.parametrize(("corrected", "warns"), [(1, False), (2, True)])
def test_an_import_that_corrects_more_than_a_tenth_of_its_lines_warns(
    importing_file, corrected, warns
):
    importing_file(lines(*(GOOD.format(f"c{number}", 10) for number in range(10))))
    seconds = [40] * corrected + [10] * (10 - corrected)
    content = lines(*(GOOD.format(f"c{n}", end) for n, end in enumerate(seconds)))
    outcome = importing_file(content)
    assert ("2 of 10 lines corrected calls that were known already" in outcome.error) == warns

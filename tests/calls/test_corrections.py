"""Later records of a call: corrections and revisions, whatever the order in which they arrive."""

from datetime import timedelta
from itertools import permutations

import pytest

from billing.models import (
    DailyUsage,
    LedgerEntry,
    Plan,
    PlanTerms,
)
from billing.plans.subscriptions import subscribe
from calls.charging import Outcome, Result, record_calls
from calls.models import Call
from tests.calls.calling import (
    NOW,
    STARTED_AT,
    after,
    balance,
    entries,
    record,
    record_one,
    unanswered,
)

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


# ── Corrections ───────────────────────────────────────────────────────────────────────────────
def test_a_correction_posts_the_difference_and_edits_nothing(professional):
    record_calls(records=[record(professional)], now=NOW)
    assert record_one(record(professional, seconds=125), now=NOW + HOUR) == ("corrected", 2)
    assert entries(professional) == [
        ("call:c1", -3, 90),
        ("correction:1:c1", -2, 60),
    ]
    call = Call.objects.get()
    assert (call.credits, call.billed_seconds, call.corrections) == (5, 150, 1)
    assert call.recorded_at == NOW


def test_a_correction_can_give_credits_back(professional):
    record_calls(records=[record(professional)], now=NOW)
    assert record_one(record(professional, seconds=20)) == ("corrected", -2)
    assert balance(professional) == 1_499


def test_a_correction_happens_at_the_calls_time_and_adds_no_call(professional):
    record_calls(records=[record(professional)], now=NOW)
    record_calls(records=[record(professional, seconds=125)], now=NOW + HOUR)
    entry = LedgerEntry.objects.get(kind="correction")
    assert (entry.occurred_at, entry.posted_at) == (STARTED_AT, NOW + HOUR)
    assert sum(day.calls for day in DailyUsage.objects.all()) == 1


@pytest.mark.parametrize(
    ("facts", "changes"),
    [
        ({"agent": "Ravi"}, {"agent": ["Asha", "Ravi"], "credits": [3, 3]}),
        (
            {"seconds": 125},
            {
                "ended_at": ["2026-03-10T09:31:10+00:00", "2026-03-10T09:32:10+00:00"],
                "billable_us": [65_000_000, 125_000_000],
                "credits": [3, 5],
            },
        ),
        (
            {"status": "busy", "connected_at": None},
            {
                "status": ["completed", "busy"],
                "connected_at": ["2026-03-10T09:30:05+00:00", None],
                "billable_us": [65_000_000, 0],
                "credits": [3, 0],
            },
        ),
        (
            {"from_number": "1" * 100, "remarks": '"x"\\ \u2028ü' + "y" * 490},
            {
                "from_number": ["", "1" * 100],
                "remarks": ["", '"x"\\ ü' + "y" * 490],
                "credits": [3, 3],
            },
        ),
    ],
)
def test_the_entry_of_a_correction_has_what_changed_whole(professional, facts, changes):
    record_calls(records=[record(professional, agent="Asha")], now=NOW)
    record_calls(records=[record(professional, **{"agent": "Asha", **facts})], now=NOW)
    assert LedgerEntry.objects.get(kind="correction").changes == changes


def test_the_entry_of_a_correction_has_the_facts_of_the_corrected_call(professional):
    record_calls(records=[record(professional, remarks="hot lead")], now=NOW)
    record_calls(records=[record(professional, seconds=125, remarks="hot lead")], now=NOW)
    entry = LedgerEntry.objects.get(kind="correction")
    assert (entry.billable_us, entry.increment_seconds) == (125_000_000, 30)
    assert (entry.call_status, entry.remarks) == ("completed", "hot lead")


def test_a_correction_that_changes_the_plan_says_so(professional):
    subscribe(account=professional, plan=Plan.objects.get(name="Base"), at=NOW - HOUR)
    record_calls(records=[record(professional, started_at=NOW - 2 * HOUR)], now=NOW)
    record_calls(records=[record(professional, started_at=NOW - HOUR)], now=NOW)
    changes = LedgerEntry.objects.get(kind="correction").changes
    assert changes is not None
    assert (changes["plan_name"], changes["credits"]) == (["Professional", "Base"], [3, 4])


def test_a_correction_is_usage_of_the_corrected_type_and_agent(professional):
    record_calls(records=[record(professional, agent="Asha")], now=NOW)
    record_calls(
        records=[record(professional, seconds=125, agent="Ravi", usage_type="inbound")], now=NOW
    )
    entry = LedgerEntry.objects.get(kind="correction")
    assert (entry.usage_type, entry.agent, entry.credits) == ("inbound", "Ravi", -2)


def test_every_correction_has_its_own_number(professional):
    for seconds in (65, 125, 20, 125):
        record_calls(records=[record(professional, seconds=seconds)], now=NOW)
    assert [(reference, credits) for reference, credits, *_ in entries(professional)] == [
        ("call:c1", -3),
        ("correction:1:c1", -2),
        ("correction:2:c1", 4),
        ("correction:3:c1", -4),
    ]


def test_a_correction_keeps_the_tariff_frozen_with_the_call(professional):
    record_calls(records=[record(professional)], now=NOW)
    PlanTerms.objects.update(credits_per_increment=5)
    assert record_one(record(professional, seconds=125)) == ("corrected", 2)


def test_a_correction_that_moves_the_start_is_rated_by_the_tariff_of_that_time(professional):
    subscribe(account=professional, plan=Plan.objects.get(name="Base"), at=NOW - HOUR)
    record_calls(records=[record(professional, started_at=NOW - 2 * HOUR)], now=NOW)
    moved = record(professional, started_at=NOW - HOUR)
    assert record_one(moved) == ("corrected", 1)
    assert Call.objects.values_list("plan_name", "increment_seconds").get() == ("Base", 60)


def test_a_correction_that_moves_the_start_moves_the_corrections_day(professional):
    record_calls(records=[record(professional)], now=NOW)
    record_calls(records=[record(professional, started_at=STARTED_AT - 24 * HOUR)], now=NOW)
    assert str(DailyUsage.objects.get(kind="correction").day) == "2026-03-09"


def test_an_unanswered_call_that_turns_out_completed_is_charged(professional):
    record_calls(records=[unanswered(professional)], now=NOW)
    assert record_one(record(professional)) == ("corrected", 3)


# ── Revisions ─────────────────────────────────────────────────────────────────────────────────
def test_an_older_revision_that_arrives_later_is_ignored(professional):
    record_calls(records=[record(professional, seconds=125, revised_at=after(200))], now=NOW)
    late = record(professional, seconds=65, revised_at=after(100))
    assert record_one(late) == ("unchanged", 0)
    assert Call.objects.get().credits == 5


def test_a_newer_revision_of_the_same_facts_is_remembered(professional):
    record_calls(records=[record(professional, revised_at=after(100))], now=NOW)
    assert record_one(record(professional, revised_at=after(300))) == ("unchanged", 0)
    assert record_one(record(professional, seconds=20, revised_at=after(200))) == ("unchanged", 0)
    call = Call.objects.get()
    assert (call.credits, call.revised_at, call.corrections) == (3, after(300), 0)


def test_a_record_without_revision_counts_as_the_last_word_but_forgets_no_revision(professional):
    record_calls(records=[record(professional, revised_at=after(100))], now=NOW)
    assert record_one(record(professional, seconds=125)) == ("corrected", 2)
    assert record_one(record(professional, seconds=20, revised_at=after(50))) == ("unchanged", 0)


def test_in_one_batch_a_record_without_revision_outlives_one_older_than_what_is_stored(
    professional,
):
    record_calls(records=[record(professional, revised_at=after(100))], now=NOW)
    last_word = record(professional, seconds=125)
    too_old = record(professional, seconds=20, revised_at=after(50))
    outcomes = record_calls(records=[last_word, too_old], now=NOW)
    assert outcomes == [Outcome(Result.CORRECTED, 2), Outcome(Result.UNCHANGED)]


def test_a_batch_that_ends_where_it_began_changes_nothing(professional):
    record_calls(records=[record(professional)], now=NOW)
    outcomes = record_calls(
        records=[record(professional, seconds=125), record(professional)], now=NOW
    )
    assert outcomes == [Outcome(Result.UNCHANGED), Outcome(Result.UNCHANGED)]
    assert Call.objects.get().corrections == 0


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("together", [True, False])
def test_revisions_end_in_the_same_state_in_whatever_order(professional, order, together):
    revisions = [
        record(professional, seconds=20 + 60 * number, revised_at=after(100 + number))
        for number in range(3)
    ]
    arriving = [revisions[number] for number in order]
    for batch in [arriving] if together else [[one] for one in arriving]:
        record_calls(records=batch, now=NOW)
    assert Call.objects.values_list("credits", "revised_at").get() == (5, after(102))
    assert balance(professional) == 1_495

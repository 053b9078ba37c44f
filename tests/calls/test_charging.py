"""Recording calls: each is charged once, whatever comes, how often and in which order."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from billing.models import (
    Balance,
    CreditGrant,
    CustomTerms,
    DailyUsage,
    LedgerEntry,
    Plan,
    PlanTerms,
)
from billing.plans.cycles import add_months
from billing.plans.movements import adjust
from billing.plans.subscriptions import subscribe
from calls.charging import Outcome, Result, record_calls
from calls.models import Call
from tests.audit import breaches
from tests.calls.calling import (
    NOW,
    STARTED_AT,
    after,
    record,
    record_one,
    unanswered,
)
from tests.calls.conftest import SINCE

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def entries(account):
    """The usage entries of an account: (reference, credits, billed seconds, remarks)."""
    return list(
        LedgerEntry.objects.filter(account=account)
        .exclude(call_id="")
        .order_by("seq")
        .values_list("reference", "credits", "billed_seconds", "remarks")
    )


def balance(account):
    return Balance.objects.get(account=account).credits


# ── New calls ─────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("seconds", "on_professional", "on_base"),
    [(0, 1, 2), (1, 1, 2), (30, 1, 2), (30.001, 2, 2), (60, 2, 2), (60.001, 3, 4), (65, 3, 4)],
)
def test_a_completed_call_costs_what_the_table_says(
    professional, base, seconds, on_professional, on_base
):
    outcomes = record_calls(
        records=[record(professional, seconds=seconds), record(base, seconds=seconds)], now=NOW
    )
    assert outcomes == [
        Outcome(Result.CREATED, on_professional),
        Outcome(Result.CREATED, on_base),
    ]
    assert (balance(professional), balance(base)) == (1_500 - on_professional, 100 - on_base)


def test_a_call_keeps_all_its_facts_and_what_its_charge_was_computed_from(professional):
    numbers = {"from_number": "+911", "to_number": "+912"}
    record_calls(records=[record(professional, agent="Asha", remarks="hot", **numbers)], now=NOW)
    call = Call.objects.values().get()
    assert {name: str(value) for name, value in call.items() if name != "id"} == {
        "account_id": str(professional.pk),
        "call_id": "c1",
        "usage_type": "outbound",
        "agent": "Asha",
        "from_number": "+911",
        "to_number": "+912",
        "started_at": "2026-03-10 09:30:00+00:00",
        "connected_at": "2026-03-10 09:30:05+00:00",
        "ended_at": "2026-03-10 09:31:10+00:00",
        "status": "completed",
        "remarks": "hot",
        "revised_at": "None",
        "plan_name": "Professional",
        "increment_seconds": "30",
        "credits_per_increment": "1",
        "billable_seconds": "65.000000",
        "billed_seconds": "90",
        "increments": "3",
        "credits": "3",
        "recorded_at": "2026-03-10 12:00:00+00:00",
        "corrections": "0",
    }


def test_a_calls_entry_happened_when_the_call_did_and_is_booked_now(professional):
    record_calls(records=[record(professional, agent="Asha")], now=NOW)
    entry = LedgerEntry.objects.get(reference="call:c1")
    assert (entry.occurred_at, entry.posted_at) == (STARTED_AT, NOW)
    assert (entry.kind, entry.usage_type, entry.agent) == ("call", "outbound", "Asha")


@pytest.mark.parametrize(
    ("facts", "remarks"),
    [
        ({}, "Outbound call, 65 s billed as 3 × 30 s"),
        ({"usage_type": "inbound"}, "Inbound call, 70 s billed as 3 × 30 s"),
        ({"usage_type": "translation"}, "Translation, 70 s billed as 3 × 30 s"),
        ({"seconds": 30.001}, "Outbound call, 30.001 s billed as 2 × 30 s"),
        ({"seconds": 3600}, "Outbound call, 3,600 s billed as 120 × 30 s"),
        ({"remarks": "hot lead"}, "Outbound call, 65 s billed as 3 × 30 s · hot lead"),
        ({"remarks": "x" * 500}, "Outbound call, 65 s billed as 3 × 30 s · " + "x" * 458 + "…"),
    ],
)
def test_the_log_explains_a_charge(professional, facts, remarks):
    record_calls(records=[record(professional, **facts)], now=NOW)
    assert entries(professional)[0][3] == remarks


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("no_answer", "no answer"),
        ("busy", "busy"),
        ("failed", "failed"),
        ("blocked", "blocked"),
    ],
)
def test_a_call_that_never_connected_is_logged_and_free(professional, status, said):
    assert record_one(unanswered(professional, status=status)) == ("created", 0)
    assert entries(professional) == [("call:c1", 0, 0, f"Outbound call, {said}")]
    assert DailyUsage.objects.get(kind="call").calls == 1


def test_a_call_is_charged_even_below_zero(base):
    assert record_one(record(base, seconds=3600)) == ("created", 120)
    assert balance(base) == -20


def test_the_first_call_of_a_cycle_uses_its_plan_credits_though_nothing_renewed_it_yet(base):
    begun = add_months(SINCE, 1, base.zone)
    adjust(account=base, credits=50, reason="Welcome", reference="1", at=NOW)
    later = begun + timedelta(seconds=90)
    record_one(record(base, started_at=begun, now=later), now=later)
    grants = CreditGrant.objects.filter(account=base, remaining__gt=0).order_by("expires_at")
    assert list(grants.values_list("source", "remaining")) == [("plan", 96), ("adjustment", 50)]


def test_entries_are_booked_in_the_order_of_the_records(professional):
    record_calls(records=[record(professional, name) for name in ("z", "a", "m")], now=NOW)
    assert [reference for reference, *_ in entries(professional)] == ["call:z", "call:a", "call:m"]


def test_nothing_to_record_asks_the_database_nothing(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert record_calls(records=[], now=NOW) == []


def test_texts_that_look_like_syntax_are_stored_as_they_are(professional):
    name = '\\N "a",\\.\t’é'.replace("\t", " ")
    record_calls(records=[record(professional, name, agent=name, remarks=name)], now=NOW)
    call = Call.objects.get()
    assert (call.call_id, call.agent, call.remarks) == (name, name, name)
    assert entries(professional)[0][0] == f"call:{name}"


# ── The tariff ────────────────────────────────────────────────────────────────────────────────
def test_a_call_is_rated_by_the_plan_of_its_start_not_of_today(professional):
    subscribe(account=professional, plan=Plan.objects.get(name="Base"), at=NOW - HOUR)
    record_calls(
        records=[
            record(professional, "before", started_at=NOW - HOUR - timedelta(seconds=1)),
            record(professional, "after", started_at=NOW - HOUR),
        ],
        now=NOW,
    )
    assert list(Call.objects.order_by("call_id").values_list("plan_name", "credits")) == [
        ("Base", 4),
        ("Professional", 3),
    ]


def test_custom_terms_decide_for_their_account(professional):
    terms = CustomTerms(increment_seconds=6, credits_per_increment=1, credits_per_cycle=9_000)
    subscribe(
        account=professional,
        plan=Plan.objects.get(name="Enterprise"),
        at=NOW - HOUR,
        custom_terms=terms,
    )
    assert record_one(record(professional, started_at=NOW - HOUR)) == ("created", 11)


def test_editing_a_plan_changes_no_past_charge(professional):
    record_calls(records=[record(professional)], now=NOW)
    PlanTerms.objects.update(credits_per_increment=5)
    assert record_one(record(professional)) == ("unchanged", 0)
    assert Call.objects.get().credits == 3


def test_calls_from_before_the_first_plan_are_charged_by_it(professional):
    at = datetime(2025, 1, 1, tzinfo=UTC)
    assert record_one(record(professional, started_at=at)) == ("created", 3)


# ── The same again ────────────────────────────────────────────────────────────────────────────
def test_the_same_record_again_changes_nothing(professional):
    record_calls(records=[record(professional)], now=NOW)
    before = LedgerEntry.objects.count(), Call.objects.values().get()
    assert record_one(record(professional), now=NOW + HOUR) == ("unchanged", 0)
    assert (LedgerEntry.objects.count(), Call.objects.values().get()) == before


def test_the_same_call_id_in_two_accounts_is_two_calls(professional, base):
    outcomes = record_calls(records=[record(professional), record(base)], now=NOW)
    assert [outcome.result for outcome in outcomes] == [Result.CREATED, Result.CREATED]


def test_of_two_records_of_a_call_in_one_batch_the_last_counts(professional):
    outcomes = record_calls(
        records=[record(professional, seconds=20), record(professional, seconds=65)], now=NOW
    )
    assert outcomes == [Outcome(Result.UNCHANGED), Outcome(Result.CREATED, 3)]
    assert Call.objects.get().corrections == 0


def test_of_two_records_in_one_batch_an_older_revision_does_not_count(professional):
    newer = record(professional, seconds=65, revised_at=after(200))
    older = record(professional, seconds=20, revised_at=after(100))
    outcomes = record_calls(records=[newer, older], now=NOW)
    assert outcomes == [Outcome(Result.CREATED, 3), Outcome(Result.UNCHANGED)]


# ── Corrections ───────────────────────────────────────────────────────────────────────────────
def test_a_correction_posts_the_difference_and_edits_nothing(professional):
    record_calls(records=[record(professional)], now=NOW)
    assert record_one(record(professional, seconds=125), now=NOW + HOUR) == ("corrected", 2)
    assert entries(professional) == [
        ("call:c1", -3, 90, "Outbound call, 65 s billed as 3 × 30 s"),
        ("correction:1:c1", -2, 60, "Correction: 65 s → 125 s, 3 → 5 credits"),
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
    ("facts", "remarks"),
    [
        ({"agent": "Ravi"}, "agent Asha → Ravi, 3 credits as before"),
        ({"agent": ""}, "agent Asha → (none), 3 credits as before"),
        ({"usage_type": "inbound"}, "outbound → inbound, 65 s → 70 s, 3 credits as before"),
        (
            {"status": "busy", "connected_at": None},
            "completed → busy, 65 s → 0 s, 3 → 0 credits",
        ),
        ({"seconds": 10}, "65 s → 10 s, 3 → 1 credit"),
        (
            {"rings": 6, "seconds": 65},
            "answered 10 Mar 2026, 15:00:05 → 10 Mar 2026, 15:00:06, "
            "ended 10 Mar 2026, 15:01:10 → 10 Mar 2026, 15:01:11, 3 credits as before",
        ),
        (
            {"started_at": after(0.25)},
            "started 10 Mar 2026, 15:00:00 → 10 Mar 2026, 15:00:00.25, 3 credits as before",
        ),
        (
            {"started_at": after(-2 * 24 * 3600)},
            "started 10 Mar 2026, 15:00:00 → 8 Mar 2026, 15:00:00, 3 credits as before",
        ),
        ({"remarks": "hot lead"}, "remarks (none) → hot lead, 3 credits as before"),
    ],
)
def test_the_log_says_what_a_correction_changed(professional, facts, remarks):
    record_calls(records=[record(professional, agent="Asha")], now=NOW)
    corrected = record(professional, **{"agent": "Asha", **facts})
    assert record_one(corrected)[0] == "corrected"
    assert entries(professional)[1][3] == f"Correction: {remarks}"


def test_remarks_of_a_correction_are_cut_but_keep_its_credits(professional):
    first = record(professional, "c" * 200, from_number="1" * 100, to_number="2" * 100)
    record_calls(records=[first], now=NOW)
    second = record(
        professional, "c" * 200, 125, from_number="3" * 100, to_number="4" * 100, remarks="x" * 500
    )
    record_calls(records=[second], now=NOW)
    remarks = entries(professional)[1][3]
    assert len(remarks) == 500
    assert remarks.endswith("…, 3 → 5 credits")


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
    assert breaches() == []


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


# ── Rejected ──────────────────────────────────────────────────────────────────────────────────
def test_only_the_records_of_an_account_without_plan_are_rejected(professional, other_account):
    outcomes = record_calls(
        records=[record(other_account, seconds=1), record(professional), record(other_account)],
        now=NOW,
    )
    no_plan = Outcome(
        Result.REJECTED,
        field="account",
        reason="can't be charged: the account has no plan. Put it on a plan, then try again.",
    )
    assert outcomes == [no_plan, Outcome(Result.CREATED, 3), no_plan]
    assert list(Call.objects.values_list("account_id", flat=True)) == [professional.pk]


def test_an_unknown_account_is_rejected_and_the_rest_recorded(professional):
    stray = record(professional)._replace(account_id=professional.pk + 999)
    outcomes = record_calls(records=[stray, record(professional)], now=NOW)
    assert outcomes == [
        Outcome(Result.REJECTED, field="account", reason="does not exist."),
        Outcome(Result.CREATED, 3),
    ]


@pytest.mark.broken_ledger
def test_a_batch_that_the_ledger_refuses_leaves_nothing_behind(professional):
    """Here it has a charge of c2 whose call was lost: charging it again would be wrong."""
    record_calls(records=[record(professional, "c2")], now=NOW)
    Call.objects.all().delete()
    with pytest.raises(IntegrityError, match="entry_reference_once"), transaction.atomic():
        record_calls(records=[record(professional, "c1"), record(professional, "c2")], now=NOW)
    assert not Call.objects.exists()
    assert balance(professional) == 1_497


# ── Queries ───────────────────────────────────────────────────────────────────────────────────
def statements(records):
    with CaptureQueriesContext(
        connection,
    ) as queries:
        record_calls(records=records, now=NOW)
    return len(queries)


def test_ten_calls_and_a_thousand_take_the_same_number_of_statements(professional, base):
    def new(name, number):
        return [
            record(account, f"{name}-{n}")
            for account in (professional, base)
            for n in range(number // 2)
        ]

    assert statements(new("a", 10)) == statements(new("b", 1_000)) == 18


def test_ten_corrections_and_a_thousand_take_the_same_number_of_statements(professional):
    calls = [record(professional, f"{n}") for n in range(1_000)]
    record_calls(records=calls, now=NOW)
    corrections = [record(professional, f"{n}", seconds=125) for n in range(1_000)]
    assert statements(corrections[:10]) == statements(corrections[10:]) == 19

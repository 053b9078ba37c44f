"""Recording calls: each is charged once, whatever comes, how often and in which order."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from billing.models import (
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
from calls.charging import OUTDONE, Outcome, Result, record_calls
from calls.models import Call
from calls.reporters import API, of_file
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
from tests.calls.conftest import SINCE

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


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
        "is_history": "False",
        "recorded_at": "2026-03-10 12:00:00+00:00",
        "corrections": "0",
        "import_id": "None",
        "withdrawn_at": "None",
        "times_withdrawn": "0",
        "carrier_id": "",
        "reporter": "",
        "has_reports": "False",
        "numbers_deleted": "False",
        "retold_at": "None",
    }


def test_a_calls_entry_happened_when_the_call_did_and_is_booked_now(professional):
    record_calls(records=[record(professional, agent="Asha")], now=NOW)
    entry = LedgerEntry.objects.get(reference="call:c1")
    assert (entry.occurred_at, entry.posted_at) == (STARTED_AT, NOW)
    assert (entry.kind, entry.usage_type, entry.agent) == ("call", "outbound", "Asha")


def test_a_calls_entry_has_the_facts_of_its_charge_and_the_remarks_of_its_record(professional):
    record_calls(records=[record(professional, seconds=65.5, remarks="hot lead")], now=NOW)
    entry = LedgerEntry.objects.get(reference="call:c1")
    assert (entry.billable_us, entry.increment_seconds, entry.billed_seconds) == (
        65_500_000,
        30,
        90,
    )
    assert (entry.call_status, entry.remarks, entry.changes) == ("completed", "hot lead", None)


@pytest.mark.parametrize("status", ["no_answer", "busy", "failed", "blocked"])
def test_a_call_that_never_connected_is_logged_and_free(professional, status):
    assert record_one(unanswered(professional, status=status)) == ("created", 0)
    assert entries(professional) == [("call:c1", 0, 0)]
    entry = LedgerEntry.objects.get(reference="call:c1")
    assert (entry.call_status, entry.billable_us) == (status, 0)
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
    outdone = Outcome(Result.UNCHANGED, notes=(OUTDONE,))
    assert outcomes == [outdone, Outcome(Result.CREATED, 3)]
    assert Call.objects.get().corrections == 0


def test_a_record_is_not_replaced_by_that_of_another_reporter(professional):
    ours, theirs = (record(professional)._replace(reporter=one) for one in (API, of_file("vapi")))
    record_one(ours)
    outcomes = record_calls(records=[ours, theirs], now=NOW)
    assert outcomes == [Outcome(Result.UNCHANGED), Outcome(Result.LINKED)]


def test_of_two_records_in_one_batch_an_older_revision_does_not_count(professional):
    newer = record(professional, seconds=65, revised_at=after(200))
    older = record(professional, seconds=20, revised_at=after(100))
    outcomes = record_calls(records=[newer, older], now=NOW)
    assert outcomes == [Outcome(Result.CREATED, 3), Outcome(Result.UNCHANGED)]


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
    """How many it takes to record ``records``, with those that begin and end the transaction."""
    with CaptureQueriesContext(connection) as queries:
        record_calls(records=records, now=NOW)
    return len(queries)


def enough(account):
    adjust(account=account, credits=100_000, reason="Enough", reference="enough", at=NOW)


def test_one_call_and_a_thousand_take_the_same_ten_statements(professional, base):
    def new(name, number):
        return [
            record(account, f"{name}-{n}")
            for account in (professional, base)
            for n in range(number // 2)
        ] or [record(professional, name)]

    for account, of_plan in ((professional, 1_500), (base, 100)):  # one grant pays all calls
        adjust(account=account, credits=-of_plan, reason="Spent", reference="1", at=NOW)
        adjust(account=account, credits=9_000, reason="Owes nothing", reference="2", at=NOW)
    one, some, many = (statements(new(f"of-{number}", number)) for number in (1, 10, 1_000))
    assert one == some == many == 10


def test_one_correction_and_a_thousand_take_the_same_number_of_statements(professional):
    enough(professional)
    calls = [record(professional, f"{n}") for n in range(1_000)]
    record_calls(records=calls, now=NOW)
    corrections = [record(professional, f"{n}", seconds=125) for n in range(1_000)]
    assert statements(corrections[:1]) == statements(corrections[1:]) == 11

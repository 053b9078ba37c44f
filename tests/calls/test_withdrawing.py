"""Calls that are withdrawn: one rule each. The audit after each test proves the sums."""

from datetime import timedelta

import pytest

from billing.models import CreditGrant, DailyUsage, Debt, LedgerEntry, Plan
from billing.plans.subscriptions import subscribe
from billing.texts import ReasonError
from calls.charging import record_calls
from calls.models import Call, OvertakenCall
from calls.withdrawing import (
    Withdrawn,
    has_calls,
    overtaken_calls,
    withdraw_calls,
    withdraw_import,
)
from tests.calls.calling import (
    NOW,
    STARTED_AT,
    balance,
    entries,
    record,
    record_one,
    unanswered,
)
from tests.factories import AccountFactory
from tests.movements import post, top_up

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
X, Y = 7, 8  # imports


def brought(import_id, *records, now=NOW, **options):
    """Record what an import brings."""
    return record_calls(records=records, now=now, import_id=import_id, **options)


def taken_back(account, import_id=X, now=NOW + HOUR, **options):
    return withdraw_import(account_id=account.pk, import_id=import_id, now=now, **options)


def withdraw(account, *call_ids, reason="A test call", now=NOW + HOUR):
    return withdraw_calls(account_id=account.pk, call_ids=call_ids, reason=reason, now=now)


def days(account):
    """The sums of each day over all kinds of rows, as the pages show them."""
    sums: dict[tuple[object, ...], list[int]] = {}
    for row in DailyUsage.objects.filter(account=account):
        numbers = (row.calls, row.credits_used, row.billed_seconds)
        known = sums.setdefault((row.day, row.usage_type, row.agent), [0, 0, 0])
        for place, number in enumerate(numbers):
            known[place] += number
    return {key: tuple(numbers) for key, numbers in sums.items() if any(numbers)}


def facts(account, call_id="c1"):
    """All that is stored of a call, but when and how it was recorded."""
    names = ("corrections", "times_withdrawn", "import_id", "recorded_at", "id")
    call = Call.objects.values().get(account=account, call_id=call_id)
    return {name: value for name, value in call.items() if name not in names}


# ── Withdrawn ─────────────────────────────────────────────────────────────────────────────────
def test_a_withdrawn_call_costs_and_counts_nothing_and_stays(professional):
    before = days(professional)
    brought(X, record(professional))
    assert taken_back(professional) == Withdrawn(withdrawn=1, credits=3)
    assert entries(professional) == [("call:c1", -3, 90), ("withdrawal:call:c1", 3, -90)]
    assert days(professional) == before == {}
    assert balance(professional) == 1_500
    call = Call.objects.get()
    assert (call.credits, call.withdrawn_at, call.times_withdrawn) == (0, NOW + HOUR, 1)
    assert (call.billed_seconds, call.status) == (90, "completed")


def test_a_withdrawal_is_booked_now_at_the_time_type_and_agent_of_what_it_undoes(professional):
    one = record(professional, agent="Asha", usage_type="inbound", remarks="hot lead")
    brought(X, one)
    taken_back(professional)
    entry = LedgerEntry.objects.get(kind="withdrawal")
    assert (entry.occurred_at, entry.posted_at) == (STARTED_AT, NOW + HOUR)
    assert (entry.usage_type, entry.agent, entry.import_id) == ("inbound", "Asha", X)
    assert (entry.remarks, entry.changes) == ("", None)
    assert (entry.billable_us, entry.increment_seconds) == (70_000_000, 30)


def test_a_call_that_cost_nothing_is_withdrawn_from_the_count(professional):
    brought(X, unanswered(professional))
    assert taken_back(professional) == Withdrawn(withdrawn=1)
    assert entries(professional) == [("call:c1", 0, 0), ("withdrawal:call:c1", 0, 0)]
    assert days(professional) == {}


def test_all_corrections_of_a_withdrawn_call_are_undone_latest_first(professional):
    brought(X, record(professional))
    brought(X, record(professional, seconds=125, agent="Ravi"))
    brought(X, record(professional, seconds=35, started_at=STARTED_AT - 20 * HOUR))
    assert taken_back(professional) == Withdrawn(withdrawn=1, credits=2)
    assert entries(professional)[3:] == [
        ("withdrawal:correction:2:c1", -3, 90),
        ("withdrawal:correction:1:c1", 2, -60),
        ("withdrawal:call:c1", 3, -90),
    ]
    assert days(professional) == {}


def test_a_withdrawal_that_is_asked_for_again_does_nothing(professional):
    brought(X, record(professional))
    taken_back(professional)
    assert taken_back(professional) == Withdrawn()
    assert withdraw(professional, "c1") == Withdrawn()
    assert len(entries(professional)) == 2


def test_other_calls_are_left_alone(professional, base):
    brought(X, record(professional, "mine"))
    brought(Y, record(professional, "of-another-import"))
    record_calls(records=[record(professional, "of-a-source")], now=NOW)
    brought(X, record(base, "of-another-account"))
    assert taken_back(professional).withdrawn == 1
    assert set(Call.objects.filter(withdrawn_at=None).values_list("call_id", flat=True)) == {
        "of-another-import",
        "of-a-source",
        "of-another-account",
    }


def test_an_import_is_taken_back_in_slices(professional):
    brought(X, *(record(professional, f"c{number}") for number in range(5)))
    slices = [taken_back(professional, limit=2) for _ in range(3)]
    assert [(one.withdrawn, one.credits, one.more) for one in slices] == [
        (2, 6, True),
        (2, 6, True),
        (1, 3, False),
    ]
    assert not has_calls(account_id=professional.pk, import_id=X)
    assert balance(professional) == 1_500


def test_history_is_withdrawn_from_the_count(account, default_plans):
    subscribe(account=account, plan=Plan.objects.get(name="Base"), at=NOW - HOUR)
    brought(X, record(account))
    assert taken_back(account) == Withdrawn(withdrawn=1)
    assert entries(account) == [("call:c1", 0, 120), ("withdrawal:call:c1", 0, -120)]
    assert days(account) == {}


def test_an_operator_withdraws_any_call_and_says_why(professional):
    record_calls(records=[record(professional, "a"), record(professional, "b")], now=NOW)
    brought(X, record(professional, "c"))
    assert withdraw(professional, "a", "c", "unknown") == Withdrawn(withdrawn=2, credits=6)
    remarks = LedgerEntry.objects.filter(kind="withdrawal").values_list("remarks", flat=True)
    assert set(remarks) == {"A test call"}
    assert taken_back(professional) == Withdrawn()


def test_a_withdrawal_without_a_reason_is_refused(professional):
    record_calls(records=[record(professional)], now=NOW)
    with pytest.raises(ReasonError):
        withdraw(professional, "c1", reason=" ")
    assert Call.objects.get().withdrawn_at is None


# ── Credits that come back: rule 13 ───────────────────────────────────────────────────────────
def test_credits_return_to_the_grants_that_paid(professional):
    post(top_up(professional, 50), at=NOW - DAY)
    withdrawn = record(professional, seconds=30 * 1_510)
    brought(X, withdrawn)
    left = CreditGrant.objects.filter(account=professional).order_by("seq")
    assert list(left.values_list("remaining", flat=True)) == [0, 40]
    taken_back(professional)
    assert list(left.values_list("remaining", flat=True)) == [1_500, 50]


def test_what_nobody_had_paid_is_owed_no_longer(professional):
    brought(X, record(professional, seconds=30 * 1_510))
    assert Debt.objects.get().credits == 10
    assert taken_back(professional).credits == 1_510
    assert not Debt.objects.exists()
    assert balance(professional) == 1_500


def test_a_debt_of_another_call_is_paid_by_what_comes_back(professional):
    brought(X, record(professional, "wrong", seconds=30 * 1_500))
    record_calls(records=[record(professional, "right", seconds=30 * 20)], now=NOW)
    taken_back(professional)
    assert not Debt.objects.exists()
    assert balance(professional) == 1_480


def test_what_would_go_to_grants_that_have_ended_becomes_one_grant_for_twelve_months(professional):
    brought(X, *(record(professional, f"c{number}") for number in range(3)))
    later = NOW + 60 * DAY
    taken_back(professional, now=later)
    [grant] = CreditGrant.objects.filter(account=professional, source="return")
    assert (grant.credits, grant.remaining) == (9, 9)
    assert grant.granted_at == later
    assert grant.expires_at == later + 365 * DAY


def test_what_a_correction_gave_back_before_is_not_given_back_again(professional):
    """The call cost 5 credits, then 3: the 2 that came back have expired since, and stay so."""
    brought(X, record(professional, seconds=125))
    brought(X, record(professional))
    later = NOW + 25 * DAY  # late enough for the cycle to be over, not for an expiry to be final
    withdrawn = taken_back(professional, now=later)
    assert withdrawn.credits == 3
    assert LedgerEntry.objects.filter(kind="expiry", credits__gt=0).count() == 0
    [grant] = CreditGrant.objects.filter(account=professional, source="return")
    assert grant.credits == 3


# ── Restored ──────────────────────────────────────────────────────────────────────────────────
def test_a_call_that_the_import_corrected_is_as_it_was(professional):
    record_calls(records=[record(professional, agent="Asha", remarks="lead")], now=NOW)
    before, sums = facts(professional), days(professional)
    brought(X, record(professional, seconds=125, agent="Ravi", usage_type="inbound"))
    assert taken_back(professional) == Withdrawn(restored=1, credits=2)
    assert facts(professional) == before
    assert days(professional) == sums
    assert entries(professional)[2:] == [("withdrawal:correction:1:c1", 2, -60)]
    call = Call.objects.get()
    assert (call.import_id, call.corrections, call.times_withdrawn) == (None, 1, 0)


def test_a_correction_that_made_a_call_cheaper_is_taken_back(professional):
    record_calls(records=[record(professional, seconds=125)], now=NOW)
    brought(X, unanswered(professional))
    assert balance(professional) == 1_500
    assert taken_back(professional) == Withdrawn(restored=1, credits=-5)
    assert balance(professional) == 1_495


def test_the_charge_that_was_frozen_before_a_correction_is_restored(professional):
    """Also where the import had moved the call to another plan."""
    subscribe(account=professional, plan=Plan.objects.get(name="Base"), at=NOW - HOUR)
    record_calls(records=[record(professional, started_at=NOW - 2 * HOUR)], now=NOW)
    before = facts(professional)
    brought(X, record(professional, started_at=NOW - HOUR))
    assert facts(professional)["plan_name"] == "Base"
    taken_back(professional)
    assert facts(professional) == before


def test_a_call_that_the_import_moved_out_of_history_is_history_again(account, default_plans):
    subscribe(account=account, plan=Plan.objects.get(name="Base"), at=NOW - HOUR)
    record_calls(records=[record(account, started_at=NOW - 2 * HOUR)], now=NOW)
    before = facts(account)
    brought(X, record(account, started_at=NOW - HOUR))
    assert not facts(account)["is_history"]
    taken_back(account)
    assert facts(account) == before


def test_several_corrections_of_one_import_are_undone_together(professional):
    record_calls(records=[record(professional)], now=NOW)
    before = facts(professional)
    brought(X, record(professional, seconds=125))
    brought(X, record(professional, seconds=20))
    assert taken_back(professional) == Withdrawn(restored=1, credits=-2)
    assert facts(professional) == before


def test_the_revision_before_is_restored_too(professional):
    record_calls(records=[record(professional, revised_at=STARTED_AT + HOUR)], now=NOW)
    brought(X, record(professional, seconds=125, revised_at=STARTED_AT + 2 * HOUR))
    taken_back(professional)
    assert Call.objects.get().revised_at == STARTED_AT + HOUR


def test_corrections_count_on_after_a_restored_call(professional):
    record_calls(records=[record(professional)], now=NOW)
    brought(X, record(professional, seconds=125))
    taken_back(professional)
    assert record_one(record(professional, seconds=155)) == ("corrected", 3)
    assert entries(professional)[-1] == ("correction:2:c1", -3, 90)


def test_a_call_that_a_withdrawn_correction_moved_can_be_corrected_again(professional):
    record_calls(records=[record(professional)], now=NOW)
    brought(X, record(professional, started_at=STARTED_AT + HOUR))  # at the same cost
    taken_back(professional)
    assert record_one(record(professional, seconds=125)) == ("corrected", 2)  # the audit is clean


# ── Overtaken ─────────────────────────────────────────────────────────────────────────────────
def test_a_call_that_a_source_corrected_since_is_kept_and_named(professional):
    brought(X, record(professional), record(professional, "c2"))
    record_calls(records=[record(professional, seconds=125)], now=NOW)
    assert taken_back(professional) == Withdrawn(withdrawn=1, kept=1, credits=3)
    assert overtaken_calls(account_id=professional.pk, import_id=X) == ["c1"]
    assert facts(professional)["credits"] == 5


def test_a_call_of_which_a_source_told_a_newer_revision_is_kept(professional):
    brought(X, record(professional))
    record_calls(records=[record(professional, revised_at=STARTED_AT + HOUR)], now=NOW)
    assert taken_back(professional) == Withdrawn(kept=1)


def test_the_same_record_from_a_source_overtakes_nothing(professional):
    brought(X, record(professional))
    record_calls(records=[record(professional)], now=NOW)
    assert taken_back(professional).withdrawn == 1


def test_an_import_does_not_overtake_itself(professional):
    brought(X, record(professional))
    brought(X, record(professional, seconds=125))
    assert overtaken_calls(account_id=professional.pk, import_id=X) == []


def test_once_the_later_import_is_taken_back_the_earlier_one_can_be(professional):
    brought(X, record(professional))
    brought(Y, record(professional, seconds=125))
    assert taken_back(professional, X) == Withdrawn(kept=1)
    assert taken_back(professional, Y) == Withdrawn(restored=1, credits=2)
    assert overtaken_calls(account_id=professional.pk, import_id=X) == []
    assert taken_back(professional, X) == Withdrawn(withdrawn=1, credits=3)
    assert days(professional) == {}


def test_taking_back_an_import_frees_nothing_that_a_source_told_in_between(professional):
    brought(X, record(professional))
    record_calls(records=[record(professional, seconds=125)], now=NOW)
    brought(Y, record(professional, seconds=35))
    assert taken_back(professional, Y) == Withdrawn(restored=1, credits=-3)
    assert taken_back(professional, X) == Withdrawn(kept=1)


def test_a_call_that_an_operator_withdrew_is_kept_by_no_import(professional):
    brought(X, record(professional))
    record_calls(records=[record(professional, seconds=125)], now=NOW)
    withdraw(professional, "c1")
    assert not OvertakenCall.objects.exists()
    assert taken_back(professional) == Withdrawn()


def test_an_import_that_only_told_a_newer_revision_changes_nothing_when_taken_back(professional):
    record_calls(records=[record(professional)], now=NOW)
    brought(X, record(professional, revised_at=STARTED_AT + HOUR))
    assert taken_back(professional) == Withdrawn()
    assert entries(professional) == [("call:c1", -3, 90)]
    assert not has_calls(account_id=professional.pk, import_id=X)


# ── The same ID again ─────────────────────────────────────────────────────────────────────────
def test_a_withdrawn_call_comes_again_and_counts_once(professional):
    brought(X, record(professional))
    taken_back(professional)
    [outcome] = brought(Y, record(professional, seconds=125))
    assert (outcome.result, outcome.credits) == ("created", 5)
    assert entries(professional)[2:] == [("call-again:2:c1", -5, 150)]
    assert list(days(professional).values()) == [(1, 5, 150)]
    call = Call.objects.get()
    assert (call.withdrawn_at, call.import_id, call.times_withdrawn) == (None, Y, 1)


def test_the_same_record_comes_again_after_a_withdrawal(professional):
    brought(X, record(professional))
    taken_back(professional)
    assert record_one(record(professional)) == ("created", 3)
    assert record_one(record(professional)) == ("unchanged", 0)


def test_it_comes_again_at_any_time_of_any_type_and_agent(professional):
    """A reused ID is no matter, and neither is a revision that was newer."""
    brought(X, record(professional, revised_at=STARTED_AT + HOUR))
    taken_back(professional)
    other = record(
        professional,
        usage_type="inbound",
        agent="Ravi",
        from_number="+911",
        started_at=STARTED_AT - 5 * DAY,
        revised_at=STARTED_AT - DAY,
    )
    assert record_one(other) == ("created", 3)
    day = (STARTED_AT - 5 * DAY).date()
    assert days(professional) == {(day, "inbound", "Ravi"): (1, 3, 90)}


def test_it_is_rated_anew_by_its_own_time(professional):
    subscribe(account=professional, plan=Plan.objects.get(name="Base"), at=NOW - HOUR)
    brought(X, record(professional, started_at=NOW - 2 * HOUR))
    taken_back(professional)
    assert record_one(record(professional, started_at=NOW - HOUR)) == ("created", 4)
    assert facts(professional)["plan_name"] == "Base"


def test_of_records_that_come_again_another_call_is_rejected(professional):
    brought(X, record(professional))
    taken_back(professional)
    other = record(professional, started_at=STARTED_AT - 5 * DAY)
    outcomes = brought(Y, record(professional, seconds=20), other)
    assert [outcome.result for outcome in outcomes] == ["created", "rejected"]
    assert facts(professional)["credits"] == 1


def test_it_is_withdrawn_again_and_again(professional):
    for number in range(3):
        brought(X, record(professional, seconds=65 + 30 * number))
        brought(X, record(professional, seconds=95 + 30 * number))
        assert taken_back(professional).credits == 4 + number
    assert [reference for reference, _, _ in entries(professional)][-4:] == [
        "call-again:3:c1",
        "correction:3:c1",
        "withdrawal:correction:3:c1",
        "withdrawal:call-again:3:c1",
    ]
    assert days(professional) == {}
    assert balance(professional) == 1_500


def test_parts_of_a_withdrawn_call_do_not_join_what_comes_again(professional):
    brought(X, record(professional), are_legs=True)
    taken_back(professional)
    leg = record(professional, seconds=20, started_at=STARTED_AT + DAY)
    [outcome] = brought(Y, leg, are_legs=True)
    assert (outcome.result, outcome.credits) == ("created", 1)
    assert facts(professional)["started_at"] == STARTED_AT + DAY


def test_an_account_with_nothing_else_can_take_everything_back(default_plans):
    account = AccountFactory()
    subscribe(account=account, plan=Plan.objects.get(name="Professional"), at=NOW - DAY)
    brought(X, *(record(account, f"c{n}", seconds=30 * 700, agent=f"a{n % 2}") for n in range(4)))
    assert taken_back(account).credits == 2_800
    assert balance(account) == 1_500
    assert days(account) == {}

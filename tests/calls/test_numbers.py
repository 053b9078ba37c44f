"""Numbers of old calls are deleted, and nothing else of them; what comes later changes nothing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from billing.ledger.balances import balance_of
from billing.models import Account, DailyUsage, LedgerEntry
from billing.plans.movements import bring_up_to_date
from calls import numbers, reporters
from calls.charging import record_calls, try_calls
from calls.imports import uploads
from calls.inbox import forgetting
from calls.inbox.again import replay
from calls.models import (
    Call,
    CallReport,
    FileImport,
    ImportPart,
    ImportState,
    InboxEvent,
    NumbersProgress,
)
from calls.outcomes import Outcome, Result
from calls.records import CallRecord, validate
from calls.withdrawing import withdraw_calls
from tests.calls.inbox.sending import AT, connect, drain_all, report, send_report
from tests.calls.inbox.sending import NOW as SENT

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 6, 20, 12, tzinfo=UTC)
OLD = NOW - timedelta(days=40)
NEW = NOW - timedelta(days=20)
HOUR = timedelta(hours=1)
CALLER, CALLED = "+918000000001", "+919000000001"


@pytest.fixture(autouse=True)
def _kept_for_30_days(settings: Any) -> None:
    settings.NUMBERS_KEPT_DAYS = 30


def record(
    account: Account, call_id: str, started_at: datetime = OLD, seconds: int = 65, **changes: Any
) -> CallRecord:
    facts = {
        "usage_type": "outbound",
        "status": "completed",
        "agent": "Asha",
        "from_number": CALLER,
        "to_number": CALLED,
        **changes,
    }
    return validate(
        account_id=account.pk,
        call_id=call_id,
        started_at=started_at,
        connected_at=started_at,
        ended_at=started_at + timedelta(seconds=seconds),
        now=NOW,
        **facts,
    )


def recorded(*records: CallRecord, at: datetime = NOW, **options: Any) -> list[Outcome]:
    tried = try_calls(records=records, now=at, **options)
    assert record_calls(records=records, now=at, **options) == tried
    return tried


def delete(at: datetime = NOW) -> None:
    while numbers.delete_old_numbers(clock=lambda: at):
        pass


def numbers_of(call_id: str) -> tuple[str, str, bool]:
    call = Call.objects.get(call_id=call_id)
    return call.from_number, call.to_number, call.numbers_deleted


GONE = ("", "", True)
KEPT = (CALLER, CALLED, False)


# ── Deleting ──────────────────────────────────────────────────────────────────────────────────
def test_numbers_of_old_calls_go_and_all_else_stays(professional: Account) -> None:
    recorded(record(professional, "old"), record(professional, "new", NEW))
    untouched = ["account", "call_id", "agent", "started_at", "ended_at", "credits", "corrections"]
    calls = list(Call.objects.order_by("pk").values(*untouched))
    entries = list(LedgerEntry.objects.order_by("seq").values())
    days = list(DailyUsage.objects.order_by("pk").values())
    delete()
    assert (numbers_of("old"), numbers_of("new")) == (GONE, KEPT)
    assert list(Call.objects.order_by("pk").values(*untouched)) == calls
    assert list(LedgerEntry.objects.order_by("seq").values()) == entries
    assert list(DailyUsage.objects.order_by("pk").values()) == days
    delete(NOW + timedelta(days=11))
    assert numbers_of("new") == GONE


def test_they_are_kept_for_ever_by_default(professional: Account, settings: Any) -> None:
    settings.NUMBERS_KEPT_DAYS = 0
    recorded(record(professional, "old"))
    delete()
    assert numbers_of("old") == KEPT
    assert not NumbersProgress.objects.exists()


def test_it_goes_in_bounded_steps(professional: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbers, "ENTRIES_AT_ONCE", 4)  # of each call two: it used expired credits
    bring_up_to_date(account=professional, now=NOW)
    delete()  # what comes before the calls
    recorded(*(record(professional, f"c{n}", OLD) for n in range(5)))
    before = NOW - timedelta(days=30)
    left = []
    while numbers.step(account_id=professional.pk, before=before):
        left.append(Call.objects.filter(numbers_deleted=False).count())
    assert left == [3, 1]
    assert not Call.objects.filter(numbers_deleted=False).exists()


def test_it_stops_when_its_time_is_over(
    professional: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numbers, "ENTRIES_AT_ONCE", 2)
    bring_up_to_date(account=professional, now=NOW)
    delete()  # what comes before the calls
    recorded(*(record(professional, f"c{n}", OLD) for n in range(3)))
    ticks = iter(NOW + n * timedelta(seconds=15) for n in range(9))
    assert numbers.delete_old_numbers(clock=lambda: next(ticks))
    assert Call.objects.filter(numbers_deleted=False).count() == 1


def test_what_is_recorded_late_loses_them_too(professional: Account) -> None:
    recorded(record(professional, "old"))
    delete()
    recorded(record(professional, "late", OLD - HOUR))
    assert numbers_of("late") == KEPT
    delete(NOW + HOUR)
    assert numbers_of("late") == GONE


def test_a_call_that_was_moved_into_the_past_loses_them(professional: Account) -> None:
    recorded(record(professional, "moved", NEW))
    delete()
    recorded(record(professional, "moved", OLD, revised_at=NOW), at=NOW + HOUR)
    delete(NOW + HOUR)
    assert numbers_of("moved") == GONE


def test_a_call_that_was_moved_nearer_keeps_them(professional: Account) -> None:
    recorded(record(professional, "moved", OLD))
    recorded(record(professional, "moved", NEW, revised_at=NOW))
    delete()
    assert numbers_of("moved") == KEPT


def test_kept_for_longer_they_stay(professional: Account, settings: Any) -> None:
    recorded(record(professional, "new", NEW))
    delete()
    settings.NUMBERS_KEPT_DAYS = 60
    recorded(record(professional, "late", OLD))
    delete(NOW + HOUR)
    assert (numbers_of("new"), numbers_of("late")) == (KEPT, KEPT)
    settings.NUMBERS_KEPT_DAYS = 30
    delete(NOW + 2 * HOUR)
    assert numbers_of("late") == GONE


# ── What comes of such a call later ───────────────────────────────────────────────────────────
def again(professional: Account, **changes: Any) -> Outcome:
    (outcome,) = recorded(record(professional, "c", **changes), at=NOW + HOUR)
    return outcome


@pytest.fixture
def deleted(professional: Account) -> Account:
    recorded(record(professional, "c"))
    delete()
    assert numbers_of("c") == GONE
    return professional


def test_the_same_record_again_is_no_change(deleted: Account) -> None:
    assert again(deleted).result == Result.UNCHANGED
    assert again(deleted, to_number="+910000000000").result == Result.UNCHANGED
    assert numbers_of("c") == GONE


def test_a_correction_is_posted_without_numbers(deleted: Account) -> None:
    outcome = again(deleted, seconds=125)
    assert (outcome.result, outcome.credits) == (Result.CORRECTED, 2)
    assert numbers_of("c") == GONE
    changes = LedgerEntry.objects.latest("seq").changes or {}
    assert not {"from_number", "to_number"} & changes.keys()


def test_the_last_word_brings_no_numbers_back(deleted: Account) -> None:
    (outcome,) = recorded(record(deleted, "c"), at=NOW + HOUR, revise=True)
    assert outcome.result == Result.UNCHANGED
    (outcome,) = recorded(record(deleted, "c", OLD + 5 * HOUR), at=NOW + HOUR, revise=True)
    assert outcome.result == Result.CORRECTED
    assert numbers_of("c") == GONE


def test_a_leg_told_again_adds_nothing(professional: Account) -> None:
    legs = [
        record(professional, "c"),
        record(professional, "c", OLD + timedelta(seconds=65), to_number="+910000000000"),
    ]
    recorded(*legs, are_legs=True)
    delete()
    assert [one.result for one in recorded(*legs, at=NOW + HOUR, are_legs=True)] == [
        Result.UNCHANGED
    ] * 2
    assert numbers_of("c") == GONE


def test_a_reused_id_is_still_told_from_a_correction(deleted: Account) -> None:
    other = again(deleted, started_at=OLD + HOUR)
    assert other.result == Result.REJECTED
    assert "its numbers were deleted" in other.reason
    assert again(deleted, started_at=OLD + 25 * HOUR).result == Result.REJECTED
    assert again(deleted, started_at=OLD + timedelta(seconds=30)).result == Result.CORRECTED
    assert again(deleted, started_at=OLD + HOUR, revised_at=NOW).result == Result.CORRECTED
    assert numbers_of("c") == GONE


def test_a_record_that_tells_no_number_moves_the_call_as_before(deleted: Account) -> None:
    moved = again(deleted, started_at=OLD + HOUR, from_number="", to_number="")
    assert moved.result == Result.CORRECTED


def test_a_withdrawn_call_comes_again_without_them(deleted: Account) -> None:
    withdraw_calls(account_id=deleted.pk, call_ids=["c"], reason="A test", now=NOW)
    assert again(deleted).result == Result.CREATED
    assert numbers_of("c") == GONE


def test_what_a_correction_said_of_numbers_goes_too(professional: Account) -> None:
    recorded(record(professional, "c"))
    recorded(record(professional, "c", to_number="+910000000000", agent="Ravi"))
    delete()
    changes = LedgerEntry.objects.latest("seq").changes or {}
    assert changes["to_number"] == [None, None]
    assert changes["agent"] == ["Asha", "Ravi"]
    assert "from_number" not in changes


# ── Calls that several tell ───────────────────────────────────────────────────────────────────
def told(professional: Account, reporter: str, **changes: Any) -> Outcome:
    one = record(professional, "c", carrier_id="CA1", **changes)
    (outcome,) = recorded(one, reporter=reporter)
    return outcome


def test_all_reports_of_a_call_lose_them(professional: Account) -> None:
    told(professional, reporters.API)
    told(professional, "file:twilio", agent="")
    delete()
    assert numbers_of("c") == GONE
    kept = CallReport.objects.values_list("from_number", "to_number", "numbers_deleted")
    assert list(kept) == [GONE] * 2
    assert told(professional, "file:twilio", agent="").result == Result.UNCHANGED
    assert told(professional, reporters.API).result == Result.UNCHANGED


def test_a_higher_reporter_that_comes_later_brings_none_back(professional: Account) -> None:
    told(professional, "file:twilio")
    delete()
    balance = balance_of(professional).credits
    assert told(professional, reporters.API).result == Result.LINKED
    assert numbers_of("c") == GONE
    assert balance_of(professional).credits == balance
    assert told(professional, reporters.API, seconds=125).result == Result.CORRECTED
    assert set(CallReport.objects.values_list("to_number", flat=True)) == {""}


# ── Files and messages ────────────────────────────────────────────────────────────────────────
def test_files_of_imports_are_kept_no_longer(professional: Account, settings: Any) -> None:
    settings.NUMBERS_KEPT_DAYS = 10
    made = FileImport.objects.create(
        account=professional,
        file_name="calls.csv",
        state=ImportState.DONE,
        created_at=NOW - timedelta(days=11),
        moved_at=NOW,
    )
    ImportPart.objects.create(file_import=made, number=0, size=1, sha256="x", content=b"x")
    assert uploads.delete_old_files(now=NOW) == 1
    assert not ImportPart.objects.exists()


def test_messages_of_sources_are_kept_no_longer(
    client: Client, professional: Account, settings: Any
) -> None:
    settings.NUMBERS_KEPT_DAYS = 10
    source = connect(professional)
    send_report(client, source, report())
    drain_all()
    InboxEvent.objects.update(received_at=SENT)
    assert forgetting.forget_old(now=SENT + timedelta(days=9)) == 0
    assert forgetting.forget_old(now=SENT + timedelta(days=11)) == 1
    numbers.delete_old_numbers(clock=lambda: SENT + timedelta(days=11))
    assert Call.objects.get().numbers_deleted
    send_report(client, source, report(at=AT))  # once more, long after
    drain_all()
    assert Call.objects.get().corrections == 0
    assert replay(source=source) == 1

"""An import from its examination to its end: what each step does, and what may follow which."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from billing.models import ImportUnderWay, LedgerEntry
from billing.refusals import Refusal
from calls.imports import machine, readings, selectors, slices, steps
from calls.models import Call, FileImport, ImportState, StagedLine
from tests.calls.calling import balance
from tests.calls.importing import ASTERISK, GOOD, HEADER, lines
from tests.calls.imports.engine import (
    begun,
    done,
    reading_of,
    ready,
    recent,
    trial_of,
    tried,
    uploaded,
    worked,
)

pytestmark = pytest.mark.django_db

MANY = lines(*(GOOD.format(f"c{number}", 10) for number in range(50)), "x")
RECENT = lines(*(recent(f"c{number}") for number in range(50)), "x")


def now():
    return timezone.now()


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(slices, "BATCH_SIZE", 10)
    monkeypatch.setattr(slices, "REST", 0)


@pytest.fixture
def one_batch_a_slice(small_batches, monkeypatch):
    monkeypatch.setattr(slices, "SLICE", timedelta())


# ── Examining ─────────────────────────────────────────────────────────────────────────────────
def test_an_examined_file_has_a_reading_that_is_proposed(professional):
    found = ready(professional, MANY)
    reading = reading_of(found)
    assert reading.format == "csv"
    assert reading.layout.columns == tuple(HEADER.split(","))
    assert found.examined["facts"]


def test_a_stray_nul_byte_costs_no_more_than_its_value(professional):
    whole, damaged = GOOD.format("c1", 10), GOOD.format("c\0", 10)
    word = GOOD.format("c2", 10).replace("outbound", "f\0x")
    found = done(professional, f"{HEADER},remarks\n{whole},a\0b\n{damaged},x\n{word},y\n")
    assert (found.state, found.said) == (ImportState.DONE, "")
    assert Call.objects.get().remarks == "a\ufffdb"
    assert {reason.field for reason in trial_of(found).frequent_reasons} == {
        "call_id",
        "usage_type",
    }


def test_a_file_that_cannot_be_read_is_refused_with_one_sentence(professional):
    found = worked(uploaded(professional, b"\n\n"))
    assert (found.state, found.said) == (ImportState.REFUSED, "The file is empty.")


# ── Trial run ─────────────────────────────────────────────────────────────────────────────────
def test_a_trial_says_what_an_import_would_do_and_writes_nothing(professional):
    done(professional, lines(GOOD.format("known", 10), GOOD.format("changed", 10)))
    before = list(LedgerEntry.objects.values()), list(Call.objects.values())
    found = tried(
        professional,
        lines(
            GOOD.format("known", 10),
            GOOD.format("changed", 40),
            GOOD.format("new", 10),
            GOOD.format("new", 40),
            GOOD.format("bad", 10).replace("outbound", "fax"),
            "x",
        ),
    )
    assert (list(LedgerEntry.objects.values()), list(Call.objects.values())) == before
    trial = trial_of(found)
    summary = trial.summary
    assert (summary.created, summary.corrected, summary.rejected) == (1, 1, 2)
    assert (summary.lines, summary.credits) == (6, 5)
    assert trial.balance_after == balance(professional) - 5
    assert {
        (reason.field, reason.first_line, reason.lines) for reason in trial.frequent_reasons
    } == {
        ("usage_type", 6, 1),
        ("line", 7, 1),
    }


def test_a_trial_tells_first_last_and_longest_call(professional):
    later = GOOD.format("late", 10).replace("-10T", "-12T")
    trial = trial_of(
        tried(professional, lines(GOOD.format("c1", 10), GOOD.format("long", 40), later))
    )
    assert trial.first_started_at == datetime(2026, 3, 10, 4, tzinfo=UTC)
    assert trial.last_started_at == datetime(2026, 3, 12, 4, tzinfo=UTC)
    assert (trial.longest_call_id, trial.longest_seconds) == ("long", 100)


def test_a_trial_counts_what_is_history_and_what_is_suspicious(professional):
    old = GOOD.format("old", 10).replace("2026-03", "2026-02")
    long = GOOD.format("long", 10).replace("2026-03-10T09:31:10", "2026-03-10T23:31:10")
    trial = trial_of(tried(professional, lines(old, long)))
    assert (trial.history, trial.suspicious) == (1, 1)


def test_a_trial_goes_on_where_the_slice_before_ended(professional, one_batch_a_slice):
    found = ready(professional, MANY)
    steps.start_trial(file_import=found, by=None, now=now())
    cursors = []
    while found.state != ImportState.TRIED:
        found = worked(found, times=1)
        cursors.append(found.cursor)
    assert cursors == sorted(cursors)
    assert len(set(cursors)) > 4
    assert trial_of(found).summary.created == 50


def test_another_reading_forgets_the_trial(professional):
    found = tried(professional, MANY)
    reading = reading_of(found)
    changed = readings.Reading(**{**read_fields(reading), "zone": "UTC"})
    found = readings.choose(file_import=found, reading=changed, now=now())
    assert (found.state, found.trial, found.is_staged) == (ImportState.READY, {}, False)
    with pytest.raises(Refusal, match="can’t be imported"):
        steps.start(file_import=found, by=None, now=now())
    steps.start_trial(file_import=found, by=None, now=now())
    trial = trial_of(worked(found))
    assert trial.first_started_at == datetime(2026, 3, 10, 9, 30, tzinfo=UTC)


def read_fields(reading):
    return {name: getattr(reading, name) for name in readings.Reading.__dataclass_fields__}


@pytest.mark.parametrize(
    ("wrong", "field"),
    [({"zone": "Mars"}, "zone"), ({"format": "zzz"}, "format"), ({"options": {"x": 1}}, "x")],
)
def test_a_reading_that_there_is_not_is_refused_by_its_field(professional, wrong, field):
    found = ready(professional, MANY)
    reading = readings.Reading(**{**read_fields(reading_of(found)), **wrong})
    with pytest.raises(Refusal) as refusal:
        readings.choose(file_import=found, reading=reading, now=now())
    assert refusal.value.field == field


# ── Import ────────────────────────────────────────────────────────────────────────────────────
def test_an_import_records_what_was_tried(professional):
    found = done(professional, MANY)
    summary = selectors.summary_of(found)
    assert (summary.created, summary.rejected, summary.credits) == (50, 1, 150)
    assert Call.objects.count() == 50
    assert set(Call.objects.values_list("import_id", flat=True)) == {found.pk}
    assert not StagedLine.objects.exists()


def test_lines_of_one_call_far_apart_are_one_call(professional, small_batches):
    content = lines(
        GOOD.format("twice", 10),
        *(GOOD.format(f"c{number}", 10) for number in range(50)),
        GOOD.format("twice", 40),
    )
    assert selectors.summary_of(done(professional, content)).created == 51
    assert Call.objects.get(call_id="twice").credits == 4


def test_legs_far_apart_are_one_call(professional, small_batches):
    leg = (
        ASTERISK.format("1773135000.0")
        .replace("09:31:10", "09:33:10")
        .replace("09:30:00", "09:31:10")
        .replace("09:30:05", "09:31:10")
        .replace(",70,65,", ",120,120,")
    )
    other = [ASTERISK.format(f"1773135000.{number}") for number in range(1, 30)]
    content = "\n".join([ASTERISK.format("1773135000.0"), *other, leg, ""])
    summary = selectors.summary_of(done(professional, content, name="Master.csv"))
    assert (summary.created, summary.joined) == (30, 1)


def test_the_same_file_again_changes_nothing(professional):
    done(professional, MANY)
    before = list(LedgerEntry.objects.values())
    summary = selectors.summary_of(done(professional, MANY))
    assert (summary.unchanged, summary.credits) == (50, 0)
    assert list(LedgerEntry.objects.values()) == before


def test_a_file_with_nothing_but_a_header_is_done_with_nothing(professional):
    summary = selectors.summary_of(done(professional, f"{HEADER}\n"))
    assert summary.lines_done == 0


def test_half_a_line_at_the_end_is_rejected_and_the_rest_recorded(professional):
    half = GOOD.format("c2", 10)[:-10]
    summary = selectors.summary_of(done(professional, f"{lines(GOOD.format('c1', 10))}{half}"))
    assert (summary.created, summary.rejected) == (1, 1)


def test_an_import_that_is_stopped_goes_on_where_it_was(professional, one_batch_a_slice):
    found = worked(begun(professional, MANY), times=3)
    found = steps.stop(file_import=found, by=None, now=now())
    recorded = Call.objects.count()
    assert 0 < recorded < 50
    assert not ImportUnderWay.objects.exists()
    assert worked(found, times=3).state == ImportState.STOPPED
    assert Call.objects.count() == recorded
    found = worked(steps.go_on(file_import=found, by=None, now=now()))
    assert selectors.summary_of(found).created == Call.objects.count() == 50


def test_a_trial_that_is_stopped_may_begin_anew(professional, one_batch_a_slice):
    found = ready(professional, MANY)
    found = worked(steps.start_trial(file_import=found, by=None, now=now()), times=3)
    found = steps.stop(file_import=found, by=None, now=now())
    assert (found.state, found.trial) == (ImportState.READY, {})
    steps.start_trial(file_import=found, by=None, now=now())
    assert trial_of(worked(found)).summary.created == 50


def test_nobody_is_warned_from_the_first_slice_to_the_last(professional, one_batch_a_slice):
    found = begun(professional, MANY)
    noted = set()
    while found.state == ImportState.IMPORTING:
        noted.add(ImportUnderWay.objects.get().pk)
        found = worked(found, times=1)
    assert len(noted) == 1
    assert not ImportUnderWay.objects.exists()


def test_progress_is_in_the_row_after_each_batch(professional, one_batch_a_slice):
    found = worked(begun(professional, MANY), times=2)
    summary = selectors.summary_of(found)
    assert (summary.lines, summary.created) == (51, Call.objects.count())


def test_what_is_staged_is_staged_again_when_a_crash_emptied_the_table(
    professional, one_batch_a_slice
):
    found = worked(begun(professional, MANY), times=3)
    StagedLine.objects.all().delete()
    summary = selectors.summary_of(worked(found))
    assert (summary.lines, summary.created, summary.rejected) == (51, 50, 1)
    assert Call.objects.count() == 50


def test_staging_goes_on_where_the_slice_before_ended(professional, monkeypatch):
    monkeypatch.setattr(slices, "SLICE", timedelta())
    many = lines(*(GOOD.format(f"c{number}", 10) for number in range(2_500)))
    found = ready(professional, many)
    steps.start_trial(file_import=found, by=None, now=now())
    staged = []
    while not found.is_staged:
        found = worked(found, times=1)
        staged.append(found.staged_lines)
    assert staged == [1_000, 2_000, 2_500, 2_500]
    assert StagedLine.objects.count() == 2_500


# ── Several imports ───────────────────────────────────────────────────────────────────────────
def test_one_import_of_an_account_waits_for_the_other(professional, base, one_batch_a_slice):
    first = begun(professional, MANY)
    second = begun(professional, lines(GOOD.format("other", 10)))
    elsewhere = begun(base, lines(GOOD.format("c1", 10)))
    assert worked(second, times=5).state == ImportState.IMPORTING
    assert not Call.objects.exists()
    assert selectors.waits_for(second) == first
    assert selectors.waits_for(first) is None
    assert worked(elsewhere).state == ImportState.DONE
    assert worked(first).state == ImportState.DONE
    assert selectors.waits_for(second) is None
    assert worked(second).state == ImportState.DONE


def test_the_next_import_is_queued_when_the_one_before_it_ends(professional):
    first = begun(professional, MANY)
    second = begun(professional, lines(GOOD.format("other", 10)))
    before = second.ticket
    worked(first)
    second.refresh_from_db()
    assert second.ticket == before + 1


def test_a_waiting_import_spends_no_attempts(professional):
    begun(professional, MANY)
    second = worked(begun(professional, MANY), times=slices.FAILURES_MAX + 2)
    assert (second.state, second.failures) == (ImportState.IMPORTING, 0)


# ── What goes wrong ───────────────────────────────────────────────────────────────────────────
def test_a_task_that_is_left_over_does_nothing(professional):
    found = begun(professional, MANY)
    assert slices.work(import_id=found.pk, ticket=found.ticket - 1, clock=now) is False
    assert not Call.objects.exists()


def test_what_fails_again_and_again_is_given_up_with_a_sentence(professional, monkeypatch):
    found = begun(professional, MANY)

    def broken(**_):
        raise RuntimeError("broken")

    with monkeypatch.context() as patched:
        patched.setattr(slices, "record_calls", broken)
        for _ in range(slices.FAILURES_MAX):
            assert worked(found, times=1).state == ImportState.IMPORTING
        found = worked(found, times=1)
    assert (found.state, found.said) == (ImportState.FAILED, slices.FAILED)
    assert not ImportUnderWay.objects.exists()
    assert not machine.stalled(now=now() + timedelta(days=1)).exists()
    found = worked(steps.go_on(file_import=found, by=None, now=now()))
    assert (found.state, Call.objects.count()) == (ImportState.DONE, 50)


@pytest.mark.parametrize("where", ["find_out", "try_batch"])
def test_what_nobody_foresaw_before_anything_is_recorded_fails_the_import_at_once(
    professional, monkeypatch, where
):
    def broken(*_, **__):
        raise ValueError("Exceeds the limit (4300 digits) for integer string conversion")

    with monkeypatch.context() as patched:
        patched.setattr(slices, where, broken)
        found = worked(uploaded(professional, MANY))
        if found.state == ImportState.READY:
            steps.start_trial(file_import=found, by=None, now=now())
            found = worked(found, times=1)
    assert (found.state, found.said) == (ImportState.FAILED, slices.UNFORESEEN)
    found = worked(steps.go_on(file_import=found, by=None, now=now()))
    assert found.state in (ImportState.READY, ImportState.TRIED)


def test_a_time_of_thousands_of_digits_costs_no_more_than_its_line(professional):
    begins = int((now() - timedelta(days=1)).timestamp())
    rows = [f"r{number},{begins + number},{number},inbound" for number in range(1, 12)]
    rows.append(f"r99,{'9' * 5_000},5,inbound")
    header = "Call ID,Start time,Talk time (s),Direction"
    found = tried(professional, "\n".join([header, *rows, ""]))
    summary = trial_of(found).summary
    assert (summary.created, summary.rejected) == (11, 1)


def test_an_attempt_that_gets_on_forgives_those_before(
    professional, one_batch_a_slice, monkeypatch
):
    found = begun(professional, MANY)
    FileImport.objects.filter(pk=found.pk).update(failures=slices.FAILURES_MAX - 1)
    assert worked(found).state == ImportState.DONE


@pytest.mark.parametrize(("seconds", "queued"), [(59, 0), (61, 1)])
def test_what_does_not_move_for_a_minute_is_queued_again(professional, seconds, queued):
    found = begun(professional, MANY)
    assert machine.requeue(now=found.moved_at + timedelta(seconds=seconds)) == queued
    found.refresh_from_db()
    assert found.ticket == 3 + queued  # examining, trial, import


def test_what_is_at_rest_is_not_queued(professional):
    tried(professional, MANY)
    assert machine.requeue(now=now() + timedelta(days=1)) == 0


# ── Taking back ───────────────────────────────────────────────────────────────────────────────
def test_taken_back_and_imported_again_is_as_if_imported_once(professional):
    done(professional, lines(recent("before")))
    before = balance(professional)
    found = done(professional, RECENT)
    after = balance(professional)
    assert after == before - 150
    found = worked(steps.withdraw(file_import=found, by=None, now=now()))
    assert found.state == ImportState.WITHDRAWN
    assert found.withdrawal["withdrawn"] == 50
    assert balance(professional) == before
    again = steps.import_again(file_import=found, by=None, now=now())
    steps.start_trial(file_import=again, by=None, now=now())
    steps.start(file_import=worked(again), by=None, now=now())
    assert worked(again).state == ImportState.DONE
    assert balance(professional) == after
    assert Call.objects.filter(withdrawn_at=None).count() == 51


def test_taking_back_goes_on_where_the_slice_before_ended(
    professional, one_batch_a_slice, monkeypatch
):
    monkeypatch.setattr(slices, "WITHDRAWN_AT_ONCE", 10)
    before = balance(professional)
    found = done(professional, RECENT)
    found = steps.withdraw(file_import=found, by=None, now=now())
    taken = []
    while found.state == ImportState.WITHDRAWING:
        found = worked(found, times=1)
        taken.append(found.withdrawal["withdrawn"])
    assert taken == sorted(taken)
    assert taken[-1] == 50
    assert len(set(taken)) > 3
    assert balance(professional) == before


@pytest.mark.parametrize(("days", "may"), [(30, True), (31, False)])
def test_an_account_may_take_back_within_30_days(professional, owner, days, may):
    found = done(professional, MANY, by=owner)
    at = found.ended_at + timedelta(days=days)
    assert steps.may_withdraw(file_import=found, by=owner, now=at) is may
    if not may:
        with pytest.raises(Refusal, match="within 30 days"):
            steps.withdraw(file_import=found, by=owner, now=at)


def test_taking_back_does_not_begin_the_30_days_anew(professional, owner):
    found = done(professional, RECENT, by=owner)
    ended = found.ended_at
    for days in (29, 30):
        steps.withdraw(file_import=found, by=owner, now=ended + timedelta(days=days))
        found = worked(found)
        assert (found.state, found.ended_at) == (ImportState.WITHDRAWN, ended)
    late = ended + timedelta(days=31)
    assert not steps.may_withdraw(file_import=found, by=owner, now=late)


def test_of_a_stopped_import_the_30_days_begin_when_it_stopped(professional, one_batch_a_slice):
    found = worked(begun(professional, RECENT), times=3)
    found = steps.stop(file_import=found, by=None, now=now())
    stopped = found.moved_at
    late = stopped + timedelta(days=3)
    found = worked(steps.withdraw(file_import=found, by=None, now=late))
    assert (found.state, found.ended_at) == (ImportState.WITHDRAWN, stopped)


def test_an_operator_may_take_back_at_any_time(professional, operator):
    found = done(professional, MANY)
    at = found.ended_at + timedelta(days=3_000)
    assert steps.withdraw(file_import=found, by=operator, now=at).state == ImportState.WITHDRAWING


def test_a_stopped_import_can_be_taken_back(professional, one_batch_a_slice):
    before = balance(professional)
    found = worked(begun(professional, RECENT), times=3)
    found = steps.stop(file_import=found, by=None, now=now())
    assert balance(professional) < before
    worked(steps.withdraw(file_import=found, by=None, now=now()))
    assert balance(professional) == before


@pytest.mark.parametrize("step", [steps.start, steps.stop, steps.go_on, steps.start_trial])
def test_what_was_taken_back_takes_no_other_step(professional, step):
    found = done(professional, MANY)
    found = worked(steps.withdraw(file_import=found, by=None, now=now()))
    with pytest.raises(machine.StateError, match="is “Taken back”, so it can’t"):
        step(file_import=found, by=None, now=now())

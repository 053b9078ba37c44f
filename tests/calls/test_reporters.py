"""Calls that several reporters tell: one call, with the facts of the highest, whatever the order.

Rule: "How credits are consumed", 9.
"""

from datetime import timedelta

import pytest
from django.db import connection

from billing.models import DailyUsage, LedgerEntry
from calls import reporters
from calls.charging import Result, record_calls, try_calls
from calls.models import Call, CallReport, CallSource
from calls.withdrawing import has_calls, overtaken_calls, withdraw_calls, withdraw_import
from tests.audit import breaches
from tests.calls.calling import NOW, STARTED_AT, after, balance, entries, record

pytestmark = pytest.mark.django_db

CREATED, LINKED, CORRECTED = Result.CREATED, Result.LINKED, Result.CORRECTED
UNCHANGED, REJECTED = Result.UNCHANGED, Result.REJECTED
FILE = reporters.of_file("vapi")
OTHER_FILE = reporters.of_file("twilio")


@pytest.fixture
def vapi(professional):
    """The source that counts first."""
    return a_source(professional, "vapi", 1)


@pytest.fixture
def twilio(professional):
    """The source that counts second."""
    return a_source(professional, "twilio", 2)


def a_source(account, kind, position):
    source = CallSource.objects.create(
        account=account, kind=kind, name=kind, position=position, created_at=NOW
    )
    return reporters.of_source(source.pk)


def tell(reporter, *records, **options):
    """Record, after a trial that must foretell the outcomes; return (result, credits) of each."""
    foretold = try_calls(records=records, now=NOW, reporter=reporter, **options)
    outcomes = record_calls(records=records, now=NOW, reporter=reporter, **options)
    assert outcomes == foretold
    assert breaches() == []
    return [(outcome.result, outcome.credits) for outcome in outcomes]


def standing(account):
    """Of the calls that stand: (ID, credits, reporter's door)."""
    calls = Call.objects.filter(account=account, withdrawn_at=None).order_by("call_id")
    return [(call.call_id, call.credits) for call in calls]


def counted(account):
    return sum(DailyUsage.objects.filter(account=account).values_list("calls", flat=True))


@pytest.mark.parametrize("order", [1, -1])
def test_one_call_that_two_sources_tell_is_charged_once_with_the_facts_of_the_first(
    professional, vapi, twilio, order
):
    told = [
        (vapi, record(professional, "v1", 65, carrier_id="CA1", agent="Asha")),
        (twilio, record(professional, "CA1", 95, carrier_id="CA1", to_number="+9198")),
    ][::order]
    outcomes = [tell(*one)[0] for one in told]
    first_id = "v1" if order == 1 else "CA1"
    assert outcomes == (
        [(CREATED, 3), (LINKED, 0)] if order == 1 else [(CREATED, 4), (CORRECTED, -1)]
    )
    assert standing(professional) == [(first_id, 3)]
    call = Call.objects.get()
    assert (call.agent, call.carrier_id, call.reporter) == ("Asha", "CA1", vapi)
    assert (counted(professional), balance(professional)) == (1, 1_497)
    assert set(CallReport.objects.values_list("call_id", "linked_call_id", "reporter")) == {
        ("v1", first_id, vapi),
        ("CA1", first_id, twilio),
    }
    before = list(LedgerEntry.objects.values()), list(CallReport.objects.values())
    assert [tell(*one)[0] for one in told] == [(UNCHANGED, 0)] * 2
    assert before == (list(LedgerEntry.objects.values()), list(CallReport.objects.values()))


def test_the_outcome_of_a_linked_record_names_the_call_that_is_there(professional, vapi, twilio):
    tell(vapi, record(professional, "v1", carrier_id="CA1"))
    [outcome] = record_calls(
        records=[record(professional, "CA1", carrier_id="CA1")], now=NOW, reporter=twilio
    )
    assert (outcome.result, outcome.linked_to) == (LINKED, "v1")


def test_a_report_that_does_not_count_may_be_corrected_and_moves_no_credits(
    professional, vapi, twilio
):
    tell(vapi, record(professional, "v1", carrier_id="CA1"))
    tell(twilio, record(professional, "CA1", 95, carrier_id="CA1"))
    assert tell(twilio, record(professional, "CA1", 125, carrier_id="CA1")) == [(LINKED, 0)]
    assert tell(vapi, record(professional, "v1", 125)) == [(CORRECTED, 2)]
    assert standing(professional) == [("v1", 5)]


def test_two_files_of_different_systems_tell_one_call_and_the_agents_counts(professional):
    assert tell(OTHER_FILE, record(professional, "CA1", 95, carrier_id="CA1")) == [(CREATED, 4)]
    assert tell(FILE, record(professional, "v1", 65, carrier_id="CA1")) == [(CORRECTED, -1)]
    assert standing(professional) == [("CA1", 3)]


def test_files_come_after_programs_and_these_after_sources(professional, twilio):
    tell(FILE, record(professional, "v1", 65, carrier_id="CA1"))
    assert tell(reporters.API, record(professional, "a1", 95, carrier_id="CA1")) == [(CORRECTED, 1)]
    assert tell(twilio, record(professional, "CA1", 125, carrier_id="CA1")) == [(CORRECTED, 1)]
    assert tell(FILE, record(professional, "v1", 5, carrier_id="CA1")) == [(LINKED, 0)]
    assert standing(professional) == [("v1", 5)]
    assert CallReport.objects.count() == 3


@pytest.mark.parametrize("carrier_id", ["", "CA1"])
def test_of_one_call_id_the_highest_source_counts(professional, vapi, twilio, carrier_id):
    tell(vapi, record(professional, "c1", 65, carrier_id=carrier_id))
    assert tell(twilio, record(professional, "c1", 95)) == [(LINKED, 0)]
    assert tell(FILE, record(professional, "c1", 125), revise=True) == [(LINKED, 0)]
    assert tell(vapi, record(professional, "c1", 35)) == [(CORRECTED, -1)]
    assert standing(professional) == [("c1", 2)]


def test_our_own_file_that_repeats_what_a_source_told_is_no_other_report(professional, vapi):
    tell(vapi, record(professional, "c1"))
    assert tell(reporters.FILES, record(professional, "c1"), import_id=7) == [(UNCHANGED, 0)]
    assert not CallReport.objects.exists()


def test_a_source_takes_over_the_calls_of_a_file_so_that_taking_it_back_keeps_them(
    professional, vapi
):
    tell(reporters.FILES, record(professional, "c1"), import_id=7)
    assert tell(vapi, record(professional, "c1")) == [(UNCHANGED, 0)]
    assert not CallReport.objects.exists()
    done = withdraw_import(account_id=professional.pk, import_id=7, now=NOW)
    assert (done.withdrawn, done.kept) == (0, 1)
    assert standing(professional) == [("c1", 3)]


# ── Transfers and IDs that are used again ─────────────────────────────────────────────────────
@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_carrier_id_of_two_calls_of_one_source_links_nothing_whenever_the_second_comes(
    professional, vapi, twilio, position
):
    told = [
        (vapi, record(professional, "v1", 35, carrier_id="CA1")),
        (vapi, record(professional, "v2", 65, carrier_id="CA1", started_at=after(40))),
    ]
    told.insert(position, (twilio, record(professional, "CA1", 125, carrier_id="CA1")))
    used = sum(tell(*one)[0][1] for one in told)
    assert standing(professional) == [("CA1", 5), ("v1", 2), ("v2", 3)]
    assert (counted(professional), used, balance(professional)) == (3, 10, 1_490)
    assert not CallReport.objects.exists()


def test_in_one_batch_too(professional, vapi, twilio):
    tell(twilio, record(professional, "CA1", 125, carrier_id="CA1"))
    two = [record(professional, call_id, 35, carrier_id="CA1") for call_id in ("v1", "v2")]
    assert tell(vapi, *two) == [(CREATED, 2), (CREATED, 2)]
    assert standing(professional) == [("CA1", 5), ("v1", 2), ("v2", 2)]


def test_a_carrier_id_that_is_used_again_a_day_later_links_nothing(professional, vapi, twilio):
    tell(vapi, record(professional, "v1", carrier_id="7"))
    later = {"started_at": STARTED_AT - timedelta(hours=24, seconds=1)}
    assert tell(twilio, record(professional, "t1", carrier_id="7", **later)) == [(CREATED, 3)]
    assert counted(professional) == 2


def test_a_carrier_id_of_very_many_calls_links_nothing(professional, vapi, twilio):
    many = [record(professional, f"v{number}", carrier_id="unknown") for number in range(30)]
    tell(vapi, *many)
    assert tell(twilio, record(professional, "t1", carrier_id="unknown")) == [(CREATED, 3)]
    assert counted(professional) == 31


def test_a_carrier_id_that_comes_later_joins_calls_that_were_counted_apart(
    professional, vapi, twilio
):
    tell(vapi, record(professional, "v1", 65))
    tell(twilio, record(professional, "CA1", 95, carrier_id="CA1"))
    assert counted(professional) == 2
    assert tell(vapi, record(professional, "v1", 65, carrier_id="CA1")) == [(UNCHANGED, -4)]
    assert standing(professional) == [("v1", 3)]
    assert (counted(professional), balance(professional)) == (1, 1_497)
    [words] = LedgerEntry.objects.filter(kind="withdrawal").values_list("remarks", flat=True)
    assert words == "The same phone call as v1"


def test_a_carrier_id_that_is_corrected_parts_what_it_had_joined(professional, vapi, twilio):
    tell(vapi, record(professional, "v1", 65, carrier_id="CA1"))
    tell(twilio, record(professional, "CA1", 95, carrier_id="CA1"))
    assert tell(vapi, record(professional, "v1", 65, carrier_id="CA2")) == [(UNCHANGED, 4)]
    assert standing(professional) == [("CA1", 4), ("v1", 3)]
    assert tell(twilio, record(professional, "CA2", 95, carrier_id="CA2")) == [(LINKED, 0)]
    assert counted(professional) == 2


def test_a_call_id_that_another_reporter_uses_for_another_call_is_rejected(
    professional, vapi, twilio
):
    tell(vapi, record(professional, "c1", 65))
    far = record(professional, "c1", 65, started_at=STARTED_AT - timedelta(days=2))
    assert tell(twilio, far) == [(REJECTED, 0)]


# ── Withdrawing ───────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("named", ["v1", "CA1"])
def test_a_call_is_withdrawn_by_any_of_its_ids_with_all_that_is_told_of_it(
    professional, vapi, twilio, named
):
    tell(vapi, record(professional, "v1", 65, carrier_id="CA1"))
    tell(twilio, record(professional, "CA1", 95, carrier_id="CA1"))
    done = withdraw_calls(account_id=professional.pk, call_ids=[named], reason="Test", now=NOW)
    assert (done.withdrawn, done.credits) == (1, 3)
    assert (standing(professional), counted(professional)) == ([], 0)
    assert not CallReport.objects.exists()
    assert breaches() == []
    assert tell(twilio, record(professional, "CA1", 95, carrier_id="CA1")) == [(CREATED, 4)]
    assert tell(vapi, record(professional, "v1", 65, carrier_id="CA1")) == [(CORRECTED, -1)]
    assert (standing(professional), counted(professional)) == ([("CA1", 3)], 1)


def test_withdrawing_one_of_two_transferred_calls_lets_the_other_be_linked(
    professional, vapi, twilio
):
    tell(vapi, record(professional, "v1", 35, carrier_id="CA1"))
    tell(vapi, record(professional, "v2", 65, carrier_id="CA1"))
    tell(twilio, record(professional, "CA1", 125, carrier_id="CA1"))
    done = withdraw_calls(account_id=professional.pk, call_ids=["v2"], reason="Test", now=NOW)
    assert (done.withdrawn, done.credits) == (1, 3 + 5)
    assert standing(professional) == [("v1", 2)]
    assert (counted(professional), balance(professional)) == (1, 1_498)
    assert breaches() == []


def test_taking_an_import_back_unlinks_what_it_told(professional, vapi):
    tell(vapi, record(professional, "v1", 65, carrier_id="CA1"))
    tell(OTHER_FILE, record(professional, "CA1", 95, carrier_id="CA1"), import_id=7)
    assert has_calls(account_id=professional.pk, import_id=7)
    done = withdraw_import(account_id=professional.pk, import_id=7, now=NOW)
    assert (done.withdrawn, done.unlinked, done.credits) == (0, 1, 0)
    assert not has_calls(account_id=professional.pk, import_id=7)
    assert not CallReport.objects.exists()
    assert (standing(professional), breaches()) == ([("v1", 3)], [])


def test_taking_back_an_import_whose_call_a_source_tells_too_keeps_the_call(professional, vapi):
    tell(OTHER_FILE, record(professional, "CA1", 95, carrier_id="CA1"), import_id=7)
    tell(vapi, record(professional, "v1", 65, carrier_id="CA1"))
    assert overtaken_calls(account_id=professional.pk, import_id=7) == ["CA1"]
    done = withdraw_import(account_id=professional.pk, import_id=7, now=NOW)
    assert (done.withdrawn, done.unlinked, done.kept) == (0, 1, 1)
    assert (standing(professional), breaches()) == ([("CA1", 3)], [])
    assert tell(vapi, record(professional, "v1", 125, carrier_id="CA1")) == [(CORRECTED, 2)]
    assert (standing(professional), counted(professional)) == ([("CA1", 5)], 1)


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("taken_back", [7, 8])
def test_of_two_imports_that_tell_one_call_the_other_stands_when_one_is_taken_back(
    professional, order, taken_back
):
    told = [
        (OTHER_FILE, record(professional, "CA1", 95, carrier_id="CA1"), 7),
        (FILE, record(professional, "v1", 65, carrier_id="CA1"), 8),
    ]
    for reporter, one, import_id in told[::order]:
        tell(reporter, one, import_id=import_id)
    withdraw_import(account_id=professional.pk, import_id=taken_back, now=NOW)
    assert breaches() == []
    [(_, credits)] = standing(professional)
    assert credits == (3 if taken_back == 7 else 4)
    assert (counted(professional), balance(professional)) == (1, 1_500 - credits)
    withdraw_import(account_id=professional.pk, import_id=15 - taken_back, now=NOW)
    assert breaches() == []


def test_an_import_that_corrected_the_report_of_another_gives_it_back(professional, vapi):
    tell(FILE, record(professional, "v1", 65, carrier_id="CA1"), import_id=7)
    tell(OTHER_FILE, record(professional, "CA1", 95, carrier_id="CA1"), import_id=8)
    tell(FILE, record(professional, "v1", 125, carrier_id="CA1"), import_id=9)
    done = withdraw_import(account_id=professional.pk, import_id=9, now=NOW)
    assert (done.restored, done.credits, breaches()) == (1, 2, [])
    assert standing(professional) == [("v1", 3)]
    assert [reference for reference, _, _ in entries(professional)] == [
        "call:v1",
        "correction:1:v1",
        "withdrawal:correction:1:v1",
    ]


# ── Carrier IDs ───────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("told", "kept", "said"),
    [
        pytest.param("CA1", "CA1", None, id="as it is"),
        pytest.param(" CA1 ", "CA1", None, id="without blanks around it"),
        pytest.param("x" * 200, "x" * 200, None, id="200 characters"),
        pytest.param("x" * 201, "", "is longer than 200 characters", id="too long"),
        pytest.param("CA\x001", "", "has characters that can't be printed", id="no text"),
    ],
)
def test_a_carrier_id_is_kept_whole_or_left_out_with_a_notice(professional, told, kept, said):
    [outcome] = record_calls(records=[record(professional, carrier_id=told)], now=NOW)
    assert Call.objects.get().carrier_id == kept
    assert [note.said.partition(";")[0] for note in outcome.notes] == ([said] if said else [])


def test_records_of_several_reporters_may_come_in_one_batch(professional, vapi, twilio):
    records = [
        record(professional, "CA1", 95, carrier_id="CA1")._replace(reporter=twilio),
        record(professional, "v1", 65, carrier_id="CA1")._replace(reporter=vapi),
        record(professional, "c1", 65)._replace(reporter=twilio),
        record(professional, "c1", 35)._replace(reporter=vapi),
    ]
    assert tell(None, *records) == [(LINKED, 0), (CREATED, 3), (LINKED, 0), (CREATED, 2)]
    assert standing(professional) == [("c1", 2), ("v1", 3)]


def test_history_of_two_reporters_is_free_and_counted_once(professional, vapi, twilio):
    before = {"started_at": STARTED_AT - timedelta(days=60), "carrier_id": "CA1"}
    tell(twilio, record(professional, "CA1", 95, **before))
    assert tell(vapi, record(professional, "v1", 65, **before)) == [(CORRECTED, 0)]
    assert (counted(professional), balance(professional)) == (1, 1_500)


# ── The audit ─────────────────────────────────────────────────────────────────────────────────
@pytest.mark.broken_ledger
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        pytest.param(
            "UPDATE calls_callreport SET linked_call_id = 'zz' WHERE call_id = 'CA1'",
            'reports: account acme: report of CA1 by "source:{twilio}": is linked to call zz, '
            "which is not there",
            id="a report that leads nowhere",
        ),
        pytest.param(
            "DELETE FROM calls_callreport",
            "reports: account acme: call v1: says that it has reports, and has none",
            id="no reports",
        ),
        pytest.param(
            "UPDATE calls_callsource SET position = 3 WHERE name = 'vapi'",
            "highest: account acme: call v1: has facts that are not those of the highest report, "
            'of CA1 by "source:{twilio}"',
            id="a lower one counts",
        ),
        pytest.param(
            "UPDATE calls_call SET call_id = 'CA1' WHERE call_id = 'other'",
            "one ID: account acme: call CA1: counts, and is linked to call v1 too",
            id="counted twice",
        ),
        pytest.param(
            "UPDATE calls_call SET carrier_id = 'CA1' WHERE call_id = 'other'",
            "carrier ID: account acme: carrier ID CA1: 2 calls of different reporters count",
            id="a carrier ID of two calls",
        ),
    ],
)
def test_the_audit_finds_calls_that_do_not_follow_their_reports(
    professional, vapi, twilio, fault, said
):
    tell(vapi, record(professional, "v1", 65, carrier_id="CA1"), record(professional, "other"))
    tell(twilio, record(professional, "CA1", 95, carrier_id="CA1"))
    with connection.cursor() as cursor:
        cursor.execute(fault)
    assert said.format(twilio=twilio.partition(":")[2]) in breaches()

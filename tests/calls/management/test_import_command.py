"""What the command can do beside importing one file: try, take back, folders, mappings."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from billing.models import LedgerEntry
from calls.imports import profiles, selectors
from calls.imports.command_imports import stop_killed
from calls.models import Call, FileImport, ImportState
from tests.calls.calling import balance
from tests.calls.importing import GOOD, HEADER, Outcome, lines, rejects
from tests.calls.imports.engine import recent
from tests.calls.notations.workbooks import row, text, workbook
from tests.movements import NOW

pytestmark = pytest.mark.django_db

OTHERS = (
    "Reference,Date,Time,Talk,Answered,Caller\n"
    "r1,13/03/2026,10:00:00 AM,00:01:05,yes,+911\n"
    "r2,14/03/2026,02:30:00 PM,00:00:00,no,+912\n"
)
MAPPING = {
    "map": [
        "call_id=Reference",
        "started_at=Date+Time",
        "talk=Talk",
        "status=Answered",
        "from=Caller",
    ],
    "set": ["usage_type=outbound"],
}


# ── Rows of imports ───────────────────────────────────────────────────────────────────────────
def test_an_import_of_the_command_is_listed_like_any_other(importing_file, professional):
    outcome = importing_file(lines(GOOD.format("c1", 10), "x"))
    [found] = selectors.imports_of(professional)
    assert (str(found.pk), found.file_name, found.state) == (
        outcome.import_id,
        "calls.csv",
        ImportState.DONE,
    )
    assert (selectors.summary_of(found).created, selectors.summary_of(found).rejected) == (1, 1)
    assert Call.objects.get().import_id == found.pk


def test_a_file_that_cannot_be_read_leaves_no_import(importing_file):
    importing_file(lines(*[GOOD.format("same", 10)] * 1_001))
    assert not FileImport.objects.exists()


def test_an_import_whose_command_was_killed_is_noted_as_stopped(importing_file):
    importing_file(lines(GOOD.format("c1", 10)))
    FileImport.objects.update(state=ImportState.IMPORTING)
    [found] = FileImport.objects.all()
    assert stop_killed(now=found.moved_at) == 0
    assert stop_killed(now=found.moved_at + timedelta(minutes=2)) == 1
    found.refresh_from_db()
    assert found.state == ImportState.STOPPED


# ── Dry run ───────────────────────────────────────────────────────────────────────────────────
def test_a_dry_run_says_what_would_happen_and_records_nothing(importing_file):
    later = GOOD.format("c2", 10).replace("-10T", "-12T")
    outcome = importing_file(lines(GOOD.format("c1", 10), later, "x"), dry_run=True)
    assert outcome.code == 0
    assert (
        "Would record 2 calls, correct 0, leave 0 unchanged, reject 1 line; 6 credits."
        in outcome.out.splitlines()
    )
    assert (
        "The first call is of 10 March 2026, 09:30, the last of 12 March 2026, 09:30."
        in outcome.out.splitlines()
    )
    assert "Line 4: line has 1 value, the header names 6 columns." in outcome.error
    assert not Call.objects.exists()
    assert not FileImport.objects.exists()
    assert not LedgerEntry.objects.exclude(call_id="").exists()


# ── Taking back ───────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", ["pk", "public_id"])
def test_an_import_is_taken_back_by_its_id(importing_file, professional, name):
    importing_file(lines(recent("before")))
    before = balance(professional)
    outcome = importing_file(lines(recent("c1"), recent("c2")))
    found = FileImport.objects.get(pk=outcome.import_id)
    taken = Outcome(account="acme", withdraw=str(getattr(found, name)))
    assert taken.out == (
        "2 withdrawn, 0 as before the import, 0 kept because something else changed them since; "
        "6 credits given back.\n"
    )
    assert balance(professional) == before


def test_after_it_the_same_calls_may_come_again(importing_file, professional):
    content = lines(recent("c1"), recent("c2"))
    outcome = importing_file(content)
    after = balance(professional)
    Outcome(account="acme", withdraw=outcome.import_id)
    assert importing_file(content).out.startswith("2 created")
    assert balance(professional) == after


@pytest.mark.parametrize("named", ["999999", "nonsense"])
def test_an_import_that_there_is_not_gets_one_clear_line(professional, named):
    outcome = Outcome(account="acme", withdraw=named)
    assert (outcome.code, outcome.refusal) == (2, f"Acme Voice has no import {named}.")


def test_the_import_of_another_account_is_not_taken_back(importing_file, base):
    outcome = importing_file(lines(GOOD.format("c1", 10)))
    refused = Outcome(account="other", withdraw=outcome.import_id)
    assert refused.refusal == f"Other Company has no import {outcome.import_id}."


def test_a_command_without_a_file_gets_one_clear_line(professional):
    assert Outcome(account="acme").refusal == "Name a file, or -."


# ── Folders ───────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def folder(tmp_path):
    within = tmp_path / "calls"
    within.mkdir()
    (within / "b.csv").write_text(lines(GOOD.format("c2", 10), GOOD.format("c1", 10)))
    (within / "a.csv").write_text(lines(GOOD.format("c1", 10), "x"))
    (within / "notes.txt").write_text("Nothing but words here.\n")
    (within / ".hidden").write_text("x")
    return within


def test_every_file_of_a_folder_is_imported_and_the_same_call_charged_once(folder, professional):
    outcome = Outcome(str(folder), account="acme")
    said = outcome.out.splitlines()
    assert said == [
        f"{folder / 'a.csv'}: 1 created, 0 unchanged, 0 corrected, 1 rejected; 3 credits charged.",
        f"{folder / 'b.csv'}: 1 created, 1 unchanged, 0 corrected, 0 rejected; 3 credits charged.",
        "In total, 2 files: 2 created, 1 unchanged, 0 corrected, 1 rejected; 6 credits charged.",
    ]
    assert f"{folder / 'notes.txt'}: skipped." in outcome.error
    assert outcome.code == 1
    assert rejects(folder, "a.csv.rejects.csv")[1][0] == "3"


def test_rejects_of_a_file_in_the_folder_are_no_file_of_their_own(folder, professional):
    Outcome(str(folder), account="acme")
    Outcome(str(folder), account="acme")
    assert not (folder / "a.csv.rejects.csv.rejects.csv").exists()


def test_a_folder_without_call_records_gets_one_clear_line(tmp_path, professional):
    (tmp_path / "notes.txt").write_text("Nothing but words here.\n")
    outcome = Outcome(str(tmp_path), account="acme")
    assert (outcome.code, outcome.refusal) == (2, "None of these is a file of call records.")


def test_folders_inside_are_passed_over_and_said(folder, professional):
    inner = folder / "older"
    inner.mkdir()
    (inner / "c.csv").write_text(lines(GOOD.format("c3", 10)))
    outcome = Outcome(str(folder), account="acme")
    assert f"{inner}: passed over, a folder. Name it to import its files." in outcome.error
    assert not Call.objects.filter(call_id="c3").exists()


@pytest.mark.parametrize("dry_run", [False, True], ids=["import", "dry run"])
def test_a_file_that_cannot_be_read_is_named_and_the_others_go_in(tmp_path, professional, dry_run):
    within = tmp_path / "calls"
    within.mkdir()
    (within / "a.csv").symlink_to(within / "gone.csv")
    (within / "b.csv").write_text(lines(GOOD.format("c1", 10)))
    outcome = Outcome(str(within), account="acme", dry_run=dry_run)
    assert outcome.code == 1
    assert f"{within / 'a.csv'}: No such file or directory." in outcome.error
    assert "Not taken as a whole: 1 file, named above." in outcome.error
    assert Call.objects.count() == (0 if dry_run else 1)


@pytest.mark.parametrize("dry_run", [False, True], ids=["import", "dry run"])
@pytest.mark.parametrize("options", [{}, {"profile": "convoso"}], ids=["unknown", "no columns"])
def test_a_file_that_nobody_knows_is_named_and_the_others_are_taken(
    tmp_path, professional, dry_run, options
):
    within = tmp_path / "calls"
    within.mkdir()
    (within / "a.csv").write_text("Shop,Turnover\nnorth,12.50\nsouth,7.25\n")
    (within / "b.csv").write_text(lines(GOOD.format("c1", 10)))
    outcome = Outcome(str(within), account="acme", dry_run=dry_run, **options)
    if options:  # neither file has its columns
        assert outcome.refusal == "None of these is a file of call records."
        assert f"{within / 'b.csv'}: skipped. profile: The file has no column" in outcome.error
        return
    assert outcome.code == 1
    assert f"{within / 'a.csv'}: skipped." in outcome.error
    assert "which column is what" in outcome.error
    assert "In total, 1 file:" in outcome.out


@pytest.mark.parametrize("dry_run", [False, True], ids=["import", "dry run"])
def test_a_dry_run_of_a_folder_counts_what_the_run_takes(folder, professional, dry_run):
    (folder / "other.csv").write_text(OTHERS)
    outcome = Outcome(str(folder), account="acme", dry_run=dry_run)
    assert f"{folder / 'other.csv'}: skipped." in outcome.error
    assert "In total, 2 files:" in outcome.out


def test_a_dry_run_of_a_folder_says_what_would_happen(folder, professional):
    (folder / "notes.txt").unlink()
    outcome = Outcome(str(folder), account="acme", dry_run=True)
    assert outcome.code == 0
    assert outcome.out.splitlines()[-1] == (
        "In total, 2 files: would create 3, leave 0 unchanged, correct 0, reject 1; 9 credits "
        "would be charged."
    )


# ── Mappings ──────────────────────────────────────────────────────────────────────────────────
def test_a_file_of_an_unknown_format_is_refused_with_what_to_do(importing_file):
    outcome = importing_file(OTHERS)
    assert outcome.code == 2
    assert "--profile or --map says which column is what" in outcome.refusal
    assert not Call.objects.exists()


def test_columns_are_mapped_by_arguments(importing_file):
    outcome = importing_file(OTHERS, **MAPPING, dates="dmy", time_zone="UTC")
    assert outcome.out.startswith("2 created, 0 unchanged, 0 corrected, 0 rejected"), outcome.error
    call = Call.objects.get(call_id="r1")
    assert call.started_at == datetime(2026, 3, 13, 10, tzinfo=UTC)
    assert (call.credits, call.from_number) == (3, "+911")


def test_dates_with_two_meanings_are_asked_about_though_columns_are_mapped(importing_file):
    content = "".join(OTHERS.replace("13/03", "03/11").splitlines(keepends=True)[:2])
    outcome = importing_file(content, **MAPPING, time_zone="UTC")
    assert outcome.code == 2
    assert "Say it with --dates dmy or --dates mdy." in outcome.refusal


def test_a_profile_is_read_from_a_file(importing_file, tmp_path):
    path = tmp_path / "mapping.json"
    path.write_text(
        json.dumps(
            {
                "call_id": {"columns": ["Reference"]},
                "started_at": {"columns": ["Date", "Time"], "form": "dmy"},
                "talk": {"column": "Talk", "unit": "h:m:s"},
                "status": {
                    "column": "Answered",
                    "words": {"completed": ["yes"], "no_answer": ["no"]},
                },
            }
        )
    )
    outcome = importing_file(OTHERS, profile=str(path))
    assert outcome.out.startswith("2 created"), outcome.refusal


BY_WORDS = (
    "Key,Begin,Until,Fate,Way\n"
    "k1,2026-03-13 10:00:00,2026-03-13 10:01:05,Yes,Outbound\n"
    "k2,2026-03-13 11:00:00,2026-03-13 11:00:05,no answer,Inbound\n"
    "k3,2026-03-13 12:00:00,2026-03-13 12:00:05,Zap,Inbound\n"
)
WORDS = {
    "map": [
        *("call_id=Key", "started_at=Begin", "connected_at=Begin", "ended_at=Until"),
        *("status=fate", "usage_type=Way"),
    ],
    "time_zone": "UTC",
}


def test_words_that_are_known_count_in_a_column_that_an_argument_names(importing_file):
    outcome = importing_file(BY_WORDS, **WORDS)
    assert outcome.out.startswith("2 created, 0 unchanged, 0 corrected, 1 rejected"), (
        outcome.refusal
    )
    told = {call.call_id: (call.status, call.usage_type) for call in Call.objects.all()}
    assert told == {"k1": ("completed", "outbound"), "k2": ("no_answer", "inbound")}


def test_where_no_word_is_known_the_way_out_is_said(importing_file):
    outcome = importing_file(BY_WORDS.replace("Yes", "Zip").replace("no answer", "Zup"), **WORDS)
    assert outcome.code == 2
    assert "Nothing is known of the words in “Fate”: “Zip”, “Zup”, “Zap”." in outcome.refusal
    assert "--profile takes a mapping that says what words mean." in outcome.refusal
    assert not Call.objects.exists()


@pytest.fixture
def day_first(tmp_path):
    """A profile for files whose dates have the day first, in Kolkata."""
    path = tmp_path / "day-first.json"
    path.write_text(
        json.dumps(
            {
                "call_id": {"columns": ["Id"]},
                "started_at": {"columns": ["Start"], "form": "dmy", "zone": "Asia/Kolkata"},
                "talk": {"column": "Talk", "unit": "s"},
            }
        )
    )
    return str(path)


MONTH_FIRST = "Id,Start,Talk\nr1,03/14/2026 10:00:00,65\nr2,03/05/2026 10:00:00,65\n"


def test_a_profile_that_the_dates_of_a_file_disprove_is_refused_with_the_way_out(
    importing_file, day_first
):
    outcome = importing_file(MONTH_FIRST, profile=day_first)
    assert outcome.code == 2
    assert "“03/14/2026 10:00:00” (line 2)" in outcome.refusal
    assert "Say it with --dates dmy or --dates mdy." in outcome.refusal
    outcome = importing_file(MONTH_FIRST, profile=day_first, dates="mdy")
    assert outcome.out.startswith("2 created"), outcome.refusal
    assert {call.started_at.month for call in Call.objects.all()} == {3}


def test_a_profile_whose_zone_the_ids_of_a_file_disprove_is_refused_with_the_way_out(
    importing_file, day_first
):
    begun = [datetime(2026, 3, day, 10, tzinfo=UTC) for day in (13, 14, 15)]
    rows = [f"{at.timestamp():.0f}.1,{at:%d/%m/%Y %H:%M:%S},65" for at in begun]
    content = "\n".join(["Id,Start,Talk", *rows, ""])
    outcome = importing_file(content, profile=day_first)
    assert (outcome.code, "Say it with --zone NAME." in outcome.refusal) == (2, True)
    outcome = importing_file(content, profile=day_first, time_zone="UTC")
    assert outcome.out.startswith("3 created"), outcome.refusal
    assert sorted(call.started_at for call in Call.objects.all()) == begun


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"map": ["nonsense=Date"]}, "--map: there is no field “nonsense”."),
        ({"map": ["started_at"]}, "--map started_at: write it as FIELD=…"),
        ({"set": ["started_at=now"]}, "--set: there is no field “started_at”."),
        ({"profile": "nonsense"}, "There is neither a file nor a mapping “nonsense”."),
    ],
)
def test_a_bad_mapping_gets_one_clear_line(importing_file, options, message):
    outcome = importing_file(OTHERS, **options)
    assert (outcome.code, outcome.refusal.startswith(message)) == (2, True), outcome.refusal


# ── Rejected lines, mended and sent again ─────────────────────────────────────────────────────
def test_rejected_lines_that_are_mended_go_in(importing_file, tmp_path):
    importing_file(lines(GOOD.format("c1", 10), GOOD.format("c2", 10).replace("outbound", "fax")))
    rejected = tmp_path / "calls.csv.rejects.csv"
    rejected.write_text(rejected.read_text().replace("fax", "inbound", 1))
    outcome = Outcome(str(rejected), account="acme")
    assert outcome.out.startswith("1 created, 0 unchanged, 0 corrected, 0 rejected")


def test_rejected_lines_that_are_not_mended_are_rejected_as_before(importing_file, tmp_path):
    importing_file(lines(GOOD.format("c2", 10).replace("outbound", "fax")))
    rejected = tmp_path / "calls.csv.rejects.csv"
    before = rejected.read_text()
    Outcome(str(rejected), account="acme")
    again = tmp_path / "calls.csv.rejects.csv.rejects.csv"
    assert again.read_text() == before
    assert before.splitlines()[0] == f"{HEADER},Rejected: line,Rejected: field,Rejected: reason"


def test_what_was_kept_is_taken_back_once_the_later_import_is(importing_file):
    first = importing_file(lines(GOOD.format("c1", 10)))
    second = importing_file(lines(GOOD.format("c1", 40)), name="later.csv")
    kept = Outcome(account="acme", withdraw=first.import_id)
    assert "1 kept because something else changed" in kept.out
    Outcome(account="acme", withdraw=second.import_id)
    assert Call.objects.get(call_id="c1").withdrawn_at is None
    Outcome(account="acme", withdraw=first.import_id)
    assert Call.objects.get(call_id="c1").withdrawn_at is not None


def test_a_dry_run_of_an_unknown_file_says_what_the_run_will_ask_for(importing_file):
    unknown = "Ref;Begin;Talk time\nC-1;2026-03-10 10:00:00;65\nC-2;2026-03-10 10:01:00;5\n"
    tried = importing_file(unknown, dry_run=True)
    assert "--profile or --map has to say which column is what" in tried.out
    assert "Open: Nothing in the file tells who called whom." in tried.out
    assert importing_file(unknown).code == 2


# ── Units ─────────────────────────────────────────────────────────────────────────────────────
MINUTES = (
    "Reference,Begin,Duration,Caller\n"
    "r1,2026-03-13 10:00:00,1.5,+911\n"
    "r2,2026-03-13 10:05:00,0.75,+912\n"
)
BY_DURATION = {
    "map": ["call_id=Reference", "started_at=Begin", "total=Duration", "from=Caller"],
    "set": ["usage_type=outbound", "status=completed"],
    "time_zone": "UTC",
}


def length(call_id):
    """How many seconds a call lasted."""
    call = Call.objects.get(call_id=call_id)
    assert call.ended_at is not None
    return (call.ended_at - call.started_at).total_seconds()


@pytest.mark.parametrize("dry_run", [False, True], ids=["import", "dry run"])
def test_a_length_that_may_be_minutes_is_asked_about(importing_file, dry_run):
    outcome = importing_file(MINUTES, **BY_DURATION, dry_run=dry_run)
    assert (outcome.code, outcome.refusal.partition(": ")[2]) == (
        2,
        "What does “1.5” in “Duration” mean? Say it with --unit total=s (seconds) or --unit "
        "total=min (minutes).",
    )
    assert not Call.objects.exists()


@pytest.mark.parametrize(("unit", "seconds"), [("s", 1.5), ("min", 90)])
def test_the_unit_that_is_said_counts(importing_file, unit, seconds):
    outcome = importing_file(MINUTES, **BY_DURATION, unit=[f"total={unit}"])
    assert outcome.out.startswith("2 created"), outcome.refusal
    assert length("r1") == seconds


@pytest.mark.parametrize("title", ["Duration (min)", "Duration"])
def test_a_unit_that_the_file_shows_is_not_asked_about(importing_file, title):
    end = "Until" if title == "Duration" else "Note"
    content = (
        f"Reference,Begin,{title},{end}\n"
        "r1,2026-03-13 10:00:00,1.5,2026-03-13 10:01:30\n"
        "r2,2026-03-13 10:05:00,0.75,2026-03-13 10:05:45\n"
    )
    told = ["call_id=Reference", "started_at=Begin", f"total={title}"]
    if title == "Duration":
        told.append("ended_at=Until")
    outcome = importing_file(content, **{**BY_DURATION, "map": told})
    assert outcome.out.startswith("2 created"), outcome.refusal
    assert length("r1") == 90


@pytest.mark.parametrize(
    ("unit", "message"),
    [
        ("total=hours", "--unit: there is no unit “hours”."),
        ("waiting=s", "--unit waiting=s: no column is named for it."),
        ("from=s", "--unit: there is no field “from”."),
    ],
)
def test_a_bad_unit_gets_one_clear_line(importing_file, unit, message):
    outcome = importing_file(MINUTES, **BY_DURATION, unit=[unit])
    assert (outcome.code, outcome.refusal.startswith(message)) == (2, True), outcome.refusal


# ── Totals ────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "totals",
    ["Total,,1,,,\n", "Gesamt:,3612\n", ",,Итого,,,00:01:05\n", "Total,,,,,99"],
    ids=["a number", "too short", "a length", "without a line end"],
)
def test_a_row_of_totals_is_left_out_and_said(importing_file, totals):
    outcome = importing_file(lines(GOOD.format("c1", 10)) + totals)
    assert outcome.code == 0
    assert outcome.out.splitlines() == [
        "1 created, 0 unchanged, 0 corrected, 0 rejected; 3 credits charged.",
        "Lines that are no calls for billing: 1.",
    ]
    assert "The last line holds totals. It is no call, so it is left out." in outcome.error


@pytest.mark.parametrize(
    ("last", "ignored"),
    [(",,00:02:10,\n", 1), ("Total,,00:02:10,\n", 1), (",,130,+913\n", 0), ("r3,,130,\n", 0)],
    ids=["only a length", "a word", "a number was called", "an ID"],
)
def test_of_a_mapped_file_a_row_with_nothing_but_lengths_holds_totals(
    importing_file, last, ignored
):
    content = MINUTES.replace("1.5", "00:01:30").replace("0.75", "00:00:40") + last
    outcome = importing_file(content, **BY_DURATION)
    assert outcome.code == 1 - ignored
    assert ("Lines that are no calls for billing: 1." in outcome.out) == bool(ignored)


# ── The zone of a mapping that is named, and the sheet of a workbook ──────────────────────────
@pytest.mark.parametrize("is_kept", [True, False])
def test_the_zone_that_is_kept_with_a_mapping_counts_for_files_with_other_columns(
    importing_file, professional, tmp_path, is_kept
):
    profile = {
        "call_id": {"columns": ["Id"]},
        "started_at": {"columns": ["Start"], "form": "iso"},
        "talk": {"column": "Talk", "unit": "s"},
    }
    saved = profiles.save(
        account=professional,
        name="New York",
        profile=profile,
        columns=["Id", "Start", "Talk"],
        zone="America/New_York",
        by=None,
        now=NOW,
    )
    named = "New York"
    if not is_kept:
        path = tmp_path / "new-york.json"
        path.write_bytes(profiles.exported(saved))
        profiles.delete(profile=saved)
        named = str(path)
    content = "Id,Start,Talk,Note\nr1,2026-03-13 10:00:00,65,hello\n"
    importing_file(content, profile=named)
    assert Call.objects.get().started_at == datetime(2026, 3, 13, 14, tzinfo=UTC)


WORKBOOK = workbook(
    row(text("Reference"), text("What"))
    + "".join(row(text(f"r{number}"), text("a summary")) for number in range(9)),
    row(*map(text, HEADER.strip().split(",")))
    + row(*map(text, GOOD.format("c1", 10).strip().split(","))),
)


def test_the_sheet_of_a_workbook_is_named(importing_file):
    outcome = importing_file(WORKBOOK, name="calls.xlsx", sheet="Sheet 2")
    assert outcome.out.startswith("1 created"), outcome.refusal


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (WORKBOOK, "no visible sheet “March”; it has “Sheet 1”, “Sheet 2”."),
        (lines(GOOD.format("c1", 10)).encode(), "--sheet goes with an Excel file (.xlsx)"),
    ],
)
def test_a_sheet_that_there_is_not_gets_one_clear_line(importing_file, content, message):
    outcome = importing_file(content, name="calls.xlsx", sheet="March")
    assert (outcome.code, message in outcome.refusal) == (2, True), outcome.refusal

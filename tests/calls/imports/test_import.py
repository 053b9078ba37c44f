"""Importing files: what goes in, what is rejected, what is refused, and how it ends."""

import csv
import io
import os
import resource
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from billing.models import LedgerEntry
from calls.imports import importing, reading
from calls.imports.rejects import RejectsFile
from calls.models import Call
from calls.sources import asterisk
from tests.audit import breaches
from tests.child import child_environment
from tests.factories import AccountFactory

ROOT = Path(__file__).resolve().parents[3]

HEADER = "call_id,usage_type,status,started_at,connected_at,ended_at"
GOOD = "{},outbound,completed,2026-03-10T09:30:00,2026-03-10T09:30:05,2026-03-10T09:31:{:02}"
ASTERISK = (
    '"","+911","+912","default","","SIP/1","","Dial","","2026-03-10 09:30:00",'
    '"2026-03-10 09:30:05","2026-03-10 09:31:10",70,65,"ANSWERED","DOCUMENTATION","{}",""'
)

pytestmark = pytest.mark.django_db


class Outcome:
    """How a command ended: exit code (None: as usual), and what it wrote."""

    def __init__(self, *args, **options):
        out, error = io.StringIO(), io.StringIO()
        self.code = 0
        self.refusal = ""
        try:
            call_command("import_calls", *args, **options, stdout=out, stderr=error)
        except CommandError as refusal:
            self.code, self.refusal = refusal.returncode, str(refusal)
        except SystemExit as end:
            self.code = int(end.code or 0)
        self.out, self.error = out.getvalue(), error.getvalue()


@pytest.fixture
def importing_file(tmp_path, professional):
    """A function that imports text or bytes for Acme and returns the outcome."""

    def import_file(content, *args, name="calls.csv", **options):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return Outcome(str(path), *args, **{"account": "acme", **options})

    return import_file


def rejects(tmp_path, name="calls.csv.rejects.csv"):
    with (tmp_path / name).open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def lines(*more):
    return "\n".join([HEADER, *more, ""])


# ── What goes in ──────────────────────────────────────────────────────────────────────────────
def test_a_file_is_recorded_and_summed_up(importing_file):
    outcome = importing_file(lines(GOOD.format("c1", 10), GOOD.format("c2", 40)))
    assert outcome.code == 0
    assert outcome.out == ("2 created, 0 unchanged, 0 corrected, 0 rejected; 7 credits charged.\n")
    assert list(Call.objects.order_by("call_id").values_list("call_id", "credits")) == [
        ("c1", 3),
        ("c2", 4),
    ]


def test_times_without_offset_are_in_the_accounts_zone(importing_file):
    importing_file(lines(GOOD.format("c1", 10)))
    assert Call.objects.get().started_at == datetime(2026, 3, 10, 4, 0, tzinfo=UTC)


def test_another_zone_can_be_named(importing_file):
    importing_file(lines(GOOD.format("c1", 10)), time_zone="Europe/London")
    assert Call.objects.get().started_at == datetime(2026, 3, 10, 9, 30, tzinfo=UTC)


def test_the_same_file_again_changes_nothing(importing_file):
    content = lines(GOOD.format("c1", 10), GOOD.format("c2", 40))
    importing_file(content)
    before = list(LedgerEntry.objects.values()), list(Call.objects.values())
    outcome = importing_file(content)
    assert outcome.out.startswith("0 created, 2 unchanged, 0 corrected, 0 rejected; 0 credits")
    assert (list(LedgerEntry.objects.values()), list(Call.objects.values())) == before


def test_a_corrected_file_posts_the_differences(importing_file):
    importing_file(lines(GOOD.format("c1", 10), GOOD.format("c2", 40)))
    outcome = importing_file(lines(GOOD.format("c1", 10), GOOD.format("c2", 5)))
    assert outcome.out.startswith("0 created, 1 unchanged, 1 corrected, 0 rejected; -2 credits")
    assert breaches() == []


def test_a_call_that_stands_twice_is_decided_by_its_last_line_however_far_apart(importing_file):
    content = lines(
        GOOD.format("twice", 10),
        *(GOOD.format(f"c{number}", 10) for number in range(50)),
        GOOD.format("twice", 40),
    )
    assert importing_file(content, batch_size=7).out.startswith("51 created, 1 unchanged, 0 corr")
    assert Call.objects.get(call_id="twice").credits == 4
    assert importing_file(content, batch_size=7).out.startswith("0 created, 52 unchanged, 0 corr")


def test_the_file_order_is_the_booking_order(importing_file):
    importing_file(lines(*(GOOD.format(f"c{number}", 10) for number in range(9))), batch_size=4)
    booked = LedgerEntry.objects.exclude(call_id="").order_by("seq")
    assert list(booked.values_list("call_id", flat=True)) == [f"c{n}" for n in range(9)]


@pytest.mark.parametrize(
    "content",
    [
        lines(GOOD.format("c1", 10)).replace("\n", "\r\n"),
        "\ufeff" + lines(GOOD.format("c1", 10)),
        lines(GOOD.format("c1", 10)).rstrip("\n"),
        "\n\n" + lines(GOOD.format("c1", 10)) + "\n,,,,,\n  \n\n",
        lines(GOOD.format("c1", 10)).replace(",", ";"),
        lines(GOOD.format("c1", 10)).replace(",", "\t"),
        lines(GOOD.format('"c1"', 10)),
        f",,,,,\n{lines(GOOD.format('c1', 10))}",
        f"{HEADER},,\n{GOOD.format('c1', 10)},, \n",
        f"{HEADER},\n{GOOD.format('c1', 10)}\n",
        f"{HEADER}\n{GOOD.format('c1', 10)},\n",
        lines(GOOD.format("c1", 10)).replace("call_id,usage_type", '"Call ID",Usage-Type'),
    ],
)
def test_harmless_differences_of_files_are_understood(importing_file, content):
    outcome = importing_file(content)
    assert (outcome.code, Call.objects.values_list("call_id").get()) == (0, ("c1",))


def test_a_quoted_value_may_span_lines(importing_file, tmp_path):
    content = f'{HEADER},remarks\n{GOOD.format("c1", 10)},"two\nlines"\n{GOOD.format("", 10)},x\n'
    assert importing_file(content).code == 1
    assert Call.objects.get().remarks == "two lines"
    assert rejects(tmp_path)[1][0] == "4"


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (HEADER, {}),
        (f"{HEADER}\n\n,,,,,\n", {}),
        (",".join([*asterisk.COLUMNS, "uniqueid"]), {"format": "asterisk"}),
    ],
)
def test_no_records_after_the_header_are_no_fault_but_are_said(
    importing_file, tmp_path, content, options
):
    outcome = importing_file(content, **options)
    assert outcome.code == 0
    assert outcome.out.startswith("0 created, 0 unchanged")
    assert outcome.error == f"{tmp_path / 'calls.csv'}: no records after the header.\n"


def test_one_credit_is_not_called_credits(importing_file):
    outcome = importing_file(lines(GOOD.format("c1", 10).replace("09:31:10", "09:30:10")))
    assert outcome.out.endswith("; 1 credit charged.\n")


# ── What is rejected ──────────────────────────────────────────────────────────────────────────
def test_bad_lines_are_written_down_with_number_field_and_reason_and_the_rest_goes_in(
    importing_file, tmp_path
):
    bad = GOOD.format("c2", 10).replace("outbound", '"fax, old"')
    outcome = importing_file(lines(GOOD.format("c1", 10), bad, "x", GOOD.format("c3", 10)))
    assert outcome.code == 1
    assert outcome.out.startswith("2 created, 0 unchanged, 0 corrected, 2 rejected; 6 credits")
    assert str(tmp_path / "calls.csv.rejects.csv") in outcome.error
    assert rejects(tmp_path) == [
        ["line", "field", "reason", "text"],
        [
            "3",
            "usage_type",
            "is “fax, old”; it must be one of: outbound, inbound, translation.",
            bad,
        ],
        ["4", "line", "has 1 value, the header names 6 columns.", "x"],
    ]


def test_without_rejects_there_is_no_rejects_file(importing_file, tmp_path):
    importing_file(lines(GOOD.format("c1", 10)))
    assert [path.name for path in tmp_path.iterdir()] == ["calls.csv"]


def test_the_rejects_file_can_be_put_elsewhere(importing_file, tmp_path):
    importing_file(lines("x"), rejects=tmp_path / "elsewhere.csv")
    assert rejects(tmp_path, "elsewhere.csv")[1][0] == "2"


def test_a_value_beyond_the_columns_that_have_a_name_rejects_its_line(importing_file, tmp_path):
    assert importing_file(f"{HEADER},\n{GOOD.format('c1', 10)},x\n").code == 1
    assert rejects(tmp_path)[1][:3] == ["2", "line", "has 7 values, the header names 6 columns."]


# ── What is refused ───────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "The file is empty."),
        (b"\xef\xbb\xbf\n\n \n", "The file is empty."),
        (b",,,,,\n , \n", "The file has no values, only the characters between them."),
        (b"\x7fELF\x02\x00\x01", "Line 1 has a NUL byte: this is no UTF-8 text."),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "The file is a spreadsheet; save it as CSV."),
        (lines("c1").encode("utf-32"), "The file is UTF-32; save it as UTF-8."),
        (b"\x1f\x8b\x08\x00abc", "The file is compressed (gzip); unpack it first."),
        (b"PK\x03\x04abc", "The file is a ZIP archive or a spreadsheet; save it as CSV."),
        (lines("c1").encode("utf-16"), "The file is UTF-16; save it as UTF-8."),
        (
            lines(GOOD.format("c1", 10), "Müller").encode("latin-1"),
            "Line 3 is not UTF-8 (byte 0xfc after “M”); save the file as UTF-8.",
        ),
        (
            lines(GOOD.format("c1", 10), 'c2,"open', "c3"),
            "Line 3: a quotation mark opens a value, and nothing closes it.",
        ),
        (
            lines(GOOD.format("c1", 10), 'c2,"open"shut,x'),
            "Line 3: text follows the quotation mark that closes a value; "
            "inside of one, double it.",
        ),
        (
            lines(GOOD.format("c1", 10)).replace("\n", "\r"),
            "Line 1: lines must end with LF or CRLF, not with CR alone.",
        ),
        (
            "\r".join([HEADER, *["x"] * reading.LINE_BYTES_MAX]),
            "Line 1: lines must end with LF or CRLF, not with CR alone.",
        ),
        (lines("c1\0"), "Line 2 has a NUL byte: this is no UTF-8 text."),
        (
            lines(GOOD.format("c1", 10), "x" * 200_000),
            "Line 3: a value is longer than 131,072 characters; perhaps a quotation mark opens it, "
            "and nothing closes it.",
        ),
        (
            lines("x" * (reading.LINE_BYTES_MAX + 1)),
            "Line 2 is longer than 1,000,000 bytes.",
        ),
        ("call_id,cost\nc1,3\n", "Unknown columns: “cost”."),
        ("call_id,,status\nc1,,busy\n", "Column 2 has no name."),
        ("call_id,status\nc1,busy\n", "Missing columns: usage_type, started_at."),
        ("c1,busy\n", "The first line does not name the columns."),
    ],
)
def test_a_bad_file_gets_one_clear_line_and_nothing_is_recorded(
    importing_file, tmp_path, content, message
):
    outcome = importing_file(content)
    assert outcome.code == 2
    assert outcome.refusal.startswith(f"{tmp_path / 'calls.csv'}: {message}")
    assert "\n" not in outcome.refusal
    assert not Call.objects.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["calls.csv"]


def test_a_call_id_on_too_many_lines_is_taken_for_the_wrong_column(importing_file, monkeypatch):
    monkeypatch.setattr(importing, "LINES_PER_CALL_MAX", 3)
    assert importing_file(lines(*[GOOD.format("c1", 10)] * 3)).code == 0
    outcome = importing_file(lines(*[GOOD.format("same", 10)] * 4))
    assert outcome.refusal.endswith(
        "The call ID “same” stands on 4 lines; more than 3 are taken for a mistake."
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"account": "acmee"}, "There is no account “acmee”. Did you mean: acme?"),
        ({"account": "zzz"}, "There is no account “zzz”."),
        (
            {"time_zone": "Mars"},
            "“Mars” is not a time zone. Use a name such as Asia/Kolkata.",
        ),
        (
            {"usage_type": "inbound"},
            "--usage-type and --inbound-context go with --format asterisk; a csv says it itself.",
        ),
        ({"batch_size": 0}, "--batch-size must be at least 1."),
    ],
)
def test_a_bad_argument_gets_one_clear_line(importing_file, options, message):
    outcome = importing_file(lines(GOOD.format("c1", 10)), **options)
    assert (outcome.code, outcome.refusal) == (2, message)


def test_an_account_without_plan_gets_one_clear_line_before_anything_is_read(tmp_path):
    AccountFactory(slug="new", name="New Company")
    outcome = Outcome(str(tmp_path / "missing.csv"), account="new")
    assert (outcome.code, outcome.refusal) == (
        2,
        "Calls of New Company can't be charged: the account has no plan. "
        "Put it on a plan, then try again.",
    )


@pytest.mark.parametrize("path", [".", "/"])
@pytest.mark.parametrize("rejects", [None, Path(), Path("/")])
def test_a_path_without_a_name_gets_one_clear_line(professional, path, rejects):
    outcome = Outcome(path, account="acme", rejects=rejects)
    assert (outcome.code, outcome.refusal) == (2, f"{path}: Is a directory.")


@pytest.mark.parametrize(
    ("path", "message"),
    [("", "Is a directory"), ("missing.csv", "No such file or directory")],
)
def test_a_path_that_is_no_readable_file_gets_one_clear_line(tmp_path, professional, path, message):
    outcome = Outcome(str(tmp_path / path), account="acme")
    assert (outcome.code, outcome.refusal) == (2, f"{tmp_path / path}: {message}.")


def test_a_place_where_rejects_cannot_be_written_is_refused_beforehand(importing_file, tmp_path):
    outcome = importing_file(lines(GOOD.format("c1", 10)), rejects=tmp_path / "no" / "rejects.csv")
    assert outcome.code == 2
    assert outcome.refusal == (
        f"{tmp_path / 'no' / 'rejects.csv'}: No such file or directory. "
        "--rejects PATH puts the rejected lines elsewhere."
    )
    assert not Call.objects.exists()


def test_a_directory_in_place_of_the_rejects_is_refused_beforehand(importing_file, tmp_path):
    outcome = importing_file(lines("c1,,,,,"), rejects=tmp_path)
    assert outcome.code == 2
    assert outcome.refusal.startswith(f"{tmp_path}: Is a directory. --rejects PATH")
    assert [path.name for path in tmp_path.iterdir()] == ["calls.csv"]


def test_rejects_find_another_place_where_beside_the_file_is_none(piped, tmp_path):
    # As the shell does it for `import_calls <(zcat calls.csv.gz)`.
    outcome = piped(lines(GOOD.format("c1", 10), "x"), file="/dev/fd/0")
    assert outcome.code == 1
    assert outcome.out.startswith("1 created, 0 unchanged, 0 corrected, 1 rejected")
    assert str(tmp_path / "0.rejects.csv") in outcome.error
    assert rejects(tmp_path, "0.rejects.csv")[1][0] == "3"


def test_rejects_are_written_into_a_pipe_as_it_is(importing_file, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading_end = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        outcome = importing_file(lines("c1,,,,,"), rejects=pipe)
        told = os.read(reading_end, 10_000).decode()
    finally:
        os.close(reading_end)
    assert outcome.code == 1
    assert [row.split(",")[0] for row in told.splitlines()] == ["line", "2"]
    assert pipe.is_fifo()


def test_rejects_go_where_a_link_leads(importing_file, tmp_path):
    link = tmp_path / "link.csv"
    link.symlink_to(tmp_path / "target.csv")
    assert importing_file(lines("c1,,,,,"), rejects=link).code == 1
    assert link.is_symlink()
    assert rejects(tmp_path, "target.csv")[1][0] == "2"
    assert importing_file(lines(GOOD.format("c1", 10)), rejects=link).code == 0
    assert {path.name for path in tmp_path.iterdir()} == {"calls.csv", "link.csv"}


def test_rejects_of_an_import_before_are_gone_once_every_line_went_in(importing_file, tmp_path):
    rejects = tmp_path / "calls.csv.rejects.csv"
    assert importing_file(lines("c1,,,,,")).code == 1
    assert rejects.exists()
    assert importing_file(lines(GOOD.format("c1", 10))).code == 0
    assert not rejects.exists()


def test_a_file_that_is_no_rejects_file_of_ours_is_left_alone(importing_file, tmp_path):
    notes = tmp_path / "notes.csv"
    notes.write_text("mine")
    assert importing_file(lines(GOOD.format("c1", 10)), rejects=notes).code == 0
    assert notes.read_text() == "mine"


def test_what_a_killed_import_left_is_removed_and_what_another_one_writes_is_not(
    importing_file, tmp_path
):
    under_way = RejectsFile(tmp_path / "calls.csv.rejects.csv")
    (tmp_path / "calls.csv.rejects.csv.2.part").touch()
    with under_way:
        unfinished = tmp_path / "calls.csv.rejects.csv.1.part"
        under_way._unfinished.rename(unfinished)  # as of another process
        importing_file(lines(GOOD.format("c1", 10)))
        names = {path.name for path in tmp_path.iterdir()}
        unfinished.rename(under_way._unfinished)
    assert names == {"calls.csv", "calls.csv.rejects.csv.1.part"}


def test_rejects_that_find_no_room_end_the_import_with_the_place_and_leave_nothing_torn(
    professional, tmp_path
):
    content = lines(*[GOOD.format(f"c{number}", 10) + "x" * 9_000 for number in range(9)])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    path = tmp_path / "calls.csv"
    path.write_text(content)
    # The signal would end the process; ignored, the write fails as it does on a full disk.
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        outcome = Outcome(str(path), account="acme", batch_size=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert outcome.code == 1
    assert outcome.out.startswith("0 created, 0 unchanged, 0 corrected, 3 rejected")
    assert outcome.refusal == (
        f"{tmp_path / 'calls.csv.rejects.csv'}: File too large. --rejects PATH puts the rejected "
        "lines elsewhere. What is counted is recorded; run it again to go on."
    )
    assert "Rejected lines" not in outcome.error
    assert [path.name for path in tmp_path.iterdir()] == ["calls.csv"]


# ── Standard input ────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def piped(tmp_path, monkeypatch, professional):
    """A function that imports bytes of a pipe for Acme, in an empty directory."""
    monkeypatch.chdir(tmp_path)

    def import_piped(content, file="-", **options):
        reading_end, writing_end = os.pipe()
        os.write(writing_end, content.encode())
        os.close(writing_end)
        before = os.dup(0)
        os.dup2(reading_end, 0)
        try:
            return Outcome(file, **{"account": "acme", **options})
        finally:
            os.dup2(before, 0)
            os.close(before)
            os.close(reading_end)

    return import_piped


def test_standard_input_is_recorded_and_its_rejects_are_in_the_current_directory(piped, tmp_path):
    outcome = piped(lines(GOOD.format("c1", 10), "x"))
    assert outcome.code == 1
    assert outcome.out.startswith("1 created, 0 unchanged, 0 corrected, 1 rejected; 3 credits")
    assert str(tmp_path / "standard-input.rejects.csv") in outcome.error
    assert rejects(tmp_path, "standard-input.rejects.csv")[1][0] == "3"


def test_a_bad_standard_input_is_called_so(piped):
    assert piped("").refusal == "Standard input: The file is empty."


def test_the_rejects_file_must_not_be_the_input(importing_file, tmp_path):
    outcome = importing_file(lines(GOOD.format("c1", 10)), rejects=tmp_path / "calls.csv")
    assert (outcome.code, outcome.refusal) == (
        2,
        "--rejects must name another file than the input.",
    )


# ── Asterisk ──────────────────────────────────────────────────────────────────────────────────
def test_a_master_csv_is_recorded(importing_file):
    content = "\n".join(ASTERISK.format(f"1773135000.{number}") for number in range(3))
    outcome = importing_file(content, format="asterisk", inbound_context=["default"])
    assert outcome.out == ("3 created, 0 unchanged, 0 corrected, 0 rejected; 9 credits charged.\n")
    assert set(Call.objects.values_list("usage_type", flat=True)) == {"inbound"}


def test_lines_with_one_uniqueid_are_one_call_however_far_apart(importing_file):
    leg = (
        ASTERISK.format("1773135000.0")
        .replace("09:31:10", "09:33:10")
        .replace("09:30:00", "09:31:10")
        .replace("09:30:05", "09:31:10")
        .replace(",70,65,", ",120,120,")
    )
    other = [ASTERISK.format(f"1773135000.{number}") for number in range(1, 9)]
    content = "\n".join([ASTERISK.format("1773135000.0"), *other, leg])
    outcome = importing_file(content, format="asterisk", batch_size=3)
    assert outcome.out.splitlines() == [
        "9 created, 0 unchanged, 0 corrected, 0 rejected; 31 credits charged.",
        "Lines joined with another of the same call: 1.",
    ]
    assert Call.objects.get(call_id="1773135000.0").billable_seconds == 185
    again = importing_file(content, format="asterisk", batch_size=3)
    assert again.out.startswith("0 created, 9 unchanged")


def test_one_bad_leg_puts_all_lines_of_its_call_among_the_rejects(importing_file, tmp_path):
    content = "\n".join(
        [ASTERISK.format("1773135000.0"), ASTERISK.format("1773135000.0").replace(",70,", ",-1,")]
    )
    assert importing_file(content, format="asterisk").code == 1
    assert [row[:3] for row in rejects(tmp_path)[1:]] == [
        ["1", "duration", "is negative (-1)."],
        ["2", "duration", "is negative (-1)."],
    ]


def test_what_recording_rejects_is_said_in_the_words_of_the_file(importing_file, tmp_path):
    importing_file(ASTERISK.format("1773135000.0"), format="asterisk")
    later = ASTERISK.format("1773135000.0").replace("2026-03-10", "2026-03-11")
    assert importing_file(later, format="asterisk").code == 1
    assert rejects(tmp_path)[1][:2] == ["1", "uniqueid"]


def test_the_same_line_twice_without_uniqueid_is_one_call(importing_file):
    content = f"{ASTERISK.rsplit(',', 2)[0]}\n" * 2
    assert importing_file(content, format="asterisk").out.startswith("1 created")


def test_a_canonical_file_is_no_master_csv(importing_file):
    outcome = importing_file(lines(GOOD.format("c1", 10)), format="asterisk")
    assert outcome.refusal.endswith(
        "The first line has 6 columns; Asterisk's Master.csv has 16 to 18."
    )


# ── Interrupted ───────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def begun(professional, tmp_path):
    """An import of 3,000 calls in a process of its own that has recorded some of them."""
    path = tmp_path / "calls.csv"
    path.write_text(lines(*(GOOD.format(f"c{number}", 10) for number in range(3_000)), "x"))
    command = [sys.executable, "manage.py", "import_calls", str(path), "--account=acme"]
    process = subprocess.Popen(
        [*command, "--batch-size=10"],
        cwd=ROOT,
        env=child_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not Call.objects.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    yield process
    process.kill()
    process.communicate()


def finish(begun):
    """Import the same file again, to its end."""
    command = [argument for argument in begun.args if argument != "--batch-size=10"]
    done = subprocess.run(command, cwd=ROOT, env=child_environment(), capture_output=True)
    assert done.returncode == 1, done.stderr
    assert Call.objects.count() == 3_000
    assert breaches() == []


def interrupt(process):
    process.send_signal(signal.SIGINT)


def take_the_database_away(process):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("end", "code", "said"),
    [(interrupt, 130, "Interrupted."), (take_the_database_away, 1, "The database failed: ")],
)
def test_an_import_that_ends_early_says_what_it_did_and_is_finished_by_running_it_again(
    begun, end, code, said
):
    end(begun)
    out, error = begun.communicate(timeout=60)
    assert begun.returncode == code, error
    assert said in error
    assert "What is counted is recorded; run it again to go on." in error
    assert "Traceback" not in error
    created = int(out.split()[0].replace(",", ""))
    assert 0 < created < 3_000
    assert Call.objects.count() in (created, created + 10)  # the end may come after a commit
    assert breaches() == []
    finish(begun)


@pytest.mark.django_db(transaction=True)
def test_a_killed_import_is_finished_by_running_it_again(begun, tmp_path):
    begun.kill()
    begun.communicate(timeout=60)
    assert 0 < Call.objects.count() < 3_000
    assert breaches() == []
    finish(begun)
    assert {path.name for path in tmp_path.iterdir()} == {"calls.csv", "calls.csv.rejects.csv"}

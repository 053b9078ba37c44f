"""Rejected lines: what is written of them, where, and what becomes of it."""

import os
import resource
import signal

import pytest

from calls.management.rejects import RejectsFile
from calls.models import Call
from tests.calls.importing import GOOD, HEADER, Outcome, lines, rejects

pytestmark = pytest.mark.django_db


def test_bad_lines_are_written_down_with_number_field_and_reason_and_the_rest_goes_in(
    importing_file, tmp_path
):
    bad = GOOD.format("c2", 10).replace("outbound", '"fax, old"')
    outcome = importing_file(lines(GOOD.format("c1", 10), bad, "x", GOOD.format("c3", 10)))
    assert outcome.code == 1
    assert outcome.out.startswith("2 created, 0 unchanged, 0 corrected, 2 rejected; 6 credits")
    assert str(tmp_path / "calls.csv.rejects.csv") in outcome.error
    assert (tmp_path / "calls.csv.rejects.csv").read_text() == (
        f"{HEADER},Rejected: line,Rejected: field,Rejected: reason\n"
        f'{bad},3,usage_type,"is “fax, old”; it must be one of: outbound, inbound, translation."\n'
        'x,,,,,,4,line,"has 1 value, the header names 6 columns."\n'
    )


def test_without_rejects_there_is_no_rejects_file(importing_file, tmp_path):
    importing_file(lines(GOOD.format("c1", 10)))
    assert [path.name for path in tmp_path.iterdir()] == ["calls.csv"]


def test_the_rejects_file_can_be_put_elsewhere(importing_file, tmp_path):
    importing_file(lines("x"), rejects=tmp_path / "elsewhere.csv")
    assert rejects(tmp_path, "elsewhere.csv")[1][0] == "2"


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


def test_where_nothing_can_be_written_beside_the_file_another_place_must_be_named(piped, tmp_path):
    # As the shell does it for `import_calls <(zcat calls.csv.gz)`.
    content = lines(GOOD.format("c1", 10), "x")
    outcome = piped(content, file="/dev/fd/0")
    assert outcome.code == 2
    assert outcome.refusal == (
        "/dev/fd/0.rejects.csv: No such file or directory. "
        "--rejects PATH puts the rejected lines elsewhere."
    )
    assert not Call.objects.exists()
    assert list(tmp_path.iterdir()) == []
    assert piped(content, file="/dev/fd/0", rejects=tmp_path / "rejects.csv").code == 1
    assert rejects(tmp_path, "rejects.csv")[1][0] == "3"


def test_the_rejects_file_must_not_be_the_input(importing_file, tmp_path):
    outcome = importing_file(lines(GOOD.format("c1", 10)), rejects=tmp_path / "calls.csv")
    assert (outcome.code, outcome.refusal) == (
        2,
        "--rejects must name another file than the input.",
    )


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
    assert told.splitlines()[0].endswith(",Rejected: line,Rejected: field,Rejected: reason")
    assert told.splitlines()[1].startswith("c1,,,,,,2,")
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

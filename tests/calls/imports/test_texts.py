"""Texts that can't be stored as they are: they cost nobody a charge, and the import says so."""

import gzip

import pytest

from calls.charging import record_calls
from calls.models import Call
from tests.calls.calling import NOW, record, record_one
from tests.calls.importing import ASTERISK, GOOD, HEADER, lines, rejects

pytestmark = pytest.mark.django_db


def test_a_long_remark_is_shortened_and_the_call_charged(importing_file):
    long = f"{HEADER},remarks\n" + "".join(
        f"{GOOD.format(call_id, 10)},{remarks}\n"
        for call_id, remarks in (("c1", "x" * 501), ("c2", "short"), ("c3", "y" * 200_000))
    )
    outcome = importing_file(long)
    assert (outcome.code, outcome.out.partition(";")[0]) == (
        0,
        "3 created, 0 unchanged, 0 corrected, 0 rejected",
    )
    assert outcome.error == (
        "remarks is too long; it is shortened to 500 characters. 2 calls, the first: c1\n"
    )
    assert Call.objects.get(call_id="c1").remarks == "x" * 499 + "…"
    again = importing_file(long)
    assert again.out.startswith("0 created, 3 unchanged, 0 corrected, 0 rejected; 0 credits")


UTF_8 = GOOD.format("č-" * 50, 10)  # so many letters that a single odd byte is a fault in it


def test_a_name_in_another_encoding_is_read_by_it_and_that_is_said(importing_file):
    content = f"{HEADER},agent\n{GOOD.format('c1', 10)},Jos\xe9\n{GOOD.format('c2', 10)},Asha\n"
    outcome = importing_file(content.encode("latin-1"))
    assert outcome.out.startswith("2 created, 0 unchanged, 0 corrected, 0 rejected; 6 credits")
    assert outcome.error.startswith("The text is not UTF-8, so it is taken for Western European")
    assert Call.objects.get(call_id="c1").agent == "José"


def test_a_byte_that_is_no_text_costs_nobody_the_file(importing_file):
    content = f"{HEADER},agent\n{UTF_8},Asha\n{GOOD.format('c1', 10)},Jos".encode() + b"\xe9\n"
    outcome = importing_file(content)
    assert outcome.out.startswith("2 created, 0 unchanged, 0 corrected, 0 rejected; 6 credits")
    assert outcome.error.endswith(
        "agent has what is no text; it is replaced by “\ufffd”. 1 call, the first: c1\n"
    )
    assert Call.objects.get(call_id="c1").agent == "Jos\ufffd"


@pytest.mark.parametrize("odd", [b"\xe9", b"\xed\xa0\x80"])
def test_a_call_id_is_never_repaired_and_its_line_is_given_back_as_it_came(
    importing_file, tmp_path, odd
):
    line = GOOD.format("c2~", 10).encode().replace(b"~", odd)
    outcome = importing_file(b"\n".join([HEADER.encode(), UTF_8.encode(), line, b""]))
    assert outcome.out.startswith("1 created, 0 unchanged, 0 corrected, 1 rejected")
    [_, (number, field, _, text)] = rejects(tmp_path)
    assert (number, field, text.encode(errors="surrogateescape")) == ("3", "call_id", line)


def test_a_file_of_nul_bytes_is_no_text(importing_file):
    outcome = importing_file(lines(GOOD.format("\0" * 100, 10)))
    assert "it has NUL bytes" in outcome.refusal


def test_a_single_nul_byte_costs_no_more_than_its_value(importing_file, tmp_path):
    damaged = GOOD.format("c\0", 10)
    outcome = importing_file(f"{HEADER},remarks\n{GOOD.format('c1', 10)},a\0b\n{damaged},x\n")
    assert outcome.out.startswith("1 created, 0 unchanged, 0 corrected, 1 rejected")
    assert Call.objects.get().remarks == "a\ufffdb"
    [_, (number, field, *_)] = rejects(tmp_path)
    assert (number, field) == ("3", "call_id")


@pytest.mark.parametrize("uniqueid", ["1773135000.1", ""])
def test_a_name_in_latin_1_costs_no_call_of_asterisk(importing_file, uniqueid):
    line = ASTERISK.format(uniqueid).replace('"+911","+912","default",""', "a,b,default,Jos\xe9")
    content = f"{line if uniqueid else line.rsplit(',', 2)[0]}\n".encode("latin-1")
    importing_file(content, format="asterisk")
    assert Call.objects.get().credits == 3


def test_a_column_name_that_is_not_ours_is_said(importing_file):
    outcome = importing_file(f"{HEADER},Se\xf1or\n".encode("latin-1"))
    assert "Unknown columns: “señor”." in outcome.refusal


def test_the_outcome_of_recording_says_what_became_of_a_text(professional):
    [outcome] = record_calls(records=[record(professional, agent="x" * 101)], now=NOW)
    assert outcome.notes == (("agent", "is too long; it is shortened to 100 characters."),)
    assert record_one(record(professional, agent="x" * 101)) == ("unchanged", 0)


def test_an_odd_byte_in_a_remark_gives_known_calls_no_other_ids(importing_file):
    header = f"{HEADER},agent,remarks\n"
    known = f"{GOOD.format('anruf-ü1', 10)},André,\n"
    importing_file((header + known).encode())
    odd = f"{GOOD.format('c2', 10)},Asha,caf".encode() + b"\xe9\n"
    outcome = importing_file((header + known).encode() + odd)
    assert outcome.out.startswith("1 created, 1 unchanged, 0 corrected, 0 rejected; 3 credits")
    assert set(Call.objects.values_list("call_id", "agent")) == {
        ("anruf-ü1", "André"),
        ("c2", "Asha"),
    }


def test_a_call_id_in_a_guessed_encoding_is_rejected_until_somebody_names_it(
    importing_file, tmp_path
):
    content = f"{HEADER},agent\n{GOOD.format('c1', 10)},José\n{GOOD.format('b2é', 10)},Asha\n"
    outcome = importing_file(content.encode("cp1252"))
    assert outcome.out.startswith("1 created, 0 unchanged, 0 corrected, 1 rejected; 3 credits")
    [_, (number, field, reason, _)] = rejects(tmp_path)
    assert (number, field) == ("3", "call_id")
    assert "Say which encoding it has" in reason
    outcome = importing_file(content.encode("cp1252"), "--encoding", "cp1252")
    assert outcome.out.startswith("1 created, 1 unchanged, 0 corrected, 0 rejected; 3 credits")
    assert Call.objects.filter(call_id="b2é").exists()


def test_a_named_encoding_is_that_of_a_packed_file_too(importing_file):
    content = f"{HEADER},agent\n{GOOD.format('č1', 10)},Jiří\n".encode("cp1250")
    outcome = importing_file(gzip.compress(content), "--encoding", "cp1250")
    assert outcome.out.startswith("1 created, 0 unchanged, 0 corrected, 0 rejected")
    assert Call.objects.get().call_id == "č1"


def test_a_marked_encoding_is_no_guess(importing_file):
    content = f"{HEADER}\n{GOOD.format('č1', 10)}\n".encode("utf-16")
    outcome = importing_file(content)
    assert outcome.out.startswith("1 created, 0 unchanged, 0 corrected, 0 rejected")

"""Delimited text: which differences between files are understood, and which files are refused."""

from io import BytesIO

import pytest

from calls.models import Call
from calls.notations import delimited
from tests.calls.importing import GOOD, HEADER, lines, rejects

pytestmark = pytest.mark.django_db


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


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("call_id,status\n", ["call_id", "status"]),
        ("call_id;status\n", ["call_id", "status"]),
        ("call_id\tstatus\n", ["call_id", "status"]),
        ("call_id;a,b;status\n", ["call_id", "a,b", "status"]),
    ],
)
def test_the_delimiter_is_that_which_the_first_line_has_most_of(text, values):
    reader = delimited.DelimitedReader(
        BytesIO(text.encode()), delimiters=",;\t", takes_as_header=lambda first: False
    )
    assert [row.values for row in reader] == [values]


def test_a_quoted_value_may_span_lines(importing_file, tmp_path):
    content = f'{HEADER},remarks\n{GOOD.format("c1", 10)},"two\nlines"\n{GOOD.format("", 10)},x\n'
    assert importing_file(content).code == 1
    assert Call.objects.get().remarks == "two lines"
    assert rejects(tmp_path)[1][0] == "4"


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
            "\r".join([HEADER, *["x"] * delimited.LINE_BYTES_MAX]),
            "Line 1: lines must end with LF or CRLF, not with CR alone.",
        ),
        (
            lines(GOOD.format("c1", 10), '"' + "x" * 400_000, "y" * 400_000, "z" * 400_000),
            "Line 3: a value is longer than 1,000,000 characters; perhaps a quotation mark opens "
            "it, and nothing closes it.",
        ),
        (
            lines("x" * (delimited.LINE_BYTES_MAX + 1)),
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

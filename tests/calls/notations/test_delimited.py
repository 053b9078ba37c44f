"""Delimited text: which differences between files are understood, and which files are refused."""

from io import BytesIO

import pytest

from calls.models import Call
from calls.notations import delimited
from calls.notations.lines import LINE_BYTES_MAX
from tests.calls.importing import ASTERISK, GOOD, HEADER, lines, rejects

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "content",
    [
        lines(GOOD.format("c1", 10)).replace("\n", "\r\n"),
        "\ufeff" + lines(GOOD.format("c1", 10)),
        lines(GOOD.format("c1", 10)).rstrip("\n") + "Z",
        lines(GOOD.format("c1", 10)).rstrip("\n") + "+0530",
        lines(GOOD.format("c1", 10)).rstrip("\n") + ",",
        lines(GOOD.format("c1", 10)).rstrip("\n") + "\r",
        lines(GOOD.format("c1", 10)).replace(",2026-03-10T09:31:10\n", ',"2026-03-10T09:31:10"'),
        lines(GOOD.format("c1", 10)).replace("\n", "\r"),
        lines(GOOD.format("c1", 10)).encode("utf-16"),
        lines(GOOD.format("c1", 10)).encode("utf-32"),
        "sep=,\n" + lines(GOOD.format("c1", 10)),
        "\ufeffsep=|\r\n" + lines(GOOD.format("c1", 10)).replace(",", "|"),
        f"{HEADER},agent\n{GOOD.format('c1', 10)},Asha",
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
        BytesIO(text.encode()),
        delimiters=",;\t",
        takes_as_header=lambda first: False,
        may_be_torn=lambda last, is_closed: False,
    )
    assert [row.values for row in reader] == [values]


def test_a_quoted_value_may_span_lines(importing_file, tmp_path):
    content = f'{HEADER},remarks\n{GOOD.format("c1", 10)},"two\nlines"\n{GOOD.format("", 10)},x\n'
    assert importing_file(content).code == 1
    assert Call.objects.get().remarks == "two lines"
    assert rejects(tmp_path)[1][0] == "4"


LAST_COLUMNS = {
    "call_id": "c2",
    "usage_type": "inbound",
    "status": "busy",
    "started_at": "2026-03-10T09:30:00",
    "ended_at": "2026-03-10T09:30:05.250",
    "revised_at": "2026-03-10T10:00",
}


def torn_after(column, cut):
    """A file of two calls with ``column`` last, the last ``cut`` characters missing."""
    names = [name for name in LAST_COLUMNS if name != column] + [column]
    rows = [{**LAST_COLUMNS, "call_id": call_id} for call_id in ("c1", "c2")]
    table = [names, *([row[name] for name in names] for row in rows)]
    content = "".join(f"{','.join(row)}\n" for row in table)
    return content[: len(content) - 1 - cut]


@pytest.mark.parametrize("cut", range(8))
@pytest.mark.parametrize("column", ["started_at", "ended_at", "revised_at", "call_id"])
def test_a_last_line_that_may_be_torn_is_rejected(importing_file, tmp_path, column, cut):
    content = torn_after(column, cut)
    outcome = importing_file(content)
    assert outcome.out.startswith("1 created, 0 unchanged, 0 corrected, 1 rejected")
    assert list(Call.objects.values_list("call_id", flat=True)) == ["c1"]
    [_, (number, field, reason, text)] = rejects(tmp_path)
    assert (number, field, text) == ("3", "line", content.splitlines()[2].rstrip(","))
    assert reason.startswith("is where the file ends, perhaps in the middle of it.")


@pytest.mark.parametrize(("cut", "recorded"), [(0, 2), (1, 1), (3, 1)])
@pytest.mark.parametrize("column", ["status", "usage_type"])
def test_a_last_line_is_whole_where_it_ends_with_a_whole_word(
    importing_file, column, cut, recorded
):
    importing_file(torn_after(column, cut))
    assert Call.objects.count() == recorded


def test_a_last_line_that_is_torn_in_a_quoted_value_costs_only_itself(importing_file, tmp_path):
    content = f'{HEADER},remarks\n{GOOD.format("c1", 10)},x\n{GOOD.format("c2", 10)},"half of'
    outcome = importing_file(content)
    assert outcome.out.startswith("1 created, 0 unchanged, 0 corrected, 1 rejected")
    assert rejects(tmp_path)[1][3] == content.splitlines()[2] + '"'


@pytest.mark.parametrize(
    ("ending", "recorded"),
    [
        (',"1773135000.2",""', 2),
        (',"1773135000.2"', 2),
        (',"1773135000.2', 1),
        (",1773135000.2,", 2),
        (",1773135000.2", 1),
        (',"', 1),
        (",", 1),
        ("", 1),
    ],
)
def test_a_line_of_asterisk_is_whole_where_its_uniqueid_is(importing_file, ending, recorded):
    before = ASTERISK.partition(',"{}"')[0]
    content = f"{ASTERISK.format('1773135000.1')}\n{before}{ending}"
    importing_file(content, format="asterisk")
    assert Call.objects.count() == recorded


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "The file is empty."),
        (b"\xef\xbb\xbf\n\n \n", "The file is empty."),
        (b",,,,,\n , \n", "The file has no values, only the characters between them."),
        (b"\x7fELF\x02\x00\x01", "The file is a program."),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1",
            "The file is an old Excel file (.xls) or is protected by a password.",
        ),
        (b"\x1f\x8b\x08\x00abc", "The compressed file ends in the middle"),
        (b"PK\x03\x04abc", "The ZIP archive is damaged"),
        (
            lines(GOOD.format("c1", 10))
            .replace("c1", "x" * (LINE_BYTES_MAX + 1))
            .partition("\n")[2],
            "Line 1 is longer than 1,000,000 characters.",
        ),
        ('call_id,"status\n', "The first line does not name the columns."),
        ("call_id,cost\nc1,3\n", "Unknown columns: “cost”."),
        ("call_id,,status\nc1,,busy\n", "Unknown columns: “2”."),
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

"""Excel files: what their cells mean, and that no file ends or fills the process that reads it."""

import io
import itertools
import resource
import zipfile

import pytest

from calls.notations import BadFileError, sheets
from calls.notations.examining import examine
from tests.calls.notations.workbooks import (
    DATE,
    DATE_TIME,
    GENERAL,
    LENGTH,
    MAIN,
    TIME,
    number,
    row,
    text,
    workbook,
)

GIB = 1024**3
HEADER = row(text("id"), text("value"))
TWENTIETH = 46346  # 20 Nov 2026
DAY = 86_400


def examined(content, **options):
    found = examine(io.BytesIO(content), name="calls.dat", **options)
    found.file.close()
    return found


def values_of(*cells, **options):
    """What a column says that holds ``cells``."""
    rows = "".join(row(text(f"c{place}"), cell) for place, cell in enumerate(cells))
    return [one.values["value"] for one in examined(workbook(HEADER + rows, **options)).sample]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (number("919800000001"), "919800000001"),
        (number("9.19800000001E11"), "919800000001"),
        (number("64.5"), "64.5"),
        (number("30.001"), "30.001"),
        (number("0"), "0"),
        (number("-3"), "-3"),
        ('<c t="b"><v>1</v></c>', "TRUE"),
        (text("two\nlines"), "two lines"),
        (text("00042"), "00042"),
        (number(TWENTIETH, DATE), "2026-11-20"),
        (number(TWENTIETH, DATE_TIME), "2026-11-20"),
        (number(TWENTIETH + 50_709 / DAY, DATE_TIME), "2026-11-20 14:05:09"),
        (number(TWENTIETH + 50_709.25 / DAY, DATE_TIME), "2026-11-20 14:05:09.250"),
        (number(50_709 / DAY, TIME), "14:05:09"),
        (number(0, TIME), "00:00:00"),
        (number(2712 / DAY, LENGTH), "0:45:12"),
        (number(0, LENGTH), "0:00:00"),
        (number(0.001 / DAY, LENGTH), "0:00:00.001"),
        (number(27 + 3661 / DAY, LENGTH), "649:01:01"),
        (number(-5 / DAY, LENGTH), "-0:00:05"),
        (number(1 + 5 / DAY, TIME), "24:00:05"),
    ],
)
def test_a_cell_says_what_it_shows(cell, value):
    assert values_of(cell, text("x")) == [value, "x"]


def test_midnight_is_a_time_in_a_column_of_times():
    at_noon = number(TWENTIETH + 0.5, DATE_TIME)
    assert values_of(number(TWENTIETH, DATE_TIME), at_noon) == [
        "2026-11-20 00:00:00",
        "2026-11-20 12:00:00",
    ]


def test_every_second_of_a_day_is_exact():
    seconds = range(1, DAY, 7)
    rows = "".join(
        row(number(second), number(repr(TWENTIETH + second / DAY), DATE_TIME)) for second in seconds
    )
    found = examine(io.BytesIO(workbook(HEADER + rows)), name="")
    with found.file as file:
        lines = file.read().decode().splitlines()[1:]
    assert lines == [
        f"{second},2026-11-20 {second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
        for second in seconds
    ]


def test_both_date_systems_are_known():
    cell = number(TWENTIETH - 1462 + 0.5, DATE_TIME)
    assert values_of(cell, number(1 + 5 / DAY, TIME), is_1904=True) == [
        "2026-11-20 12:00:00",
        "24:00:05",
    ]


def test_the_sheet_with_the_most_rows_counts_whatever_stands_before_and_behind_it():
    rows = HEADER + row(text("c1"), number(1)) + row(text("c2"), number(2))
    summary = row(text("Calls"), number(2)) + row(text("Minutes"), number(3))
    found = examined(workbook(summary, rows, rows))
    [about] = [fact.said for fact in found.facts if fact.topic == "sheet"]
    assert about == (
        "The file is an Excel file; its sheet “Sheet 2” is read. Not read: “Sheet 1”, “Sheet 3”."
    )
    assert [one.values["id"] for one in found.sample] == ["c1", "c2"]


def test_the_first_visible_sheet_with_content_counts_and_is_named():
    rows = HEADER + row(text("c1"), number(1))
    found = examined(workbook(row(text("hidden")), "", rows, states=("hidden",)))
    assert found.layout.columns == ("id", "value")
    [about] = [fact.said for fact in found.facts if fact.topic == "sheet"]
    assert "“Sheet 3”" in about


def test_the_line_of_a_record_is_its_row_in_the_sheet():
    rows = (
        f'<row r="3">{text("id")}{text("value")}</row>'
        f'<row r="5">{text("two&#10;lines")}{number(1)}</row>'
        f'<row r="9">{text("c")}{number(2)}</row>'
    )
    assert [one.number for one in examined(workbook(rows)).sample] == [5, 9]


def test_rows_of_one_cell_that_hold_a_whole_record_are_split():
    rows = row(text("id;value")) + "".join(row(text(f"c{n};{n},5")) for n in range(9))
    found = examined(workbook(rows))
    assert found.layout.delimiter == ";"
    assert found.sample[0].values == {"id": "c0", "value": "0,5"}


def test_a_compressed_sheet_is_read_too():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("calls.xlsx", workbook(HEADER + row(text("c1"), number(7))))
    assert examined(buffer.getvalue()).sample[0].values == {"id": "c1", "value": "7"}


def hostile_far_cell():
    return workbook('<row r="1048576"><c r="XFD1048576"><v>1</v></c></row><row r="1"/>')


def hostile_far_cells():
    return workbook(
        '<row r="1"><c r="A1"><v>1</v></c></row>'
        '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    )


def hostile_text():
    chunk = "x" * 1_000_000
    shared = [f'<sst xmlns="{MAIN}"><si><t>', *[chunk] * 600, "</t></si></sst>"]
    return workbook('<row r="1"><c r="A1" t="s"><v>0</v></c></row>', shared=shared)


def hostile_rows():
    return workbook(itertools.repeat("<row><c><v>1</v></c></row>" * 1000, 1_100))


def broken():
    return workbook(HEADER).replace(b"PK\x05\x06", b"PK\x05\x07")


@pytest.mark.parametrize(
    "content", [hostile_far_cells, hostile_text, hostile_rows], ids=lambda make: make.__name__
)
def test_a_hostile_sheet_costs_one_sentence(content):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    packed = content()
    made = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BadFileError) as caught:
        examined(packed)
    assert "CSV" in str(caught.value)
    assert "\n" not in str(caught.value)
    taken_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - max(before, made)
    assert taken_kib < 20 * 1024
    # The next file is read as if nothing had been.
    assert values_of(number(1)) == ["1"]


@pytest.mark.parametrize(
    "other",
    [
        '<row r="1"><c r="A1"><v>1</v></c></row>'
        '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>',
        '<row r="1048577"><c r="A1048577"><v>1</v></c></row>',
        "<row><c",
    ],
    ids=["far cells", "too many rows", "damaged"],
)
def test_a_sheet_that_can_not_be_read_does_not_stand_in_the_way_of_the_others(other):
    found = examined(workbook(HEADER + row(text("c1"), number(1)), other))
    assert [one.values["id"] for one in found.sample] == ["c1"]


def test_a_single_cell_at_the_end_of_a_sheet_is_refused_or_read_without_harm():
    with pytest.raises(BadFileError):
        examined(hostile_far_cell())


def test_a_sheet_that_takes_too_long_is_refused(monkeypatch):
    monkeypatch.setattr(sheets, "SECONDS_MAX", 0.001)
    with pytest.raises(BadFileError, match="too large or too unusual"):
        values_of(number(1))


def test_what_a_sheet_takes_unpacked_is_limited_before_it_is_opened():
    with pytest.raises(BadFileError, match="takes more than"):
        examined(workbook(HEADER + row(text("c1"), number(1))), unpacked_max=1000)


def test_a_file_without_anything_in_it_is_refused():
    with pytest.raises(BadFileError, match="no visible sheet with anything in it"):
        examined(workbook(""))


@pytest.mark.parametrize(
    "content",
    [
        broken(),
        workbook(HEADER)[:-30],
        workbook("<row><c"),
        workbook(HEADER, shared=["<sst"]),
    ],
)
def test_a_damaged_file_is_refused(content):
    with pytest.raises(BadFileError, match="damaged"):
        examined(content)


def test_whole_numbers_keep_all_their_digits():
    assert values_of(number("123456789012345", GENERAL)) == ["123456789012345"]

"""The reader of a known layout: what it keeps, and what it never keeps."""

import io

import pytest

from calls.notations import BadFileError
from calls.notations.layout import ENCODINGS, JSON, Layout
from calls.notations.reading import reader_for

COLUMNS = ("id", "transcript", "agent", "url")
TEXT = 'id;transcript;agent;url\nc1;"secret;\nsecret";Asha;secret\n\nc2;;"a;b";\n'
LAYOUT = Layout(delimiter=";", columns=COLUMNS)


def read(layout, text, **options):
    reader = reader_for(layout, io.BytesIO(text.encode(layout.encoding)), **options)
    return reader, list(reader)


def test_rows_come_in_the_order_of_the_columns():
    _, records = read(LAYOUT, TEXT)
    assert [(one.number, one.values) for one in records] == [
        (2, ["c1", "secret;\nsecret", "Asha", "secret"]),
        (5, ["c2", "", "a;b", ""]),
    ]


def test_what_is_ignored_is_neither_in_the_text_nor_in_the_values():
    _, records = read(LAYOUT, TEXT, ignored={"transcript", "url"})
    assert [(one.number, one.text, one.values) for one in records] == [
        (2, "c1;;Asha;\n", ["c1", "", "Asha", ""]),
        (5, 'c2;;"a;b";\n', ["c2", "", "a;b", ""]),
    ]


@pytest.mark.parametrize("ignored", [(), ("transcript",), ("url", "agent")])
def test_values_come_again_from_the_texts(ignored):
    reader, records = read(LAYOUT, TEXT, ignored=ignored)
    assert list(reader.values_of([one.text for one in records])) == [one.values for one in records]


@pytest.mark.parametrize("line", ['c3;"open;secret;secret', "c3;secret;secret;x;secret"])
def test_of_a_record_that_can_not_be_cut_nothing_is_kept_that_may_be_ignored(line):
    _, records = read(LAYOUT, f"{TEXT}{line}\n", ignored={"transcript", "url"})
    assert records[-1].text == "c3;…\n"
    assert records[-1].defect
    _, records = read(LAYOUT, f"{TEXT}{line}\n")
    assert records[-1].text == f"{line}\n"


@pytest.mark.parametrize(("ending", "is_torn"), [("c9;x;y", True), ("c9;x;y;", False)])
def test_a_last_row_may_be_torn_where_it_has_too_few_values(ending, is_torn):
    _, records = read(LAYOUT, TEXT + ending)
    assert [one.is_torn for one in records] == [False, False, is_torn]


def test_whoever_knows_the_values_says_whether_the_last_row_may_be_torn():
    _, records = read(LAYOUT, f"{TEXT}c9;x;y;z", may_be_torn=lambda last, closed: last[0] == "c9")
    assert records[-1].is_torn


def test_without_a_header_the_first_line_is_a_record():
    layout = Layout(has_header=False, columns=("1", "2"), skipped_lines=1)
    _, records = read(layout, "Title\na,b\nc,d\n")
    assert [one.values for one in records] == [["a", "b"], ["c", "d"]]


def test_the_layout_decides_over_what_the_file_looks_like():
    layout = Layout(delimiter="|", quote="", encoding="cp1251", columns=("a", "b"))
    _, records = read(layout, 'a|b\nАнна|"x\n')
    assert records[0].values == ["Анна", '"x']


def test_json_is_read_by_paths():
    layout = Layout(notation=JSON, records_at="calls", columns=("id",))
    reader, records = read(layout, '{"calls": [{"id": 1, "t": "x"}]}', ignored={"t"})
    assert records[0].values == {"id": "1"}
    assert list(reader.values_of([records[0].text])) == [{"id": "1"}]


def test_bytes_read_come_to_the_length_of_the_file():
    for layout, text in ((LAYOUT, TEXT), (Layout(notation=JSON), '[{"id": 1}]')):
        reader, _ = read(layout, text)
        assert reader.bytes_read == len(text.encode())


@pytest.mark.parametrize(
    "layout",
    [
        Layout(),
        Layout(
            notation=JSON,
            encoding="utf-16-le",
            delimiter="\t",
            quote="",
            skipped_lines=3,
            has_header=False,
            columns=("a", "b"),
            records_at="calls",
        ),
    ],
)
def test_a_layout_can_be_stored(layout):
    assert Layout.from_json(layout.as_json()) == layout


@pytest.mark.parametrize(
    "stored",
    [
        {"notation": "xml"},
        {"encoding": "rot13"},
        {"encoding": "unicode_escape"},
        {"delimiter": ""},
        {"delimiter": "ab"},
        {"delimiter": "\n"},
        {"quote": "''"},
        {"quote": ","},
        {"skipped_lines": -1},
        {"skipped_lines": True},
        {"has_header": "yes"},
        {"columns": "abc"},
        {"columns": [1]},
    ],
)
def test_a_layout_that_makes_no_sense_is_refused(stored):
    with pytest.raises(BadFileError):
        Layout.from_json(stored)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_that_can_be_chosen_is_read(encoding):
    layout = Layout(encoding=encoding, columns=("a", "b"))
    _, records = read(layout, "a,b\n1,2\n")
    assert [one.values for one in records] == [["1", "2"]]

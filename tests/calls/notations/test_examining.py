"""What is found out about a file: encoding, separator, header, titles, totals, JSON."""

from io import BytesIO

import pytest

from calls.notations import BadFileError
from calls.notations.examining import examine
from calls.notations.layout import DELIMITED, JSON, Layout
from calls.notations.reading import reader_for

ROWS = "id,agent,start\nc-1001,Asha,2026-11-20\nc-1002,Ravi,2026-11-21\nc-1003,Mei,2026-11-22\n"


def examined(content, **options):
    if isinstance(content, str):
        content = content.encode()
    return examine(BytesIO(content), name="calls.csv", **options)


def table(content, **options):
    found = examined(content, **options)
    return [
        list(found.layout.columns),
        *map(
            list,
            reader_for(found.layout, found.file).values_of(
                [record.text for record in found.sample]
            ),
        ),
    ]


def values(content, **options):
    return [dict(record.values) for record in examined(content, **options).sample]


def topics(content):
    return [fact.topic for fact in examined(content).facts]


def test_the_layout_says_all_that_is_needed_to_read_the_file():
    assert examined(ROWS).layout == Layout(
        notation=DELIMITED, delimiter=",", columns=("id", "agent", "start")
    )


def test_the_sample_is_the_first_records_by_column():
    first = examined(ROWS).sample[0]
    assert first.number == 2
    assert first.text == "c-1001,Asha,2026-11-20\n"
    assert first.values == {"id": "c-1001", "agent": "Asha", "start": "2026-11-20"}


def test_the_sample_has_200_records_at_most():
    content = "id,n\n" + "".join(f"c-{number:05},{number}\n" for number in range(1000))
    assert len(examined(content).sample) == 200


def test_the_file_is_given_at_its_beginning():
    assert examined(ROWS).file.read() == ROWS.encode()


# ── Encodings ─────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("encoding", "found"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("utf-16", "utf-16-le"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("utf-32", "utf-32-le"),
        ("cp1252", "cp1252"),
    ],
)
def test_the_encoding_is_told_by_its_mark_or_by_what_it_can_be(encoding, found):
    text = ROWS.replace("Asha", "José “€”")
    result = examined(text.encode(encoding))
    assert result.layout.encoding == found
    assert result.layout.columns == ("id", "agent", "start")
    assert result.sample[0].values["agent"] == "José “€”"


def test_the_whole_file_decides_whether_it_is_utf8():
    rows = "".join(f"c-{number:06},José,2026-11-20\n" for number in range(60_000))
    content = f"id,agent,start\n{rows}".encode()
    assert examined(content).layout.encoding == "utf-8"
    plain = f"id,agent,start\n{rows}".replace("é", "e").encode()
    assert examined(plain + "c-9,José,2026-11-20\n".encode("latin-1")).layout.encoding == "cp1252"


def test_a_few_faults_do_not_make_another_encoding_of_utf8():
    rows = "".join(f"c-{number:06},José,2026-11-20\n" for number in range(60))
    found = examined(f"id,agent,start\n{rows}".encode() + b"c-99,Jos\xe9,2026-11-20\n")
    assert found.layout.encoding == "utf-8"
    assert found.facts[0].said == "The text is UTF-8; 1 place in it can’t be read."


def test_a_guess_of_the_encoding_is_said():
    content = ROWS.replace("Asha", "José").encode("cp1252")
    assert "another encoding" in examined(content).facts[0].said


def test_bytes_that_windows_1252_does_not_define_are_replaced():
    content = ROWS.encode().replace(b"Asha", b"Jos\xe9 \x81")
    assert values(content)[0]["agent"] == "José \ufffd"


def test_another_encoding_may_be_chosen():
    content = ROWS.replace("Asha", "Ольга").encode("cp1251")
    layout = examined(content).layout
    chosen = Layout.from_json({**layout.as_json(), "encoding": "cp1251"})
    assert values(content, layout=chosen)[0]["agent"] == "Ольга"


# ── Separators ────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_that_which_makes_rows_equally_wide(separator):
    assert examined(ROWS.replace(",", separator)).layout.delimiter == separator


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_the_line_sep_wins(mark, ending):
    content = f"{mark}sep=^{ending}" + "id^a,b\nc-1001^x,y\nc-1002^x,y\n".replace("\n", ending)
    found = examined(content)
    assert (found.layout.delimiter, found.layout.skipped_lines) == ("^", 1)
    assert found.layout.columns == ("id", "a,b")
    assert found.sample[0].number == 3


def test_a_separator_in_some_texts_does_not_separate():
    content = "id|text\nc-1|a,b\nc-2|d,e\nc-3|f,g\nc-4|h,i\nc-5|j\n"
    assert examined(content).layout.delimiter == "|"


def test_a_decimal_comma_does_not_separate():
    content = "id;a;b\n1;2,5;3,5\n2;2,6;3,6\n3;1,0;2,0\n"
    assert table(content)[1] == ["1", "2,5", "3,5"]


def test_a_separator_inside_of_quotation_marks_does_not_separate():
    content = 'id;a\nc-1;"x,y,z"\nc-2;"x,y,z"\nc-3;"x,y,z"\n'
    assert examined(content).layout.delimiter == ";"


def test_a_single_column_needs_no_separator():
    assert table("id\nc-1001\nc-1002\n") == [["id"], ["c-1001"], ["c-1002"]]


def test_values_may_stand_in_single_quotation_marks():
    assert table("'id','a'\n'c-1','x,y'\n'c-2','z'\n") == [
        ["id", "a"],
        ["c-1", "x,y"],
        ["c-2", "z"],
    ]


def test_another_separator_may_be_chosen():
    layout = Layout(delimiter=";", columns=("old",))
    assert examined("a;b,c\n1;2,3\n", layout=layout).layout.columns == ("a", "b,c")


# ── Headers, titles, totals ───────────────────────────────────────────────────────────────────
def test_without_a_header_columns_have_numbers():
    content = ROWS.partition("\n")[2]
    found = examined(content)
    assert not found.layout.has_header
    assert found.layout.columns == ("1", "2", "3")
    assert len(found.sample) == 3


@pytest.mark.parametrize(
    "first", ["anonymous,Asha,2026-11-20", "c-1000,,2026-11-20", ",Asha,2026-11-20"]
)
def test_a_first_record_with_a_word_in_the_place_of_a_number_is_no_header(first):
    content = f"{first},12\nc-1001,Asha,2026-11-20,13\nc-1002,Ravi,2026-11-21,14\n"
    assert not examined(content).layout.has_header


def test_names_with_digits_may_be_in_a_header():
    assert examined(
        "Q1,Call ID,Start\n1,c-1001,2026-11-20\n2,c-1002,2026-11-20\n"
    ).layout.has_header


def test_titles_above_the_header_are_skipped_and_said():
    content = f"Calls of November\nAcme, Pune\n\n{ROWS}"
    found = examined(content)
    assert found.layout.skipped_lines == 3
    assert found.layout.columns == ("id", "agent", "start")
    assert found.sample[0].number == 5
    [titles] = [fact.said for fact in found.facts if fact.topic == "titles"]
    assert titles == "Skipped above the columns: “Calls of November”; “Acme, Pune”."


def test_20_titles_are_skipped():
    titles = "".join(f"Title number {number}\n" for number in range(20))
    assert examined(titles + ROWS).layout.skipped_lines == 20


@pytest.mark.parametrize("last", ["Total,,3\n", "Grand total: 3 calls\n", ",Total,3", "Sum;;\n\n"])
def test_totals_below_are_said(last):
    assert ("totals" in topics(ROWS + last.replace(";", ","))) is True


def test_an_ordinary_last_line_holds_no_totals():
    assert "totals" not in topics(ROWS)
    assert "totals" not in topics(ROWS + "c-1004,Total Ltd,2026-11-20\n")


def test_a_name_that_stands_twice_is_told_apart():
    assert examined("id,time,time,\nc-1001,10:00,11:00,x\n").layout.columns == (
        "id",
        "time",
        "time (2)",
        "4",
    )


def test_columns_at_the_end_that_nothing_is_in_do_not_count():
    assert examined("id,a,,\nc-1001,x,,\nc-1002,y,,\n").layout.columns == ("id", "a")


def test_a_name_that_can_not_be_stored_is_replaced():
    rows = "".join(f"c-{number},é,é,é,é,é\n" for number in range(1000, 1020)).encode()
    columns = examined(b"id,\xff,c,d,e,f\n" + rows).layout.columns
    assert columns[1] == "\ufffd"


# ── JSON ──────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("content", "records_at"),
    [
        ('[{"id": "a", "n": {"m": 1}}, {"id": "b"}]', ""),
        ('{"id": "a", "n": {"m": 1}}\n{"id": "b"}\n', ""),
        ('{"id": "a",\n "n": {"m": 1}}\n{"id": "b"}', ""),
        ('{"id": "a", "n": {"m": 1}}{"id": "b"}', ""),
        ('{"page": 1, "calls": [{"id": "a", "n": {"m": 1}}, {"id": "b"}]}', "calls"),
        ('{"meta": {"data": [1]}, "Data": [{"id": "a", "n": {"m": 1}}, {"id": "b"}]}', "Data"),
        ('{"calls": [{"id": "a", "n": {"m": 1}}]}\n{"calls": [{"id": "b"}]}\n', "calls"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_json_is_read_however_it_holds_the_records(content, records_at, encoding):
    found = examined(content.encode(encoding))
    assert (found.layout.notation, found.layout.records_at) == (JSON, records_at)
    assert found.layout.columns == ("id", "n.m")
    assert [record.values for record in found.sample] == [{"id": "a", "n.m": "1"}, {"id": "b"}]


def test_one_document_is_one_record():
    assert values('{"message": {"call": {"id": "a"}}}') == [{"message.call.id": "a"}]


def test_a_text_that_begins_with_a_brace_may_be_delimited():
    content = "{3F25-01},2026-11-20,x\n{3F25-02},2026-11-21,y\n"
    assert examined(content).layout.notation == DELIMITED


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "The file is empty."),
        (" \n\n", "The file is empty."),
        (",,,\n,,\n", "The file has no values, only the characters between them."),
        ("[]", "There are no records in the file."),
        ('{"calls": []}', "There are no records in the file."),
        ("a\0b\nc,d\n", "The file is no text: it has NUL bytes. Save the records as CSV."),
        ("[[1]]", "Record 1 is no JSON object, but a value by itself."),
        ("x" * 1_000_001, "Line 1 is longer than 1,000,000 characters."),
    ],
)
def test_a_file_without_records_is_refused(content, said):
    with pytest.raises(BadFileError) as refused:
        examined(content)
    assert str(refused.value) == said


def test_a_first_record_with_little_in_it_is_no_title():
    content = "c-1000,,,,,2026-11-20\n" + "c-1001,Asha,a,b,c,2026-11-20\n" * 5
    found = examined(content)
    assert (found.layout.skipped_lines, len(found.sample)) == (0, 6)


def test_titles_of_a_sheet_are_as_wide_as_its_rows():
    content = "Calls,,\nFrom,2026-11-01,\n,,\n" + ROWS
    assert examined(content).layout.columns == ("id", "agent", "start")

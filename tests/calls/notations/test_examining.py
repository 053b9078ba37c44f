"""What is found out about a file: how it is packed, written and cut."""

import bz2
import csv
import gzip
import io
import resource
import string
import time
import zipfile

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from calls.notations import BadFileError
from calls.notations.examining import examine
from calls.notations.layout import Layout
from calls.notations.lines import LINE_BYTES_MAX
from calls.notations.reading import reader_for

TABLE = [
    ["Call", "Started", "Agent", "Seconds"],
    ["C-881", "20/11/2026 14:05", "Asha", "12"],
    ["C-882", "20/11/2026 14:07", "José", "0"],
    ["C-883", "21/11/2026 00:30", "", "3600"],
]


def written(table, delimiter=",", end="\n"):
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter, lineterminator=end).writerows(table)
    return buffer.getvalue()


TEXT = written(TABLE)


def examined(content, name="calls.csv", **options):
    content = content.encode() if isinstance(content, str) else content
    found = examine(io.BytesIO(content), name=name, **options)
    found.file.close()
    return found


def table_of(content, **options):
    found = examined(content, **options)
    columns = list(found.layout.columns)
    return [columns, *([one.values[name] for name in columns] for one in found.sample)]


def about(found, topic):
    return [fact.said for fact in found.facts if fact.topic == topic]


def refusal_of(content, **options):
    with pytest.raises(BadFileError) as caught:
        examined(content, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


def archive_of(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return buffer.getvalue()


# How a file is packed.


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(TEXT.encode()),
        gzip.compress(TEXT[:20].encode()) + gzip.compress(TEXT[20:].encode()),
        gzip.compress(TEXT.encode()) + b"\0" * 512,
        archive_of([("calls.csv", TEXT)]),
        archive_of([("in/", ""), ("in/calls.csv", TEXT)]),
        archive_of(
            [
                ("calls.csv", TEXT),
                ("__MACOSX/._calls.csv", "x"),
                (".DS_Store", "x"),
                ("sub/._x", "x"),
            ]
        ),
        archive_of([("calls.csv.gz", gzip.compress(TEXT.encode()))]),
    ],
)
@pytest.mark.parametrize("name", ["calls.csv", "calls", "calls.xlsx"])
def test_a_packed_file_is_unpacked_whatever_its_name(content, name):
    found = examined(content, name=name)
    assert table_of(content) == TABLE
    assert about(found, "compression")


def test_the_file_unpacked_is_plain_and_at_its_beginning():
    found = examine(io.BytesIO(gzip.compress(TEXT.encode())), name="")
    with found.file as file:
        assert file.read() == TEXT.encode()


def test_a_plain_file_is_handed_back_itself():
    file = io.BytesIO(TEXT.encode())
    assert examine(file, name="").file is file
    assert file.tell() == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (archive_of([("a.csv", TEXT), ("b.csv", TEXT)]), "holds 2 files (“a.csv”, “b.csv”)"),
        (archive_of([]), "is empty"),
        (archive_of([("a.csv", TEXT)])[:-30], "damaged"),
        (archive_of([("word/document.xml", "x")]), "Word document"),
        (archive_of([("xl/workbook.bin", "x")]), ".xlsb"),
        (archive_of([("META-INF/manifest.xml", "x")]), "OpenDocument"),
        (gzip.compress(TEXT.encode())[:-12], "ends in the middle"),
        (gzip.compress(TEXT.encode())[:-8] + b"12345678", "damaged"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "(.xls) or is protected by a password"),
        (b"%PDF-1.7\n", "PDF"),
        (b"Rar!\x1a\x07\x01\x00", "RAR"),
        (b"7z\xbc\xaf\x27\x1c\0\x04", "7z"),
        (bz2.compress(TEXT.encode()), "bzip2"),
        (b"\x89PNG\r\n\x1a\n", "picture"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "picture"),
        (b"\n <html><table><tr>", "web page"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>", "web page or an XML document"),
        (b"call_id,x\n" + b"\0\1\2" * 100, "NUL bytes"),
        (b"", "The file is empty"),
        (b"\n\n  \n", "The file is empty"),
        (b",,,\n,,\n", "no values"),
        (b"x" * (LINE_BYTES_MAX * 3), "Line 1 is longer than"),
        (b"[]", "no records"),
        (b"[[1]]", "Record 1 is no JSON object"),
        (b'{"calls": []}', "no records"),
    ],
    # Not the content: packed, it has the time in it.
    ids=lambda value: value if isinstance(value, str) else "file",
)
def test_what_holds_no_records_gets_one_sentence(content, said):
    assert said in refusal_of(content)


def test_a_file_packed_several_times_over_is_refused():
    content = TEXT.encode()
    for _ in range(4):
        content = gzip.compress(content)
    assert "several times" in refusal_of(content)


@pytest.mark.parametrize("pack", [gzip.compress, lambda text: archive_of([("a.csv", text)])])
def test_what_is_unpacked_is_limited(pack):
    content = pack(b"a,b\n" * 1_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "more than 1 MiB unpacked" in refusal_of(content, unpacked_max=1024**2)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 10 * 1024


def test_an_archive_that_lies_about_its_size_is_refused():
    content = bytearray(archive_of([("a.csv", b"a,b\n" * 100_000)]))
    true = (400_000).to_bytes(4, "little")
    assert content.count(true) == 2
    lying = bytes(content).replace(true, (400).to_bytes(4, "little"))
    assert "can't be unpacked" in refusal_of(lying)


def test_an_archive_of_very_many_files_is_refused():
    content = archive_of([(f"{number}.csv", "") for number in range(10_001)])
    assert "too many files" in refusal_of(content)


def test_an_archive_with_a_password_is_refused():
    content = bytearray(archive_of([("a.csv", TEXT)]))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    assert "protected by a password" in refusal_of(bytes(content))


# How its text is encoded.


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
def test_the_encoding_is_found(encoding, found):
    content = TEXT.encode(encoding)
    assert examined(content).layout.encoding == found
    assert table_of(content) == TABLE


def test_a_byte_that_is_no_utf8_is_found_however_late_it_comes():
    rows = TABLE + TABLE[1:2] * 100_000
    content = written(rows).encode() + b"C-9,20/11/2026 14:05,Jos\xe9,1\n"
    found = examined(content.replace("José".encode(), b"Jose"))
    assert found.layout.encoding == "cp1252"
    assert "Windows-1252" in about(found, "encoding")[0]


def test_a_text_in_utf8_with_a_fault_stays_utf8():
    content = written([*TABLE, *TABLE[2:3] * 50]).encode() + b"C-9,20/11/2026 14:05,Jos\xc3,1\n"
    found = examined(content)
    assert found.layout.encoding == "utf-8"
    assert found.sample[1].values["Agent"] == "José"
    assert "1 place in it" in about(found, "encoding")[0]


@pytest.mark.parametrize("cut", [b"\xc3", b"\xe2\x82"])
def test_a_text_that_is_cut_inside_a_character_has_one_place_that_can_not_be_read(cut):
    content = written([*TABLE, *TABLE[2:3] * 50]).encode() + b"C-9,20/11/2026 14:05,Jos" + cut
    assert "; 1 place in it" in about(examined(content), "encoding")[0]


@pytest.mark.parametrize(
    ("agents", "encoding"),
    [
        (["José".encode(), b"caf\xe9"], "utf-8"),
        (["José".encode(), b"caf\xe9", b"na\xefve"], "cp1252"),
        ([b"caf\xe9"], "cp1252"),
    ],
)
def test_a_text_is_utf8_where_as_much_of_it_is_so_as_is_not(agents, encoding):
    rows = [b"Call,Agent", *(b"C-%d,%s" % row for row in enumerate(agents)), b""]
    layout = examined(b"\n".join(rows)).layout
    assert (layout.encoding, layout.encoding_is_guessed) == (encoding, encoding == "cp1252")


def test_bytes_without_meaning_are_replaced():
    found = examined(TEXT.replace("José", "J\x81").encode("latin-1"))
    assert found.sample[1].values["Agent"] == "J�"


def test_another_encoding_can_be_chosen():
    content = TEXT.replace("José", "Анна").encode("cp1251")
    assert examined(content).sample[1].values["Agent"] == "Àííà"
    chosen = Layout(encoding="cp1251", columns=("x",))
    assert table_of(content, layout=chosen)[2][2] == "Анна"


# What separates its values.


@pytest.mark.parametrize("delimiter", list(",;\t|"))
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_separator_is_found(delimiter, end):
    assert table_of(written(TABLE, delimiter, end)) == TABLE


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("a|b,c|d\n1|2,3|4\n", "|"),
        ("id;price;talk\n1;1,5;2,5\n2;3,5;4,5\n", ";"),
        ("1;1,5;2,5\n2;3,5;4,5\n", ";"),
        ('id\tname\n1\t"a, b, c"\n2\tx\n', "\t"),
        ("id;remark\n1;a, b, c\n2;d\n3;e, f\n", ";"),
        ("sep=#\nid#a,b\n1#2,3\n", "#"),
        ('"sep=;"\nid;a\n1;2,5\n', ";"),
        ("\ufeffSEP=|\r\nid|a\r\n1|2\r\n", "|"),
        ("2026-11-20 10:00:00,1\n2026-11-20 10:00:01,2\n", ","),
        ("C-1001\ta;b\nC-1002\tc;d\n", "\t"),
        ("C-1001;a,b\nC-1002;c,d\n", ";"),
    ],
)
def test_the_separator_is_that_which_gives_most_rows_one_width(text, delimiter):
    assert examined(text).layout.delimiter == delimiter


def test_a_line_that_names_the_separator_is_no_record():
    content = f"sep=;\n{written(TABLE, ';')}"
    assert table_of(content) == TABLE
    assert examined(content).layout.skipped_lines == 1
    assert examined(content).sample[0].number == 3


def test_single_quotation_marks_are_found():
    text = "'id','name'\n'1','a, b'\n'2','c'\n"
    assert table_of(text) == [["id", "name"], ["1", "a, b"], ["2", "c"]]
    assert examined("id,name\n1,it's\n2,don't\n").layout.quote == '"'


def test_a_line_of_very_many_tabs_is_looked_at_at_once():
    began = time.monotonic()
    odd = "a,b\n1,'2'\n3,'4'\n" + "\t" * 100_000 + "x\n"
    assert examined(odd).layout.columns == ("a", "b")
    assert time.monotonic() - began < 5


def test_one_column_is_a_table_too():
    assert table_of("id\n17\n18\n") == [["id"], ["17"], ["18"]]


# Which row names the columns.


@pytest.mark.parametrize("count", [1, 5, 20])
def test_titles_above_the_header_are_left_out(count):
    comma = "," if count < 20 else ""
    titles = "".join(f"Report{comma} part {place} of 2026\n" for place in range(count))
    found = examined(f"{titles}\n{written(TABLE)}")
    assert found.layout.columns == tuple(TABLE[0])
    assert found.layout.skipped_lines == count + 1
    assert found.sample[0].number == count + 3
    assert f"Report{comma} part 0 of 2026" in about(found, "titles")[0]


def test_titles_may_have_as_many_separators_as_the_rows():
    found = examined(f"Calls of November;;;\nFrom;01/11/2026;;\n;;;\n{written(TABLE, ';')}")
    assert found.layout.columns == tuple(TABLE[0])


def test_without_a_header_the_columns_are_numbered():
    found = examined(written(TABLE[1:]))
    assert not found.layout.has_header
    assert found.layout.columns == ("1", "2", "3", "4")
    assert len(found.sample) == 3
    assert about(found, "header")


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("id,name,name,name", ("id", "name", "name (2)", "name (3)")),
        ("id,,x,", ("id", "2", "x", "4")),
        (" id , Number 1,Address 2,x", ("id", "Number 1", "Address 2", "x")),
    ],
)
def test_every_column_has_a_name_of_its_own(header, columns):
    rows = "".join(f"C-{place:03},a,b,7{place}\n" for place in range(9))
    assert examined(f"{header}\n{rows}").layout.columns == columns


def test_separators_at_the_end_of_the_header_are_no_columns():
    assert examined("id,name,,\n1001,a,,\n1002,b,,\n").layout.columns == ("id", "name")


def test_a_column_that_is_empty_everywhere_keeps_its_name():
    found = examined("id,answer,name\n1001,,a\n1002,,b\n")
    assert found.layout.columns == ("id", "answer", "name")


def test_a_table_of_words_has_a_header():
    assert table_of("name,answered\nAsha,yes\nRavi,no\n")[0] == ["name", "answered"]


def test_a_header_without_records_is_a_header():
    assert examined("id,started at,seconds\n").layout.has_header


@pytest.mark.parametrize(
    "last",
    [
        "Total,,,3612\n",
        "Grand total: 3 calls\n",
        "Total,,3 calls,0:12:05\n",
        ",Total,3",
        "Sum,,\n\n",
    ],
)
def test_totals_below_are_said(last):
    found = examined(f"{TEXT}{last}")
    assert found.layout.columns == tuple(TABLE[0])
    assert about(found, "totals")


def test_an_ordinary_last_line_holds_no_totals():
    assert not about(examined(TEXT), "totals")
    assert not about(examined(f"{TEXT}C-884,21/11/2026 00:31,Total Ltd,3\n"), "totals")


def test_names_with_digits_may_be_in_a_header():
    text = "Q1,Call ID,Start\n1,c-1001,2026-11-20\n2,c-1002,2026-11-20\n"
    assert examined(text).layout.has_header


def test_a_first_record_may_be_nearly_empty():
    found = examined("C-1001,,,\nC-1002,20/11/2026,Asha,3\nC-1003,20/11/2026,Asha,4\n")
    assert (found.layout.has_header, len(found.sample)) == (False, 3)


def test_titles_of_a_sheet_are_as_wide_as_its_rows():
    text = f"Calls,,,\nFrom,2026-11-01,,\n,,,\n{TEXT}"
    found = examined(text)
    assert found.layout.columns == tuple(TABLE[0])
    assert about(found, "titles") == ["Skipped above the columns: “Calls”; “From,2026-11-01”."]


def test_a_name_that_can_not_be_stored_is_replaced():
    rows = "".join(f"c-{number},é,é,é,é,é\n" for number in range(1000, 1020)).encode()
    assert examined(b"id,\xff,c,d,e,f\n" + rows).layout.columns[1] == "\ufffd"


# A layout that a person has changed.


@pytest.mark.parametrize(
    ("layout", "columns", "count"),
    [
        (Layout(), ("Call", "Started", "Agent", "Seconds"), 3),
        (Layout(has_header=False), ("1", "2", "3", "4"), 4),
        (Layout(has_header=False, columns=tuple("abcd")), tuple("abcd"), 4),
        (Layout(has_header=False, columns=tuple("ab")), ("1", "2", "3", "4"), 4),
        (Layout(delimiter=";"), ("Call,Started,Agent,Seconds",), 3),
        (Layout(skipped_lines=1), ("C-881", "20/11/2026 14:05", "Asha", "12"), 2),
    ],
)
def test_a_layout_that_was_chosen_is_kept_and_its_columns_named(layout, columns, count):
    found = examined(TEXT, layout=layout)
    assert found.layout.columns == columns
    assert len(found.sample) == count


def test_a_layout_that_leaves_nothing_is_refused():
    with pytest.raises(BadFileError):
        examined(TEXT, layout=Layout(skipped_lines=9))


# JSON.


@pytest.mark.parametrize(
    ("text", "records_at", "count"),
    [
        ('[{"id": 1}, {"id": 2}]', "", 2),
        ('{"id": 1}\n{"id": 2}\n', "", 2),
        ('{"calls": [{"id": 1}, {"id": 2}], "page": 0}', "calls", 2),
        ('{"conversations": [{"id": 1}], "has_more": true}', "conversations", 1),
        ('{"meta": {"limit": 20}, "objects": [{"id": 1}]}', "objects", 1),
        ('{"meta": {"data": [1]}, "Data": [{"id": 1}]}', "Data", 1),
        ('{"anything": [{"id": 1}], "page": 1}', "anything", 1),
        ('{"id": "x", "a": {"b": 1}, "messages": [{"text": 1}]}', "", 1),
        ('{"id": "x", "a": [{"b": 1}], "messages": [{"text": 1}]}', "", 1),
        ('{"id": "x", "tags": ["a", "b"]}', "", 1),
        ('{"status": "ok", "response": {"calls": [{"id": 1}, {"id": 2}]}}', "response.calls", 2),
        ('{"a": {"b": {"records": [{"id": 1}]}}, "n": 1}', "a.b.records", 1),
        ('{"id": "x", "a": {"items": [{"b": 1}]}}', "", 1),
        ('{"id": "x", "a": {"calls": []}}', "", 1),
        ('{"calls": [{"id": 1}]}\n{"calls": [{"id": 2}]}', "calls", 2),
    ],
)
def test_records_are_found_in_json(text, records_at, count):
    for name in ("calls.json", "calls.txt"):
        found = examined(text, name=name)
        assert (found.layout.notation, found.layout.records_at) == ("json", records_at)
        assert len(found.sample) == count


def test_the_columns_of_json_are_the_paths_in_it():
    found = examined('[{"id": 1, "to": {"number": "+91"}}, {"id": 2, "from": null}]')
    assert found.layout.columns == ("id", "to.number", "from")
    assert found.sample[0].values == {"id": "1", "to.number": "+91"}


def test_a_table_that_begins_with_a_bracket_is_no_json():
    assert examined("[id],name\n17,a\n18,b\n").layout.columns == ("[id]", "name")


def test_a_name_that_promises_json_is_held_to_it():
    assert "no JSON" in refusal_of(TEXT, name="calls.json")


def test_memory_stays_bounded_while_a_large_file_is_examined(tmp_path):
    path = tmp_path / "calls.csv.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(TEXT.encode())
        for _ in range(100):
            file.write(b"C-9,20/11/2026 14:05,Jos\xe9,1\n" * 40_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with path.open("rb") as file, examine(file, name="").file:
        pass
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 * 1024


# Any table.

words = st.text(string.ascii_letters + " é€'.-", min_size=1, max_size=12).filter(
    lambda text: text == text.strip() and text.strip("'")
)
cells = st.one_of(words, st.sampled_from(["", 'say "hi"', "a;b", "c,d", "e|f", "two\nlines"]))


@st.composite
def tables(draw):
    width = draw(st.integers(2, 6))
    names = draw(st.lists(words, min_size=width, max_size=width, unique=True))
    rows = draw(
        st.lists(st.lists(cells, min_size=width - 1, max_size=width - 1), min_size=3, max_size=12)
    )
    # Where each row holds another separator as often as the true one, nobody can tell them apart.
    rows.append(["plain"] * (width - 1))
    return [names, *([f"ID-{place:04}", *row] for place, row in enumerate(rows))]


@given(
    table=tables(),
    delimiter=st.sampled_from(",;\t|"),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    end=st.sampled_from(["\n", "\r\n"]),
    has_end=st.booleans(),
    has_header=st.booleans(),
)
def test_any_table_is_examined_to_the_same_table(
    table, delimiter, quoting, encoding, end, has_end, has_header
):
    assume(encoding != "cp1252" or any(not text.isascii() for row in table for text in row))
    buffer = io.StringIO()
    told = table if has_header else table[1:]
    csv.writer(buffer, delimiter=delimiter, quoting=quoting, lineterminator=end).writerows(told)
    text = buffer.getvalue() if has_end else buffer.getvalue().removesuffix(end)
    found = examine(io.BytesIO(text.encode(encoding)), name="")
    assert found.layout.delimiter == delimiter
    assert found.layout.has_header == has_header
    if has_header:
        assert found.layout.columns[: len(table[0])] == tuple(table[0])
    reader = reader_for(found.layout, found.file)
    assert [one.values for one in reader] == table[1:]

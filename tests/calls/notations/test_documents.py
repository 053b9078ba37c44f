"""JSON: which records are found in it, and what their values are."""

import io
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calls.notations import BadFileError, RawRecord
from calls.notations.documents import DocumentReader
from calls.notations.json_text import RECORD_CHARACTERS_MAX, TOO_DEEP, TOO_LONG
from calls.notations.lines import BLOCK_BYTES


def reader_of(text, **options):
    return DocumentReader(io.BytesIO(text.encode(errors="surrogateescape")), **options)


def read(text, **options):
    return list(reader_of(text, **options))


def values(text, **options):
    return [one.values for one in read(text, **options)]


ONE, TWO = '{"id": "a", "n": 1}', '{"id": "b", "n": 2.50}'
BOTH = [{"id": "a", "n": "1"}, {"id": "b", "n": "2.50"}]


@pytest.mark.parametrize(
    ("text", "records_at"),
    [
        (f"[{ONE},{TWO}]", ""),
        (f"[\n  {ONE},\n  {TWO}\n]\n", ""),
        (f"{ONE}\n{TWO}\n", ""),
        (f"{ONE}\r\n\r\n{TWO}", ""),
        (f"{ONE}{TWO}", ""),
        (f"{ONE},\n{TWO},\n", ""),
        (f"[{ONE}]\n[{TWO}]", ""),
        (f"[]\n[{ONE}, {TWO}]", ""),
        (json.dumps(json.loads(ONE), indent=2) + TWO, ""),
        (f'{{"calls": [{ONE}, {TWO}], "next": null}}', "calls"),
        (f'{{"page": 1, "more": {{"calls": [3]}}, "calls": [{ONE}, {TWO}]}}', "calls"),
        (f'{{"calls": [{ONE}]}}\n{{"calls": [{TWO}]}}', "calls"),
        (
            f'{{"n": {{"calls": 1}}, "a": {{"calls": [{ONE}, {TWO}], "b": {{}}}}, "m": 1}}',
            "a.calls",
        ),
        (f'{{"a": {{"b": {{"c": [{ONE}]}}}}}}{{"a": {{"b": {{"c": [{TWO}]}}}}}}', "a.b.c"),
        (f"\ufeff[{ONE},{TWO}]", ""),
    ],
)
def test_records_are_found_however_they_are_put_together(text, records_at):
    assert values(text, records_at=records_at) == BOTH


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "cp1252"])
def test_documents_may_be_in_any_encoding(encoding):
    file = io.BytesIO('[{"name": "José"}]'.encode(encoding))
    reader = DocumentReader(file, encoding="utf-16-le" if "16" in encoding else encoding)
    assert [one.values for one in reader] == [{"name": "José"}]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1763636400123", "1763636400123"),
        ("64.5", "64.5"),
        ("64.50", "64.50"),
        ("65.0", "65"),
        ("-0.001", "-0.001"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("1.763636400123e12", "1763636400123"),
        ("1E-3", "0.001"),
        ("1e999999999", "1e999999999"),
        ("1" * 10_000, "1" * 10_000),
        ("NaN", "NaN"),
        ("true", "true"),
        ("false", "false"),
        ("null", ""),
        ('""', ""),
        ("{}", ""),
        ('"x\\u00e9\\ud83d\\ude00"', "xé😀"),
        ('[{"a": 1.10}, "é", null]', '[{"a":1.10},"é",null]'),
        ("[]", "[]"),
        ('{"deep": {"er": 7}}', None),
    ],
)
def test_values_are_texts_as_they_were_written(written, value):
    expected = {"v.deep.er": "7"} if value is None else {"v": value}
    assert values(f'[{{"v": {written}}}]') == [expected]


def test_values_come_again_from_the_texts():
    reader = reader_of(f'[{{\n"a": {{"b" : 1.0}},\n "c d": "x  y\\n"}}, {TWO}]')
    records = list(reader)
    assert records[0].text == '{"a":{"b":1.0},"c d":"x  y\\n"}'
    assert list(reader.values_of([one.text for one in records])) == [one.values for one in records]


def test_what_is_ignored_is_neither_in_the_text_nor_in_the_values():
    text = '[{"id":"a","transcript":"secret","artifact":{"url":"secret","n":1.50,"m":[1.0]}}]'
    [record] = read(text, ignored={"transcript", "artifact.url"})
    assert record.values == {"id": "a", "artifact.n": "1.50", "artifact.m": "[1.0]"}
    assert record.text == '{"id":"a","artifact":{"n":1.50,"m":[1.0]}}'
    [record] = read(text, ignored={"artifact", "transcript"})
    assert record.text == '{"id":"a"}'


def test_a_line_that_is_no_json_costs_itself_alone():
    records = read(f'{ONE}\n{{"id": "x", "n": }}\nwords\n{{"id": "open\n7\n{TWO}\n')
    assert [(one.number, bool(one.defect)) for one in records] == [
        (1, False),
        (2, True),
        (3, True),
        (4, True),
        (5, True),
        (6, False),
    ]
    assert records[1].text == '{"id": "x", "n": }\n'
    assert records[1].defect == "is no JSON: expecting value, at character 18."


def test_the_first_line_may_be_the_one_that_is_no_json():
    records = read(f'{{"id": "x", "n": }}\n{ONE}\n{TWO}\n')
    assert [bool(one.defect) for one in records] == [True, False, False]


def test_a_line_that_is_too_long_costs_itself_alone():
    long = f'{{"id": "{"x" * (RECORD_CHARACTERS_MAX + BLOCK_BYTES)}"}}'
    records = read(f"{ONE}\n{long}\n{TWO}\n")
    assert [one.defect for one in records] == ["", TOO_LONG, ""]
    assert len(records[1].text) < 2000


@pytest.mark.parametrize("ending", ["\n", "\n]"])
def test_a_record_in_a_list_that_is_too_long_refuses_the_file(ending):
    long = f'{{"id": "{"x" * (RECORD_CHARACTERS_MAX + BLOCK_BYTES)}"}}'
    with pytest.raises(BadFileError, match="Record 2 is longer than 10,000,000 characters"):
        read(f"[{ONE},{long}{ending}")


def test_a_value_that_is_no_object_costs_itself_alone():
    assert [bool(one.defect) for one in read(f'[1, "x", [], {ONE}, null]')] == [
        True,
        True,
        True,
        False,
        True,
    ]


def nested(depth):
    return "[" + '{"a":' * depth + "1" + "}" * depth + "]"


def test_a_record_that_is_nested_deep_costs_itself_alone():
    assert [one.defect for one in read(nested(100))] == [TOO_DEEP]


def test_a_document_that_is_nested_without_end_is_refused():
    with pytest.raises(BadFileError, match="nested more than 60 levels deep"):
        read(nested(100_000))


@pytest.mark.parametrize(
    "text",
    [
        f"[{ONE},{TWO}",
        f"[{ONE},{TWO},",
        f'[{ONE},{TWO},{{"id": "c", "n',
        f'[{ONE},{TWO},{{"id": "c", "n": tru',
        f'{{"calls": [{ONE},{TWO},{{"id": ',
        f'{ONE}\n{TWO}\n{{"id": "c", "n": 1',
    ],
)
def test_a_file_that_ends_in_the_middle_keeps_what_is_whole(text):
    *whole, torn = read(text, records_at="calls" if "calls" in text else "")
    assert [one.values for one in whole] == BOTH
    assert torn.is_torn
    assert not torn.values


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The file is empty."),
        (" \n\n", "The file is empty."),
        (f"[{ONE} {TWO}]", "After record 1 there is no comma: this is no JSON."),
        (f"[{ONE}, {{x}}, {TWO}]", "Record 2 is no JSON: expecting property name enclosed"),
        ('{\n"a": x\n}', "The document in line 1 is no JSON: expecting value"),
    ],
)
def test_what_is_no_json_is_refused_with_the_place(text, message):
    with pytest.raises(BadFileError) as caught:
        read(text)
    assert str(caught.value).startswith(message)


def test_a_number_is_read_as_a_whole_across_blocks():
    for shift in range(-3, 4):
        before = " " * (BLOCK_BYTES - len('[{"n":12') + shift)
        assert values(f'[{before}{{"n":123456}}]') == [{"n": "123456"}]


def test_several_documents_on_a_line_are_numbered_one_by_one():
    assert [one.number for one in read(f"{ONE}{TWO}\n{ONE}\n\n{TWO}")] == [1, 2, 3, 4]


def test_memory_stays_bounded_however_long_the_list_is(tmp_path):
    path = tmp_path / "calls.json"
    with path.open("wb") as file:
        file.write(b"[")
        for _ in range(100):
            file.write(b'{"id":"a","text":"%s"},' % (b"x" * 1000) * 1000)
        file.write(b"{}]")
    tracemalloc.start()
    try:
        with path.open("rb") as file:
            assert sum(len(one.values) for one in DocumentReader(file)) == 200_000
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 10 * 1024 * 1024, path.stat().st_size


names = st.text(st.characters(exclude_characters=".", exclude_categories=["Cs"]), min_size=1)
flat = st.dictionaries(names, st.text(st.characters(exclude_categories=["Cs"])), max_size=5)


@given(
    documents=st.lists(flat.filter(bool), min_size=1, max_size=8),
    indent=st.sampled_from([None, 0, 2]),
    form=st.sampled_from(["array", "lines", "list"]),
    is_ascii=st.booleans(),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_any_documents_come_back_the_same(documents, indent, form, is_ascii, encoding):
    def written(value):
        return json.dumps(value, indent=indent, ensure_ascii=is_ascii)

    if form == "array":
        text = written(documents)
    elif form == "list":
        text = written({"before": {"calls": 1}, "calls": documents, "after": None})
    else:
        text = "\n".join(map(written, documents))
    file = io.BytesIO(text.encode(encoding))
    reader = DocumentReader(file, records_at="calls" if form == "list" else "")
    records: list[RawRecord] = list(reader)
    assert [one.values for one in records] == documents
    assert [one.defect for one in records] == [""] * len(documents)
    assert list(reader.values_of(one.text for one in records)) == documents

"""Lines that can't be cut: each costs itself alone, whatever stands around it."""

from io import BytesIO

import pytest

from calls.notations import RawRecord
from calls.notations.delimited import NOT_CLOSED, NOT_DOUBLED, TOO_LONG, DelimitedReader
from calls.notations.lines import LINE_BYTES_MAX


def reader_of(content, **options):
    return DelimitedReader(
        BytesIO(content.encode(errors="surrogateescape")),
        delimiters=",",
        takes_as_header=lambda first: first[0] == "id",
        may_be_torn=lambda last, is_closed: False,
        **options,
    )


def read(content, **options):
    return list(reader_of(content, **options))


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ('1,""Ann" <1>",x', ["1", 'Ann" <1>"', "x"]),
        ('1,"Ann"s,x', ["1", "Anns", "x"]),
        ('1,"a"b",x', ["1", 'ab"', "x"]),
    ],
)
def test_broken_quotation_marks_are_read_as_spreadsheets_do(line, values):
    records = read(f'id,name,more\n{line}\n2,"b, c",y\n')
    assert records == [
        RawRecord(2, f"{line}\n", values),
        RawRecord(3, '2,"b, c",y\n', ["2", "b, c", "y"]),
    ]


def test_values_of_a_line_with_broken_quotation_marks_come_back_the_same():
    reader = reader_of('id,name,more\n1,""Ann" <1>",x\n2,"b, c",y\n')
    records = list(reader)
    assert list(reader.values_of([one.text for one in records])) == [one.values for one in records]


@pytest.mark.parametrize(
    ("line", "defect"),
    [
        ('1,""Ann", <1>",x', NOT_DOUBLED),
        ('1,"Ann,x', NOT_CLOSED),
        ('1,a,"never closed', NOT_CLOSED),
        (f"1,{'x' * LINE_BYTES_MAX},z", TOO_LONG),
    ],
)
@pytest.mark.parametrize("after", ["2,b,y\n", '2,"b",y\n', '2,"b\nc",y\n', '2,"",""\n2,"b",y\n'])
def test_a_line_that_can_not_be_cut_costs_itself_alone(line, defect, after):
    before, *rest = read(f"id,name,more\n0,a,x\n{line}\n{after}")
    assert (before.number, before.values) == (2, ["0", "a", "x"])
    assert (rest[0].number, rest[0].values, rest[0].defect) == (3, [], defect)
    expected = [one._replace(number=one.number + 2) for one in read(f"id,name,more\n{after}")]
    assert rest[1:] == expected


def test_the_text_of_a_broken_line_is_as_it_came():
    [broken] = read('id,name\n1,"a" b,c\n')
    assert broken.text == '1,"a" b,c\n'


def test_a_quotation_mark_that_is_never_closed_swallows_nothing():
    count = 100_000
    content = 'id,name\n1,"open\n' + "".join(f"{number},x\n" for number in range(count))
    records = read(content)
    assert [one.defect for one in records[:2]] == [NOT_CLOSED, ""]
    assert len(records) == count + 1


def test_a_line_that_is_too_long_is_shown_by_its_beginning():
    [record] = read(f"id,name\n1,{'x' * 3 * LINE_BYTES_MAX}\n")
    assert record.text == f"1,{'x' * 998}…\n"


def test_a_line_that_is_too_long_may_end_the_file():
    records = read(f"id,name\n1,a\n{'x' * 3 * LINE_BYTES_MAX}")
    assert [(one.number, one.defect) for one in records] == [(2, ""), (3, TOO_LONG)]


def test_a_value_of_several_lines_that_ends_in_a_torn_line_is_read_line_by_line():
    records = read('id,name\n1,a\n2,"two\nli')
    assert [(one.number, one.defect) for one in records] == [(2, ""), (3, NOT_CLOSED), (4, "")]
    assert records[2].values == ["li"]


def test_a_mark_that_a_later_line_seems_to_close_is_no_value_of_both():
    records = read('id,name\n1,"open\n2,b\n3," shut"\n4,"",d\n5,"e"\n')
    assert [one.defect for one in records] == [NOT_CLOSED, "", "", "", ""]


def test_a_value_of_several_lines_counts_only_where_the_row_has_the_right_width():
    records = read('id,name\n1,a\n2,"open\n3,b\n4,"\n5,e\n')
    assert [one.values for one in records] == [["1", "a"], ["2", "open\n3,b\n4,"], ["5", "e"]]
    records = read('id,name\n1,a\n2,"open\n3,b\n4,",c\n5,e\n')
    assert [one.defect for one in records] == ["", NOT_CLOSED, "", NOT_CLOSED, ""]


def test_lines_may_end_with_cr_alone():
    assert [one.values for one in read("id,name\r1,a\r2,b")] == [["1", "a"], ["2", "b"]]


def test_a_cr_inside_of_a_line_costs_that_line_alone():
    records = read("id,name\n1,a\rb\n2,b\n")
    assert [one.defect for one in records] == [
        "has a line end (CR) inside of a value that stands in no quotation marks.",
        "",
    ]


def test_without_a_quotation_mark_none_quotes():
    assert [one.values for one in read('id,name\n1,"a\n2,b"\n', quote="")] == [
        ["1", '"a'],
        ["2", 'b"'],
    ]


def test_another_character_may_quote():
    assert read("id,name\n1,'a,b'\n", quote="'")[0].values == ["1", "a,b"]


def test_a_blank_may_stand_before_a_quotation_mark():
    assert read('id,name\n1, "a,b"\n', skips_blanks=True)[0].values == ["1", "a,b"]


def test_lines_above_the_header_are_skipped_and_counted():
    [record] = read('Calls, of "November\n\nid,name\n1,a\n', skipped_lines=2)
    assert (record.number, record.values) == (4, ["1", "a"])

"""What a file is: found out before anything is read, and said in sentences for people.

Every guess can be changed: `examine` takes the layout that a person has chosen instead.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, BinaryIO, NamedTuple

from billing.texts import storable
from calls.notations import BadFileError, RawRecord
from calls.notations.documents import lists_in
from calls.notations.encodings import find_encoding
from calls.notations.layout import DELIMITED, JSON, Examined, Fact, Layout
from calls.notations.lines import MARK, decoder_of
from calls.notations.reading import reader_for
from calls.notations.shape import NAMES, column_names, find_shape, find_totals, sampled
from calls.notations.sheets import csv_of_sheet
from calls.notations.totals import says_total
from calls.notations.unpacking import GIB, unpack
from calls.notations.values import Document

UNPACKED_MAX = 2 * GIB
LOOKED_AT = 64 * 1024
TITLES_SHOWN_MAX = 3
COLUMNS_MAX = 2_000


def examine(
    file: BinaryIO, *, name: str, layout: Layout | None = None, unpacked_max: int = UNPACKED_MAX
) -> Examined:
    """Find out how ``file`` is cut into records; with ``layout``, cut it so.

    ``name`` is what the file is called; no more than a hint. What is unpacked goes to the temporary
    directory (``TMPDIR``), at most ``unpacked_max`` bytes; the caller closes the file returned
    where it is another one. Memory stays bounded, whatever the file holds.

    Raises BadFileError with a sentence that says what can be done, where there are no records.
    """
    plain, told, _ = plain_file(file, unpacked_max=unpacked_max)
    facts = list(told)
    try:
        if layout is None:
            layout, found = _layout_of(plain, name)
            facts.extend(found)
        else:
            layout = _with_columns(plain, layout)
        sample = _sample(plain, layout)
        if layout.notation == JSON:
            layout = replace(layout, columns=_paths(sample))
            if not layout.columns:
                raise BadFileError(_without_records(plain, layout))
        plain.seek(0)
        return Examined(plain, layout, tuple(facts), sample)
    except BaseException:
        if plain is not file:
            plain.close()
        raise


class Plain(NamedTuple):
    """A file unpacked, a sheet as CSV, with what is to be said of that.

    ``sheets`` are the names of the sheets that may be read, the one that is read first.
    """

    file: BinaryIO
    facts: tuple[Fact, ...]
    sheets: tuple[str, ...]


def plain_file(file: BinaryIO, *, unpacked_max: int = UNPACKED_MAX, sheet: str = "") -> Plain:
    """Return ``file`` unpacked, of a workbook the ``sheet`` as CSV, or that with the most rows.

    Where nothing had to be done it is ``file`` itself; else the caller closes what is returned.
    Raises BadFileError as `examine` does.
    """
    unpacked = unpack(file, unpacked_max=unpacked_max)
    plain, facts = unpacked.file, unpacked.facts
    sheets: tuple[str, ...] = ()
    if unpacked.is_sheet:
        try:
            found = csv_of_sheet(plain, unpacked_max=unpacked_max, name=sheet)
        finally:
            if plain is not file:
                plain.close()
        plain, facts = found.file, (*facts, *found.facts)
        sheets = (found.name, *(name for name in found.names if name != found.name))
    plain.seek(0)
    return Plain(plain, facts, sheets)


def _layout_of(file: BinaryIO, name: str) -> tuple[Layout, tuple[Fact, ...]]:
    encoding, facts, is_guessed = find_encoding(file)
    if found := _json_layout(file, name, encoding):
        layout, about = found
    else:
        layout, about = _delimited_layout(file, encoding)
    return replace(layout, encoding_is_guessed=is_guessed), (*facts, *about)


def _json_layout(file: BinaryIO, name: str, encoding: str) -> tuple[Layout, list[Fact]] | None:
    """Return how a JSON file is cut, None where it is none."""
    file.seek(0)
    beginning = decoder_of(encoding).decode(file.read(LOOKED_AT)).removeprefix(MARK).lstrip()
    is_named_so = name.lower().endswith((".json", ".jsonl", ".ndjson"))
    looks_so = beginning[:1] == "{" or beginning[:1] == "["
    if not looks_so:
        if is_named_so and beginning:
            raise BadFileError("The file is no JSON, although its name says so.")
        return None
    after = beginning[1:].lstrip()[:1]
    if not is_named_so and after not in ('"{[}]' if beginning[0] == "[" else '"}'):
        return None
    layout = Layout(notation=JSON, encoding=encoding)
    if beginning[0] == "[":
        return layout, [Fact("json", "The file is a JSON array of records.")]
    lists = lists_in(file, encoding)
    if len(lists) == 1:
        [at] = lists
        said = f"The records are the list “{storable(at[:40])}” of a JSON document."
        return replace(layout, records_at=at), [Fact("json", said)]
    return layout, [Fact("json", "Each JSON document in the file is one record.")]


def _delimited_layout(file: BinaryIO, encoding: str) -> tuple[Layout, list[Fact]]:
    shape = find_shape(file, encoding=encoding)
    facts = []
    separator = NAMES.get(shape.delimiter, f"“{storable(shape.delimiter)}”")
    if shape.names_separator:
        facts.append(
            Fact("separator", f"Values are separated by {separator}: its first line says so.")
        )
    elif shape.columns > 1:
        facts.append(Fact("separator", f"Values are separated by {separator}."))
    if shape.titles:
        shown = "; ".join(f"“{storable(one[:80])}”" for one in shape.titles[:TITLES_SHOWN_MAX])
        more = " …" if len(shape.titles) > TITLES_SHOWN_MAX else ""
        facts.append(Fact("titles", f"Skipped above the columns: {shown}{more}."))
    if shape.header is None:
        said = f"The first line is a record: no header names the {shape.columns} columns."
        facts.append(Fact("header", said))
    columns = _named(shape.header or (), shape.columns)
    layout = Layout(
        notation=DELIMITED,
        encoding=encoding,
        delimiter=shape.delimiter,
        quote=shape.quote,
        skipped_lines=shape.skipped_lines,
        has_header=shape.header is not None,
        columns=columns,
    )
    if find_totals(file, layout, shape.columns):
        said = "The last line holds totals. It is no call, so it is left out."
        facts.append(Fact("totals", said))
    return layout, facts


def _named(header: Sequence[str], columns: int) -> tuple[str, ...]:
    """Name the columns so that their names can be stored."""
    return column_names([storable(name) for name in header], columns)


def _with_columns(file: BinaryIO, layout: Layout) -> Layout:
    """Name the columns of a layout that a person has chosen, as its header does."""
    if layout.notation == JSON:
        return layout
    without_header = replace(layout, has_header=False)
    file.seek(0)
    reader = reader_for(without_header, file)
    rows = [record.values for record in sampled(reader) if record.values]
    if not rows:
        raise BadFileError("Cut like this, the file has no values.")
    if layout.has_header:
        header = rows[0]
        while header and not header[-1].strip():
            header.pop()
        return replace(layout, columns=_named(header, len(header)))
    width = max(len(row) for row in rows)
    if len(layout.columns) == width:
        return layout
    return replace(layout, columns=_named((), width))


def _sample(file: BinaryIO, layout: Layout) -> tuple[RawRecord[Mapping[str, str]], ...]:
    """Return the first records by column, without totals: those tell nothing about records."""
    file.seek(0)
    first = [record for record in sampled(reader_for(layout, file)) if record.values]
    records = [record for record in first if not _holds_totals(record)]
    sample = []
    for record in records or first:
        values: Document = record.values
        if layout.notation == DELIMITED:
            values = dict(zip(layout.columns, record.values, strict=False))
        sample.append(record._replace(values=values))
    return tuple(sample)


def _holds_totals(record: RawRecord[Any]) -> bool:
    return isinstance(record.values, list) and says_total(record.values)


def _without_records(file: BinaryIO, layout: Layout) -> str:
    """Say why a JSON file has no records."""
    file.seek(0)
    first = next(iter(reader_for(layout, file)), None)
    if first is not None and first.defect:
        return f"Record 1 {first.defect}"
    return "There are no records in the file."


def _paths(sample: tuple[RawRecord[Mapping[str, str]], ...]) -> tuple[str, ...]:
    """Every path in the records, in the order in which they come."""
    found = dict.fromkeys(storable(path) for record in sample for path in record.values)
    return tuple(islice(found, COLUMNS_MAX))

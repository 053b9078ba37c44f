"""What a file is: found out from its contents alone, and said in sentences for people.

Whatever its size, little of it is in memory at once; what had to be unpacked is a temporary file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import BinaryIO

from billing.texts import storable
from calls.notations import BadFileError, RawRecord
from calls.notations.delimited import DelimitedReader
from calls.notations.documents import DocumentReader, begins_document, find_records
from calls.notations.encodings import find_encoding
from calls.notations.layout import JSON, Examined, Fact, Layout
from calls.notations.shape import (
    NAMES,
    RECORDS_MAX,
    Shape,
    bounded,
    column_names,
    find_shape,
    find_totals,
)
from calls.notations.sheets import as_csv
from calls.notations.unpacking import GIB, unpack

Sample = tuple[RawRecord[Mapping[str, str]], ...]

TITLES_SAID_MAX = 3
COLUMNS_MAX = 2_000


def examine(
    file: BinaryIO, *, name: str, layout: Layout | None = None, unpacked_max: int = 2 * GIB
) -> Examined:
    """Find out how the records in ``file`` are written, and read the first of them.

    With ``layout`` it is cut so, and only the names of the columns are found. What is unpacked is
    at most ``unpacked_max`` bytes. ``name`` is what the file is called; its ending decides nothing.

    Raises BadFileError, with a sentence that says what to do, where no records can be in it.
    """
    plain, facts, is_sheet = unpack(file, unpacked_max=unpacked_max)
    try:
        if is_sheet:
            sheet = plain
            plain, more = as_csv(sheet, unpacked_max=unpacked_max)
            facts += more
            if sheet is not file:
                sheet.close()
        if layout is None:
            encoding, more = find_encoding(plain)
            facts += more
            layout, more = _found(plain, encoding)
            facts += more
        layout, sample = _sampled(plain, layout)
        plain.seek(0)
    except BaseException:
        if plain is not file:
            plain.close()
        raise
    return Examined(plain, layout, facts, sample)


def _found(file: BinaryIO, encoding: str) -> tuple[Layout, tuple[Fact, ...]]:
    file.seek(0)
    if begins_document(file, encoding):
        file.seek(0)
        records_at = find_records(file, encoding)
        said = f"The records are in the list “{storable(records_at)}” of a JSON document."
        if not records_at:
            said = "The file is JSON."
        layout = Layout(notation=JSON, encoding=encoding, records_at=records_at)
        return layout, (Fact("json", said),)
    shape = find_shape(file, encoding=encoding)
    layout = Layout(
        encoding=encoding,
        delimiter=shape.delimiter,
        quote=shape.quote,
        skipped_lines=shape.skipped_lines,
        has_header=shape.header is not None,
    )
    facts = _said(shape)
    if find_totals(file, layout, shape.columns):
        said = "The last line seems to hold totals. It is no call, so it will be rejected."
        facts += (Fact("totals", said),)
    return layout, facts


def _said(shape: Shape) -> tuple[Fact, ...]:
    facts = []
    name = NAMES.get(shape.delimiter, f"“{storable(shape.delimiter)}”")
    if shape.names_separator:
        facts.append(Fact("separator", f"Values are separated by {name}: its first line says so."))
    elif shape.columns > 1:
        facts.append(Fact("separator", f"Values are separated by {name}."))
    if shape.titles:
        titles = "; ".join(f"“{storable(title[:60])}”" for title in shape.titles[:TITLES_SAID_MAX])
        more = " …" if len(shape.titles) > TITLES_SAID_MAX else ""
        facts.append(Fact("titles", f"Skipped above the columns: {titles}{more}."))
    if shape.header is None:
        facts.append(Fact("header", "No row names the columns, so they have numbers."))
    else:
        facts.append(Fact("header", f"The header names {shape.columns} columns."))
    return tuple(facts)


def _sampled(file: BinaryIO, layout: Layout) -> tuple[Layout, Sample]:
    """Read the first records, and name the columns that are in them."""
    file.seek(0)
    if layout.notation == JSON:
        return _sampled_documents(file, layout)
    header: list[str] = []

    def takes(first: Sequence[str]) -> bool:
        if layout.has_header:
            header.extend(first)
        return layout.has_header

    reader = DelimitedReader(
        file,
        delimiters=layout.delimiter,
        takes_as_header=takes,
        may_be_torn=lambda last, is_closed: False,
        encoding=layout.encoding,
        quote=layout.quote,
        skipped_lines=layout.skipped_lines,
        skips_blanks=True,
    )
    records = list(bounded(reader, RECORDS_MAX))
    width = _width(header, records)
    columns = column_names([storable(name) for name in header], width)
    sample: Sample = tuple(
        RawRecord(
            record.number,
            record.text,
            dict(zip(columns, record.values, strict=False)),
            defect=record.defect,
        )
        for record in records
    )
    return replace(layout, columns=columns), sample


def _width(header: list[str], records: list[RawRecord[list[str]]]) -> int:
    """How many columns there are: as the header says, without one as most rows do."""
    named = len(header)
    while named and not header[named - 1].strip():
        named -= 1
    widths = [len(record.values) for record in records if record.values]
    if not header:
        return max(widths, key=lambda width: (widths.count(width), width), default=0)
    filled = 0
    for record in records:
        row = record.values[: len(header)]
        while row and not row[-1].strip():
            row = row[:-1]
        filled = max(filled, len(row))
    return max(named, filled)


def _sampled_documents(file: BinaryIO, layout: Layout) -> tuple[Layout, Sample]:
    reader = DocumentReader(file, encoding=layout.encoding, records_at=layout.records_at)
    sample = tuple(bounded(reader, RECORDS_MAX))
    paths = dict.fromkeys(path for record in sample for path in record.values)
    if not paths:
        raise BadFileError(
            sample[0].defect and f"Record 1 {sample[0].defect}"
            if sample
            else "There are no records in the file."
        )
    columns = column_names([storable(path) for path in islice(paths, COLUMNS_MAX)], 0)
    return replace(layout, columns=columns), sample

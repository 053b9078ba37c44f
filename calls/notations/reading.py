"""The reader of a file whose layout is known."""

import csv
import io
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, BinaryIO

from django.template.defaultfilters import pluralize

from calls.notations import RawRecord, Reader
from calls.notations.delimited import Row
from calls.notations.documents import DocumentReader
from calls.notations.layout import JSON, Layout
from calls.notations.rejected import COLUMNS
from calls.notations.trimming import TrimmedReader


def reader_for(
    layout: Layout,
    file: BinaryIO,
    *,
    ignored: Collection[str] = (),
    may_be_torn: Callable[[Sequence[str], bool], bool] | None = None,
) -> Reader[Any]:
    """Return the reader of ``file``, which is cut as ``layout`` says.

    Delimited text gives rows of texts, in the order of ``layout.columns``; JSON gives texts by
    dotted paths. What stands in the columns (or at and below the paths) in ``ignored`` is empty in
    the values of a row and missing in those of a document, and so it is in the text of a record:
    it is never kept.

    ``may_be_torn`` looks at a last row that nothing ends (`DelimitedReader`); without it only a row
    that has too few values may be torn.
    """
    if layout.notation == JSON:
        return DocumentReader(
            file,
            encoding=layout.encoding,
            records_at=layout.records_at,
            ignored=frozenset((*ignored, *COLUMNS)),
        )

    def has_too_few(last: Sequence[str], is_closed: bool) -> bool:
        return len(last) < len(layout.columns)

    reader = TrimmedReader(
        file,
        delimiters=layout.delimiter,
        takes_as_header=lambda _: layout.has_header,
        may_be_torn=may_be_torn or has_too_few,
        encoding=layout.encoding,
        quote=layout.quote,
        skipped_lines=layout.skipped_lines,
        skips_blanks=True,
    )
    places = [place for place, name in enumerate(layout.columns) if name in ignored]
    return _WithoutIgnored(reader, layout, places) if places else reader


class _WithoutIgnored:
    """Gives the records of ``reader`` with nothing at some ``places`` of their rows.

    What can't be cut into the right columns may hold what is ignored anywhere: of such a record
    only the values before the first of ``places`` are given, with the reason to reject it.
    """

    def __init__(self, reader: TrimmedReader, layout: Layout, places: Sequence[int]) -> None:
        self._reader = reader
        self._delimiter = layout.delimiter
        self._columns = len(layout.columns)
        self._places = places
        self._written = io.StringIO()
        self._writer = csv.writer(
            self._written,
            delimiter=layout.delimiter,
            quotechar=layout.quote or None,
            quoting=csv.QUOTE_MINIMAL if layout.quote else csv.QUOTE_NONE,
            escapechar=None if layout.quote else "\\",
            lineterminator="\n",
        )
        self.values_of = reader.values_of

    @property
    def bytes_read(self) -> int:
        """How far the file has been read, in whole blocks."""
        return self._reader.bytes_read

    def __iter__(self) -> Iterator[RawRecord[Row]]:
        columns = self._columns
        for record in self._reader:
            row = record.values
            if not row:
                yield record._replace(text=self._beginning(record.text))
                continue
            if len(row) > columns:
                if any(map(str.strip, row[columns:])):
                    yield RawRecord(
                        record.number,
                        self._beginning(record.text),
                        [],
                        defect=f"has {len(row)} values, the header names {columns} "
                        f"column{pluralize(columns)}.",
                    )
                    continue
                row = row[:columns]
            for place in self._places:
                if place < len(row):
                    row[place] = ""
            yield record._replace(text=self._text(row), values=row)

    def _text(self, row: Row) -> str:
        self._writer.writerow(row)
        text = self._written.getvalue()
        self._written.seek(0)
        self._written.truncate()
        return text

    def _beginning(self, text: str) -> str:
        values = text.rstrip("\r\n").split(self._delimiter)
        return f"{self._delimiter.join((*values[: self._places[0]], '…'))}\n"

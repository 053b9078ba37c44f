"""The reader for a layout: rows for delimited text, documents for JSON.

What is ignored (transcripts, recordings' addresses) is gone from values and texts alike, before
anything is kept of a record.
"""

import re
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import Any, BinaryIO

from django.template.defaultfilters import pluralize

from calls.notations import RawRecord, Reader
from calls.notations.delimited import DelimitedReader, Row
from calls.notations.documents import DocumentReader
from calls.notations.layout import JSON, Layout

MayBeTorn = Callable[[Sequence[str], bool], bool]


def _any_part_may_be_missing(last: Sequence[str], is_closed: bool) -> bool:
    return True


def reader_for(
    layout: Layout,
    file: BinaryIO,
    *,
    ignored: Container[str] = (),
    may_be_torn: MayBeTorn = _any_part_may_be_missing,
) -> Reader[Any]:
    """Return what reads the records of ``file`` as ``layout`` cuts them.

    Rows keep their width: the values of ``ignored`` columns are empty. Documents lose the paths
    that are ``ignored``, and all below them. ``may_be_torn`` judges a last line that nothing ends,
    as in `DelimitedReader`; without it such a line counts as cut off.
    """
    if layout.notation == JSON:
        return DocumentReader(
            file, encoding=layout.encoding, records_at=layout.records_at, ignored=ignored
        )
    reader = DelimitedReader(
        file,
        delimiters=layout.delimiter,
        takes_as_header=lambda _: layout.has_header,
        may_be_torn=may_be_torn,
        encoding=layout.encoding,
        quote=layout.quote,
        skipped_lines=layout.skipped_lines,
        skips_blanks=True,
    )
    places = [place for place, name in enumerate(layout.columns) if name in ignored]
    return WithoutIgnored(reader, layout, places) if places else reader


class WithoutIgnored:
    """Gives the rows of ``reader`` with nothing at ``places``.

    What can't be cut into the right columns may hold what is ignored anywhere: of such a record
    only the values before the first of ``places`` are given, with the reason to reject it.
    """

    def __init__(self, reader: Reader[Row], layout: Layout, places: Sequence[int]) -> None:
        self._reader = reader
        self._layout = layout
        self._places = places
        self._columns = len(layout.columns)
        self._to_quote = re.compile(
            rf"^\s|[{re.escape(layout.delimiter + layout.quote)}\r\n]", re.MULTILINE
        )

    @property
    def bytes_read(self) -> int:
        """How far the file has been read, in whole blocks."""
        return self._reader.bytes_read

    def __iter__(self) -> Iterator[RawRecord[Row]]:
        places, columns = self._places, self._columns
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
            for place in places:
                if place < len(row):
                    row[place] = ""
            yield record._replace(text=self._written(row), values=row)

    def values_of(self, texts: Iterable[str]) -> Iterator[Row]:
        """Give the values of each text, which is one whole row."""
        return self._reader.values_of(texts)

    def _written(self, row: Row) -> str:
        quote = self._layout.quote
        if not quote:
            return f"{self._layout.delimiter.join(row)}\n"
        values = (
            f"{quote}{value.replace(quote, quote * 2)}{quote}"
            if self._to_quote.search(value)
            else value
            for value in row
        )
        return f"{self._layout.delimiter.join(values)}\n"

    def _beginning(self, text: str) -> str:
        values = text.rstrip("\r\n").split(self._layout.delimiter)
        kept = values[: self._places[0]]
        return f"{self._layout.delimiter.join((*kept, '…'))}\n"

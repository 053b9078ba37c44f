"""Delimited text without what nobody wants to keep: columns that are ignored, and those that a file
of rejected lines has at its end (`calls.notations.rejected`).
"""

import csv
import io
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, BinaryIO

from calls.notations import RawRecord
from calls.notations.delimited import DelimitedReader, Row
from calls.notations.rejected import without_rejected


class TrimmedReader:
    """Iterates over the rows of a file as `DelimitedReader` does, without those columns.

    ``ignored`` are the places of columns, counted from 0, whose values are emptied, in the texts of
    the records too: a transcript is kept nowhere. The columns of rejected lines are cut off the
    values; they stay in the texts.
    """

    def __init__(
        self,
        file: BinaryIO,
        *,
        delimiters: str,
        takes_as_header: Callable[[Sequence[str]], bool],
        may_be_torn: Callable[[Sequence[str], bool], bool],
        ignored: Collection[int] = (),
        quote: str = '"',
        **cut: Any,
    ) -> None:
        self._takes_as_header = takes_as_header
        self._may_be_torn = may_be_torn
        self._ignored = sorted(ignored)
        self._dialect: dict[str, Any] = {"delimiter": delimiters[0], "quotechar": quote or '"'}
        self._width = 0  # of a row with the columns of rejected lines; 0: there are none
        self._own_width = 0
        self._is_headless = False
        self._inner = DelimitedReader(
            file,
            delimiters=delimiters,
            takes_as_header=self._takes,
            may_be_torn=self._torn,
            quote=quote,
            **cut,
        )

    @property
    def bytes_read(self) -> int:
        """How far the file has been read."""
        return self._inner.bytes_read

    def __iter__(self) -> Iterator[RawRecord[Row]]:
        records = iter(self._inner)
        for first in records:
            yield self._trimmed(first)
            break
        yield from map(self._trimmed, records) if self._trims else records

    def values_of(self, texts: Iterable[str]) -> Iterator[Row]:
        """Give the values of each text that this reader gave before."""
        rows = self._inner.values_of(texts)
        return map(self._cut, rows) if self._width else rows

    @property
    def _trims(self) -> bool:
        return bool(self._width or self._ignored)

    def _takes(self, first: Sequence[str]) -> bool:
        own = without_rejected(first)
        if len(own) < len(first):
            self._width, self._own_width = len(first), len(own)
        self._is_headless = not self._takes_as_header(own)
        return not self._is_headless

    def _torn(self, last: Sequence[str], is_closed: bool) -> bool:
        if self._width and len(last) >= self._width:
            return False  # at most the reason is
        return self._may_be_torn(last, is_closed)

    def _trimmed(self, record: RawRecord[Row]) -> RawRecord[Row]:
        if not record.values:
            return record
        text = record.text
        if self._ignored and any(record.values[at : at + 1] != [""] for at in self._ignored):
            for at in self._ignored:
                if at < len(record.values):
                    record.values[at] = ""
            text = self._written(record.values)
        return record._replace(values=self._cut(record.values), text=text)

    def _cut(self, row: Row) -> Row:
        if not self._width:
            return row
        if self._is_headless:
            return without_rejected(row)
        return row[: self._own_width] if len(row) == self._width else row

    def _written(self, row: Row) -> str:
        file = io.StringIO()
        csv.writer(file, lineterminator="\n", **self._dialect).writerow(row)
        return file.getvalue()

"""Delimited text without the columns that a file of rejected lines has at its end."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, BinaryIO

from calls.notations import RawRecord
from calls.notations.delimited import DelimitedReader, Row
from calls.notations.rejected import without_rejected


class TrimmedReader:
    """Iterates over the rows of a file as `DelimitedReader` does, without those columns.

    They are cut off the values, and stay in the texts (`calls.notations.rejected`).
    """

    def __init__(
        self,
        file: BinaryIO,
        *,
        takes_as_header: Callable[[Sequence[str]], bool],
        may_be_torn: Callable[[Sequence[str], bool], bool],
        **cut: Any,
    ) -> None:
        self._takes_as_header = takes_as_header
        self._may_be_torn = may_be_torn
        self._width = 0  # of a row with the columns of rejected lines; 0: there are none
        self._own_width = 0
        self._is_headless = False
        self._inner = DelimitedReader(
            file,
            takes_as_header=self._takes,
            may_be_torn=self._torn,
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
        yield from map(self._trimmed, records) if self._width else records

    def values_of(self, texts: Iterable[str]) -> Iterator[Row]:
        """Give the values of each text that this reader gave before."""
        rows = self._inner.values_of(texts)
        return map(self._cut, rows) if self._width else rows

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
        return record._replace(values=self._cut(record.values))

    def _cut(self, row: Row) -> Row:
        if not self._width:
            return row
        if self._is_headless:
            return without_rejected(row)
        return row[: self._own_width] if len(row) == self._width else row

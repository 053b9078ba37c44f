"""Delimited text (CSV) in UTF-8, with a header or without: refuses what is no such text.

A byte that is no UTF-8 is handed on as a lone surrogate (Python's ``surrogateescape``): what its
value may then be is up to the rules of a record, and a rejected line is given back as it came.
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import BinaryIO

from calls.notations import BadFileError, RawRecord

Row = list[str]

# A line that is longer than this is no call record but another kind of file.
LINE_BYTES_MAX = 1_000_000
csv.field_size_limit(LINE_BYTES_MAX)  # a transcript may stand in a line, however long it is

CR_ALONE = "lines must end with LF or CRLF, not with CR alone."
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
OTHER_FILES = {
    b"\xff\xfe\0\0": "The file is UTF-32; save it as UTF-8.",
    b"\xff\xfe": "The file is UTF-16; save it as UTF-8.",
    b"\xfe\xff": "The file is UTF-16; save it as UTF-8.",
    b"\x1f\x8b": "The file is compressed (gzip); unpack it first.",
    b"PK\x03\x04": "The file is a ZIP archive or a spreadsheet; save it as CSV.",
    b"\xd0\xcf\x11\xe0": "The file is a spreadsheet; save it as CSV.",
}


class DelimitedReader:
    """Iterates over the rows of ``file``, without header and blank lines.

    The delimiter is whichever of ``delimiters`` the first line has most of. ``takes_as_header``
    looks at the first row and says whether it is a header; it may raise BadFileError.

    A last line that nothing ends may be whole, or cut off where the file was still being written.
    ``may_be_torn`` gets its row, and whether the last value ends with a quotation mark, and says
    whether a part of it may be missing that matters.
    """

    def __init__(
        self,
        file: BinaryIO,
        *,
        delimiters: str,
        takes_as_header: Callable[[Sequence[str]], bool],
        may_be_torn: Callable[[Sequence[str], bool], bool],
    ) -> None:
        self._file = file
        self._delimiters = delimiters
        self._takes_as_header = takes_as_header
        self._may_be_torn = may_be_torn
        self._delimiter = delimiters[0]
        self._line_number = 0
        self._text: list[str] = []  # the lines that the CSV reader took since the last record
        self.bytes_read = 0

    def __iter__(self) -> Iterator[RawRecord[Row]]:
        lines = self._lines()
        for first_line in lines:
            if first_line.strip():
                break
            self._text.clear()
        else:
            raise BadFileError("The file is empty.")
        self._delimiter = max(self._delimiters, key=first_line.count)
        records = self._records(_with_first(first_line, lines))
        first = next(records, None)
        if first is None:
            raise BadFileError("The file has no values, only the characters between them.")
        if not self._takes_as_header(first.values):
            yield self._marked(first)
        yield from map(self._marked, records)

    def values_of(self, texts: Iterable[str]) -> Iterator[Row]:
        """Give the values of each text, which is one whole row."""
        return csv.reader(texts, delimiter=self._delimiter, strict=True)

    def _records(self, lines: Iterator[str]) -> Iterator[RawRecord[Row]]:
        reader = self.values_of(lines)
        number = first = self._line_number
        while True:
            try:
                values = next(reader, None)
            except csv.Error as error:
                text = "".join(self._text)
                if number != first and len(self._text) == 1 and _is_open(text):
                    # Nothing but this line can be in the value that a quotation mark opens.
                    yield RawRecord(number, text, [], is_torn=True)
                    return
                raise BadFileError(f"Line {number}: {_explained(error)}") from None
            if values is None:
                return
            if any(map(str.strip, values)):
                yield RawRecord(number, "".join(self._text), values)
            self._text.clear()
            number = self._line_number + 1

    def _marked(self, record: RawRecord[Row]) -> RawRecord[Row]:
        if record.is_torn or not _is_open(record.text):
            return record
        is_torn = self._may_be_torn(record.values, record.text.endswith('"'))
        return record._replace(is_torn=is_torn)

    def _lines(self) -> Iterator[str]:
        while line := self._file.readline(LINE_BYTES_MAX + 1):
            self._line_number += 1
            self.bytes_read += len(line)
            if self._line_number == 1:
                _refuse_other_files(line)
                line = line.removeprefix(BYTE_ORDER_MARK)
            text = self._decoded(line)
            self._text.append(text)
            yield text

    def _decoded(self, line: bytes) -> str:
        if len(line) > LINE_BYTES_MAX:
            if b"\r" in line:
                raise BadFileError(f"Line {self._line_number}: {CR_ALONE}")
            raise BadFileError(f"Line {self._line_number} is longer than {LINE_BYTES_MAX:,} bytes.")
        if self._line_number == 1 and b"\0" in line:
            raise BadFileError("Line 1 has a NUL byte: this is no UTF-8 text.")
        return line.decode(errors="surrogateescape")


def _is_open(text: str) -> bool:
    """Whether nothing ends the line: only the last of a file may be so."""
    return not text.endswith(("\n", "\r"))


def _with_first(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _refuse_other_files(line: bytes) -> None:
    for beginning, message in OTHER_FILES.items():
        if line.startswith(beginning):
            raise BadFileError(message)


def _explained(error: csv.Error) -> str:
    said = str(error)
    if "unexpected end of data" in said:
        return "a quotation mark opens a value, and nothing closes it."
    if "field larger than field limit" in said:
        return (
            f"a value is longer than {csv.field_size_limit():,} characters; perhaps a quotation "
            "mark opens it, and nothing closes it."
        )
    if "expected after" in said:
        return "text follows the quotation mark that closes a value; inside of one, double it."
    if "new-line character" in said:
        return CR_ALONE
    return f"not CSV ({said})."

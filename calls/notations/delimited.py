"""Delimited text (CSV), with a header or without: refuses what is no such text.

A byte that is no UTF-8 is handed on as a lone surrogate (Python's ``surrogateescape``): what its
value may then be is up to the rules of a record, and a rejected line is given back as it came.

Quotation marks are read strictly. Where that fails, the line is read once more, as spreadsheets
read it; if it then has another number of values than the lines before, it alone is rejected.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import BinaryIO

from calls.notations import BadFileError, RawRecord
from calls.notations.lines import LINE_BYTES_MAX, Lines, TooLong

Row = list[str]

csv.field_size_limit(LINE_BYTES_MAX)  # a transcript may stand in a line, however long it is

# What Excel writes, and reads, above the header of a file: the character between values.
SEPARATOR_LINE = re.compile(r'"?sep=([^\r\n])"?[\r\n]*', re.IGNORECASE)

NOT_CLOSED = "has a quotation mark that opens a value, and nothing closes it."
NOT_DOUBLED = "has text after the quotation mark that closes a value; inside of one, double it."
CR_INSIDE = "has a line end (CR) inside of a value that stands in no quotation marks."
TOO_LONG = f"is longer than {LINE_BYTES_MAX:,} characters."


class DelimitedReader:
    """Iterates over the rows of ``file``, without header and blank lines.

    The delimiter is that of a line ``sep=``, else whichever of ``delimiters`` the first line has
    most of. The first ``skipped_lines`` lines are no rows. ``takes_as_header`` looks at the first
    row and says whether it is a header; it may raise BadFileError. Without ``quote`` no character
    quotes. With ``skips_blanks`` a quotation mark may follow a blank.

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
        encoding: str = "utf-8",
        quote: str = '"',
        skipped_lines: int = 0,
        skips_blanks: bool = False,
    ) -> None:
        self._lines = Lines(file, encoding)
        self._delimiters = delimiters
        self._takes_as_header = takes_as_header
        self._may_be_torn = may_be_torn
        self._quote = quote
        self._skipped_lines = skipped_lines
        self._skips_blanks = skips_blanks
        self._settle(delimiters[0])
        self._text: list[str] = []  # the lines that the CSV reader took since the last record
        self._again: list[str] = []  # lines to take before those of the file, the next one last

    @property
    def bytes_read(self) -> int:
        """How far the file has been read, in whole blocks."""
        return self._lines.bytes_read

    def __iter__(self) -> Iterator[RawRecord[Row]]:
        lines = iter(self._lines)
        number = 0
        for line in lines:
            number += 1
            if number == 1 and not self._skipped_lines and (marked := separator_of(line)):
                self._delimiters = marked
            elif number > self._skipped_lines and line.strip():
                self._again.append(line)
                break
            elif isinstance(line, TooLong):
                raise BadFileError(f"Line {number} {TOO_LONG}")
        else:
            raise BadFileError("The file is empty.")
        self._settle(max(self._delimiters, key=line.count))
        records = self._records(lines, number)
        first = next(records, None)
        if first is None:
            raise BadFileError("The file has no values, only the characters between them.")
        if not self._takes_as_header(first.values or self._row(first.text)):
            yield first
        yield from records

    def values_of(self, texts: Iterable[str]) -> Iterator[Row]:
        """Give the values of each text, which is one whole row."""
        texts = list(texts)
        try:
            return iter(list(csv.reader(texts, self._strict)))
        except csv.Error:
            return iter([self._row(text) for text in texts])

    def _settle(self, delimiter: str) -> None:
        """Cut by ``delimiter`` from now on."""
        # Dialects that are made once: the values of each call are a reading of their own.
        self._strict, self._lenient = (
            csv.reader(
                (),
                delimiter=delimiter,
                quotechar=self._quote or None,
                quoting=csv.QUOTE_MINIMAL if self._quote else csv.QUOTE_NONE,
                skipinitialspace=self._skips_blanks,
                strict=is_strict,
            ).dialect
            for is_strict in (True, False)
        )

    def _row(self, text: str) -> Row:
        """The values of one text: strictly, and where that fails, as spreadsheets would."""
        try:
            return next(csv.reader([text], self._strict))
        except csv.Error:
            return next(csv.reader([text], self._lenient))

    def _records(self, lines: Iterator[str], number: int) -> Iterator[RawRecord[Row]]:
        """Give the records from the line of that ``number`` on."""
        reader = csv.reader(self._taken(lines), self._strict)
        row: Row | None
        width = first_width = 0
        text = self._text
        while True:
            try:
                row = next(reader, None)
            except csv.Error as error:
                yield self._recovered(number, _explained(error), {width, first_width})
                number += 1
                reader = csv.reader(self._taken(lines), self._strict)
                continue
            if row is None:
                return
            if len(text) == 1:
                whole = text[0]
                if any(map(str.strip, row)):
                    width = len(row)
                    first_width = first_width or width
                    if whole[-1] not in "\r\n" and self._may_be_torn(row, whole[-1] == self._quote):
                        yield RawRecord(number, whole, row, is_torn=True)
                    else:
                        yield RawRecord(number, whole, row)
                elif isinstance(whole, TooLong):
                    yield RawRecord(number, whole.beginning, [], defect=TOO_LONG)
                number += 1
                text.clear()
            elif self._is_one_record(row, {width, first_width}):
                whole = "".join(text)
                is_open = whole[-1] not in "\r\n"
                is_torn = is_open and self._may_be_torn(row, whole[-1] == self._quote)
                yield RawRecord(number, whole, row, is_torn=is_torn)
                width = len(row)
                first_width = first_width or width
                number += len(text)
                text.clear()
            else:
                yield self._recovered(number, NOT_CLOSED, {width, first_width})
                number += 1
                reader = csv.reader(self._taken(lines), self._strict)

    def _is_one_record(self, row: Row, widths: set[int]) -> bool:
        """Whether a quotation mark that was not closed swallowed none of several lines."""
        if any(isinstance(line, TooLong) for line in self._text):
            return False
        return len(row) in widths or widths == {0} or _filled(row) in widths

    def _recovered(self, number: int, defect: str, widths: set[int]) -> RawRecord[Row]:
        """Read the first of the lines taken by itself; the others are to be taken once more."""
        first, *others = self._text
        self._again.extend(reversed(others))
        self._text.clear()
        if isinstance(first, TooLong):
            return RawRecord(number, first.beginning, [], defect=TOO_LONG)
        is_open = first[-1] not in "\r\n"
        if is_open and defect == NOT_CLOSED and widths != {0}:
            # Nothing but this line can be in the value that a quotation mark opens.
            return RawRecord(number, first, [], is_torn=True)
        try:
            row = next(csv.reader([f"{first}\n" if is_open else first], self._lenient))
        except csv.Error as error:
            return RawRecord(number, first, [], defect=_explained(error))
        if row and row[-1].endswith(("\n", "\r")):
            return RawRecord(number, first, [], defect=NOT_CLOSED)
        if widths != {0} and len(row) not in widths and _filled(row) not in widths:
            return RawRecord(number, first, [], defect=defect)
        is_torn = is_open and self._may_be_torn(row, first[-1] == self._quote)
        return RawRecord(number, first, row, is_torn=is_torn)

    def _taken(self, lines: Iterator[str]) -> Iterator[str]:
        take = self._text.append
        again = self._again
        while True:
            if again:
                line = again.pop()
                take(line)
                yield line
                continue
            for line in lines:
                take(line)
                yield line
                if again:
                    break
            else:
                if not again:
                    return


def separator_of(line: str) -> str:
    """Return the separator that ``line`` names (``sep=;``), or an empty text."""
    found = SEPARATOR_LINE.fullmatch(line)
    return found[1] if found else ""


def _filled(row: Row) -> int:
    """How many values a row has, without empty ones at its end."""
    count = len(row)
    while count and not row[count - 1].strip():
        count -= 1
    return count


def _explained(error: csv.Error) -> str:
    said = str(error)
    if "unexpected end of data" in said or "field larger than field limit" in said:
        return NOT_CLOSED
    if "expected after" in said:
        return NOT_DOUBLED
    if "new-line character" in said:
        return CR_INSIDE
    return f"is not CSV ({said})."

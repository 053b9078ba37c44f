"""The shape of delimited text: which character separates, and which row names the columns.

Nothing here looks at names: a header is what is unlike everything below it.
"""

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import SEEK_END
from itertools import islice
from math import ceil
from typing import BinaryIO, NamedTuple, TypeVar

from calls.notations import BadFileError, RawRecord
from calls.notations.delimited import TOO_LONG, DelimitedReader, Row, separator_of
from calls.notations.layout import Layout
from calls.notations.lines import Lines, TooLong, decoder_of
from calls.notations.totals import says_total

Item = TypeVar("Item")
Values = TypeVar("Values")

# Those that stand in texts most seldom come first: of two that fit equally, the first counts.
SEPARATORS = "\t|;,"
NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
QUOTES = "\"'"

# What is looked at: so many records, of so many characters in all.
RECORDS_MAX = 200
CHARACTERS_MAX = 4_000_000
TITLES_MAX = 20

# A column is one of dates, numbers or IDs where so large a part of its values is.
MOST = 0.6

# A number of values is not met by chance where it is met at least so often as the usual one.
OFTEN = 0.3

# A header has names for nearly as many columns as the rows have values.
FILLED_LEAST = 0.7

SINGLE_QUOTED = re.compile(r"(?:^|[,;\t|]) *'[^']*'\s*(?=[,;\t|\r\n]|$)")
TAIL_BYTES = 64 * 1024

DIGITS = re.compile(r"\d")
LETTERS = re.compile(r"[^\W\d_]")


class Shape(NamedTuple):
    """How the text is cut. ``names_separator``: its first line says by what (``sep=``).

    ``header`` is the row that names the columns, None where none does; ``columns`` is how many
    there are; ``titles`` are the lines above, without blank ones and ``sep=``.
    """

    delimiter: str
    quote: str
    names_separator: bool
    header: Row | None
    columns: int
    skipped_lines: int
    titles: tuple[str, ...]


def find_shape(file: BinaryIO, *, encoding: str, quote: str | None = None) -> Shape:
    """Find the shape of the text in ``file``. Raises BadFileError where it has no values."""
    file.seek(0)
    first_lines = list(_bounded(Lines(file, encoding), len))
    if first_lines and isinstance(first_lines[0], TooLong):
        raise BadFileError(f"Line 1 {TOO_LONG}")
    if not any(map(str.strip, first_lines)):
        raise BadFileError("The file is empty.")
    named = separator_of(first_lines[0])
    if not any(line.strip(f"{SEPARATORS}{QUOTES}{named} \r\n") for line in first_lines):
        raise BadFileError("The file has no values, only the characters between them.")
    if quote is None:
        quote = _quote_of(first_lines[:RECORDS_MAX])
    tables = [
        _Table(delimiter, quote, first_records(file, encoding, delimiter, quote, bool(named)))
        for delimiter in (named or SEPARATORS)
    ]
    table = max(tables, key=_Table.fitness)
    if not table.records:
        raise BadFileError("The file has no values, only the characters between them.")
    place = table.first_row()
    titles = table.records[:place]
    header = table.header_at(place)
    skipped = table.records[place].number - 1 if titles or named else 0
    return Shape(
        delimiter=table.delimiter,
        quote=quote,
        names_separator=bool(named),
        header=header,
        columns=table.columns_below(header),
        skipped_lines=skipped,
        titles=tuple(record.text.strip().rstrip(f"{table.delimiter} ") for record in titles),
    )


def first_records(
    file: BinaryIO, encoding: str, delimiter: str, quote: str, names_separator: bool
) -> list[RawRecord[Row]]:
    """Return the first records cut so, whether they are titles, header or values."""
    file.seek(0)
    reader = DelimitedReader(
        file,
        delimiters=delimiter,
        takes_as_header=lambda _: False,
        may_be_torn=lambda last, is_closed: False,
        encoding=encoding,
        quote=quote,
        skipped_lines=int(names_separator),
        skips_blanks=True,
    )
    try:
        return list(_bounded(reader, _length_of))
    except BadFileError:
        return []


def sampled(records: Iterable[RawRecord[Values]]) -> list[RawRecord[Values]]:
    """Return the first of ``records``: not more than can be looked at in little memory."""
    return list(islice(_bounded(records, _length_of), RECORDS_MAX))


def _length_of(record: RawRecord) -> int:
    return len(record.text)


def _bounded(items: Iterable[Item], length_of: Callable[[Item], int]) -> Iterator[Item]:
    characters = 0
    for item in islice(items, TITLES_MAX + RECORDS_MAX):
        yield item
        characters += length_of(item)
        if characters > CHARACTERS_MAX:
            return


def find_totals(file: BinaryIO, layout: Layout, columns: int) -> bool:
    """Whether the last line says that it holds totals."""
    size = file.seek(0, SEEK_END)
    file.seek(max(0, size - TAIL_BYTES) // 4 * 4)  # in no encoding in the middle of a character
    lines = decoder_of(layout.encoding).decode(file.read(), final=True).splitlines()
    last = next((line for line in reversed(lines) if line.strip()), "")
    row = next(csv.reader([last], delimiter=layout.delimiter, quotechar=layout.quote or None), [])
    return len(lines) > 2 and columns > 1 and says_total(row)


class _Table:
    """The first records, cut by one separator."""

    def __init__(self, delimiter: str, quote: str, records: Sequence[RawRecord[Row]]) -> None:
        self.delimiter = delimiter
        self.records = [record for record in records if record.values]
        self.rows = [_without_empty_end(record.values) for record in self.records]
        widths = Counter(len(record.values) for record in self.records)
        several = {width: count for width, count in widths.items() if width > 1} or dict(widths)
        # How many values a row has: as most have. Where many titles stand above few rows, more
        # values outweigh more lines.
        often = OFTEN * max(several.values(), default=0)
        self.width = max(
            (width for width in several if several[width] >= often),
            key=lambda width: (several[width] * (width - 1), width),
            default=0,
        )
        self.count = several.get(self.width, 0) if self.width > 1 else 0

    def fitness(self) -> tuple[int, float, int]:
        """How well the separator fits: the more rows of one width, the better.

        Where two fit equally, as in ``1,5;2,5``, that whose values hold none of the others.
        """
        others = set(SEPARATORS) - {self.delimiter}
        values = [value for row in self.rows for value in row if value.strip()]
        whole = sum(1 for value in values if _is_decimal(value) or not others & set(value))
        return self.count, whole / max(1, len(values)), self.width

    def first_row(self) -> int:
        """Return the place of the first row that is no title: the header, or values.

        Where no header follows, a row that is as wide as the others is none of the titles, however
        little stands in it: it may be a record.
        """
        needed = max(1, ceil(FILLED_LEAST * min(self.width, self._usual_length())))
        first_wide = None
        for place, row in enumerate(self.rows[: TITLES_MAX + 1]):
            if first_wide is None and len(self.records[place].values) == self.width:
                first_wide = place
            if sum(1 for value in row if value.strip()) < needed or len(row) <= self.width // 2:
                continue
            if first_wide is None or self.header_at(place) is not None:
                return place
            return first_wide
        return first_wide or 0

    def header_at(self, place: int) -> Row | None:
        """Return the row at ``place`` where it is unlike the rows below it, else None."""
        row = self.rows[place]
        below = [one for one in self.rows[place + 1 :] if len(one) > self.width // 2]
        if not below:
            return row if not any(map(is_telling, row)) else None
        alike = unlike = 0
        for column in range(self.width):
            values = [one[column] for one in below if column < len(one) and one[column].strip()]
            telling = sum(map(is_telling, values))
            if not values or telling < MOST * len(values):
                continue
            name = row[column] if column < len(row) else ""
            alike += is_telling(name)
            unlike += bool(name.strip()) and not is_telling(name)
        if alike or unlike:
            return row if unlike > alike else None
        return row if not any(map(is_telling, row)) else None

    def columns_below(self, header: Row | None) -> int:
        """Return how many columns there are, without those at the end that nothing is in.

        Without a header all of them count: which system wrote the file may be told by it.
        """
        if header is None:
            return self.width
        lengths = (len(row) for row in self.rows if len(row) <= self.width)
        return max(len(header), *lengths)

    def _usual_length(self) -> int:
        lengths = sorted(sum(1 for value in row if value.strip()) for row in self.rows)
        return lengths[len(lengths) // 2]


def is_telling(value: str) -> bool:
    """Whether ``value`` is a date, a number or an ID, and no word."""
    digits = len(DIGITS.findall(value))
    if not digits:
        return False
    letters = len(LETTERS.findall(value))
    return letters <= digits or (digits >= 3 and not any(map(str.isspace, value.strip())))


def column_names(header: Sequence[str], columns: int) -> tuple[str, ...]:
    """Name the columns: as the header does, made unique; where it does not, by their number."""
    names: list[str] = []
    taken: set[str] = set()
    for place in range(max(columns, len(header))):
        name = header[place].strip() if place < len(header) else ""
        name = name or str(place + 1)
        unique, count = name, 1
        while unique in taken:
            count += 1
            unique = f"{name} ({count})"
        taken.add(unique)
        names.append(unique)
    return tuple(names)


def _quote_of(lines: Sequence[str]) -> str:
    """Return the quotation mark: single ones count where there are no others, on most lines."""
    if any('"' in line for line in lines):
        return '"'
    filled = [line for line in lines if line.strip()]
    quoted = sum(1 for line in filled if SINGLE_QUOTED.search(line))
    return "'" if quoted > MOST * len(filled) else '"'


def _is_decimal(value: str) -> bool:
    return bool(re.fullmatch(r"\s*[+-]?\d+,\d+\s*", value))


def _without_empty_end(row: Row) -> Row:
    count = len(row)
    while count and not row[count - 1].strip():
        count -= 1
    return row[:count]

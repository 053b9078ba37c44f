"""Rejected lines as a file that can be mended and imported again.

It has the header of the file that they come from, and each line as it came, with three columns more
at the end: the number of the line, the field, and the reason. In a file without a header each of
the three says itself what it is. Documents get three keys. Readers leave all of that out.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import BinaryIO

from billing.texts import sheet_text, storable
from calls.imports.batches import RejectedLine
from calls.notations.layout import JSON, Layout
from calls.notations.rejected import COLUMNS, without_rejected

WRITTEN_AT_ONCE = 500

HEADER_BYTES_MAX = 1_000_000


def header_of(file: BinaryIO, layout: Layout) -> list[str] | None:
    """The names of the columns as they stand in ``file``; None where it has no header."""
    if layout.notation == JSON or not layout.has_header:
        return None
    beginning = file.read(HEADER_BYTES_MAX).decode(layout.encoding, errors="surrogateescape")
    lines = islice(io.StringIO(beginning.removeprefix("\ufeff")), layout.skipped_lines, None)
    try:
        for row in csv.reader(lines, delimiter=layout.delimiter, quotechar=layout.quote or None):
            if any(map(str.strip, row)):
                return row
    except csv.Error:  # whoever reads the records says why
        pass
    return None


def written(
    rejected: Iterable[RejectedLine], *, layout: Layout, header: Sequence[str] | None
) -> Iterator[bytes]:
    """Write ``rejected`` in UTF-8, in chunks; bytes that are no text as they came."""
    writer = RejectsWriter(layout, header)
    yield writer.beginning.encode(errors="surrogateescape")
    remaining = iter(rejected)
    while some := list(islice(remaining, WRITTEN_AT_ONCE)):
        yield writer.lines(some).encode(errors="surrogateescape")


class RejectsWriter:
    """Writes rejected lines in the notation of the file that they come from."""

    def __init__(self, layout: Layout, header: Sequence[str] | None) -> None:
        self._layout = layout
        self._header = None if header is None else without_rejected(header)
        self._width = None if header is None else len(header)

    @property
    def beginning(self) -> str:
        """The header, where there is one."""
        if self._header is None:
            return ""
        return self._row([*self._header, *COLUMNS])

    def lines(self, rejected: Iterable[RejectedLine]) -> str:
        """The lines with why they were rejected."""
        write = self._document if self._layout.notation == JSON else self._delimited
        return "".join(map(write, rejected))

    def _delimited(self, line: RejectedLine) -> str:
        ours = [str(line.line), sheet_text(line.field), sheet_text(storable(line.reason))]
        if self._header is None:
            ours = [f"{name} {value}" for name, value in zip(COLUMNS, ours, strict=True)]
        text = self._as_it_came(line.text.rstrip("\r\n"))
        return text + self._layout.delimiter + self._row(ours)

    def _as_it_came(self, text: str) -> str:
        """The line without the columns that an earlier import added, filled up to the header."""
        try:
            [values] = csv.reader(
                [text],
                delimiter=self._layout.delimiter,
                quotechar=self._layout.quote or None,
                strict=True,
            )
        except (csv.Error, ValueError):
            # A value that is open would swallow the reason, and the lines after it.
            return text + self._layout.quote * (text.count(self._layout.quote) % 2)
        if self._header is None:
            own = without_rejected(values)
            return text if len(own) == len(values) else self._row(own).rstrip("\r\n")
        if len(values) == self._width and len(self._header) < len(values):
            return self._row(values[: len(self._header)]).rstrip("\r\n")
        missing = len(self._header) - len(values)
        return text + self._layout.delimiter * missing  # or the reason would stand below another

    def _document(self, line: RejectedLine) -> str:
        ours = dict(zip(COLUMNS, (line.line, line.field, storable(line.reason)), strict=True))
        try:
            document = json.loads(line.text)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            document = {"text": storable(line.text)}
        return json.dumps(document | ours, ensure_ascii=False) + "\n"

    def _row(self, values: Iterable[str]) -> str:
        file = io.StringIO()
        csv.writer(
            file,
            delimiter=self._layout.delimiter,
            quotechar=self._layout.quote or '"',
            lineterminator="\n",
        ).writerow(list(values))
        return file.getvalue()

"""Notations that call records come in: one file a source, none of which knows the others.

A format turns the lines of a file into records by the rules of `calls.records`. It reads no files
and writes nothing; `calls.imports.importing` does.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from calls.records import CallRecord, Rejected


class BadFileError(ValueError):
    """The file as a whole can't be read in this format: the message says why."""


class Line(NamedTuple):
    """One record of a file: where it begins, its text as it stands there, and its values."""

    number: int
    text: str
    values: list[str]


class Read(NamedTuple):
    """What some lines say together: a record, or why they make none."""

    lines: Sequence[Line]
    record: CallRecord | Rejected


class Format(Protocol):
    """How one source writes call records as CSV.

    ``tells_legs``: whether a line tells a part of its call, or all of it.
    """

    tells_legs: bool

    def delimiter(self, first_line: str) -> str:
        """The character between values, judged by the file's first line."""

    def takes_as_header(self, first: Sequence[str]) -> bool:
        """Look at the values of the first line: whether it is a header. Raises BadFileError."""

    def column(self, field: str) -> str:
        """What the source calls what the rules of a record call ``field``."""

    def call_id(self, values: Sequence[str]) -> str:
        """Which call a line is about, where it can be told, else empty."""

    def read(self, lines: Sequence[Line]) -> Iterator[Read]:
        """Read all the lines of a file that are about one call, in the order of the file."""

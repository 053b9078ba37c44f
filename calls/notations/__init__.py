"""Notations: how files and payloads hold records, whatever the records say.

A notation cuts what was written into single records, and refuses what it can't cut. What their
values mean is up to the sources.
"""

from collections.abc import Iterable, Iterator
from typing import Generic, NamedTuple, Protocol, TypeVar

Values = TypeVar("Values")


class BadFileError(ValueError):
    """The file as a whole can't be read: the message says why."""


class RawRecord(NamedTuple, Generic[Values]):
    """One record as it was written.

    ``number`` is the line on which it begins (of a list in a document: its place), ``text`` is what
    stands there, and ``values`` is what the notation makes of it: a row of texts, or a mapping.
    Where ``is_torn``, the file may end in the middle of it, and what it says can't be trusted.
    Where it could not be cut, ``defect`` says why ("has a quotation mark …") and there are no
    values: this record alone is to be rejected. ``occurrence`` tells records apart that are equal:
    1 for the first of them in the file.
    """

    number: int
    text: str
    values: Values
    is_torn: bool = False
    defect: str = ""
    occurrence: int = 1


class Reader(Protocol[Values]):
    """Iterates over the records of one file, in memory bounded by a single record.

    ``bytes_read`` tells how far it is. Iterating raises BadFileError at the first thing that can't
    be read, and names the place.
    """

    @property
    def bytes_read(self) -> int:
        """How far the file has been read, in bytes."""

    def __iter__(self) -> Iterator[RawRecord[Values]]:
        """Read from the beginning to the end, once."""

    def values_of(self, texts: Iterable[str]) -> Iterator[Values]:
        """Give the values of each text that this reader gave before, once it has begun to read."""

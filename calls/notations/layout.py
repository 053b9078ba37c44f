"""How a file is cut into records, and what is found out about it before anything is read.

A layout says nothing about the meaning of values. It can be stored, and changed by a person.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, BinaryIO, NamedTuple

from calls.notations import BadFileError, RawRecord

DELIMITED = "delimited"
JSON = "json"


@dataclass(frozen=True, slots=True)
class Layout:
    """How to cut a plain file into records.

    ``notation`` is "delimited" or "json". ``skipped_lines`` stand above the header. ``columns`` are
    the names that the header gives (a name that stands twice gets " (2)" the second time), "1",
    "2" … without a header, or the dotted paths in a JSON document. ``records_at`` names the list in
    a JSON document; it is empty for an array, for one document, and for one document a line.
    """

    notation: str = DELIMITED
    encoding: str = "utf-8"
    delimiter: str = ","
    quote: str = '"'
    skipped_lines: int = 0
    has_header: bool = True
    columns: tuple[str, ...] = ()
    records_at: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return what `from_json` takes."""
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**told, "columns": list(self.columns)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Layout":
        """Return the layout that `as_json` stored. Raises BadFileError where it is none."""
        told = {}
        for field in fields(cls):
            if field.name not in stored:
                continue
            value = stored[field.name]
            if field.name == "columns":
                if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
                    raise BadFileError("The layout's “columns” must be a list of names.")
                value = tuple(value)
            elif type(value) is not type(field.default):
                raise BadFileError(f"The layout's “{field.name}” is of another kind.")
            told[field.name] = value
        layout = cls(**told)
        if layout.notation not in (DELIMITED, JSON):
            raise BadFileError(f"The layout's notation must be {DELIMITED} or {JSON}.")
        return layout


class Fact(NamedTuple):
    """One thing found out about a file: what it is about, and a sentence for people.

    ``topic`` is "compression", "encoding", "separator", "titles", "header", "totals", "sheet" or
    "json"; whoever finds out what the records mean has topics of their own.
    """

    topic: str
    said: str


class Examined(NamedTuple):
    """A file that can be read, with how, and its first records by column.

    ``file`` is plain bytes at their beginning and can be sought; it is what was given, or a
    temporary file with what was unpacked from it, which the caller closes.
    """

    file: BinaryIO
    layout: Layout
    facts: tuple[Fact, ...]
    sample: tuple[RawRecord[Mapping[str, str]], ...]

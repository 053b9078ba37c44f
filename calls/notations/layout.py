"""How a file is cut into records, and what is found out about it before anything is read.

A layout says nothing about the meaning of values. It can be stored, and changed by a person.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, BinaryIO, NamedTuple

from calls.notations import BadFileError, RawRecord

DELIMITED = "delimited"
JSON = "json"

# What a person can choose from, and how it is called: the encodings in which exports are met.
ENCODINGS: Mapping[str, str] = {
    "utf-8": "Unicode (UTF-8)",
    "utf-16-le": "Unicode (UTF-16, little endian)",
    "utf-16-be": "Unicode (UTF-16, big endian)",
    "utf-32-le": "Unicode (UTF-32, little endian)",
    "utf-32-be": "Unicode (UTF-32, big endian)",
    "cp1252": "Western European (Windows-1252)",
    "iso8859-15": "Western European (ISO 8859-15)",
    "mac_roman": "Western European (Mac)",
    "cp850": "Western European (DOS 850)",
    "cp1250": "Central European (Windows-1250)",
    "iso8859-2": "Central European (ISO 8859-2)",
    "cp1251": "Cyrillic (Windows-1251)",
    "koi8-r": "Cyrillic (KOI8-R)",
    "cp1253": "Greek (Windows-1253)",
    "cp1254": "Turkish (Windows-1254)",
    "cp1255": "Hebrew (Windows-1255)",
    "cp1256": "Arabic (Windows-1256)",
    "cp1257": "Baltic (Windows-1257)",
    "cp1258": "Vietnamese (Windows-1258)",
    "cp874": "Thai (Windows-874)",
    "gb18030": "Chinese, simplified (GB 18030)",
    "big5": "Chinese, traditional (Big5)",
    "shift_jis": "Japanese (Shift JIS)",
    "euc_jp": "Japanese (EUC)",
    "euc_kr": "Korean (EUC)",
}


@dataclass(frozen=True, slots=True)
class Layout:
    """How to cut a plain file into records.

    ``notation`` is "delimited" or "json". ``skipped_lines`` stand above the header. ``columns`` are
    the names that the header gives (a name that stands twice gets " (2)" the second time), "1",
    "2" … without a header, or the dotted paths in a JSON document. ``records_at`` is the
    dotted path of the list in a JSON document; it is empty for an array, for one document, and for
    one document a line.
    ``encoding_is_guessed`` until a person names one, where the file does not tell.
    """

    notation: str = DELIMITED
    encoding: str = "utf-8"
    delimiter: str = ","
    quote: str = '"'
    skipped_lines: int = 0
    has_header: bool = True
    columns: tuple[str, ...] = ()
    records_at: str = ""
    encoding_is_guessed: bool = False

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
        if layout.encoding not in ENCODINGS:
            raise BadFileError(f"There is no encoding “{layout.encoding[:40]}” to choose.")
        if len(layout.delimiter) != 1 or layout.delimiter in "\r\n" or len(layout.quote) > 1:
            raise BadFileError("Values are separated, and quoted, by a single character.")
        if layout.skipped_lines < 0 or layout.quote in ("\r", "\n", layout.delimiter):
            raise BadFileError("The layout contradicts itself.")
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

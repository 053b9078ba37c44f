"""Records in JSON: an array, a list in a document, single documents, or one document a line.

They are read one at a time, in memory bounded by a single record. Numbers stay as they were
written: no floating point touches them.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import BinaryIO

from calls.notations import BadFileError, RawRecord
from calls.notations.json_text import (
    DECODER,
    TOO_DEEP,
    TOO_LONG,
    EndedError,
    Json,
    JsonText,
    NotJsonError,
    Value,
    explained,
)
from calls.notations.lines import SHOWN_MAX
from calls.notations.values import Document, compact, flattened, written_out

# How lists of records are named in the answers of APIs. The first of them that is there counts.
LIST_NAMES = (
    "calls",
    "Calls",
    "call_logs",
    "call_records",
    "cdrs",
    "conversations",
    "objects",
    "data",
    "results",
    "records",
    "items",
)

# Those of them that are a list of records also further inside of a document.
NAMES_INSIDE = frozenset(("calls", "call_logs", "call_records", "cdrs", "records"))
INSIDE_MAX = 2  # objects around such a list, within the document

# So much is looked at to find the list in a document, beside which there are fewer values.
LOOKED_AT = 4 * 1024 * 1024
BESIDE_MAX = 10

NO_OBJECT = "is no JSON object, but a value by itself."


class DocumentReader:
    """Iterates over the JSON objects in ``file``, as texts by dotted paths.

    With ``records_at`` they are in the list of that name in each document of the file. Otherwise
    each document is one record, or an array of them. Values below a path in ``ignored`` are left
    out of the texts too.

    A record is numbered by its line, in a list by its place. One that can't be read in a file of
    one document a line is given with its defect, as is one that is no object; elsewhere
    iterating raises BadFileError.
    """

    def __init__(
        self,
        file: BinaryIO,
        *,
        encoding: str = "utf-8",
        records_at: str = "",
        ignored: Container[str] = (),
    ) -> None:
        self._buffer = JsonText(file, encoding)
        self._records_at = records_at
        self._ignored = ignored
        self._ignores = bool(ignored)
        self._number = 0
        self._has_lines = False  # whether a document stood on a line of its own

    @property
    def bytes_read(self) -> int:
        """How far the file has been read, in whole blocks."""
        return self._buffer.bytes_read

    def __iter__(self) -> Iterator[RawRecord[Document]]:
        buffer = self._buffer
        is_empty = True
        while beginning := buffer.peek():
            is_empty = False
            if beginning == ",":  # between documents, where somebody has put one a line
                buffer.skip(",")
            elif beginning == "[":
                yield from self._listed()
            elif beginning == "{" and self._records_at:
                yield from self._enveloped(self._records_at.split("."))
            else:
                yield self._single()
        if is_empty:
            raise BadFileError("The file is empty.")

    def values_of(self, texts: Iterable[str]) -> Iterator[Document]:
        """Give the values of each text, which is one document."""
        for text in texts:
            try:
                yield flattened(DECODER.decode(text))
            except (ValueError, RecursionError):
                yield {}

    def _listed(self) -> Iterator[RawRecord[Document]]:
        """Give the records of the array that begins here."""
        buffer = self._buffer
        buffer.skip("[")
        if buffer.peek() == "]":
            buffer.skip("]")
            return
        while True:
            number = self._next_number(0)
            try:
                value = buffer.value()
            except EndedError as ended:
                yield RawRecord(number, ended.text, {}, is_torn=True)
                return
            except NotJsonError as error:
                raise BadFileError(f"Record {number:,} {error}") from None
            yield self._record(number, value)
            after = buffer.peek()
            if after not in (",", "]"):
                if not after:
                    yield RawRecord(self._next_number(0), "", {}, is_torn=True)
                    return
                raise BadFileError(f"After record {number:,} there is no comma: this is no JSON.")
            buffer.skip(after)
            if after == "]":
                return

    def _enveloped(self, path: Sequence[str]) -> Iterator[RawRecord[Document]]:
        """Give the records of the list at ``path`` in the document that begins here."""
        buffer = self._buffer
        buffer.skip("{")
        is_first = True
        while (beginning := buffer.peek()) != "}":
            try:
                if not is_first:
                    if beginning != ",":
                        raise NotJsonError("")
                    buffer.skip(",")
                is_first = False
                name = buffer.value().json
                if buffer.peek() != ":":
                    raise NotJsonError("")
                buffer.skip(":")
                after = buffer.peek()
                if path == [name] and after == "[":
                    yield from self._listed()
                elif path[:1] == [name] and after == "{":
                    yield from self._enveloped(path[1:])
                else:
                    buffer.value()
            except EndedError:
                # What was cut off stands outside of the list, if not after the last of its records.
                return
            except NotJsonError as error:
                if not buffer.peek():
                    return
                said = str(error) or "is no JSON."
                raise BadFileError(f"The document around the records {said}") from None
        buffer.skip("}")

    def _single(self) -> RawRecord[Document]:
        """Give the document that begins here: on one line, or on several."""
        buffer = self._buffer
        number = self._next_number(buffer.line_number)
        line = buffer.line()
        if line is None:
            self._has_lines = True
            return RawRecord(number, f"{buffer.skip_line()}…", {}, defect=TOO_LONG)
        stripped = line.strip()
        try:
            document, end = DECODER.raw_decode(stripped)
        except (ValueError, RecursionError) as error:
            is_whole = stripped.endswith("}") and stripped.count("{") == stripped.count("}")
            if not (is_whole or self._has_lines) or isinstance(error, RecursionError):
                return self._spread(number)
            buffer.skip(line)
            if not line.endswith("\n") and not buffer.peek():
                return RawRecord(number, line, {}, is_torn=True)
            return RawRecord(number, line, {}, defect=explained(error, 0))
        if end == len(stripped):
            self._has_lines = True
        buffer.skip(line[: line.index(stripped[0]) + end])
        return self._record(number, Value(stripped[:end], document))

    def _spread(self, number: int) -> RawRecord[Document]:
        """Give the document that begins here and ends on another line."""
        line_number = self._buffer.line_number
        try:
            return self._record(number, self._buffer.value())
        except EndedError as ended:
            return RawRecord(number, ended.text, {}, is_torn=True)
        except NotJsonError as error:
            raise BadFileError(f"The document in line {line_number:,} {error}") from None

    def _record(self, number: int, value: Value) -> RawRecord[Document]:
        document = value.json
        if not isinstance(document, dict):
            return RawRecord(number, compact(value.text)[:SHOWN_MAX], {}, defect=NO_OBJECT)
        try:
            if self._ignores:
                document = self._kept(document)
                text = written_out(document)
            else:
                text = compact(value.text)
            return RawRecord(number, text, flattened(document))
        except RecursionError:
            return RawRecord(number, value.text[:SHOWN_MAX], {}, defect=TOO_DEEP)

    def _kept(self, document: Mapping[str, Json], path: str = "") -> dict[str, Json]:
        kept = {}
        for name, value in document.items():
            own = f"{path}{name}"
            if own in self._ignored:
                continue
            kept[name] = self._kept(value, f"{own}.") if isinstance(value, dict) else value
        return kept

    def _next_number(self, line_number: int) -> int:
        """A line has one number, even where several documents stand on it."""
        self._number = max(self._number + 1, line_number)
        return self._number


def lists_in(file: BinaryIO, encoding: str) -> list[str]:
    """Return the names of the lists of objects in the first document of ``file``.

    One of a name that is known ends the search. Where there is none, only a document around one
    list is taken for more than a record: with few values beside it, and none of them an object.
    """
    file.seek(0)
    text = JsonText(file, encoding)
    found: list[str] = []
    beside = 0
    try:
        text.skip(text.peek())
        while text.peek() == '"':
            name = text.value().json
            text.skip(text.peek())
            beginning = text.peek()
            if beginning == "[":
                text.skip("[")
                if text.peek() in ("{", "]") and name.casefold() in LIST_NAMES:
                    return [name]
                if text.peek() == "{":
                    found.append(name)
                    if text.bytes_read > LOOKED_AT:
                        break
                _skip_list(text)
            elif beginning == "{":
                beside += BESIDE_MAX
                if inside := _list_inside(text.value().json):
                    return [f"{name}.{inside}"]
            else:
                beside += 1
                text.value()
            if text.peek() == ",":
                text.skip(",")
    except (NotJsonError, EndedError):
        pass
    return found if beside < BESIDE_MAX else []


def _list_inside(document: Json, depth: int = 1) -> str:
    """Return the path of a list of records inside of an object; empty where there is none."""
    members: Mapping[str, Json] = document if isinstance(document, dict) else {}
    for name, value in members.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            if name.casefold() in NAMES_INSIDE:
                return name
        elif depth < INSIDE_MAX and (inside := _list_inside(value, depth + 1)):
            return f"{name}.{inside}"
    return ""


def _skip_list(text: JsonText) -> None:
    while text.peek() not in ("]", ""):
        text.value()
        if text.peek() == ",":
            text.skip(",")
    text.skip("]")

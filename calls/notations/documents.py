"""Records in JSON: an array, a list in a document, single documents, or one document a line.

They are read one at a time, in memory bounded by a single record.
"""

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import BinaryIO

from calls.notations import BadFileError, RawRecord
from calls.notations.json_buffer import TOO_DEEP, TOO_LONG, EndedError, JsonBuffer
from calls.notations.json_values import (
    DECODER,
    Document,
    Json,
    NotJsonError,
    compact,
    explained,
    flattened,
    parsed,
    written_out,
)
from calls.notations.lines import SHOWN_MAX

# How lists of records are named in the answers of APIs, without case. The first that is there
# counts.
LIST_NAMES = (
    "calls",
    "conversations",
    "objects",
    "data",
    "results",
    "records",
    "items",
    "cdr",
    "cdrs",
    "call_logs",
    "calllogs",
    "call_records",
    "rows",
    "entries",
    "value",
    "list",
)

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
        self._buffer = JsonBuffer(file, encoding)
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
            if beginning == "[":
                yield from self._listed()
            elif beginning == "{" and self._records_at:
                yield from self._enveloped()
            else:
                yield self._single()
        if is_empty:
            raise BadFileError("The file is empty.")

    def values_of(self, texts: Iterable[str]) -> Iterator[Document]:
        """Give the values of each text, which is one document."""
        for text in texts:
            try:
                yield flattened(parsed(text))
            except (NotJsonError, RecursionError):
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
                text = buffer.value()
            except EndedError as ended:
                yield RawRecord(number, ended.text, {}, is_torn=True)
                return
            except NotJsonError as error:
                raise BadFileError(f"Record {number:,} {error}") from None
            yield self._record(number, text)
            after = buffer.peek()
            if after not in (",", "]"):
                if not after:
                    yield RawRecord(self._next_number(0), "", {}, is_torn=True)
                    return
                raise BadFileError(f"After record {number:,} there is no comma: this is no JSON.")
            buffer.skip(after)
            if after == "]":
                return

    def _enveloped(self) -> Iterator[RawRecord[Document]]:
        """Give the records of the list in the document that begins here."""
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
                name = parsed(buffer.value())
                if buffer.peek() != ":":
                    raise NotJsonError("")
                buffer.skip(":")
                if name == self._records_at and buffer.peek() == "[":
                    yield from self._listed()
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
            end = DECODER.raw_decode(stripped)[1]
        except (ValueError, RecursionError) as error:
            is_whole = stripped.endswith("}") or (self._has_lines and stripped.startswith("{"))
            if not (is_whole or self._has_lines) or isinstance(error, RecursionError):
                return self._spread(number)
            buffer.skip(line)
            if not line.endswith("\n") and not buffer.peek():
                return RawRecord(number, line, {}, is_torn=True)
            return RawRecord(number, line, {}, defect=explained(error))
        if end == len(stripped):
            self._has_lines = True
        buffer.skip(line[: line.index(stripped[0]) + end])
        return self._record(number, stripped[:end])

    def _spread(self, number: int) -> RawRecord[Document]:
        """Give the document that begins here and ends on another line."""
        line_number = self._buffer.line_number
        try:
            return self._record(number, self._buffer.value())
        except EndedError as ended:
            return RawRecord(number, ended.text, {}, is_torn=True)
        except NotJsonError as error:
            raise BadFileError(f"The document in line {line_number:,} {error}") from None

    def _record(self, number: int, text: str) -> RawRecord[Document]:
        try:
            document = parsed(text)
            if not isinstance(document, dict):
                return RawRecord(number, compact(text)[:SHOWN_MAX], {}, defect=NO_OBJECT)
            if self._ignores:
                document = self._kept(document)
                written = written_out(document)
            else:
                written = compact(text)
            return RawRecord(number, written, flattened(document))
        except RecursionError:
            return RawRecord(number, text[:SHOWN_MAX], {}, defect=TOO_DEEP)

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


def begins_document(file: BinaryIO, encoding: str) -> bool:
    """Whether what stands at the beginning of ``file`` is JSON with an object in it."""
    buffer = JsonBuffer(file, encoding)
    first = buffer.peek()
    if first not in ("{", "["):
        return False
    buffer.skip(first)
    return buffer.peek() in (('"', "}") if first == "{" else ("{", "]", "["))


def find_records(file: BinaryIO, encoding: str) -> str:
    """Return the name of the list of records in the document, "" where it has none."""
    buffer = JsonBuffer(file, encoding)
    if buffer.peek() != "{":
        return ""
    buffer.skip("{")
    try:
        while buffer.peek() == '"':
            name = str(parsed(buffer.value()))
            if buffer.peek() != ":":
                return ""
            buffer.skip(":")
            if buffer.peek() == "[" and name.casefold() in LIST_NAMES:
                return name
            buffer.value()
            if buffer.peek() == ",":
                buffer.skip(",")
    except (EndedError, NotJsonError):
        pass
    return ""

"""Records in JSON: an array, a list in a document, single documents, or one document a line.

They are read one at a time, in memory bounded by a single record. Numbers stay as they were
written: no floating point touches them.
"""

import json
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from json.encoder import encode_basestring
from typing import Any, BinaryIO, TypeAlias

from calls.notations import BadFileError, RawRecord
from calls.notations.lines import BLOCK_BYTES, MARK, SHOWN_MAX, decoder_of, marked_encoding

Document = dict[str, str]
Json: TypeAlias = Any  # dict, list, str, Number, bool or None

# A record that is longer than this is no call record; nor is a value that a reader skips.
RECORD_CHARACTERS_MAX = 10_000_000
DEPTH_MAX = 60

# How lists of records are named in the answers of APIs. The first of them that is there counts.
LIST_NAMES = ("calls", "conversations", "objects", "data", "results", "records", "items")

BLANKS = re.compile(r"[ \t\r\n]*")
BETWEEN_TOKENS = re.compile(r'("(?:[^"\\]|\\.)*")|[ \t\r\n]+', re.DOTALL)

# An exponent that is larger than this is no amount of anything.
DIGITS_MAX = 40

NO_OBJECT = "is no JSON object, but a value by itself."
TOO_LONG = f"is longer than {RECORD_CHARACTERS_MAX:,} characters."
TOO_DEEP = f"is nested more than {DEPTH_MAX} levels deep."


class Number(str):
    """A number as it was written."""


DECODER = json.JSONDecoder(
    parse_int=Number, parse_float=Number, parse_constant=Number, strict=False
)


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
        self._buffer = _Buffer(file, encoding)
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
                yield flattened(_parsed(text))
            except (_NotJsonError, RecursionError):
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
            except _EndedError as ended:
                yield RawRecord(number, ended.text, {}, is_torn=True)
                return
            except _NotJsonError as error:
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
                        raise _NotJsonError("")
                    buffer.skip(",")
                is_first = False
                name = _parsed(buffer.value())
                if buffer.peek() != ":":
                    raise _NotJsonError("")
                buffer.skip(":")
                if name == self._records_at and buffer.peek() == "[":
                    yield from self._listed()
                else:
                    buffer.value()
            except _EndedError:
                # What was cut off stands outside of the list, if not after the last of its records.
                return
            except _NotJsonError as error:
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
            return RawRecord(number, line, {}, defect=_explained(error))
        if end == len(stripped):
            self._has_lines = True
        buffer.skip(line[: line.index(stripped[0]) + end])
        return self._record(number, stripped[:end])

    def _spread(self, number: int) -> RawRecord[Document]:
        """Give the document that begins here and ends on another line."""
        line_number = self._buffer.line_number
        try:
            return self._record(number, self._buffer.value())
        except _EndedError as ended:
            return RawRecord(number, ended.text, {}, is_torn=True)
        except _NotJsonError as error:
            raise BadFileError(f"The document in line {line_number:,} {error}") from None

    def _record(self, number: int, text: str) -> RawRecord[Document]:
        try:
            document = _parsed(text)
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


def flattened(document: Json) -> Document:
    """Return the values by dotted paths, as texts. A list is one value: its compact JSON.

    Raises RecursionError where it is nested too deep.
    """
    found: Document = {}
    if isinstance(document, dict):
        _flatten(document, "", found, 0)
    return found


def _flatten(document: Mapping[str, Json], path: str, found: Document, depth: int) -> None:
    if depth > DEPTH_MAX:
        raise RecursionError
    for name, value in document.items():
        own = f"{path}{name}"
        if isinstance(value, dict) and value:
            _flatten(value, f"{own}.", found, depth + 1)
        else:
            found[own] = _text(value)


def _text(value: Json) -> str:
    if isinstance(value, Number):
        return _plain(value)
    if isinstance(value, str):
        return value
    if value is None or value == {}:
        return ""
    if value is True or value is False:
        return "true" if value else "false"
    return written_out(value)


def _plain(number: Number) -> str:
    """Return a number without exponent and, where it is whole, without decimals."""
    if number.lstrip("-").isdigit():
        return str(number)
    try:
        exact = Decimal(number)
    except InvalidOperation:
        return str(number)
    if not exact.is_finite() or abs(exact.adjusted()) > DIGITS_MAX:
        return str(number)
    text = format(exact, "f")
    return text.rstrip("0").rstrip(".") if _is_whole(exact) and "." in text else text


def _is_whole(number: Decimal) -> bool:
    return number == number.to_integral_value()


def written_out(value: Json) -> str:
    """Write ``value`` as compact JSON, its numbers as they were."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, dict):
        members = (f"{encode_basestring(name)}:{written_out(own)}" for name, own in value.items())
        return f"{{{','.join(members)}}}"
    if isinstance(value, list):
        return f"[{','.join(map(written_out, value))}]"
    return json.dumps(value)


def compact(text: str) -> str:
    """Return JSON on one line: as it was, but for blanks between its parts."""
    return BETWEEN_TOKENS.sub(lambda found: found[1] or "", text)


def _parsed(text: str) -> Json:
    try:
        return DECODER.decode(text)
    except ValueError as error:
        raise _NotJsonError(_explained(error)) from None


def _explained(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        said = error.msg[:1].lower() + error.msg[1:]
        return f"is no JSON: {said.removesuffix(' at')}, at character {error.pos + 1:,}."
    return "is no JSON."


class _NotJsonError(Exception):
    """What stands there is no JSON: the message says why, without its subject."""


class _EndedError(Exception):
    """The file ends in the middle of a value, which begins with ``text``."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class _Buffer:
    """A moving part of the text in ``file``, never longer than the longest record."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self._file = file
        self._encoding = encoding
        self._decoder = decoder_of(encoding)
        self._text = ""
        self._at = 0
        self._has_ended = False
        self._block_bytes = BLOCK_BYTES
        self.bytes_read = 0
        self.line_number = 1

    def peek(self) -> str:
        """Return the next character that is not blank, which comes next; none at the end."""
        while True:
            end = BLANKS.match(self._text, self._at).end()  # type: ignore[union-attr]
            self._move_to(end)
            if end < len(self._text):
                return self._text[end]
            if not self._fill():
                return ""

    def skip(self, text: str) -> None:
        """Leave ``text``, which comes next, behind."""
        self._move_to(self._at + len(text))

    def line(self) -> str | None:
        """Return the line that comes next, with its end; None where it is too long."""
        looked_until = self._at
        while True:
            end = self._text.find("\n", looked_until)
            if end >= 0:
                return self._text[self._at : end + 1]
            unread = len(self._text) - self._at
            if unread > RECORD_CHARACTERS_MAX:
                return None
            looked_until = self._at + unread
            before = self._at
            if not self._fill():
                return self._text[self._at :]
            looked_until -= before - self._at

    def skip_line(self) -> str:
        """Leave a line behind, however long it is; return its beginning."""
        beginning = self._text[self._at : self._at + SHOWN_MAX]
        while (end := self._text.find("\n", self._at)) < 0:
            self._move_to(len(self._text))
            if not self._fill():
                return beginning
        self._move_to(end + 1)
        return beginning

    def value(self) -> str:
        """Return the text of the value that comes next, and leave it behind.

        Raises _EndedError where the file ends in it, and _NotJsonError where it is none or longer
        than a record may be.
        """
        self.peek()
        self._block_bytes = BLOCK_BYTES
        while True:
            error: Exception
            try:
                end = DECODER.raw_decode(self._text, self._at)[1]
            except RecursionError:
                raise _NotJsonError(TOO_DEEP) from None
            except ValueError as failure:
                error = failure
            else:
                # A number goes on where the buffer does.
                if end < len(self._text) or not self._fill():
                    text = self._text[self._at : end]
                    self._move_to(end)
                    return text
                continue
            if len(self._text) - self._at > RECORD_CHARACTERS_MAX:
                raise _NotJsonError(TOO_LONG)
            # So that a long value is not begun anew for each block of it.
            self._block_bytes *= 2
            if not self._fill():
                text = self._text[self._at :]
                if _ends_inside(error, text, self._at):
                    raise _EndedError(text[:SHOWN_MAX])
                raise _NotJsonError(_explained(error))

    def _move_to(self, at: int) -> None:
        self.line_number += self._text.count("\n", self._at, at)
        self._at = at

    def _fill(self) -> bool:
        """Read more of the file. Returns whether there is more."""
        while not self._has_ended:
            block = self._file.read(self._block_bytes)
            if not self.bytes_read and (encoding := marked_encoding(block)):
                self._decoder = decoder_of(encoding)
            is_first = not self.bytes_read
            self.bytes_read += len(block)
            self._has_ended = not block
            more = self._decoder.decode(block, final=self._has_ended)
            if is_first:
                more = more.removeprefix(MARK)
            if more:
                self._text = self._text[self._at :] + more
                self._at = 0
                return True
        return False


def _ends_inside(error: Exception, text: str, at: int) -> bool:
    """Whether JSON fails because the text ends, and not before."""
    if not isinstance(error, json.JSONDecodeError):
        return False
    return "Unterminated" in error.msg or error.pos - at >= len(text.rstrip()) - 5

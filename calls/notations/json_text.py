"""The text of JSON, value by value: in memory that is bounded by a single value.

Numbers stay as they were written: no floating point touches them.
"""

import json
import re
from typing import Any, BinaryIO, NamedTuple, TypeAlias

from calls.notations.lines import BLOCK_BYTES, MARK, SHOWN_MAX, decoder_of, marked_encoding

Json: TypeAlias = Any  # dict, list, str, Number, bool or None

# A record that is longer than this is no call record; nor is a value that a reader skips.
RECORD_CHARACTERS_MAX = 10_000_000
DEPTH_MAX = 60

# What may be cut off behind its first letters. A number may be, too.
WORDS = ("true", "false", "null", "-")

BLANKS = re.compile(r"[ \t\r\n]*")

TOO_LONG = f"is longer than {RECORD_CHARACTERS_MAX:,} characters."
TOO_DEEP = f"is nested more than {DEPTH_MAX} levels deep."


class Number(str):
    """A number as it was written."""


DECODER = json.JSONDecoder(
    parse_int=Number, parse_float=Number, parse_constant=Number, strict=False
)


def explained(error: Exception, at: int) -> str:
    """Say why the JSON that begins ``at`` that character is none."""
    if isinstance(error, json.JSONDecodeError):
        said = error.msg[:1].lower() + error.msg[1:]
        return f"is no JSON: {said.removesuffix(' at')}, at character {error.pos - at + 1:,}."
    return "is no JSON."


class Value(NamedTuple):
    """A value as it stands in the file, and what it is."""

    text: str
    json: Json


class NotJsonError(Exception):
    """What stands there is no JSON: the message says why, without its subject."""


class EndedError(Exception):
    """The file ends in the middle of a value, which begins with ``text``."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class JsonText:
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

    def value(self) -> Value:
        """Return the value that comes next, and leave it behind.

        Raises EndedError where the file ends in it, and NotJsonError where it is none or longer
        than a record may be.
        """
        self.peek()
        self._block_bytes = BLOCK_BYTES
        while True:
            error: Exception
            try:
                found, end = DECODER.raw_decode(self._text, self._at)
            except RecursionError:
                raise NotJsonError(TOO_DEEP) from None
            except ValueError as failure:
                # Its traceback would keep it, and the text, until garbage is collected.
                error, at = failure.with_traceback(None), self._at
            else:
                # A number goes on where the buffer does.
                if end < len(self._text) or not self._fill():
                    if end - self._at > RECORD_CHARACTERS_MAX:
                        raise NotJsonError(TOO_LONG)
                    text = self._text[self._at : end]
                    self._move_to(end)
                    return Value(text, found)
                continue
            if len(self._text) - self._at > RECORD_CHARACTERS_MAX:
                raise NotJsonError(TOO_LONG)
            # So that a long value is not begun anew for each block of it.
            self._block_bytes *= 2
            if not self._fill():
                text = self._text[self._at :]
                if _ends_inside(error, text, at):
                    self._move_to(len(self._text))
                    raise EndedError(text[:SHOWN_MAX])
                raise NotJsonError(explained(error, at))

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
    rest = text[error.pos - at :].rstrip()
    if "escape" in error.msg:
        return len(rest) <= len("\\u0000")
    return "Unterminated" in error.msg or any(word.startswith(rest) for word in WORDS)

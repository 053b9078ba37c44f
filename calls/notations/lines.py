"""Lines of text, from bytes in any encoding and with any line ends, in bounded memory."""

import codecs
from collections.abc import Iterator
from typing import BinaryIO

from calls.notations import BadFileError

# A line that is longer than this is no call record but another kind of file.
LINE_BYTES_MAX = 1_000_000
BLOCK_BYTES = 64 * 1024
SHOWN_MAX = 1_000  # characters of a line that is too long

BYTE_ORDER_MARKS = {
    # UTF-32 first: its mark begins like that of UTF-16.
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
MARK = "\ufeff"

OTHER_FILES = {
    b"\x1f\x8b": "The file is compressed (gzip); unpack it first.",
    b"PK\x03\x04": "The file is a ZIP archive or a spreadsheet; save it as CSV.",
    b"\xd0\xcf\x11\xe0": "The file is a spreadsheet; save it as CSV.",
}


class TooLong(str):
    """Stands where a line was too long: empty, so that whoever parses it finds nothing.

    ``beginning`` is what the line begins with.
    """

    beginning: str

    def __new__(cls, beginning: str) -> "TooLong":
        """Keep the first characters of ``beginning``, with a line end."""
        line = super().__new__(cls, "")
        line.beginning = beginning[:SHOWN_MAX].rstrip("\r\n") + "…\n"
        return line


class Lines:
    """Iterates over the lines of ``file`` with their ends, once.

    A byte order mark at the beginning decides over ``encoding``, and is no part of the first line.
    A byte that is no UTF-8 becomes a lone surrogate (Python's ``surrogateescape``), one that is
    undefined in another encoding is replaced. Lines end with LF or CRLF; where the first block has
    none of them but CR, they end with CR. ``bytes_read`` tells how far it is, in whole blocks.

    Raises BadFileError where the first line can be no text.
    """

    def __init__(self, file: BinaryIO, encoding: str = "utf-8") -> None:
        self._file = file
        self._encoding = encoding
        self.bytes_read = 0

    def _blocks(self) -> Iterator[str]:
        block = self._read()
        _refuse_other_files(block)
        encoding = marked_encoding(block) or self._encoding
        decoder = decoder_of(encoding)
        text = decoder.decode(block).removeprefix(MARK)
        if "\0" in text.partition("\n")[0]:
            raise BadFileError("Line 1 has a NUL byte: this is no UTF-8 text.")
        while block:
            yield text
            block = self._read()
            text = decoder.decode(block)
        yield text + decoder.decode(b"", final=True)

    def __iter__(self) -> Iterator[str]:
        end = ""
        rest = ""
        begins_with: str | None = None  # of a line that is too long
        for block in self._blocks():
            if not end:
                end = "\r" if "\r" in block.removesuffix("\r") and "\n" not in block else "\n"
            lines = (rest + block).split(end)
            rest = lines.pop()
            if begins_with is not None:
                if not lines:
                    rest = ""
                    continue
                yield TooLong(begins_with)
                begins_with = None
                del lines[0]
            for line in lines:
                if len(line) <= LINE_BYTES_MAX:
                    yield line + end
                else:
                    yield TooLong(line)
            if len(rest) > LINE_BYTES_MAX:
                begins_with = rest[: SHOWN_MAX + 1]
                rest = ""
        if begins_with is not None:
            yield TooLong(begins_with)
        elif rest:
            yield rest

    def _read(self) -> bytes:
        block = self._file.read(BLOCK_BYTES)
        self.bytes_read += len(block)
        return block


def marked_encoding(beginning: bytes) -> str:
    """Return the encoding that a byte order mark tells, or an empty text."""
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if beginning.startswith(mark):
            return encoding
    return ""


def decoder_of(encoding: str) -> codecs.IncrementalDecoder:
    """Return a decoder that never fails: what is no text is handed on, or replaced."""
    errors = "surrogateescape" if codecs.lookup(encoding).name == "utf-8" else "replace"
    return codecs.getincrementaldecoder(encoding)(errors)


def _refuse_other_files(beginning: bytes) -> None:
    for magic, message in OTHER_FILES.items():
        if beginning.startswith(magic):
            raise BadFileError(message)

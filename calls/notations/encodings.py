"""The encoding of a text: told by its mark, else by what it can be; never guessed by letters."""

import codecs
import re
from typing import BinaryIO, NamedTuple

from django.template.defaultfilters import pluralize

from calls.notations import BadFileError
from calls.notations.layout import Fact
from calls.notations.lines import marked_encoding

BLOCK_BYTES = 1024 * 1024
LOOKED_AT = 64 * 1024

FALLBACK = "cp1252"

# Of the NUL bytes of a text in UTF-16 nearly all stand on one side of each character.
ONE_SIDE = 0.9
NULS_LEAST = 0.2
NULS_STRAY = 8  # some in a text are damage to those values alone

NO_UTF8 = re.compile("[\udc80-\udcff]+")
NO_ASCII = re.compile("[^\0-\x7f]")

# In another encoding hardly any letters look like UTF-8. So where as many bytes as are faults make
# letters of several bytes, the text is UTF-8, with faults.
FAULTS_ENOUGH = 1_000


class Found(NamedTuple):
    """The encoding that a file has, and what is to be said about it.

    It ``is_guessed`` where the bytes prove neither it nor another one.
    """

    encoding: str
    facts: tuple[Fact, ...]
    is_guessed: bool = False


class Counted(NamedTuple):
    """``places`` that are no UTF-8, of so many ``bad`` bytes; ``letters`` of several bytes."""

    places: int
    bad: int
    letters: int


def find_encoding(file: BinaryIO) -> Found:
    """Find the encoding of ``file``, which is read from end to end.

    Raises BadFileError where it is no text.
    """
    file.seek(0)
    beginning = file.read(LOOKED_AT)
    if encoding := marked_encoding(beginning):
        return Found(
            encoding, (Fact("encoding", f"The text is {_named(encoding)}: it is marked."),)
        )
    if encoding := _utf16_without_mark(beginning):
        return Found(encoding, (Fact("encoding", f"The text is {_named(encoding)}, unmarked."),))
    if beginning.count(0) > max(NULS_STRAY, len(beginning) // 100):
        raise BadFileError("The file is no text: it has NUL bytes. Save the records as CSV.")
    file.seek(0)
    if _is_utf8(file):
        return Found("utf-8", ())
    file.seek(0)
    counted = _counted(file)
    if counted.letters >= counted.bad:
        said = (
            f"The text is UTF-8; {counted.places:,} place{pluralize(counted.places)} in it can’t "
            "be read."
        )
        return Found("utf-8", (Fact("encoding", said),))
    said = (
        "The text is not UTF-8, so it is taken for Western European (Windows-1252). If names look "
        "wrong, choose another encoding."
    )
    return Found(FALLBACK, (Fact("encoding", said),), is_guessed=True)


def _named(encoding: str) -> str:
    return encoding.upper().removesuffix("-LE").removesuffix("-BE")


def _utf16_without_mark(beginning: bytes) -> str:
    even, odd = beginning[::2].count(0), beginning[1::2].count(0)
    nuls = even + odd
    if nuls < NULS_LEAST * len(beginning) or not nuls:
        return ""
    if odd >= ONE_SIDE * nuls:
        return "utf-16-le"
    if even >= ONE_SIDE * nuls:
        return "utf-16-be"
    return ""


def _is_utf8(file: BinaryIO) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    try:
        while block := file.read(BLOCK_BYTES):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _counted(file: BinaryIO) -> Counted:
    """How much of the file is no UTF-8, and how much is for certain."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    places = bad = letters = 0
    while True:
        block = file.read(BLOCK_BYTES)
        text = decoder.decode(block, final=not block)
        faults = NO_UTF8.findall(text)
        places += len(faults)
        bad += sum(map(len, faults))
        letters += len(NO_ASCII.findall(text)) - sum(map(len, faults))
        if not block or (bad > FAULTS_ENOUGH and letters < bad):
            return Counted(places, bad, letters)

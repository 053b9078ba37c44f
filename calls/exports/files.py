"""The file of an export as it is sent: as text, or compressed as it is stored (RFC 1952).

Parts are read one at a time, each when the one before has been taken.
"""

import struct
import zlib
from collections.abc import Iterator

from calls.models import Export, ExportPart

# Magic number, DEFLATE, a name follows, no time, no hints, unknown system.
GZIP_HEAD = b"\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\xff"
# An empty last block of DEFLATE.
LAST_BLOCK = b"\x03\x00"


class MissingPartError(Exception):
    """A part is not there any more: the file was deleted while it was sent."""


def is_whole(export: Export) -> bool:
    """Whether all parts are there: a backup has none."""
    return export.pieces > 0 and ExportPart.objects.filter(export=export).count() == export.pieces


def as_text(export: Export) -> Iterator[bytes]:
    """The file of `Export.size` bytes. Raises MissingPartError."""
    for content in _parts(export):
        yield zlib.decompressobj(-zlib.MAX_WBITS).decompress(content)


def as_gzip(export: Export, *, name: bytes = b"") -> Iterator[bytes]:
    """The same compressed, `gzip_size` bytes. Raises MissingPartError.

    ``name`` stands in it as its file's name, which nobody reads: where it is random, the length of
    the answer tells nothing of what is in it (BREACH).
    """
    yield GZIP_HEAD + name + b"\x00"
    yield from _parts(export)
    yield LAST_BLOCK + struct.pack("<LL", export.crc32, export.size & 0xFFFFFFFF)


def gzip_size(export: Export, *, name: bytes = b"") -> int:
    """How many bytes `as_gzip` gives."""
    return len(GZIP_HEAD) + len(name) + 1 + export.stored_size + len(LAST_BLOCK) + 8


def _parts(export: Export) -> Iterator[bytes]:
    parts = ExportPart.objects.filter(export=export)
    for number in range(export.pieces):
        content = parts.filter(number=number).values_list("content", flat=True).first()
        if content is None:
            raise MissingPartError
        yield bytes(content)

"""The bytes of a file as rows: stored part by part, read as one stream in bounded memory."""

import hashlib
import io
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from calls.models import FileImport, ImportPart

PART_BYTES = 512 * 1024

# The quickest level. Files of calls come to a sixth even so.
COMPRESSION = 1


class _Parts(io.RawIOBase):
    """Reads parts that all have PART_BYTES but the last one; holds one at a time."""

    def __init__(self, file_import_id: int, *, is_unpacked: bool, size: int) -> None:
        self._parts = ImportPart.objects.filter(file_import=file_import_id, is_unpacked=is_unpacked)
        self._size = size
        self._at = 0
        self._number = -1
        self._held = b""
        self.bytes_given = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]
        if self._at >= self._size:
            return 0
        number, offset = divmod(self._at, PART_BYTES)
        if number != self._number:
            stored = self._parts.values_list("content", flat=True).get(number=number)
            self._held, self._number = zlib.decompress(stored), number
        some = self._held[offset : offset + len(buffer)]
        buffer[: len(some)] = some
        self._at += len(some)
        self.bytes_given += len(some)
        return len(some)


class OpenedParts(io.BufferedReader):
    """The file of an import, opened."""

    def __init__(self, parts: _Parts) -> None:
        super().__init__(parts, PART_BYTES)
        self._parts = parts

    @property
    def bytes_given(self) -> int:
        """How much has been read in all, however often."""
        return self._parts.bytes_given


def opened(file_import: FileImport, *, is_unpacked: bool | None = None) -> OpenedParts:
    """Open the file of an import: what was unpacked from it where it was, else as it came."""
    if is_unpacked is None:
        is_unpacked = file_import.is_unpacked
    sizes = file_import.parts.filter(is_unpacked=is_unpacked).values_list("size", flat=True)
    return OpenedParts(_Parts(file_import.pk, is_unpacked=is_unpacked, size=sum(sizes)))


def part_of(
    file_import: FileImport, number: int, content: bytes, *, is_unpacked: bool = False
) -> ImportPart:
    """Return a part to be stored."""
    return ImportPart(
        file_import=file_import,
        number=number,
        is_unpacked=is_unpacked,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        content=zlib.compress(content, COMPRESSION),
    )


def store(file_import: FileImport, chunks: Iterable[bytes], *, is_unpacked: bool) -> None:
    """Store all of a file as parts, in place of those that are there. In one transaction."""
    file_import.parts.filter(is_unpacked=is_unpacked).delete()
    for number, content in enumerate(in_parts(chunks)):
        part_of(file_import, number, content, is_unpacked=is_unpacked).save(force_insert=True)


def in_parts(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Cut ``chunks`` of any length into parts of PART_BYTES, the last one shorter."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) >= PART_BYTES:
            yield bytes(held[:PART_BYTES])
            del held[:PART_BYTES]
    if held:
        yield bytes(held)


def chunks_of(file: BinaryIO) -> Iterator[bytes]:
    """Read ``file`` from where it is to its end."""
    while chunk := file.read(PART_BYTES):
        yield chunk

"""Files on their way in: cut into parts by whoever sends them, kept as compressed rows.

A part may come again, in any order and after any interruption. Nothing is examined before all parts
are there and their hashes agree.
"""

from collections.abc import Iterable
from datetime import datetime

from billing.models import Account, User
from billing.refusals import Refusal
from calls.models import FileImport

PART_BYTES = 512 * 1024


class MissingPartsError(Refusal):
    """Parts of the file have not arrived. ``missing`` are their numbers, counted from 0."""

    def __init__(self, missing: tuple[int, ...]) -> None:
        super().__init__("Parts are missing.", field="parts")
        self.missing = missing


def begin(
    *, account: Account, by: User | None, file_name: str, size: int, now: datetime
) -> FileImport:
    """Open an import for a file of ``size`` bytes, whose parts are to follow.

    Raises Refusal with field "size" (too large, empty), "file_name", or "" where the account has
    too many imports open.
    """
    raise NotImplementedError


def add_part(*, file_import: FileImport, number: int, content: bytes, sha256: str) -> None:
    """Keep part ``number``, counted from 0. Each has PART_BYTES bytes; the last one has the rest.

    ``sha256`` is the hash of ``content`` in hexadecimal digits. The same part may come again.
    Raises Refusal with field "number", "content" or "sha256", or "" where nothing is expected.
    """
    raise NotImplementedError


def finish(
    *, file_import: FileImport, parts: int, size: int, sha256: str, now: datetime
) -> FileImport:
    """End the upload, and have the file examined. Doing so again changes nothing.

    ``sha256`` is `hash_of_parts`. Raises MissingPartsError, or Refusal with field "parts", "size"
    or "sha256".
    """
    raise NotImplementedError


def hash_of_parts(hashes: Iterable[str]) -> str:
    """The hash of a whole file: SHA-256 of the hashes of its parts, one after the other.

    Each is 64 hexadecimal digits in small letters, and they are hashed as this text. A browser
    can't hash a large file as a whole without holding all of it in memory.
    """
    raise NotImplementedError


def take_whole(
    *,
    account: Account,
    by: User | None,
    file_name: str,
    chunks: Iterable[bytes],
    now: datetime,
) -> FileImport:
    """Take a file as a whole, from a plain form, and have it examined. Raises what `begin` does."""
    raise NotImplementedError


def delete_file(*, file_import: FileImport, now: datetime) -> FileImport:
    """Delete the file, its staged rows and its rejected lines; outcome and counts stay.

    Raises Refusal while the import is moving. Doing so again changes nothing.
    """
    raise NotImplementedError

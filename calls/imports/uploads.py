"""Files on their way in: cut into parts by whoever sends them, kept as compressed rows.

A part may come again, in any order and after any interruption. Nothing is examined before all parts
are there and their hashes agree.
"""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import Q
from django.template.defaultfilters import filesizeformat, pluralize

from billing.models import Account, User
from billing.plans.tariffs import NoTariffError, agreement_at
from billing.refusals import Refusal
from billing.texts import storable
from calls.imports import machine, parts
from calls.imports.noting import ActivityKind, note_import
from calls.imports.parts import PART_BYTES
from calls.models import FileImport, ImportPart, ImportState, StagedLine
from calls.models.file_import import FILE_NAME_LENGTH_MAX
from calls.numbers import kept_for

__all__ = ["PART_BYTES"]

KEPT_FOR = timedelta(days=30)
ABANDONED_AFTER = timedelta(hours=24)

# Numbers of missing parts that a refusal names in its sentence. All are in its attribute.
NAMED_MAX = 5

# An import in one of these may still need its file; one that was refused, or of which nothing but
# rejects is left, keeps its file, but no place from another.
OPEN = (
    ImportState.UPLOADING,
    ImportState.EXAMINING,
    ImportState.READY,
    ImportState.TRYING,
    ImportState.TRIED,
    ImportState.IMPORTING,
    ImportState.STOPPED,
)


class MissingPartsError(Refusal):
    """Parts of the file have not arrived. ``missing`` are their numbers, counted from 0."""

    def __init__(self, missing: tuple[int, ...]) -> None:
        named = ", ".join(map(str, missing[:NAMED_MAX]))
        more = ", …" if len(missing) > NAMED_MAX else ""
        super().__init__(
            f"{len(missing):,} part{pluralize(len(missing))} of the file did not arrive "
            f"({named}{more}). Send {pluralize(len(missing), 'it,them')} again.",
            field="parts",
        )
        self.missing = missing


def begin(
    *, account: Account, by: User | None, file_name: str, size: int, now: datetime
) -> FileImport:
    """Open an import for a file of ``size`` bytes, whose parts are to follow.

    Raises Refusal with field "size" (too large, empty), "file_name", or "" where the account has
    no plan, or too many imports open.
    """
    with transaction.atomic():
        began = _begin(account=account, by=by, file_name=file_name, size=size, now=now)
        note_import(ActivityKind.IMPORT_UPLOADED, began, bytes=size)
    return began


def _begin(
    *, account: Account, by: User | None, file_name: str, size: int, now: datetime
) -> FileImport:
    name = " ".join(storable(file_name).split())[-FILE_NAME_LENGTH_MAX:]
    if not name:
        raise Refusal("The file needs a name.", field="file_name")
    if size < 1:
        raise Refusal("The file is empty.", field="size")
    if size > settings.IMPORT_BYTES_MAX:
        raise TooLargeError
    require_plan(account=account, now=now)
    with transaction.atomic():
        require_room(account)
        return FileImport.objects.create(
            account=account,
            started_by=by,
            file_name=name,
            size=size,
            state=ImportState.UPLOADING,
            created_at=now,
            moved_at=now,
        )


def require_plan(*, account: Account, now: datetime) -> None:
    """Raise Refusal where nothing could price the account's calls."""
    try:
        agreement_at(account=account, at=now)
    except NoTariffError as error:
        raise Refusal(
            f"Calls of {account} can’t be charged: {error}. Put it on a plan, then try again."
        ) from None


class TooLargeError(Refusal):
    """The file is larger than this installation takes."""

    def __init__(self) -> None:
        limit = filesizeformat(settings.IMPORT_BYTES_MAX).replace("\xa0", " ")
        super().__init__(
            f"The file is larger than {limit}. Cut it into several files.", field="size"
        )


def open_imports(account: Account) -> int:
    """How many imports of the account may still need their file."""
    nothing_but_rejects = Q(
        trial__summary__created=0,
        trial__summary__corrected=0,
        trial__summary__unchanged=0,
    ) & (Q(trial__summary__linked=0) | Q(trial__summary__linked__isnull=True))
    return (
        FileImport.objects.filter(
            account=account, state__in=OPEN, is_command=False, file_deleted_at=None
        )
        .exclude(nothing_but_rejects, state=ImportState.TRIED)
        .count()
    )


def require_room(account: Account) -> None:
    """Raise Refusal where the account has as many imports open as it may. In a transaction."""
    with connection.cursor() as cursor:  # two that begin at once must not both take the last place
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
            [f"open imports of account {account.pk}"],
        )
    if open_imports(account) >= settings.IMPORTS_OPEN_MAX:
        raise Refusal(
            f"{settings.IMPORTS_OPEN_MAX} imports are open already. Finish one, or delete the file "
            "of one that you do not need."
        )


def add_part(
    *, file_import: FileImport, number: int, content: bytes, sha256: str, now: datetime
) -> None:
    """Keep part ``number``, counted from 0. Each has PART_BYTES bytes; the last one has the rest.

    ``sha256`` is the hash of ``content`` in hexadecimal digits. The same part may come again.
    Raises Refusal with field "number", "content" or "sha256", or "" where nothing is expected.
    """
    expected = _expected_bytes(file_import, number)
    if len(content) != expected:
        raise Refusal(
            f"Part {number} has {len(content):,} bytes; it must have {expected:,}. Send it again.",
            field="content",
        )
    part = parts.part_of(file_import, number, content)
    if part.sha256 != sha256.lower():
        raise Refusal(f"Part {number} arrived damaged. Send it again.", field="sha256")
    try:
        with transaction.atomic():
            found = FileImport.objects.select_for_update(no_key=True).get(pk=file_import.pk)
            machine.require(found, ImportState.UPLOADING, to="take another part")
            _require_file(found)
            FileImport.objects.filter(pk=found.pk).update(moved_at=now)
            part.save(force_insert=True)
    except IntegrityError:
        known = file_import.parts.get(number=number, is_unpacked=False).sha256
        if known != part.sha256:
            raise Refusal(
                f"Part {number} came before with other content. Has the file changed? Begin again.",
                field="number",
            ) from None


def finish(
    *, file_import: FileImport, parts: int, size: int, sha256: str, now: datetime
) -> FileImport:
    """End the upload, and have the file examined. Doing so again changes nothing.

    ``sha256`` is `hash_of_parts`. Raises MissingPartsError, or Refusal with field "parts", "size"
    or "sha256".
    """
    with transaction.atomic():
        found = machine.lock(file_import)
        if found.state != ImportState.UPLOADING and found.sha256 == sha256.lower():
            return found
        machine.require(found, ImportState.UPLOADING, to="end its upload")
        _require_file(found)
        if size != found.size:
            raise Refusal(
                f"The file has {size:,} bytes; {found.size:,} were announced. Begin again.",
                field="size",
            )
        if parts != _parts_of(found.size):
            raise Refusal(
                f"The file was cut into {parts:,} parts; {_parts_of(found.size):,} were expected.",
                field="parts",
            )
        hashes = dict(found.parts.filter(is_unpacked=False).values_list("number", "sha256"))
        missing = tuple(number for number in range(parts) if number not in hashes)
        if missing:
            raise MissingPartsError(missing)
        if hash_of_parts(hashes[number] for number in range(parts)) != sha256.lower():
            raise Refusal(
                "The file arrived damaged, or changed meanwhile. Send it again.", field="sha256"
            )
        return machine.move(found, ImportState.EXAMINING, now=now, sha256=sha256.lower())


def _require_file(locked: FileImport) -> None:
    """Raise StateError where the upload was stopped: a part under way then arrives after it."""
    if locked.file_deleted_at is not None:
        raise machine.StateError("This upload was stopped. Begin again.")


def hash_of_parts(hashes: Iterable[str]) -> str:
    """The hash of a whole file: SHA-256 of the hashes of its parts, one after the other.

    Each is 64 hexadecimal digits in small letters, and they are hashed as this text. A browser
    can't hash a large file as a whole without holding all of it in memory.
    """
    return hashlib.sha256("".join(hashes).encode("ascii")).hexdigest()


def take_whole(
    *,
    account: Account,
    by: User | None,
    file_name: str,
    chunks: Iterable[bytes],
    now: datetime,
) -> FileImport:
    """Take a file as a whole, from a plain form, and have it examined. Raises what `begin` does."""
    with transaction.atomic():
        began = _begin(account=account, by=by, file_name=file_name, size=1, now=now)
        parts.store(began, _up_to_the_limit(chunks), is_unpacked=False)
        stored = list(began.parts.order_by("number").values_list("size", "sha256"))
        if not stored:
            raise Refusal("The file is empty.", field="size")
        size = sum(size for size, _ in stored)
        note_import(ActivityKind.IMPORT_UPLOADED, began, bytes=size)
        return machine.move(
            began,
            ImportState.EXAMINING,
            now=now,
            size=size,
            sha256=hash_of_parts(sha256 for _, sha256 in stored),
        )


def delete_file(*, file_import: FileImport, now: datetime, is_asked_for: bool = True) -> FileImport:
    """Delete the file, its staged rows and its rejected lines; outcome and counts stay.

    ``is_asked_for``: by somebody, whom the activity log then names. Raises Refusal while the import
    is moving. Doing so again changes nothing.
    """
    with transaction.atomic():
        found = machine.lock(file_import)
        if found.state in machine.MOVING:
            machine.require(found, to="lose its file. Stop it first")
        if found.file_deleted_at is None:
            ImportPart.objects.filter(file_import=found).delete()
            StagedLine.objects.filter(file_import_id=found.pk).delete()
            found.rejects.all().delete()
            found.file_deleted_at = now
            found.is_staged = False
            found.save(update_fields=["file_deleted_at", "is_staged"])
            if is_asked_for:
                note_import(ActivityKind.IMPORT_FILE_DELETED, found)
    return found


def file_kept_for() -> timedelta:
    """How long the file of an import is kept: it has numbers in it."""
    return kept_for(KEPT_FOR)


def delete_old_files(*, now: datetime) -> int:
    """Delete the files that are `file_kept_for` old, and uploads that were abandoned; return how
    many."""
    abandoned = FileImport.objects.filter(
        state=ImportState.UPLOADING, moved_at__lt=now - ABANDONED_AFTER
    )
    count, _ = abandoned.delete()
    old = FileImport.objects.filter(file_deleted_at=None, created_at__lt=now - file_kept_for())
    for found in old.exclude(state__in=machine.MOVING):
        delete_file(file_import=found, now=now, is_asked_for=False)
        count += 1
    return count


def _parts_of(size: int) -> int:
    return -(-size // PART_BYTES)  # rounded up


def _expected_bytes(file_import: FileImport, number: int) -> int:
    """How many bytes part ``number`` has."""
    last = _parts_of(file_import.size) - 1
    if not 0 <= number <= last:
        raise Refusal(
            f"There is no part {number}: the parts are numbered from 0 to {last}.", field="number"
        )
    return PART_BYTES if number < last else file_import.size - last * PART_BYTES


def _up_to_the_limit(chunks: Iterable[bytes]) -> Iterator[bytes]:
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total > settings.IMPORT_BYTES_MAX:
            raise TooLargeError
        yield chunk

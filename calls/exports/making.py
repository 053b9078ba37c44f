"""What a worker does: makes the files that were asked for, some seconds of each in turn.

All workers together make one file at a time, so that exports never keep more than one of them from
other work. How far a file is, is committed with the part that got it there: whoever is killed loses
no more than a part that nobody has seen.
"""

import logging
import time
import zlib
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from django.db.models import Q, QuerySet
from psycopg2.errors import DiskFull

from calls.exports import keeping, standing
from calls.exports.limits import AGAIN_AFTER
from calls.imports.machine import alone
from calls.models import Export, ExportPart, ExportState
from calls.usage.export import Piece, pieces_of

logger = logging.getLogger(__name__)

Clock = Callable[[], datetime]

LOCK = "exports"
SLICE = timedelta(seconds=20)
# Attempts that did not get on.
FAILURES_MAX = 5

# Files of calls come to a seventh of their size; the next level takes twice as long for a tenth.
COMPRESSION = 4

FAILED = "Something went wrong on our side; the server’s log has it. Nothing is left of the file."
NO_ROOM = "There is no room to store the file at the moment. Try again later, or choose fewer days."


class _OvertakenError(Exception):
    """Somebody cancelled the export, or it was begun anew."""


def work(*, clock: Clock) -> bool:
    """Do one slice of the export that has waited longest; return whether there is more to do.

    Does nothing while another worker is at it. Exceptions are logged and count as a failure of the
    export; where the database is gone, they propagate, and a sweeper has it attempted again.
    """
    with alone(LOCK) as is_ours:
        if not is_ours:
            return False
        export = _take(clock)
        if export is not None:
            _carry_on(export, clock)
    # Asked for once others may work: what was asked for meanwhile found this one at it.
    return due(now=clock()).exists()


def due(*, now: datetime) -> QuerySet[Export]:
    """The exports that can be worked on, the longest waiting first."""
    can_go_on = Q(failures=0) | Q(moved_at__lt=now - AGAIN_AFTER)
    return Export.objects.filter(can_go_on, state=ExportState.MAKING).order_by("moved_at", "pk")


def _take(clock: Clock) -> Export | None:
    """Take one export on, and count the attempt; None where there is nothing to do any more.

    It is counted beforehand, because a worker that is killed by it can't count. Whoever gets on
    sets the count back.
    """
    seen = due(now=clock()).first()
    if seen is None:
        return None
    if not Export.objects.filter(standing.of_members(), pk=seen.pk).exists():
        keeping.remove(Export.objects.filter(pk=seen.pk))  # nobody is left who may have it
        return None
    with transaction.atomic():
        found = standing.lock(seen)
        if found.state != ExportState.MAKING:
            return None
        if found.failures >= FAILURES_MAX:
            standing.move(found, ExportState.FAILED, now=clock(), said=found.said or FAILED)
            return None
        if found.parts.count() != found.pieces:  # of an earlier attempt; or lost with a backup
            keeping.remove_parts(found)
            for name, value in standing.NOTHING_STORED.items():
                setattr(found, name, value)
        found.failures += 1
        found.moved_at = clock()
        found.save()
        return found


def _carry_on(export: Export, clock: Clock) -> None:
    try:
        _make(export, clock)
    except (_OvertakenError, Export.DoesNotExist):
        return
    except (OperationalError, InterfaceError) as error:
        if isinstance(error.__cause__, DiskFull):
            _note_no_room(export)
        elif not connection.in_atomic_block:
            connection.close()  # what is left of it holds no locks any more
        raise
    except Exception:
        logger.exception("Export %s was interrupted", export.pk)


def _note_no_room(export: Export) -> None:
    """Keep the reason for when it has failed for good, if there is room for that."""
    try:
        with transaction.atomic():
            Export.objects.filter(pk=export.pk).update(said=NO_ROOM)
    except DatabaseError:
        logger.warning("There was no room to note that export %s has none", export.pk)


def _make(export: Export, clock: Clock) -> None:
    ends_at = time.monotonic() + SLICE.total_seconds()
    after = standing.place_of(export)
    if after is not None or not export.pieces:
        for piece in pieces_of(standing.selection_of(export), after=after):
            _store(export, piece, clock)
            if time.monotonic() >= ends_at:
                return
    with transaction.atomic():
        found = _unchanged(export)
        standing.move(found, ExportState.READY, now=clock())


def _store(export: Export, piece: Piece, clock: Clock) -> None:
    """Store ``piece`` and how far the file is with it."""
    text = piece.text.encode()
    content = _deflated(text)
    with transaction.atomic():
        found = _unchanged(export)
        ExportPart.objects.create(export=found, number=found.pieces, content=content)
        found.pieces += 1
        found.rows += piece.rows
        if piece.last is not None:
            found.cursor_at, found.cursor_id = piece.last
        found.size += len(text)
        found.stored_size += len(content)
        found.crc32 = zlib.crc32(text, found.crc32)
        found.said = ""
        found.failures = 0
        found.moved_at = clock()
        found.save()
    export.pieces = found.pieces


def _unchanged(export: Export) -> Export:
    """Return the export, locked. Raises _OvertakenError where somebody else has changed it."""
    found = standing.lock(export)
    if found.state != ExportState.MAKING or found.pieces != export.pieces:
        raise _OvertakenError
    return found


def _deflated(text: bytes) -> bytes:
    """Compress ``text`` so that what is compressed next may simply follow; see `ExportPart`."""
    packer = zlib.compressobj(COMPRESSION, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(text) + packer.flush(zlib.Z_SYNC_FLUSH)

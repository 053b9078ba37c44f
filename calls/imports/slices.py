"""What a worker does for an import: one slice of at most 20 seconds, safe to lose and to repeat.

How far an import is stands in its row, and is committed with the batch that got it there. So it may
end at any moment, also twice at once: whoever comes next goes on from the row.
"""

import logging
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, BinaryIO

from django.db import connection, transaction
from django.db.models import F
from django.utils.text import Truncator

from billing.models import Account
from billing.notices.quiet import end_quiet, keep_quiet
from billing.plans.tariffs import TariffBook
from calls.charging import record_calls
from calls.imports import machine, parts
from calls.imports.batches import Batch, batches, staged
from calls.imports.finding import find_out
from calls.imports.machine import OvertakenError
from calls.imports.readings import reading_of, source_of
from calls.imports.staged_rows import StagedRows
from calls.imports.staging import check_repeated, encoded
from calls.imports.summaries import Summary, Trial
from calls.imports.trials import end_trial, try_batch
from calls.models import FileImport, ImportReject, ImportState
from calls.models.file_import import FIELD_LENGTH_MAX
from calls.notations import BadFileError, Reader
from calls.sources import Source
from calls.withdrawing import withdraw_import

logger = logging.getLogger(__name__)

SLICE = timedelta(seconds=20)
BATCH_SIZE = 500
WITHDRAWN_AT_ONCE = 500

# After each batch the worker rests for this part of the time that the batch took, so that pages
# find the database free.
REST = 0.25

# Attempts without getting on, after which nothing is tried any more.
FAILURES_MAX = 5

FAILED = (
    "Something went wrong that is no fault of the file. It is in the server’s log. What is counted "
    "is recorded, once. Go on later, or ask whoever runs this site."
)


class _Deadline:
    """When a slice has to end."""

    def __init__(self) -> None:
        self._at = time.monotonic() + SLICE.total_seconds()

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self._at


def work(*, import_id: int, clock: Callable[[], datetime], ticket: int | None = None) -> bool:
    """Do one slice of whatever the import is at; return whether there is more to do at once.

    Does nothing where somebody else works on the import, where it waits for another one of its
    account, or where ``ticket`` is no longer its own. A file that can't be read refuses the import.
    Other exceptions are logged; those of the database propagate, to be attempted again.
    """
    with machine.alone(machine.lock_of_import(import_id)) as is_ours:
        file_import = _taken(import_id, ticket) if is_ours else None
        if file_import is None:
            return False
        try:
            return STEPS[file_import.state](file_import, clock)
        except OvertakenError:
            return False
        except BadFileError as error:
            _refuse(file_import, str(error), clock())
            return False
        except Exception:
            logger.exception("Import %s was interrupted while %s", import_id, file_import.state)
            if not connection.is_usable():
                raise
            return False


def _taken(import_id: int, ticket: int | None) -> FileImport | None:
    """Take the import on, if there is something to do; count the attempt.

    It is counted beforehand, because a worker that is killed by it can't count. Whoever gets on
    sets the count back.
    """
    with transaction.atomic():
        found = (
            FileImport.objects.select_for_update(of=("self",))
            .select_related("account")
            .filter(pk=import_id, state__in=machine.MOVING, is_command=False)
            .first()
        )
        if found is None or (ticket is not None and ticket != found.ticket):
            return None
        if machine.ahead_of(found) is not None:
            return None
        if found.failures >= FAILURES_MAX:
            _end(found)
            machine.move(
                found,
                ImportState.FAILED,
                now=found.moved_at,
                said=FAILED,
                interrupted_state=found.state,
            )
            return None
        found.failures += 1
        found.save(update_fields=["failures"])
        return found


def _refuse(file_import: FileImport, said: str, now: datetime) -> None:
    with transaction.atomic():
        found = machine.lock_in(file_import, file_import.state)
        _end(found)
        if found.state in machine.EXCLUSIVE:
            interrupted = found.state
            machine.move(
                found, ImportState.FAILED, now=now, said=said, interrupted_state=interrupted
            )
            machine.queue_next(found, now=now)
        else:
            machine.move(found, ImportState.REFUSED, now=now, said=said)


def _end(locked: FileImport) -> None:
    """Let warnings look again."""
    if locked.quiet_id is not None:
        end_quiet(noted=locked.quiet_id)
        locked.quiet_id = None


# ── Examining ─────────────────────────────────────────────────────────────────────────────────
def _examine(file_import: FileImport, clock: Callable[[], datetime]) -> bool:
    with parts.opened(file_import, is_unpacked=False) as file:
        found = find_out(file_import=file_import, file=file, now=clock())
        with transaction.atomic():
            locked = machine.lock_in(file_import, ImportState.EXAMINING)
            if found.unpacked is not None:
                parts.store(locked, parts.chunks_of(found.unpacked), is_unpacked=True)
            machine.move(
                locked,
                ImportState.READY,
                now=clock(),
                is_unpacked=found.unpacked is not None,
                examined=found.as_json(),
                reading=found.reading.as_json(),
            )
    return False


# ── Staging ───────────────────────────────────────────────────────────────────────────────────
def _stage(
    file_import: FileImport, source: Source[Any], file: BinaryIO, clock: Callable[[], datetime]
) -> bool:
    """Stage what is not staged yet; return whether all is. Lines already staged are skipped."""
    rows = StagedRows(file_import.pk)
    if file_import.is_staged and rows.is_there() == bool(file_import.staged_lines):
        return True
    if not rows.is_there() or not file_import.staged_lines or file_import.is_staged:
        rows.clear()
        _note_staged(file_import, 0, 0, clock(), is_staged=False)
    reader = source.reader(file)
    known = file_import.staged_lines
    deadline = None
    for some in staged(_skipping(reader, known), source):
        deadline = deadline or _Deadline()  # skipping is not counted: it must end at some time
        with transaction.atomic():
            machine.lock_in(file_import, file_import.state)
            rows.add(some)
            _note_staged(file_import, len(some), reader.bytes_read, clock(), is_staged=False)
        if deadline.is_over:
            return False
    with transaction.atomic():
        machine.lock_in(file_import, file_import.state)
        check_repeated(rows.find_repeated(are_calls=source.equal_rows_are_calls))
        _note_staged(file_import, 0, reader.bytes_read, clock(), is_staged=True)
    return True

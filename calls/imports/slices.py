"""What a worker does for an import: one slice of at most 20 seconds, safe to lose and to repeat.

How far an import is stands in its row, and is committed with the batch that got it there. So it may
end at any moment, also twice at once: whoever comes next goes on from the row.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, BinaryIO

from django.db import InterfaceError, OperationalError, connection, transaction

from billing.notices.quiet import keep_quiet
from billing.plans.tariffs import TariffBook
from billing.texts import storable
from calls.charging import record_calls
from calls.imports import machine, parts
from calls.imports.batches import Batch, RejectedLine, batches, staged
from calls.imports.finding import find_out
from calls.imports.heartbeat import beating
from calls.imports.machine import OvertakenError
from calls.imports.readings import Reading, reading_of, source_of
from calls.imports.staged_rows import StagedRows
from calls.imports.staging import check_repeated, encoded
from calls.imports.summaries import Summary, Trial
from calls.imports.trials import end_trial, try_batch
from calls.models import FileImport, ImportReject, ImportState
from calls.models.file_import import FIELD_LENGTH_MAX
from calls.notations import BadFileError, Reader
from calls.notations.examining import plain_file
from calls.notations.layout import Fact
from calls.sources import Source
from calls.sources.registry import reporter_of
from calls.withdrawing import withdraw_import

logger = logging.getLogger(__name__)

Clock = Callable[[], datetime]

SLICE = timedelta(seconds=20)
BATCH_SIZE = 500
WITHDRAWN_AT_ONCE = 500

# After each batch the worker rests for this part of the time that the batch took, so that pages
# find the database free.
REST = 0.25

# Attempts without getting on, after which nothing is tried any more.
FAILURES_MAX = 5

FAILED = (
    "Something went wrong that is no fault of the file; the server’s log has it. What is counted "
    "is recorded, and once. Go on later, or ask whoever runs this site."
)
UNFORESEEN = (
    "Something went wrong on our side; the server’s log has the details. Nothing was recorded. "
    "Go on to try again, or ask whoever runs this site."
)


class _Deadline:
    """When a slice has to end."""

    def __init__(self) -> None:
        self._at = time.monotonic() + SLICE.total_seconds()

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self._at


def work(*, import_id: int, clock: Clock, ticket: int | None = None) -> bool:
    """Do one slice of whatever the import is at; return whether there is more to do at once.

    Does nothing where somebody else works on the import, where it waits for another one of its
    account, or where ``ticket`` is no longer its own. A file that can't be read refuses the import.
    Other exceptions are logged. They fail an import that has recorded nothing yet; one that is
    recording is attempted again. Where the database is gone, they propagate, to be attempted again.
    """
    seen = FileImport.objects.filter(
        machine.OF_WORKERS, pk=import_id, state__in=machine.MOVING
    ).first()
    if seen is None:
        return False
    locks = [machine.lock_of_import(import_id)]
    if seen.state in machine.EXCLUSIVE:
        locks.append(machine.lock_of_account(seen.account_id))
    with ExitStack() as held:
        if not all(held.enter_context(machine.alone(name)) for name in locks):
            return False
        file_import = _taken(seen, ticket, clock)
        return file_import is not None and _carried_on(file_import, clock)


def _taken(seen: FileImport, ticket: int | None, clock: Clock) -> FileImport | None:
    """Take the import on, if there is something to do; count the attempt.

    It is counted beforehand, because a worker that is killed by it can't count. Whoever gets on
    sets the count back.
    """
    with transaction.atomic():
        found = machine.lock(seen)
        if found.state != seen.state or (ticket is not None and ticket != found.ticket):
            return None
        if machine.ahead_of(found) is not None:
            return None
        if found.failures >= FAILURES_MAX:
            fail(found, FAILED, clock())
            return None
        found.failures += 1
        found.save(update_fields=["failures"])
        return found


def _carried_on(file_import: FileImport, clock: Clock) -> bool:
    try:
        return STEPS[file_import.state](file_import, clock)
    except OvertakenError:
        return False
    except BadFileError as error:
        with transaction.atomic():
            found = machine.lock(file_import)
            if found.state == file_import.state and found.state in machine.EXCLUSIVE:
                fail(found, str(error), clock())
            elif found.state == file_import.state:
                machine.move(found, ImportState.REFUSED, now=clock(), said=str(error))
        return False
    except (OperationalError, InterfaceError):
        if not connection.in_atomic_block:
            connection.close()  # what is left of it holds no locks any more
        raise
    except Exception:
        logger.exception("Import %s was interrupted: %s", file_import.pk, file_import.state)
        if file_import.state in (ImportState.EXAMINING, ImportState.TRYING):
            with transaction.atomic():
                found = machine.lock(file_import)
                if (found.state, found.ticket) == (file_import.state, file_import.ticket):
                    fail(found, UNFORESEEN, clock())
        return False


def fail(locked: FileImport, said: str, now: datetime) -> None:
    """Give up on the ``locked`` import until somebody lets it go on."""
    machine.move(
        locked,
        ImportState.FAILED,
        now=now,
        interrupted_state=locked.state,
        said=said,
    )


# ── Examining ─────────────────────────────────────────────────────────────────────────────────
def _examine(file_import: FileImport, clock: Clock) -> bool:
    """Unpack the file, a slice of its own where there is something to unpack; then look at it.

    Neither can be cut further. Both are a matter of seconds but for the largest files, and whoever
    does them says every few seconds that it lives.
    """
    with parts.opened(file_import) as file:
        with beating(file_import, clock=clock, bytes_read=lambda: file.bytes_given):
            plain, facts, sheets = plain_file(file, sheet=file_import.examined.get("sheet", ""))
            if plain is file:
                found = find_out(
                    account=file_import.account, name=file_import.file_name, file=file, now=clock()
                )
        if plain is not file:
            with plain:
                _keep_unpacked(file_import, plain, facts, sheets, clock)
            return True
        examined = found.as_json()
        if sheets := file_import.examined.get("sheets"):
            examined["sheets"] = sheets
        examined["facts"] = [*file_import.examined.get("facts", ()), *examined["facts"]]
        with transaction.atomic():
            machine.move(
                machine.lock_in(file_import, ImportState.EXAMINING),
                ImportState.READY,
                now=clock(),
                bytes_read=0,
                examined=examined,
                reading=found.reading.as_json(),
            )
    return False


def _keep_unpacked(
    file_import: FileImport,
    plain: BinaryIO,
    facts: tuple[Fact, ...],
    sheets: tuple[str, ...],
    clock: Clock,
) -> None:
    with transaction.atomic():
        locked = machine.lock_in(file_import, ImportState.EXAMINING)
        parts.store(locked, parts.chunks_of(plain), is_unpacked=True)
        told = [[fact.topic, storable(fact.said)] for fact in facts]
        examined = {"facts": told, "sheets": list(sheets)}
        _note(file_import, clock(), is_unpacked=True, examined=examined)


# ── Staging ───────────────────────────────────────────────────────────────────────────────────
def _stage(file_import: FileImport, source: Source[Any], file: BinaryIO, clock: Clock) -> bool:
    """Stage what is not staged yet; return whether all is.

    Records that are staged already are read again and skipped: a reader can't begin in the middle.
    """
    rows = StagedRows(file_import.pk)
    is_there = rows.is_there() == bool(file_import.staged_lines)
    if file_import.is_staged and is_there:
        return True
    if file_import.is_staged or not is_there or not file_import.staged_lines:
        rows.clear()  # of another reading; or they were lost, and some may have come since
        file_import.staged_lines = 0
    reader = source.reader(file)
    known = file_import.staged_lines
    deadline = None
    for some in staged(islice(reader, known, None), source):
        # Counted from the first new record on, or a long file would never get further.
        deadline = deadline or _Deadline()
        with transaction.atomic():
            machine.lock_in(file_import, file_import.state)
            rows.add(some)
            known += len(some)
            _note(file_import, clock(), staged_lines=known, bytes_read=reader.bytes_read)
        if deadline.is_over:
            return False
    with transaction.atomic():
        machine.lock_in(file_import, file_import.state)
        check_repeated(rows.find_repeated(are_calls=source.equal_rows_are_calls))
        _note(file_import, clock(), staged_lines=known, is_staged=True)
    return True


def _note(file_import: FileImport, now: datetime, **changes: Any) -> None:
    """Store how far the import is. It got on, so what failed before does not count."""
    FileImport.objects.filter(pk=file_import.pk).update(moved_at=now, failures=0, **changes)
    for name, value in changes.items():
        setattr(file_import, name, value)


# ── Trial run and import ──────────────────────────────────────────────────────────────────────
def _try(file_import: FileImport, clock: Clock) -> bool:
    reading, source = _reading(file_import, clock)
    book = TariffBook({file_import.account_id})
    trial = Trial.from_json(file_import.trial)
    with parts.opened(file_import) as file:
        if not _stage(file_import, source, file, clock):
            return True
        trial.summary.lines = file_import.staged_lines
        deadline = _Deadline()
        for batch in _batches(file_import, source, file):
            try_batch(batch, trial, book=book, now=clock(), revise=reading.revise)
            with transaction.atomic():
                machine.lock_in(file_import, ImportState.TRYING)
                _note(file_import, clock(), cursor=batch.position, trial=trial.as_json())
            if deadline.is_over:
                return True
    end_trial(trial, account=file_import.account)
    with transaction.atomic():
        locked = machine.lock_in(file_import, ImportState.TRYING)
        machine.move(locked, ImportState.TRIED, now=clock(), trial=trial.as_json())
    return False


def _record(file_import: FileImport, clock: Clock) -> bool:
    reading, source = _reading(file_import, clock)
    summary = Summary.from_json(file_import.summary)
    with parts.opened(file_import) as file:
        if not _stage(file_import, source, file, clock):
            return True
        summary.lines = file_import.staged_lines
        deadline = _Deadline()
        for batch in _batches(file_import, source, file):
            with transaction.atomic():
                locked = machine.lock_in(file_import, ImportState.IMPORTING)
                if locked.cursor != file_import.cursor:
                    raise OvertakenError
                outcomes = record_calls(
                    records=batch.records,
                    now=clock(),
                    reporter=reporter_of(source),
                    are_legs=source.tells_legs,
                    revise=reading.revise,
                    import_id=file_import.pk,
                )
                summary = batch.count(outcomes, summary)
                _keep_rejects(file_import, batch.rejected)
                _note_recorded(file_import, clock(), cursor=batch.position, summary=summary)
            if deadline.is_over:
                return True
    with transaction.atomic():
        locked = machine.lock_in(file_import, ImportState.IMPORTING)
        machine.move(
            locked,
            ImportState.DONE,
            now=clock(),
            summary=summary.as_json(),
        )
    StagedRows(file_import.pk).clear()
    return False


def _reading(file_import: FileImport, clock: Clock) -> tuple[Reading, Source[Any]]:
    reading = reading_of(file_import)
    assert reading is not None  # no step begins without
    return reading, source_of(reading=reading, account=file_import.account, now=clock())


def _batches(file_import: FileImport, source: Source[Any], file: BinaryIO) -> Iterator[Batch]:
    """What is staged after the cursor, in batches with a rest after each."""
    file.seek(0)
    reader: Reader[Any] = source.reader(file)
    next(iter(reader), None)  # it knows how to read a record's text once it has seen the beginning
    began = time.monotonic()
    for batch in batches(
        StagedRows(file_import.pk), source, reader, size=BATCH_SIZE, after=file_import.cursor
    ):
        yield batch
        time.sleep(REST * (time.monotonic() - began))
        began = time.monotonic()


def _note_recorded(
    file_import: FileImport, now: datetime, *, cursor: int, summary: Summary
) -> None:
    quiet_id = keep_quiet(account_id=file_import.account_id, noted=file_import.quiet_id, now=now)
    _note(file_import, now, cursor=cursor, summary=summary.as_json(), quiet_id=quiet_id)


def _keep_rejects(file_import: FileImport, rejected: list[RejectedLine]) -> None:
    ImportReject.objects.bulk_create(
        ImportReject(
            file_import=file_import,
            line=line.line,
            field=line.field[:FIELD_LENGTH_MAX],
            reason=storable(line.reason),
            text=encoded(line.text),
        )
        for line in rejected
    )


# ── Taking back ───────────────────────────────────────────────────────────────────────────────
def _withdraw(file_import: FileImport, clock: Clock) -> bool:
    deadline = _Deadline()
    while True:
        began = time.monotonic()
        with transaction.atomic():
            locked = machine.lock_in(file_import, ImportState.WITHDRAWING)
            done = withdraw_import(
                account_id=locked.account_id,
                import_id=locked.pk,
                now=clock(),
                limit=WITHDRAWN_AT_ONCE,
            )
            withdrawal = {
                name: locked.withdrawal.get(name, 0) + getattr(done, name)
                for name in ("withdrawn", "restored", "unlinked", "credits")
            } | {"kept": done.kept}
            quiet_id = keep_quiet(account_id=locked.account_id, noted=locked.quiet_id, now=clock())
            _note(file_import, clock(), withdrawal=withdrawal, quiet_id=quiet_id)
        if not done.more:
            break
        time.sleep(REST * (time.monotonic() - began))
        if deadline.is_over:
            return True
    with transaction.atomic():
        locked = machine.lock_in(file_import, ImportState.WITHDRAWING)
        machine.move(
            locked,
            ImportState.WITHDRAWN,
            now=clock(),
            withdrawn_at=clock(),
        )
    return False


STEPS: Mapping[str, Callable[[FileImport, Clock], bool]] = {
    ImportState.EXAMINING: _examine,
    ImportState.TRYING: _try,
    ImportState.IMPORTING: _record,
    ImportState.WITHDRAWING: _withdraw,
}

"""The states of an import: which may follow which, and who may work on it now.

Every change of state goes through `move`, on a row that is locked. A state in which a worker has to
do something puts its task on the queue with the commit; what the broker loses, `stalled` finds.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any

from celery import signature
from django.db import Error, connection, transaction
from django.db.models import F, Q, QuerySet

from billing.notices.quiet import end_quiet, keep_quiet
from billing.queue import enqueue
from billing.refusals import Refusal
from calls.models import FileImport, ImportState
from calls.models.file_import import SAID_LENGTH_MAX

TASK = "calls.tasks.work_on_import"

S = ImportState
ALLOWED: Mapping[str, frozenset[str]] = {
    before: frozenset(after)
    for before, after in {
        S.UPLOADING: (S.EXAMINING,),
        S.EXAMINING: (S.READY, S.REFUSED, S.FAILED),
        S.READY: (S.READY, S.TRYING, S.EXAMINING),  # another sheet of a workbook
        S.TRYING: (S.TRIED, S.READY, S.REFUSED, S.FAILED),
        S.TRIED: (S.READY, S.TRYING, S.IMPORTING, S.EXAMINING),
        S.IMPORTING: (S.DONE, S.STOPPED, S.FAILED),
        S.STOPPED: (S.IMPORTING, S.WITHDRAWING),
        S.DONE: (S.WITHDRAWING,),
        S.REFUSED: (S.READY, S.EXAMINING),
        S.FAILED: (S.EXAMINING, S.TRYING, S.IMPORTING, S.WITHDRAWING, S.READY),
        S.WITHDRAWING: (S.WITHDRAWN, S.FAILED),
        S.WITHDRAWN: (S.WITHDRAWING,),  # what was kept, once nothing else has changed it any more
    }.items()
}

# A worker has to do something.
MOVING = (S.EXAMINING, S.TRYING, S.IMPORTING, S.WITHDRAWING)
# Only one import of an account may be in one of these at a time: the others wait.
EXCLUSIVE = (S.IMPORTING, S.WITHDRAWING)
# A command records what it imports by itself; whatever else has to be done is for workers.
OF_WORKERS = ~Q(is_command=True, state=S.IMPORTING)
# Nothing more will happen by itself.
ENDED = (S.DONE, S.REFUSED, S.FAILED, S.WITHDRAWN)

# An import that has not got on for this long has lost its task, or its worker.
STALLED_AFTER = timedelta(seconds=60)


class OvertakenError(Exception):
    """Somebody else has moved the import on: whoever worked on it has nothing more to do."""


class StateError(Refusal):
    """The import is in a state in which that can't be done."""


def lock(file_import: FileImport) -> FileImport:
    """Return the import as it is now, locked until the end of the transaction."""
    return FileImport.objects.select_for_update(of=("self",)).get(pk=file_import.pk)


def lock_in(file_import: FileImport, state: str) -> FileImport:
    """Return the import, locked. Raises OvertakenError where it is no longer in ``state``."""
    found = lock(file_import)
    if found.state != state or found.ticket != file_import.ticket:
        raise OvertakenError
    return found


def require(file_import: FileImport, *states: str, to: str) -> None:
    """Raise StateError unless the import is in one of ``states``; ``to`` completes "can't …"."""
    if file_import.state not in states:
        raise StateError(
            f"This import is {_said_of(file_import)}, so it can’t {to}. Reload the page to see it "
            "as it is now."
        )


def move(locked: FileImport, to: ImportState, *, now: datetime, **changes: Any) -> FileImport:
    """Put the ``locked`` import into the state ``to`` and store it with ``changes``.

    Where a worker has to go on, its task is queued with the commit. While calls are recorded or
    taken back, nobody is warned of the account's credits; the next import of the account waits.
    """
    assert connection.in_atomic_block
    if to not in ALLOWED[locked.state]:
        raise StateError(f"This import is {_said_of(locked)}; that can’t follow.")
    makes_room = locked.state in EXCLUSIVE and to not in EXCLUSIVE
    locked.ended_at = _ended_at(locked, to, now=now)
    locked.state = to
    locked.said = ""
    locked.interrupted_state = ""
    locked.moved_at = now
    locked.failures = 0
    for name, value in changes.items():
        setattr(locked, name, value)
    locked.said = locked.said[:SAID_LENGTH_MAX]
    if to in EXCLUSIVE:
        locked.queued_at = now
        locked.quiet_id = keep_quiet(account_id=locked.account_id, noted=locked.quiet_id, now=now)
    elif locked.quiet_id is not None:
        end_quiet(noted=locked.quiet_id)
        locked.quiet_id = None
    if to in MOVING:
        locked.ticket += 1
        queue(locked)
    locked.save()
    if makes_room:
        _queue_next(locked, now=now)
    return locked


def _ended_at(locked: FileImport, to: ImportState, *, now: datetime) -> datetime | None:
    """When an import that moves on has ended: what becomes of it by taking it back moves nothing.

    So the time in which it may be taken back does not begin anew.
    """
    if to == S.WITHDRAWING:
        return locked.ended_at or locked.moved_at
    if locked.state == S.WITHDRAWING:
        return locked.ended_at or now
    return now if to in ENDED else None


def queue(file_import: FileImport) -> None:
    """Queue the task that works on the import, once the transaction commits."""
    enqueue(signature(TASK), file_import.pk, file_import.ticket)


def ahead_of(file_import: FileImport) -> FileImport | None:
    """The import of the same account that has to end before this one may record anything."""
    if file_import.state not in EXCLUSIVE:
        return None
    earlier = Q(queued_at__lt=file_import.queued_at) | Q(
        queued_at=file_import.queued_at, pk__lt=file_import.pk
    )
    return (
        FileImport.objects.filter(
            earlier, OF_WORKERS, account=file_import.account_id, state__in=EXCLUSIVE
        )
        .order_by("queued_at", "pk")
        .first()
    )


def _queue_next(file_import: FileImport, *, now: datetime) -> None:
    following = (
        FileImport.objects.filter(OF_WORKERS, account=file_import.account_id, state__in=EXCLUSIVE)
        .exclude(pk=file_import.pk)
        .order_by("queued_at", "pk")
        .first()
    )
    if following is not None:
        FileImport.objects.filter(pk=following.pk).update(ticket=F("ticket") + 1, moved_at=now)
        following.refresh_from_db(fields=["ticket"])
        queue(following)


def stalled(*, now: datetime) -> QuerySet[FileImport]:
    """The imports that should be moving and are not: worker killed, or broker lost the task."""
    return FileImport.objects.filter(
        OF_WORKERS, state__in=MOVING, moved_at__lt=now - STALLED_AFTER
    ).order_by("moved_at")


def requeue(*, now: datetime) -> int:
    """Queue what is stalled again, each with a new ticket; return how many."""
    count = 0
    for found in stalled(now=now):
        with transaction.atomic():
            locked = lock(found)
            if locked.state in MOVING and locked.moved_at < now - STALLED_AFTER:
                locked.ticket += 1
                locked.save(update_fields=["ticket"])
                queue(locked)
                count += 1
    return count


@contextmanager
def alone(name: str) -> Iterator[bool]:
    """Hold the lock ``name`` of this database session; yields False where another one has it."""
    key = "SELECT {}(hashtextextended(%s, 0))"
    with connection.cursor() as cursor:
        cursor.execute(key.format("pg_try_advisory_lock"), [name])
        (is_ours,) = cursor.fetchone()
    try:
        yield is_ours
    finally:
        if is_ours:
            # With the connection, the lock is gone as well.
            with suppress(Error), connection.cursor() as cursor:
                cursor.execute(key.format("pg_advisory_unlock"), [name])


def lock_of_import(file_import_id: int) -> str:
    """The name of the lock that whoever works on an import holds."""
    return f"file import {file_import_id}"


def lock_of_account(account_id: int) -> str:
    """The name of the lock that whoever records calls of a file for the account holds."""
    return f"file imports of account {account_id}"


def _said_of(file_import: FileImport) -> str:
    label: str = ImportState(file_import.state).label
    return f"“{label}”"

"""What people do with an import after its upload. Workers do the rest: `calls.imports.slices`."""

from datetime import datetime, timedelta

from django.db import transaction

from billing.models import User
from billing.refusals import Refusal
from calls.imports import machine
from calls.imports.noting import ActivityKind, note_import
from calls.imports.open_questions import require_answers
from calls.imports.readings import Reading, reading_of, require_file, source_of
from calls.imports.slices import work
from calls.imports.uploads import require_plan, require_room
from calls.models import FileImport, ImportPart, ImportState
from calls.withdrawing import has_calls

__all__ = ["work"]

WITHDRAWABLE_FOR = timedelta(days=30)


def start_trial(*, file_import: FileImport, by: User | None, now: datetime) -> FileImport:
    """Have the whole file read and rated, and nothing recorded. Raises Refusal."""
    require_plan(account=file_import.account, now=now)
    with transaction.atomic():
        found = machine.lock(file_import)
        if found.state == ImportState.TRYING:
            return found
        machine.require(found, ImportState.READY, ImportState.TRIED, to="be tried")
        _require_readable(found)
        return machine.move(found, ImportState.TRYING, now=now, trial={}, cursor=-1)


def start(*, file_import: FileImport, by: User | None, now: datetime) -> FileImport:
    """Have the calls of the file recorded, as tried. Raises Refusal without a trial."""
    require_plan(account=file_import.account, now=now)
    with transaction.atomic():
        found = machine.lock(file_import)
        if found.state == ImportState.IMPORTING:
            return found
        machine.require(found, ImportState.TRIED, to="be imported")
        reading = _require_readable(found)
        note_import(
            ActivityKind.IMPORT_STARTED,
            found,
            format=reading.format,
            time_zone=reading.zone,
            may_revise=reading.revise,
        )
        return machine.move(
            found,
            ImportState.IMPORTING,
            now=now,
            summary={},
            cursor=-1,
        )


def stop(*, file_import: FileImport, by: User | None, now: datetime) -> FileImport:
    """Stop a trial or an import after the batch that is under way. Raises Refusal.

    A trial begins anew the next time; an import goes on where it stopped.
    """
    with transaction.atomic():
        found = machine.lock(file_import)
        if found.state == ImportState.STOPPED:
            return found
        machine.require(found, ImportState.TRYING, ImportState.IMPORTING, to="be stopped")
        if found.state == ImportState.TRYING:
            return machine.move(found, ImportState.READY, now=now, trial={}, cursor=-1)
        note_import(ActivityKind.IMPORT_STOPPED, found)
        return machine.move(found, ImportState.STOPPED, now=now)


def go_on(*, file_import: FileImport, by: User | None, now: datetime) -> FileImport:
    """Go on with what was stopped or has failed. Raises Refusal."""
    with transaction.atomic():
        found = machine.lock(file_import)
        if found.state in machine.MOVING:
            return found
        machine.require(found, ImportState.STOPPED, ImportState.FAILED, to="go on")
        to = ImportState(found.interrupted_state or ImportState.IMPORTING)
        if to != ImportState.WITHDRAWING:
            require_file(found)
        note_import(ActivityKind.IMPORT_RESUMED, found)
        return machine.move(found, to, now=now)


def withdraw(*, file_import: FileImport, by: User | None, now: datetime) -> FileImport:
    """Take back all that the import recorded. Rule: "How credits are consumed", 12.

    Once more where calls were kept because a later import had changed them, and that one was taken
    back meanwhile.

    ``by`` is None for the command. Raises Refusal where the import ended more than 30 days ago,
    unless an operator asks.
    """
    with transaction.atomic():
        found = machine.lock(file_import)
        is_withdrawn = found.state == ImportState.WITHDRAWN
        if found.state == ImportState.WITHDRAWING or (is_withdrawn and not has_more(found)):
            return found
        if found.state == ImportState.FAILED and found.cursor < 0:
            raise Refusal("This import recorded nothing.")
        machine.require(
            found,
            ImportState.DONE,
            ImportState.STOPPED,
            ImportState.FAILED,
            ImportState.WITHDRAWN,
            to="be taken back",
        )
        if not may_withdraw(file_import=found, by=by, now=now):
            raise Refusal(
                "An import can be taken back within 30 days. After that only an operator can."
            )
        note_import(ActivityKind.IMPORT_TAKEN_BACK, found)
        return machine.move(
            found,
            ImportState.WITHDRAWING,
            now=now,
            withdrawn_by=by,
            withdrawal=found.withdrawal if is_withdrawn else {},
        )


def has_more(file_import: FileImport) -> bool:
    """Whether anything stands that the import did and nothing else has changed since."""
    return has_calls(account_id=file_import.account_id, import_id=file_import.pk)


def may_withdraw(*, file_import: FileImport, by: User | None, now: datetime) -> bool:
    """Whether the time for taking the import back has not passed for ``by``."""
    if by is None or by.is_staff:
        return True
    return now - (file_import.ended_at or file_import.moved_at) <= WITHDRAWABLE_FOR


def import_again(*, file_import: FileImport, by: User | None, now: datetime) -> FileImport:
    """Open a new import with the file of one that was done or taken back, to read it another way.

    The file moves to the new import. Raises Refusal.
    """
    require_plan(account=file_import.account, now=now)
    with transaction.atomic():
        found = machine.lock(file_import)
        machine.require(found, ImportState.DONE, ImportState.WITHDRAWN, to="be imported once more")
        require_file(found)
        require_room(found.account)
        new = FileImport.objects.create(
            account_id=found.account_id,
            started_by=by,
            file_name=found.file_name,
            size=found.size,
            sha256=found.sha256,
            state=ImportState.READY,
            created_at=now,
            moved_at=now,
            examined=found.examined,
            reading=found.reading,
            is_unpacked=found.is_unpacked,
        )
        ImportPart.objects.filter(file_import=found).update(file_import=new)
        found.file_deleted_at = now
        found.save(update_fields=["file_deleted_at"])
        note_import(ActivityKind.IMPORT_UPLOADED, new, bytes=new.size, once_more=found.pk)
        return new


def _require_readable(file_import: FileImport) -> Reading:
    require_file(file_import)
    reading = reading_of(file_import)
    if reading is None:
        raise Refusal("Choose the format of the file.", field="format")
    require_answers(file_import)
    source_of(reading=reading, account=file_import.account, now=file_import.moved_at)
    return reading

"""Imports of the command: rows like those of people, so that they are listed and can be taken back.

The file is not kept. The command holds the lock of its import as long as it lives: a row without
it belongs to a command that was killed.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime

from django.db import Error, transaction

from billing import clock
from billing.models import Account
from billing.texts import storable
from calls.imports import machine
from calls.imports.noting import ActivityKind, note_import
from calls.imports.readings import Reading
from calls.imports.summaries import Summary
from calls.models import FileImport, ImportState
from calls.models.file_import import FILE_NAME_LENGTH_MAX

WAITING_SECONDS = 0.5

ENDED_EARLY = "The command ended early. What is counted is recorded; run it again to go on."


class CommandImport:
    """The row of an import while its command runs."""

    def __init__(self, row: FileImport) -> None:
        self.pk = row.pk
        self._row = row

    def keep(self, summary: Summary) -> None:
        """Store what is done so far; in the transaction that does it."""
        FileImport.objects.filter(pk=self.pk).update(
            summary=summary.as_json(), moved_at=clock.now(), cursor=summary.lines_done
        )

    def done(self) -> None:
        """Note that the import has come to its end."""
        self._move(ImportState.DONE)

    def stopped(self) -> None:
        """Note that the import ended before its file did."""
        self._move(ImportState.STOPPED, said=ENDED_EARLY)

    def forget(self) -> None:
        """Remove the row: nothing was recorded, because the file can't be read."""
        FileImport.objects.filter(pk=self.pk, cursor=-1).delete()

    def _move(self, to: ImportState, said: str = "") -> None:
        with transaction.atomic():
            row = FileImport.objects.select_for_update().filter(pk=self.pk).first()
            if row is not None and row.state == ImportState.IMPORTING:
                machine.move(row, to, now=clock.now(), said=said)


@contextmanager
def kept(
    *,
    account: Account,
    file_name: str,
    size: int,
    reading: Reading,
    waits: Callable[[], None],
) -> Iterator[CommandImport]:
    """Keep a row for an import that the block does; first wait until the account has no other.

    ``waits`` is called once where it has. An exception in the block stops the import.
    """
    with ExitStack() as held:
        name = machine.lock_of_account(account.pk)
        lock = held.enter_context
        has_said = False
        while not lock(machine.alone(name)):
            if not has_said:
                waits()
                has_said = True
            time.sleep(WAITING_SECONDS)
        now = clock.now()
        with transaction.atomic():
            row = FileImport.objects.create(
                account=account,
                is_command=True,
                file_name=storable(file_name)[-FILE_NAME_LENGTH_MAX:],
                size=size,
                state=ImportState.IMPORTING,
                created_at=now,
                queued_at=now,
                moved_at=now,
                file_deleted_at=now,
                reading=reading.as_json(),
            )
            note_import(
                ActivityKind.IMPORT_STARTED,
                row,
                bytes=size,
                format=reading.format,
                time_zone=reading.zone,
                may_revise=reading.revise,
            )
        lock(machine.alone(machine.lock_of_import(row.pk)))
        own = CommandImport(row)
        try:
            yield own
        except BaseException:
            with suppress(Error):  # if the database is what failed, a sweeper finds the row
                own.stopped()
            raise


def stop_killed(*, now: datetime) -> int:
    """Note that imports have ended whose command was killed; return how many."""
    count = 0
    for row in FileImport.objects.filter(
        is_command=True,
        state=ImportState.IMPORTING,
        moved_at__lt=now - machine.STALLED_AFTER,
    ):
        with machine.alone(machine.lock_of_import(row.pk)) as is_ours:
            if is_ours:
                CommandImport(row).stopped()
                count += 1
    return count

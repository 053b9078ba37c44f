"""Importing a file at once: any size, in bounded memory, safe to interrupt and to repeat.

Two passes. The first reads the file from end to end and stages its records: a file that is broken
anywhere is refused before anything is recorded. The second reads what is staged call by call with
the rules of its source, and records it in batches, each its own transaction.

Workers do the same in slices: `calls.imports.slices`.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, BinaryIO, NamedTuple

from django.db import transaction

from billing import clock
from billing.models import Account
from billing.notices.quiet import import_under_way
from billing.plans.tariffs import TariffBook
from calls.charging import record_calls
from calls.imports import staging
from calls.imports.batches import RejectedLine, batches, staged
from calls.imports.staged_file import StagedFile
from calls.imports.summaries import Summary, Trial
from calls.imports.trials import end_trial, try_batch
from calls.notations import BadFileError, Reader
from calls.sources import Source
from calls.sources.registry import reporter_of

BATCH_SIZE = 1_000


class Progress(NamedTuple):
    """A step of an import: how far it is, and the lines that this step rejected."""

    bytes_read: int
    summary: Summary
    rejected: Sequence[RejectedLine] = ()


def import_calls(
    *,
    file: BinaryIO,
    source: Source[Any],
    now: datetime,
    batch_size: int = BATCH_SIZE,
    revise: bool = False,
    clock: Callable[[], datetime] = clock.now,
    import_id: int | None = None,
    keep: Callable[[Summary], None] | None = None,
) -> Iterator[Progress]:
    """Record the calls in ``file``, written as ``source``, while the caller iterates.

    Each step but the reading ones is a batch recorded for good. Stopping early is safe, and so is
    a second import of the file: it finds recorded calls unchanged. With ``revise`` the file is the
    last word about its calls: `calls.charging.record_calls`. Nobody is warned of the account's
    credits until it ends; ``clock`` tells when it has moved on. The calls carry ``import_id``.
    ``keep`` stores what is done so far, in the transaction of each batch.

    Raises BadFileError where the file as a whole can't be read; then nothing has been recorded.
    """
    with _explained(), StagedFile() as lines:
        reader = source.reader(file)
        summary = Summary()
        yield from _stage(reader, source, lines, summary)
        with import_under_way(account_id=source.account_id, clock=clock) as moved:
            for batch in batches(lines, source, reader, size=batch_size):
                with transaction.atomic():
                    outcomes = record_calls(
                        records=batch.records,
                        now=now,
                        reporter=reporter_of(source),
                        are_legs=source.tells_legs,
                        revise=revise,
                        import_id=import_id,
                    )
                    counted = batch.count(outcomes, summary)
                    if keep is not None:
                        keep(counted)
                summary = counted
                yield Progress(reader.bytes_read, summary, batch.rejected)
                moved()
            yield Progress(reader.bytes_read, summary)


class TrialProgress(NamedTuple):
    """A step of a trial run: how far it is, and what the import would do by now."""

    bytes_read: int
    trial: Trial

    @property
    def summary(self) -> Summary:
        """The trial's."""
        return self.trial.summary


def try_file(
    *,
    file: BinaryIO,
    source: Source[Any],
    now: datetime,
    batch_size: int = BATCH_SIZE,
    revise: bool = False,
) -> Iterator[TrialProgress]:
    """Do all that `import_calls` does, but record nothing and lock nothing.

    Raises BadFileError where the file as a whole can't be read.
    """
    with _explained(), StagedFile() as lines:
        reader = source.reader(file)
        trial = Trial()
        book = TariffBook({source.account_id})
        for step in _stage(reader, source, lines, trial.summary):
            yield TrialProgress(step.bytes_read, trial)
        for batch in batches(lines, source, reader, size=batch_size):
            try_batch(batch, trial, book=book, now=now, revise=revise)
            yield TrialProgress(reader.bytes_read, trial)
        end_trial(trial, account=Account.objects.get(pk=source.account_id))
        yield TrialProgress(reader.bytes_read, trial)


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise BadFileError(
            f"The file can't be staged in the temporary directory ({error}). "
            "Set TMPDIR to a directory with more room than the file takes."
        ) from error


def _stage(
    reader: Reader[Any], source: Source[Any], lines: StagedFile, summary: Summary
) -> Iterator[Progress]:
    """Stage all records, and count them in ``summary``."""
    for some in staged(iter(reader), source):
        lines.add(some)
        summary.lines += len(some)
        yield Progress(reader.bytes_read, summary)
    staging.check_repeated(lines.find_repeated(are_calls=source.equal_rows_are_calls))

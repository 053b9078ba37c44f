"""What people do with an import after its upload, and the slices in which a worker does it."""

from collections.abc import Callable
from datetime import datetime

from billing.models import User
from calls.models import FileImport


def start_trial(*, file_import: FileImport, by: User | None, now: datetime) -> FileImport:
    """Have the whole file read and rated, and nothing recorded. Raises Refusal."""
    raise NotImplementedError


def start(*, file_import: FileImport, by: User | None, now: datetime) -> FileImport:
    """Have the calls of the file recorded, as tried. Raises Refusal without a trial."""
    raise NotImplementedError


def stop(*, file_import: FileImport, by: User | None, now: datetime) -> FileImport:
    """Stop a trial or an import after the batch that is under way. Raises Refusal."""
    raise NotImplementedError


def go_on(*, file_import: FileImport, by: User | None, now: datetime) -> FileImport:
    """Go on with what was stopped or has failed. Raises Refusal."""
    raise NotImplementedError


def withdraw(*, file_import: FileImport, by: User | None, now: datetime) -> FileImport:
    """Take back all that the import recorded. Raises Refusal after 30 days, but for operators."""
    raise NotImplementedError


def import_again(*, file_import: FileImport, by: User | None, now: datetime) -> FileImport:
    """Open a new import with the file of one that was done or taken back. Raises Refusal."""
    raise NotImplementedError


def work(*, import_id: int, clock: Callable[[], datetime], ticket: int | None = None) -> bool:
    """Do one slice of at most 20 s of whatever the import is at; return whether there is more."""
    raise NotImplementedError

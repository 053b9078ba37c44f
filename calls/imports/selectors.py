"""What pages and commands show of imports. Reads only."""

from collections.abc import Iterator

from django.conf import settings
from django.db.models import QuerySet

from billing.models import Account
from calls.imports import machine, parts, rejects
from calls.imports.batches import RejectedLine
from calls.imports.readings import reading_of
from calls.imports.staging import decoded
from calls.imports.summaries import Summary, Trial
from calls.imports.uploads import open_imports
from calls.models import FileImport, ImportState
from calls.notations.layout import Layout


def imports_of(account: Account) -> QuerySet[FileImport]:
    """The imports of an account with who started them, newest first."""
    return FileImport.objects.filter(account=account).select_related("started_by", "withdrawn_by")


def failed_imports() -> QuerySet[FileImport]:
    """The imports of all accounts that failed and can go on, because their file is still there."""
    return FileImport.objects.filter(state=ImportState.FAILED, file_deleted_at=None)


def summary_of(file_import: FileImport) -> Summary:
    """What the import has done so far."""
    return Summary.from_json(file_import.summary)


def trial_of(file_import: FileImport) -> Trial | None:
    """What the import would do, as far as the trial run has come; None without one."""
    return Trial.from_json(file_import.trial) if file_import.trial else None


def open_imports_left(account: Account) -> int:
    """How many more imports the account may have open."""
    return max(0, settings.IMPORTS_OPEN_MAX - open_imports(account))


def waits_for(file_import: FileImport) -> FileImport | None:
    """The import of the same account that has to end first; None where it is its own turn."""
    return machine.ahead_of(file_import)


def has_rejects(file_import: FileImport) -> bool:
    """Whether rejected lines can be downloaded: they are deleted with the file."""
    return file_import.rejects.exists()


def rejects_of(file_import: FileImport) -> Iterator[bytes]:
    """The rejected lines as a file, in chunks, to be mended and imported again."""
    reading = reading_of(file_import)
    layout = reading.layout if reading else Layout()
    header = None
    if layout.has_header and file_import.file_deleted_at is None:
        with parts.opened(file_import) as file:
            header = rejects.header_of(file, layout)
    rows = file_import.rejects.order_by("line", "pk").iterator(chunk_size=1_000)
    lines = (
        RejectedLine(row.line, row.field, row.reason, decoded(bytes(row.text))) for row in rows
    )
    return rejects.written(lines, layout=layout, header=header)

"""What pages and commands show of imports. Reads only."""

from collections.abc import Iterator

from django.db.models import QuerySet

from billing.models import Account
from calls.models import FileImport


def imports_of(account: Account) -> QuerySet[FileImport]:
    """The imports of an account with who started them, newest first."""
    raise NotImplementedError


def open_imports_left(account: Account) -> int:
    """How many more imports the account may have open."""
    raise NotImplementedError


def waits_for(file_import: FileImport) -> FileImport | None:
    """The import of the same account that has to end first; None where it is its own turn."""
    raise NotImplementedError


def rejects_of(file_import: FileImport) -> Iterator[bytes]:
    """The rejected lines as a file, in chunks, to be mended and imported again."""
    raise NotImplementedError

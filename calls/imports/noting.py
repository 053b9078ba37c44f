"""What the activity log says of imports."""

from billing.activity import Value, new, note
from billing.models import ActivityKind
from calls.models import FileImport

__all__ = ["ActivityKind", "note_import"]


def note_import(kind: ActivityKind, file_import: FileImport, **facts: Value) -> None:
    """Note what was done with an import, which its file and number name."""
    note(
        kind,
        account=file_import.account_id,
        subject=file_import.file_name,
        changes=new(number=file_import.pk, **facts),
    )

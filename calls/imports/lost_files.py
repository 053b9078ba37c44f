"""Imports whose files a backup left out: what they had, they have no longer."""

from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef

from calls.imports import machine
from calls.imports.slices import fail
from calls.models import FileImport, ImportPart, ImportState

LOST = (
    "The file is not in the backup that this site was restored from. What is counted is recorded. "
    "Import the file once more: calls that are recorded already are not charged again."
)


def give_up_lost_files(*, now: datetime) -> int:
    """Note of imports without the parts of their file that it is gone; return of how many.

    Those that need it for what they were doing have failed, and say why. An upload that had only
    begun has no parts either: it is over too.
    """
    parts = ImportPart.objects.filter(file_import=OuterRef("pk"))
    lost = FileImport.objects.filter(~Exists(parts), file_deleted_at=None).order_by("pk")
    count = 0
    for file_import in lost:
        with transaction.atomic():
            found = machine.lock(file_import)
            found.file_deleted_at = now
            found.is_staged = False
            found.save(update_fields=["file_deleted_at", "is_staged"])
            if found.state in machine.MOVING and found.state != ImportState.WITHDRAWING:
                fail(found, LOST, now)
            count += 1
    return count

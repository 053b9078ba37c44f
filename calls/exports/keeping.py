"""What happens to exports by themselves: going on after a worker was lost, and their end.

For workers: to delete a large file takes longer than a page may.
"""

from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from calls.exports import standing
from calls.exports.limits import AGAIN_AFTER, LISTED_FOR
from calls.models import Export, ExportPart, ExportState


def has_stalled(*, now: datetime) -> bool:
    """Whether an export should have got on and has not: its worker or its task was lost."""
    moved_before = now - AGAIN_AFTER
    return Export.objects.filter(state=ExportState.MAKING, moved_at__lt=moved_before).exists()


def delete_old(*, now: datetime) -> int:
    """Delete the files that are a day old, and forget those of long ago; return how many.

    Those that nobody may download any more are forgotten at once. What is left of others that have
    no file is removed too.
    """
    expired = Export.objects.filter(state=ExportState.READY, expires_at__lte=now)
    for found in expired.only("pk"):
        with transaction.atomic():
            locked = expired.select_for_update().filter(pk=found.pk).first()
            if locked is not None:
                standing.move(locked, ExportState.EXPIRED, now=now)
    parts = ExportPart.objects.filter(export=OuterRef("pk"))
    for left in Export.objects.exclude(state__in=standing.OPEN).filter(Exists(parts)).only("pk"):
        remove_parts(left)
    forgotten = Q(created_at__lt=now - LISTED_FOR) & ~Q(state__in=standing.OPEN)
    return remove(Export.objects.filter(forgotten | ~standing.of_members()))


def remove(found: QuerySet[Export]) -> int:
    """Delete exports with their parts, one by one; return how many."""
    count = 0
    for export in found.only("pk"):
        with transaction.atomic():
            remove_parts(export)
            deleted, _ = Export.objects.filter(pk=export.pk).delete()
            count += deleted
    return count


def remove_parts(export: Export) -> None:
    """Remove all that is stored of the file, without reading it."""
    ExportPart.objects.filter(export=export).delete()

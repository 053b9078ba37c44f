"""Where an entry stands in the log, as a position that a program hands back to go on from there."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db.models import Q

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)


def place_of(occurred_at: datetime, entry_id: int) -> list[int]:
    """The place of an entry: its time in microseconds since 1970, and its id."""
    return [(occurred_at - EPOCH) // MICROSECOND, entry_id]


def older_than(place: Sequence[int]) -> Q:
    """The entries after ``place`` in the log, newest first. Raises OverflowError for no time."""
    microseconds, entry_id = place
    at = EPOCH + microseconds * MICROSECOND
    return Q(occurred_at__lte=at) & (Q(occurred_at__lt=at) | Q(id__lt=entry_id))

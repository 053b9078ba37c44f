"""Where an entry stands in the log: files and programs go on from there, reading the same again."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from django.db.models import Q

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)


class Place(NamedTuple):
    """The place of an entry in the log, newest first."""

    occurred_at: datetime
    id: int

    @property
    def is_before(self) -> Q:
        """What comes after it in the log, for queries of entries."""
        older = Q(occurred_at__lt=self.occurred_at) | Q(id__lt=self.id)
        return Q(occurred_at__lte=self.occurred_at) & older

    @property
    def as_numbers(self) -> list[int]:
        """For an address: the time in microseconds since 1970, and the id."""
        return [(self.occurred_at - EPOCH) // MICROSECOND, self.id]

    @classmethod
    def of_numbers(cls, numbers: Sequence[int]) -> "Place":
        """Read `as_numbers`. Raises OverflowError for a time that there can't be."""
        microseconds, entry_id = numbers
        return cls(EPOCH + microseconds * MICROSECOND, entry_id)

"""When to try again what did not succeed: soon at first, then ever less often, for ever.

The times of the attempts are in the rows themselves, so neither a broker that lost its tasks nor
two sweepers at once make them too rare or too frequent.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce

# The next attempt comes after this part of the time that has passed since the beginning.
PART_OF_AGE = 8

# Mails that are due are attempted within a minute. One that has not gone for so long does not go
# by itself: the mail server is away, or no worker runs.
LATE_AFTER = timedelta(minutes=10)


def due_again(
    rows: QuerySet[Any],
    *,
    now: datetime,
    began: str,
    tried: str,
    after: timedelta,
    at_most: timedelta | None = None,
) -> QuerySet[Any]:
    """Those of ``rows`` whose next attempt is due, the longest waiting first.

    ``began`` and ``tried`` are the fields with the time of the beginning and of the latest
    attempt (null: none yet). Two attempts are at least ``after`` apart, and ``at_most`` that (None:
    ever further).
    """
    latest = Coalesce(tried, began)
    has_waited = Q(latest__lt=now - (now - F(began)) / PART_OF_AGE)
    if at_most is not None:
        has_waited |= Q(latest__lt=now - at_most)
    due: QuerySet[Any] = (
        rows.alias(latest=latest)
        .filter(has_waited, latest__lt=now - after)
        .order_by("latest", "pk")
    )
    return due

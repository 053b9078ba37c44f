"""Whom to tell by mail how an export ended, once each. How that is done is up to the caller."""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from billing.backoff import LATE_AFTER, due_again
from calls.exports import standing
from calls.exports.limits import KEPT_FOR
from calls.models import Export

ATTEMPTS_APART_AT_LEAST = timedelta(minutes=1)
ATTEMPTS_APART_AT_MOST = timedelta(hours=1)

# Sends the mail about an export; raises OSError where it can't.
Deliver = Callable[[Export], None]


def untold(*, now: datetime, limit: int = 100) -> list[int]:
    """The exports whose person is to be told now, or again after a failure."""
    owed = _owed(now=now)
    again = due_again(
        owed,
        now=now,
        began="ended_at",
        tried="mail_tried_at",
        after=ATTEMPTS_APART_AT_LEAST,
        at_most=ATTEMPTS_APART_AT_MOST,
    )
    first = owed.filter(mail_tried_at=None).order_by("ended_at", "pk")
    found = [*first.values_list("pk", flat=True)[:limit], *again.values_list("pk", flat=True)]
    return list(dict.fromkeys(found))[:limit]


def late(*, now: datetime) -> QuerySet[Export]:
    """The exports whose person should have been told by ``now`` and was not."""
    return _owed(now=now).filter(ended_at__lt=now - LATE_AFTER)


def _owed(*, now: datetime) -> QuerySet[Export]:
    """Nobody is told who knows already, who has left, or when the file is gone."""
    return Export.objects.filter(
        standing.of_members(),
        state__in=standing.NEWS,
        mailed_at=None,
        seen_at=None,
        ended_at__gt=now - KEPT_FOR,
    )


def tell(*, export_id: int, deliver: Deliver, now: datetime) -> bool:
    """Tell a person how their export ended; return whether that was done now.

    The attempt is noted first, so that no lock is held while the mail server is spoken to. What
    ``deliver`` raises propagates, and it is attempted again later.
    """
    untried = Q(mail_tried_at=None) | Q(mail_tried_at__lt=now - ATTEMPTS_APART_AT_LEAST)
    mine = Export.objects.filter(
        untried,
        standing.of_members(),
        pk=export_id,
        state__in=standing.NEWS,
        mailed_at=None,
        seen_at=None,
    )
    if not mine.update(mail_tried_at=now):
        return False
    export = Export.objects.select_related("account", "asked_by").filter(pk=export_id).first()
    if export is None:
        return False
    deliver(export)
    Export.objects.filter(pk=export_id).update(mailed_at=now)
    return True

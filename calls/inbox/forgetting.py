"""Deleting what was sent and nothing needs any more."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from django.db import connection
from django.db.models import Q

from billing.bulk import as_array
from calls.models import EventState, InboxEvent, OpenEvent
from calls.numbers import kept_for

# Longer than any pull looks back, and any platform repeats itself.
KEPT_FOR: Final = timedelta(days=60)
IRRELEVANT_KEPT_FOR: Final = timedelta(days=7)
FORGOTTEN_AT_ONCE: Final = 10_000

SETTLED: Final = Q(open=None) | Q(open__state__in=[EventState.IRRELEVANT, EventState.FAILED])


def forget_old(*, now: datetime) -> int:
    """Delete events that nothing needs any more; return how many. Those that wait are kept.

    They have numbers in them, so none is kept for longer than these are.
    """
    needed_until = now - kept_for(KEPT_FOR)
    # A step of a call says nothing by itself, and is needed for as long as its call is.
    of_no_call = Q(open__state=EventState.IRRELEVANT, call_id="") & Q(
        received_at__lt=now - kept_for(IRRELEVANT_KEPT_FOR)
    )
    old = InboxEvent.objects.filter(SETTLED & Q(received_at__lt=needed_until) | of_no_call)
    forgotten = 0
    while ids := list(old.order_by().values_list("pk", flat=True)[:FORGOTTEN_AT_ONCE]):
        delete_events(ids)
        forgotten += len(ids)
    return forgotten


def delete_events(ids: Collection[int]) -> None:
    """Delete these events, and how they stand. One query: Django would read them all before."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH closed AS (
                 DELETE FROM {OpenEvent._meta.db_table} WHERE event_id = ANY (%s::bigint[]))
            DELETE FROM {InboxEvent._meta.db_table} WHERE id = ANY (%s::bigint[])
            """,
            [as_array(ids)] * 2,
        )

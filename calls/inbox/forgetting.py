"""Deleting what was sent and nothing needs any more."""

from datetime import datetime, timedelta
from typing import Final

from calls.models import EventState, InboxEvent
from calls.numbers import kept_for

# Longer than any pull looks back, and any platform repeats itself.
KEPT_FOR: Final = timedelta(days=60)
IRRELEVANT_KEPT_FOR: Final = timedelta(days=7)
FORGOTTEN_AT_ONCE: Final = 10_000


def forget_old(*, now: datetime) -> int:
    """Delete events that nothing needs any more; return how many. Those that wait are kept.

    They have numbers in them, so none is kept for longer than these are.
    """
    forgotten = 0
    ends = (
        ([EventState.IRRELEVANT], now - kept_for(IRRELEVANT_KEPT_FOR)),
        ([EventState.RECORDED, EventState.FAILED], now - kept_for(KEPT_FOR)),
    )
    for states, before in ends:
        old = InboxEvent.objects.filter(state__in=states, received_at__lt=before).exclude(
            # A step of a call says nothing by itself, and is needed for as long as its call is.
            state=EventState.IRRELEVANT,
            received_at__gte=now - kept_for(KEPT_FOR),
            call_id__gt="",
        )
        while True:
            ids = list(old.values_list("pk", flat=True)[:FORGOTTEN_AT_ONCE])
            if not ids:
                break
            forgotten += InboxEvent.objects.filter(pk__in=ids).delete()[0]
    return forgotten

"""Having what sources sent recorded again: what failed, or all of it where somebody asks."""

from datetime import datetime, timedelta
from typing import Final

from django.db import connection, transaction

from billing.activity import ActivityKind, new, note
from billing.backoff import due_again
from calls.models import CallSource, EventState, InboxEvent, OpenEvent, Via

# Some failures end by themselves: an account gets a plan, a clock is set right.
RETRIED_AFTER: Final = timedelta(minutes=10)
RETRIED_FOR: Final = timedelta(days=7)
RETRIED_AT_ONCE: Final = 1_000


def retry(*, source: CallSource, event_id: int | None = None) -> int:
    """Have failed events tried again, one or all of ``source``; return how many."""
    failed = OpenEvent.objects.filter(source=source, state=EventState.FAILED)
    if event_id is not None:
        failed = failed.filter(pk=event_id)
    return failed.update(state=_state_of(source), is_asked_for=True)


_REPLAY = f"""
    INSERT INTO {OpenEvent._meta.db_table} AS known
           (event_id, source_id, state, field, reason, attempts, is_asked_for)
    SELECT id, source_id, %s, '', '', 0, true FROM {InboxEvent._meta.db_table}
     WHERE source_id = %s AND (%s::bigint IS NULL OR id = %s)
       AND via <> '{Via.TEST}' AND fields <> '{{}}'
        ON CONFLICT (event_id) DO UPDATE SET state = excluded.state, is_asked_for = true
     WHERE known.state NOT IN ('{EventState.WAITING}', '{EventState.HELD}')
"""


def replay(*, source: CallSource, event_id: int | None = None) -> int:
    """Have what ``source`` sent about calls recorded again, all of it or one event.

    Returns how many events that are. Tests, and what was about no call, are left out.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_REPLAY, [_state_of(source).value, source.pk, event_id, event_id])
            count: int = cursor.rowcount
        if count:
            note(
                ActivityKind.EVENTS_REPLAYED,
                account=source.account_id,
                subject=source.name,
                changes=new(events=count),
            )
    return count


def retry_failed(*, now: datetime) -> int:
    """Have events that failed lately tried again, ever less often; return how many."""
    failed = OpenEvent.objects.filter(
        state=EventState.FAILED,
        event__received_at__gt=now - RETRIED_FOR,
        source__deleted_at=None,
        source__paused_at=None,
    )
    due = due_again(
        failed, now=now, began="event__received_at", tried="settled_at", after=RETRIED_AFTER
    )
    ids = list(due.values_list("pk", flat=True)[:RETRIED_AT_ONCE])
    return OpenEvent.objects.filter(pk__in=ids, state=EventState.FAILED).update(
        state=EventState.WAITING
    )


def _state_of(source: CallSource) -> EventState:
    return EventState.HELD if source.paused_at else EventState.WAITING

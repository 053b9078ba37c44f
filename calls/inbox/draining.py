"""Recording what sources have sent: in batches, each in one transaction with what it settles.

The record of a call is made of all events of it, those that were recorded before too. One worker at
a time works on a source, because it locks the source's row: a record made of fewer events can't
overtake one that was made of more. Whoever sends something meanwhile does not wait for that lock.

Locks, in order: sources by ID, their accounts, then what `calls.charging` locks.
"""

import json
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import Final, NamedTuple, TypeAlias

from django.db import DatabaseError, connection, transaction

from billing.backoff import due_again
from billing.bulk import as_array, as_arrays
from calls import reports
from calls.charging import Outcome, Result, record_calls
from calls.inbox.reading import SourceReader
from calls.inbox.withdrawn import withdrawn_calls
from calls.models import CallSource, EventState, InboxEvent, Via
from calls.models.call_source import REASON_LENGTH_MAX
from calls.platforms import Fields, StoredEvent, Unfinished
from calls.records import CallRecord, Rejected

BATCH_SIZE: Final = 1_000
SLICE_SECONDS: Final = 20

# Some failures end by themselves: an account gets a plan, a clock is set right.
RETRIED_AFTER: Final = timedelta(minutes=10)
RETRIED_FOR: Final = timedelta(days=7)

RECORDED: Final = EventState.RECORDED.value
OPEN: Final = (EventState.FAILED, EventState.IRRELEVANT, EventState.WAITING)

TEST_PASSED: Final = "A test: it was verified and read. Nothing is recorded."
WITHDRAWN: Final = (
    "was withdrawn, so what its source tells does not charge it again by itself. Try again to have "
    "it recorded as a new call."
)
BROKEN: Final = "It could not be processed; we have been told. It can be tried again."

TABLE: Final = InboxEvent._meta.db_table

Clock: TypeAlias = Callable[[], datetime]
CallOfSource: TypeAlias = tuple[int, str]

logger = logging.getLogger(__name__)


class _Event(NamedTuple):
    """An event as the database gives it. ``is_asked_for``: somebody has it recorded again."""

    fields: Fields
    id: int
    source_id: int
    call_id: str
    via: str
    sha256: memoryview
    received_at: datetime
    state: str
    is_asked_for: bool

    @property
    def as_stored(self) -> StoredEvent:
        return StoredEvent(self.fields, self.via == Via.PULL, bytes(self.sha256))


class _Settled(NamedTuple):
    """What becomes of an event."""

    id: int
    state: str
    field: str = ""
    reason: str = ""


def drain(*, clock: Clock, batch_size: int = BATCH_SIZE, seconds: float = SLICE_SECONDS) -> bool:
    """Record what waits, for about ``seconds``; return whether more may wait.

    A batch that breaks is cut into smaller ones, down to the event at fault, which is settled as
    failed. A database that is away raises.
    """
    until = time.monotonic() + seconds
    size = batch_size
    while time.monotonic() < until:
        try:
            settled = drain_batch(now=clock(), size=size)
        except DatabaseError:
            raise
        except Exception:
            logger.exception("A batch of %s events of the inbox failed", size)
            size = max(size // 10, 1)
            continue
        if not settled:
            return False
        size = batch_size
    return True


def drain_batch(*, now: datetime, size: int = BATCH_SIZE) -> int:
    """Record at most ``size`` events that wait, in one transaction; return how many it settled."""
    with transaction.atomic():
        sources = _lock_sources(size)
        if not sources:
            return 0
        events = _waiting(sources, size)
        if not events:
            return 0
        settled = _settled(events, sources, now)
        _settle(settled, now)
        _note_last_events(events)
    return len(settled)


def retry_failed(*, now: datetime) -> int:
    """Have events that failed lately tried again, ever less often; return how many."""
    failed = InboxEvent.objects.filter(
        state=EventState.FAILED,
        received_at__gt=now - RETRIED_FOR,
        source__deleted_at=None,
        source__paused_at=None,
    )
    due = due_again(failed, now=now, began="received_at", tried="settled_at", after=RETRIED_AFTER)
    ids = list(due.values_list("pk", flat=True)[:BATCH_SIZE])
    return InboxEvent.objects.filter(pk__in=ids, state=EventState.FAILED).update(
        state=EventState.WAITING
    )


def oldest_waiting() -> datetime | None:
    """When the event arrived that has waited longest; None where none waits."""
    waiting = InboxEvent.objects.filter(state=EventState.WAITING).order_by("id")
    return waiting.values_list("received_at", flat=True).first()


# ── What waits ────────────────────────────────────────────────────────────────────────────────
def _lock_sources(size: int) -> dict[int, CallSource]:
    """Lock the sources of the events that have waited longest; leave those that others work on."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT DISTINCT source_id FROM (SELECT source_id FROM {TABLE} WHERE state = 'waiting'"
            " ORDER BY id LIMIT %s) AS first",
            [size],
        )
        ids = [row[0] for row in cursor.fetchall()]
    if not ids:
        return {}
    locked = (
        CallSource.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
        .select_related("account")
        .filter(pk__in=ids)
        .order_by("pk")
    )
    return {source.pk: source for source in locked}


def _waiting(sources: Mapping[int, CallSource], size: int) -> list[_Event]:
    return _read(
        "state = 'waiting' AND source_id = ANY (%s::bigint[]) ORDER BY id LIMIT %s",
        [as_array(sources), size],
    )


def _siblings(events: Sequence[_Event]) -> dict[CallOfSource, list[_Event]]:
    """The other events of the calls that ``events`` are about, settled or waiting."""
    keys = {(event.source_id, event.call_id) for event in events if event.call_id}
    found: dict[CallOfSource, list[_Event]] = defaultdict(list)
    if not keys:
        return found
    source_ids, call_ids = as_arrays(sorted(keys))
    own = as_array(event.id for event in events)
    for event in _read(
        "(source_id, call_id) IN (SELECT * FROM unnest(%s::bigint[], %s::text[]))"
        " AND id NOT IN (SELECT unnest(%s::bigint[])) AND call_id <> '' AND via <> 'test'"
        " ORDER BY id",
        [source_ids, call_ids, own],
    ):
        found[event.source_id, event.call_id].append(event)
    return found


def _read(where: str, parameters: Sequence[str | int]) -> list[_Event]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT fields::text, id, source_id, call_id, via, sha256, received_at, state,"
            f" attempts > 0 AND settled_at IS NULL FROM {TABLE} WHERE {where}",
            parameters,
        )
        rows = cursor.fetchall()
    # All at once, in half of the time that one after the other takes.
    fields = json.loads(f"[{','.join(text for text, *_ in rows)}]")
    return [_Event(own, *rest) for own, (_, *rest) in zip(fields, rows, strict=True)]


# ── What becomes of it ────────────────────────────────────────────────────────────────────────
def _settled(
    events: Sequence[_Event], sources: Mapping[int, CallSource], now: datetime
) -> list[_Settled]:
    """Record ``events``. One that breaks the work alone is settled as failed by itself."""
    tests = [event for event in events if event.via == Via.TEST]
    told = [event for event in events if event.via != Via.TEST]
    try:
        # What one event alone breaks is undone here, and it is settled.
        with transaction.atomic() if len(events) == 1 else nullcontext():
            return [*_tried(tests, sources, now), *_recorded(told, _siblings(told), sources, now)]
    except DatabaseError:
        raise
    except Exception:
        if len(events) > 1:
            raise
        logger.exception("Event %s of the inbox could not be processed", events[0].id)
        return _all(events, EventState.FAILED, "", BROKEN)


def _recorded(
    events: Sequence[_Event],
    siblings: Mapping[CallOfSource, Sequence[_Event]],
    sources: Mapping[int, CallSource],
    now: datetime,
) -> list[_Settled]:
    """Record the calls that ``events`` are about, and say what becomes of each event."""
    readers = {pk: SourceReader(source, now=now) for pk, source in sources.items()}
    of_calls: dict[CallOfSource | int, list[_Event]] = defaultdict(list)
    for event in events:
        # One without an ID stands for itself: what is wrong with it is said below.
        key = (event.source_id, event.call_id) if event.call_id else event.id
        of_calls[key].append(event)
    settled: list[_Settled] = []
    told: list[tuple[CallRecord, list[_Event]]] = []  # each with the events that it settles
    for key, own in of_calls.items():
        known = siblings.get(key, ()) if isinstance(key, tuple) else ()
        try:
            record = readers[own[0].source_id].record(
                own[0].call_id, [event.as_stored for event in (*own, *known)]
            )
        except Rejected as rejected:
            settled += _all(own, EventState.FAILED, rejected.field, rejected.reason)
            continue
        if isinstance(record, Unfinished):
            settled += _all(own, EventState.IRRELEVANT, "", record.reason)
            continue
        # Steps that told no call by themselves are parts of one now.
        told.append((record, [*own, *(event for event in known if event.state in OPEN)]))
    # Nobody withdraws a call between this question and its answer's use.
    reports.lock_accounts({record.account_id for record, _ in told})
    withdrawn = withdrawn_calls([record for record, _ in told])
    counting = []
    for record, own in told:
        if record.key in withdrawn and not any(event.is_asked_for for event in own):
            settled += _all(own, EventState.FAILED, "call_id", WITHDRAWN)
        else:
            counting.append((record, own))
    outcomes = record_calls(records=[record for record, _ in counting], now=now)
    for (_, own), outcome in zip(counting, outcomes, strict=True):
        settled += _of_outcome(own, outcome)
    return settled


def _of_outcome(events: Sequence[_Event], outcome: Outcome) -> list[_Settled]:
    if outcome.result is Result.REJECTED:
        return _all(events, EventState.FAILED, outcome.field, outcome.reason)
    if outcome.result is not Result.LINKED:
        return [_Settled(event.id, RECORDED) for event in events]
    said = "Another source reports the same call, whose word counts."
    if outcome.linked_to:
        said = f"It is call {outcome.linked_to}, which another source reports too."
    return _all(events, EventState.RECORDED, "", said)


def _tried(
    events: Sequence[_Event], sources: Mapping[int, CallSource], now: datetime
) -> list[_Settled]:
    """Read test events as if they were to be recorded."""
    settled: list[_Settled] = []
    for event in events:
        reader = SourceReader(sources[event.source_id], now=now)
        try:
            record = reader.record(event.call_id, [event.as_stored])
        except Rejected as rejected:
            settled += _all([event], EventState.FAILED, rejected.field, rejected.reason)
            continue
        said = record.reason if isinstance(record, Unfinished) else TEST_PASSED
        settled += _all([event], EventState.IRRELEVANT, "", said)
    return settled


def _all(events: Iterable[_Event], state: EventState, field: str, reason: str) -> list[_Settled]:
    reason = reason[:REASON_LENGTH_MAX]
    return [_Settled(event.id, state.value, field[:40], reason) for event in events]


def _settle(settled: Sequence[_Settled], now: datetime) -> None:
    with connection.cursor() as cursor:
        alike = {one[1:] for one in settled}
        if len(alike) == 1:  # nearly always: all recorded
            cursor.execute(
                f"""
                UPDATE {TABLE}
                   SET state = %s, field = %s, reason = %s,
                       attempts = least(attempts + 1, 32767), settled_at = %s
                 WHERE id = ANY (%s::bigint[])
                """,
                [*alike.pop(), now, as_array(one.id for one in settled)],
            )
            return
        cursor.execute(
            f"""
            UPDATE {TABLE}
               SET state = new.state, field = new.field, reason = new.reason,
                   attempts = least(attempts + 1, 32767), settled_at = %s
              FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[])
                AS new (id, state, field, reason)
             WHERE {TABLE}.id = new.id
            """,
            [now, *as_arrays(settled)],
        )


def _note_last_events(events: Sequence[_Event]) -> None:
    """Note when each source was last heard of. Tests are no news of it, nor is what was asked."""
    last: dict[int, datetime] = {}
    for event in events:
        if event.via == Via.WEBHOOK:
            before = last.get(event.source_id, event.received_at)
            last[event.source_id] = max(event.received_at, before)
    for source_id, received_at in last.items():
        CallSource.objects.filter(pk=source_id).exclude(last_event_at__gte=received_at).update(
            last_event_at=received_at
        )

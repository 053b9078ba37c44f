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
from datetime import datetime
from typing import Final, NamedTuple, TypeAlias

from django.db import DatabaseError, connection, transaction

from billing.bulk import as_array, as_arrays
from billing.garbage import no_collection
from billing.prepared import Prepared
from calls import reports
from calls.charging import Result, record_calls
from calls.inbox.reading import SourceReader
from calls.inbox.withdrawn import withdrawn_calls
from calls.models import CallSource, EventState, InboxEvent, OpenEvent, Via
from calls.models.call_source import REASON_LENGTH_MAX
from calls.platforms import Fields, StoredEvent, Unfinished
from calls.records import CallRecord, Rejected

BATCH_SIZE: Final = 1_000
SLICE_SECONDS: Final = 20

# What a record of its call settles, besides the events whose turn it is.
SETTLED_TOO: Final = (EventState.FAILED, EventState.IRRELEVANT, EventState.WAITING)

TEST_PASSED: Final = "A test: it was verified and read. Nothing is recorded."
WITHDRAWN: Final = (
    "was withdrawn, so what its source tells does not charge it again by itself. Try again to have "
    "it recorded as a new call."
)
BROKEN: Final = "It could not be processed; we have been told. It can be tried again."

EVENTS: Final = InboxEvent._meta.db_table
OPEN: Final = OpenEvent._meta.db_table

PULLED: Final = Via.PULL.value

Clock: TypeAlias = Callable[[], datetime]
CallOfSource: TypeAlias = tuple[int, str]

logger = logging.getLogger(__name__)


class _Event(NamedTuple):
    """An event as the database gives it. ``is_asked_for``: somebody has it recorded again.

    ``is_chosen``: it waits, and its turn has come. The others belong to the calls of those.
    """

    fields: Fields
    id: int
    source_id: int
    call_id: str
    via: str
    sha256: memoryview
    state: str
    is_asked_for: bool
    is_chosen: bool

    @property
    def as_stored(self) -> StoredEvent:
        return StoredEvent(self.fields, self.via == PULLED, bytes(self.sha256))


class _Fate(NamedTuple):
    """What becomes of events."""

    state: str
    field: str = ""
    reason: str = ""


RECORDED: Final = _Fate(EventState.RECORDED.value)

Settled: TypeAlias = list[tuple[_Fate, list[int]]]  # with the IDs of the events that share it


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


@no_collection()
def drain_batch(*, now: datetime, size: int = BATCH_SIZE) -> int:
    """Record at most ``size`` events that wait, in one transaction; return how many it settled."""
    with transaction.atomic():
        sources = _lock_sources()
        if not sources:
            return 0
        events = _waiting(sources, size)
        if not events:
            return 0
        settled = _settled(events, sources, now)
        _settle(settled, events, now)
    return sum(len(ids) for _, ids in settled)


def oldest_waiting() -> datetime | None:
    """When the event arrived that has waited longest; None where none waits."""
    waiting = OpenEvent.objects.filter(state=EventState.WAITING).order_by("pk")
    return waiting.values_list("event__received_at", flat=True).first()


# ── What waits ────────────────────────────────────────────────────────────────────────────────
# Put together once: that takes Django longer than locking takes the database.
_SOURCES: Prepared[CallSource] = Prepared(
    lambda: (
        CallSource.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
        .select_related("account")
        .filter(
            pk__in=OpenEvent.objects.filter(state=EventState.WAITING)
            .order_by("pk")
            .values("source_id")[:BATCH_SIZE]
        )
        .order_by("pk")
    )
)


def _lock_sources() -> dict[int, CallSource]:
    """Lock the sources of the events that have waited longest; leave those that others work on."""
    return {source.pk: source for source in _SOURCES()}


# OFFSET keeps the planner at look-ups in the index, as in `calls.stored`.
_WAITING = f"""
    WITH turn AS MATERIALIZED (
         SELECT event_id, state, is_asked_for FROM {OPEN}
          WHERE state = 'waiting' AND source_id = ANY (%s::bigint[])
          ORDER BY event_id LIMIT %s),
         chosen AS MATERIALIZED (
         SELECT event.id, event.source_id, event.call_id, event.via, event.sha256, event.fields,
                turn.state, turn.is_asked_for
           FROM turn CROSS JOIN LATERAL (
                SELECT * FROM {EVENTS} event WHERE event.id = turn.event_id OFFSET 0) event)
    SELECT fields::text, id, source_id, call_id, via, sha256, state, is_asked_for, true FROM chosen
     UNION ALL
    SELECT known.fields::text, known.id, known.source_id, known.call_id, known.via, known.sha256,
           coalesce(open.state, 'recorded'), coalesce(open.is_asked_for, false), false
      FROM (SELECT DISTINCT source_id, call_id
              FROM chosen WHERE call_id <> '' AND via <> 'test') AS asked
     CROSS JOIN LATERAL (
           SELECT * FROM {EVENTS} event
            WHERE event.source_id = asked.source_id AND event.call_id = asked.call_id
              AND event.call_id <> '' AND event.via <> 'test'
              AND event.id NOT IN (SELECT event_id FROM turn)
            OFFSET 0
           ) AS known
      LEFT JOIN {OPEN} open ON open.event_id = known.id
"""


def _waiting(sources: Mapping[int, CallSource], size: int) -> list[_Event]:
    """The ``size`` events that have waited longest, and all others of the calls they are about."""
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, [as_array(sources), size])
        rows = cursor.fetchall()
    # All at once, in half of the time that one after the other takes.
    fields = json.loads(f"[{','.join(text for text, *_ in rows)}]")
    return [_Event(own, *rest) for own, (_, *rest) in zip(fields, rows, strict=True)]


# ── What becomes of it ────────────────────────────────────────────────────────────────────────
def _settled(events: Sequence[_Event], sources: Mapping[int, CallSource], now: datetime) -> Settled:
    """Record ``events``. One that breaks the work alone is settled as failed by itself."""
    tests = [event for event in events if event.via == Via.TEST]
    told = [event for event in events if event.via != Via.TEST]
    chosen = [event.id for event in events if event.is_chosen]
    try:
        # What one event alone breaks is undone here, and it is settled.
        with transaction.atomic() if len(chosen) == 1 else nullcontext():
            return [*_tried(tests, sources, now), *_recorded(told, sources, now)]
    except DatabaseError:
        raise
    except Exception:
        if len(chosen) > 1:
            raise
        logger.exception("Event %s of the inbox could not be processed", chosen[0])
        return [(_fate(EventState.FAILED, "", BROKEN), chosen)]


def _recorded(
    events: Iterable[_Event], sources: Mapping[int, CallSource], now: datetime
) -> Settled:
    """Record the calls that ``events`` are about, and say what becomes of each that was chosen."""
    readers = {pk: SourceReader(source, now=now) for pk, source in sources.items()}
    of_calls: dict[CallOfSource | int, list[_Event]] = defaultdict(list)
    for event in events:
        # One without an ID stands for itself: what is wrong with it is said below.
        key = (event.source_id, event.call_id) if event.call_id else event.id
        of_calls[key].append(event)
    settled: Settled = []
    told: list[tuple[CallRecord, list[_Event]]] = []  # each with the events that it settles
    for every in of_calls.values():
        try:
            record = readers[every[0].source_id].record(
                every[0].call_id, [event.as_stored for event in every]
            )
        except Rejected as rejected:
            fate = _fate(EventState.FAILED, rejected.field, rejected.reason)
            settled.append((fate, [event.id for event in every if event.is_chosen]))
            continue
        if isinstance(record, Unfinished):
            fate = _fate(EventState.IRRELEVANT, "", record.reason)
            settled.append((fate, [event.id for event in every if event.is_chosen]))
            continue
        # Steps that told no call by themselves are parts of one now.
        told.append((record, [one for one in every if one.is_chosen or one.state in SETTLED_TOO]))
    # Nobody withdraws a call between this question and its answer's use.
    reports.lock_accounts({record.account_id for record, _ in told})
    withdrawn = withdrawn_calls([record for record, _ in told])
    counting = told
    if withdrawn:
        counting = []
        for record, own in told:
            if record.key in withdrawn and not any(event.is_asked_for for event in own):
                fate = _fate(EventState.FAILED, "call_id", WITHDRAWN)
                settled.append((fate, [event.id for event in own]))
            else:
                counting.append((record, own))
    outcomes = record_calls(records=[record for record, _ in counting], now=now)
    recorded: list[int] = []
    for (_, own), outcome in zip(counting, outcomes, strict=True):
        ids = [event.id for event in own]
        if outcome.result is Result.REJECTED:
            settled.append((_fate(EventState.FAILED, outcome.field, outcome.reason), ids))
        else:
            recorded += ids
    settled.append((RECORDED, recorded))
    return settled


def _tried(events: Sequence[_Event], sources: Mapping[int, CallSource], now: datetime) -> Settled:
    """Read test events as if they were to be recorded."""
    settled: Settled = []
    for event in events:
        reader = SourceReader(sources[event.source_id], now=now)
        try:
            record = reader.record(event.call_id, [event.as_stored])
        except Rejected as rejected:
            fate = _fate(EventState.FAILED, rejected.field, rejected.reason)
        else:
            said = record.reason if isinstance(record, Unfinished) else TEST_PASSED
            fate = _fate(EventState.IRRELEVANT, "", said)
        settled.append((fate, [event.id]))
    return settled


def _fate(state: EventState, field: str, reason: str) -> _Fate:
    return _Fate(state.value, field[:40], reason[:REASON_LENGTH_MAX])


_SETTLE = f"""
    WITH recorded AS (DELETE FROM {OPEN} WHERE event_id = ANY (%s::bigint[])),
         others AS (
         UPDATE {OPEN} event
            SET state = fate.state, field = fate.field, reason = fate.reason,
                attempts = least(attempts + 1, 32767), settled_at = %s, is_asked_for = false
           FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[])
             AS fate (ids, state, field, reason)
          WHERE event.event_id = ANY (fate.ids::bigint[])
            AND (NOT event.is_asked_for OR event.event_id = ANY (%s::bigint[])))
    UPDATE {CallSource._meta.db_table} source SET last_event_at = event.received_at
      FROM {EVENTS} event
     WHERE event.id = ANY (%s::bigint[]) AND source.id = event.source_id
       AND (source.last_event_at < event.received_at OR source.last_event_at IS NULL)
"""


def _settle(settled: Settled, events: Iterable[_Event], now: datetime) -> None:
    """Store what becomes of the events, and when each source was last heard of.

    An event that somebody has asked for since it was read is left alone until its turn comes.
    """
    alike: dict[_Fate, list[int]] = defaultdict(list)
    for fate, ids in settled:
        alike[fate] += ids
    recorded = alike.pop(RECORDED, [])
    others = as_arrays((as_array(ids), *fate) for fate, ids in alike.items()) or ["{}"] * 4
    with connection.cursor() as cursor:
        asked_for = as_array(event.id for event in events if event.is_asked_for)
        cursor.execute(
            _SETTLE,
            [as_array(recorded), now, *others, asked_for, as_array(_latest_sent(events))],
        )


def _latest_sent(events: Iterable[_Event]) -> Iterable[int]:
    """The last message of each source. Tests are no sign of life, nor are calls from its list."""
    latest: dict[int, int] = {}
    for event in events:
        if event.is_chosen and event.via == Via.WEBHOOK:
            latest[event.source_id] = max(event.id, latest.get(event.source_id, 0))
    return latest.values()

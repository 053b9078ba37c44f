"""Taking what a source sends: verified, stored once, not looked at any further.

What a message is made into is decided by `calls.inbox.draining`, when a worker gets to it.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from django.db import connection

from billing.models.ledger import CALL_ID_LENGTH_MAX
from calls.inbox.sources import secrets_of
from calls.models import CallSource, EventState, InboxEvent, OpenEvent, Via
from calls.models.call_source import REASON_LENGTH_MAX
from calls.platforms import Delivery, Event, Fields, ForgedError
from calls.sources.registry import platforms

BODY_BYTES_MAX: Final = 8 * 1024 * 1024

# Some platforms send dozens of messages a call that are about no call's end. One of a kind is kept
# for each hour, so that people see that something comes.
IRRELEVANT_KEPT_BY: Final = "%Y-%m-%dT%H"

EVENTS: Final = InboxEvent._meta.db_table
OPEN: Final = OpenEvent._meta.db_table
SOURCES: Final = CallSource._meta.db_table


class Received(StrEnum):
    """What became of a message."""

    STORED = "stored"
    KNOWN = "known"
    IRRELEVANT = "irrelevant"


def find(*, kind: str, public_id: UUID) -> CallSource | None:
    """Return the source with this address; None where there is none, or it was deleted."""
    return CallSource.objects.filter(public_id=public_id, kind=kind, deleted_at=None).first()


def receive(
    *, source: CallSource, delivery: Delivery, now: datetime, via: Via = Via.WEBHOOK
) -> Received:
    """Verify a message of ``source`` and store it, once. Raises ForgedError."""
    platform = platforms()[source.kind]
    secrets = secrets_of(source, now=now)
    if not secrets:
        raise ForgedError("this source has no secret yet")
    platform.verify(delivery, secrets=secrets, options=source.options, now=now)
    event = platform.event(delivery, options=source.options)
    if event.irrelevant:
        hour = f"{event.irrelevant} {now.strftime(IRRELEVANT_KEPT_BY)}"
        store(source=source, event=event, digest=sha256(hour.encode()), now=now, via=via)
        return Received.IRRELEVANT
    is_new = store(source=source, event=event, digest=sha256(delivery.body), now=now, via=via)
    return Received.STORED if is_new else Received.KNOWN


def store(*, source: CallSource, event: Event, digest: bytes, now: datetime, via: Via) -> bool:
    """Store an event of ``source`` unless one with this ``digest`` is there; return whether it was.

    One statement, which is durable when it returns. It looks itself whether the source is paused:
    since ``source`` was read somebody may have paused it, or let it go on.
    """
    # An ID that is too long stays in the fields, where it is rejected with that reason.
    call_id = event.call_id if len(event.call_id) <= CALL_ID_LENGTH_MAX else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH event AS (
                 INSERT INTO {EVENTS} (source_id, sha256, via, call_id, fields, received_at)
                 VALUES (%s, %s, %s, %s, %s, %s)
                 ON CONFLICT (source_id, sha256) DO NOTHING
                 RETURNING id, source_id)
            INSERT INTO {OPEN} (event_id, source_id, state, field, reason, attempts, settled_at,
                                is_asked_for)
            SELECT event.id, source.id, coalesce(%s, CASE WHEN source.paused_at IS NULL
                   THEN '{EventState.WAITING}' ELSE '{EventState.HELD}' END), '', %s, 0, %s, false
              FROM event JOIN {SOURCES} source ON source.id = event.source_id
            """,
            [
                source.pk,
                digest,
                via,
                call_id,
                json.dumps(event.fields),
                now,
                EventState.IRRELEVANT if event.irrelevant else None,
                event.irrelevant[:REASON_LENGTH_MAX],
                now if event.irrelevant else None,
            ],
        )
        return bool(cursor.rowcount)


def sha256(body: bytes) -> bytes:
    """The SHA-256 of ``body``."""
    return hashlib.sha256(body).digest()


def digest_of(fields: Fields | Mapping[str, str]) -> bytes:
    """The SHA-256 of the fields of a call in a list: what else the list says is dropped."""
    return sha256(b"pulled:" + json.dumps(fields, sort_keys=True).encode())

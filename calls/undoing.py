"""Entries of calls that stand, and their exact opposites.

To undo an entry is to post its opposite at the same time, type and agent, so that the sums of its
day and hour are again what they were before it. Rule: "How credits are consumed", 12.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from billing.bulk import as_arrays, read_rows
from billing.ledger import Posting, references
from billing.models import Kind
from calls.records import CallKey
from calls.stored import StoredCall


class StandingEntry(NamedTuple):
    """An entry of a call that nothing has undone."""

    account_id: int
    call_id: str
    reference: str
    credits: int
    occurred_at: datetime
    usage_type: str
    agent: str
    billed_seconds: int
    billable_us: int
    increment_seconds: int
    call_status: str
    changes: str | None
    import_id: int | None

    @property
    def changed(self) -> dict[str, list[Any]]:
        """What it changed of its call, by name: `calls.changes`."""
        changes: dict[str, list[Any]] = json.loads(self.changes or "{}")
        return changes


# The changes as text: the driver would make objects of JSON.
_COLUMNS = [
    "entry.changes::text" if name == "changes" else f"entry.{name}"
    for name in StandingEntry._fields
]


def standing_entries(keys: Sequence[CallKey]) -> dict[CallKey, list[StandingEntry]]:
    """By call, its entries that nothing has undone, oldest first. Needs the locks on the calls."""
    standing: dict[CallKey, list[StandingEntry]] = defaultdict(list)
    if keys:
        with connection.cursor() as cursor:
            # OFFSET 0: each is looked up in an index; else the table may be read.
            cursor.execute(
                f"""
                SELECT {", ".join(_COLUMNS)}
                  FROM unnest(%s::bigint[], %s::text[]) AS asked (account_id, call_id)
                 CROSS JOIN LATERAL (
                       SELECT * FROM billing_ledgerentry own
                        WHERE own.account_id = asked.account_id AND own.call_id = asked.call_id
                          AND upper(own.call_id) = upper(asked.call_id COLLATE "C")
                          AND own.call_id <> '' OFFSET 0) entry
                 WHERE entry.kind <> '{Kind.WITHDRAWAL}'
                   AND NOT EXISTS (
                       SELECT FROM billing_ledgerentry undoing
                        WHERE undoing.account_id = entry.account_id
                          AND undoing.reference = {references.of_withdrawal_sql("entry.reference")}
                       OFFSET 0)
                 ORDER BY entry.account_id, entry.call_id, entry.seq
                """,
                as_arrays(keys),
            )
            for entry in read_rows(cursor, StandingEntry):
                standing[entry.account_id, entry.call_id].append(entry)
    return standing


def opposite(entry: StandingEntry, *, reason: str = "", changes: str | None = None) -> Posting:
    """What undoes ``entry``, for ``reason``: with its ``changes``, where its call is not
    withdrawn."""
    return Posting(
        account_id=entry.account_id,
        kind=Kind.WITHDRAWAL,
        credits=-entry.credits,
        reference=references.of_withdrawal(entry.reference),
        occurred_at=entry.occurred_at,
        remarks=reason,
        call_id=entry.call_id,
        usage_type=entry.usage_type,
        agent=entry.agent,
        billed_seconds=-entry.billed_seconds,
        billable_us=entry.billable_us,
        increment_seconds=entry.increment_seconds,
        call_status=entry.call_status,
        changes=changes,
        import_id=entry.import_id,
    )


def withdrawn(call: StoredCall, *, now: datetime) -> StoredCall:
    """``call`` as it is when all of its entries are undone."""
    free = call.rated.charge._replace(credits=0)
    return call._replace(
        rated=call.rated._replace(charge=free),
        withdrawn_at=now,
        times_withdrawn=call.times_withdrawn + 1,
        has_reports=False,
    )

"""Withdrawing calls that should not be there: they cost and count nothing, and stay to be seen.

To undo an entry is to post its exact opposite at the same time, type and agent, so that the sums of
its day and hour are again what they were before it. A call of which every entry is undone is
withdrawn; its ID may come again. Where only the latest corrections are undone, the call is again
what it was before them, with the charge that was frozen with it then. Credits come back as those of
corrections do.

Locks are taken in the order of `calls.charging`: rows of calls, sorted; then accounts, sorted.

Rules: "How credits are consumed", 12 and 13. Who may withdraw what, and for how long, is decided
by those who call this.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from itertools import takewhile
from typing import Any, NamedTuple

from django.db import connection, transaction

from billing.activity import ActivityKind, new, note
from billing.bulk import among, as_arrays, read_rows
from billing.ledger import Posting, references
from billing.models import Kind
from billing.plans import movements
from billing.texts import readable_reason
from calls import stored
from calls.changes import reversed_changes, undone
from calls.models import OvertakenCall
from calls.records import CallKey
from calls.stored import StoredCall

CALLS_AT_ONCE = 1_000


class Withdrawn(NamedTuple):
    """What was withdrawn: the numbers of slices add up.

    ``withdrawn`` calls count no more, ``restored`` ones are as they were before the import, and
    ``credits`` came back in all (negative: were used again). ``kept`` were changed by something
    else since and are left alone; they are counted with the last slice, the one without ``more``.
    """

    withdrawn: int = 0
    restored: int = 0
    kept: int = 0
    credits: int = 0
    more: bool = False


class _Standing(NamedTuple):
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


# The changes as text: the driver would make objects of JSON.
_COLUMNS = [
    "entry.changes::text" if name == "changes" else f"entry.{name}" for name in _Standing._fields
]


def withdraw_import(
    *, account_id: int, import_id: int, now: datetime, limit: int = CALLS_AT_ONCE
) -> Withdrawn:
    """Take back what the import ``import_id`` did to at most ``limit`` calls of the account.

    One transaction; call it again while there is ``more``, also after an interruption. A call that
    the import made is withdrawn; one that it corrected is as it was before. A call that something
    else has changed since is kept: see `overtaken_calls`.
    """
    with transaction.atomic():
        keys = stored.of_import(account_id=account_id, import_id=import_id, limit=limit)
        # Another process may have taken some of them back before they could be locked.
        calls = [
            call
            for call in stored.lock(keys)
            if call.import_id == import_id and call.withdrawn_at is None
        ]
        batch = _Batch(calls, now)
        for call in calls:
            batch.take_back(call, import_id)
        done = batch.store()
        more = has_calls(account_id=account_id, import_id=import_id)
    if not more:
        kept = len(overtaken_calls(account_id=account_id, import_id=import_id))
        return done._replace(kept=kept)
    return done._replace(more=True)


def withdraw_calls(
    *, account_id: int, call_ids: Collection[str], reason: str, now: datetime
) -> Withdrawn:
    """Withdraw calls of the account, whatever brought them, for ``reason``, which their rows tell.

    One transaction. Calls that are withdrawn already, or that there are none of, are left out.
    Raises ReasonError as `readable_reason` does.
    """
    reason = readable_reason(reason)
    with transaction.atomic():
        calls = [
            call
            for call in stored.lock([(account_id, call_id) for call_id in call_ids])
            if call.withdrawn_at is None
        ]
        batch = _Batch(calls, now, reason)
        for call in calls:
            batch.withdraw(call)
        done = batch.store()
        if calls:
            note(
                ActivityKind.CALLS_WITHDRAWN,
                account=account_id,
                subject=", ".join(call.record.call_id for call in calls),
                changes=new(calls=done.withdrawn, credits=done.credits),
                reason=reason,
            )
        return done


def has_calls(*, account_id: int, import_id: int) -> bool:
    """Whether the import was the last to change any call that is not withdrawn."""
    return bool(stored.of_import(account_id=account_id, import_id=import_id, limit=1))


def overtaken_calls(*, account_id: int, import_id: int) -> list[str]:
    """The IDs of calls that the import changed and something else has changed since, in order."""
    overtaken = OvertakenCall.objects.filter(account_id=account_id, import_id=import_id)
    return list(overtaken.order_by("call_id").values_list("call_id", flat=True).distinct())


class _Batch:
    """Calls that are locked, what is posted for them, and what becomes of them."""

    def __init__(self, calls: Sequence[StoredCall], now: datetime, reason: str = "") -> None:
        self.now = now
        self.reason = reason
        keys = [call.record.key for call in calls]
        self._standing = _standing_entries(keys)
        self._overtaken = _overtaken(keys)
        self._forgotten: list[OvertakenCall] = []
        self._changed: list[StoredCall] = []
        self._postings: list[Posting] = []
        self._done = Withdrawn()

    def withdraw(self, call: StoredCall) -> None:
        """Undo all that stands of ``call``."""
        self._forgotten += self._overtaken[call.record.key]
        for entry in reversed(self._standing[call.record.key]):
            self._postings.append(self._opposite(entry))
        free = call.rated.charge._replace(credits=0)
        withdrawn = call._replace(
            rated=call.rated._replace(charge=free),
            withdrawn_at=self.now,
            times_withdrawn=call.times_withdrawn + 1,
        )
        self._changed.append(withdrawn)
        self._done = self._done._replace(withdrawn=self._done.withdrawn + 1)

    def take_back(self, call: StoredCall, import_id: int) -> None:
        """Undo what the import did last to ``call``: all of it, or its latest corrections."""
        standing = self._standing[call.record.key]
        own = list(takewhile(lambda entry: entry.import_id == import_id, reversed(standing)))
        if len(own) == len(standing):
            self.withdraw(call)
            return
        rated = call.rated
        for entry in own:
            changes: dict[str, list[Any]] = json.loads(entry.changes or "{}")
            rated = undone(rated, changes)
            self._postings.append(self._opposite(entry, reversed_changes(changes)))
        before = self._import_before(call, import_id)
        self._changed.append(call._replace(rated=rated, import_id=before))
        self._done = self._done._replace(restored=self._done.restored + bool(own))

    def store(self) -> Withdrawn:
        """Store and post it; return what was done."""
        stored.update(self._changed)
        if self._forgotten:
            forgotten = among(row.pk for row in self._forgotten)
            OvertakenCall.objects.filter(pk__in=forgotten).delete()
        movements.post(postings=self._postings, now=self.now, references_are_new=True)
        return self._done._replace(credits=sum(posting.credits for posting in self._postings))

    def _import_before(self, call: StoredCall, import_id: int) -> int | None:
        """The import that had changed ``call`` last before ``import_id``, which is forgotten."""
        overtaken = self._overtaken[call.record.key]
        if not overtaken or overtaken[-1].by_import_id != import_id:
            return None
        self._forgotten.append(overtaken[-1])
        before: int = overtaken[-1].import_id
        return before

    def _opposite(self, entry: _Standing, changes: str | None = None) -> Posting:
        """What undoes ``entry``: with its ``changes``, where its call is not withdrawn."""
        return Posting(
            account_id=entry.account_id,
            kind=Kind.WITHDRAWAL,
            credits=-entry.credits,
            reference=references.of_withdrawal(entry.reference),
            occurred_at=entry.occurred_at,
            remarks=self.reason,
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


def _standing_entries(keys: Sequence[CallKey]) -> dict[CallKey, list[_Standing]]:
    """By call, its entries that nothing has undone, oldest first. Needs the locks on the calls."""
    standing: dict[CallKey, list[_Standing]] = defaultdict(list)
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
            for entry in read_rows(cursor, _Standing):
                standing[entry.account_id, entry.call_id].append(entry)
    return standing


def _overtaken(keys: Iterable[CallKey]) -> dict[CallKey, list[OvertakenCall]]:
    """By call, its rows of imports that were overtaken, oldest first."""
    wanted = set(keys)
    rows: dict[CallKey, list[OvertakenCall]] = defaultdict(list)
    accounts = {account_id for account_id, _ in wanted}
    found = OvertakenCall.objects.filter(
        account_id__in=accounts, call_id__in=[call_id for _, call_id in wanted]
    )
    for row in found.order_by("id"):
        if (row.account_id, row.call_id) in wanted:
            rows[row.account_id, row.call_id].append(row)
    return rows

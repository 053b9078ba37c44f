"""Withdrawing calls that should not be there: they cost and count nothing, and stay to be seen.

To undo an entry is to post its exact opposite (`calls.undoing`). A call of which every entry is
undone is withdrawn; its ID may come again. Where only the latest corrections are undone, the call
is again what it was before them, with the charge that was frozen with it then. Credits come back as
those of corrections do.

A call is withdrawn with all that any reporter tells of it. Of a call that several tell, taking back
an import takes only what the import told: the others still tell it (`calls.reconciling`).

Locks are taken in the order of `calls.charging`.

Rules: "How credits are consumed", 9, 12 and 13. Who may withdraw what, and for how long, is decided
by those who call this.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from itertools import takewhile
from typing import NamedTuple

from django.db import transaction

from billing.activity import ActivityKind, new, note
from billing.bulk import among
from billing.ledger import Posting
from billing.plans import movements
from billing.texts import readable_reason
from calls import reports, stored
from calls.changes import reversed_changes, undone
from calls.charges import Charges
from calls.linking import Report
from calls.models import CallReport, OvertakenCall
from calls.rated import RatedCall
from calls.reconciling import Reconciliation
from calls.records import CallKey
from calls.reporters import Order
from calls.stored import OvertakenError, StoredCall
from calls.undoing import opposite, standing_entries, withdrawn

CALLS_AT_ONCE = 1_000


class Withdrawn(NamedTuple):
    """What was withdrawn: the numbers of slices add up.

    ``withdrawn`` calls count no more, ``restored`` ones are as they were before the import, of
    ``unlinked`` ones the import's report is gone and nothing else changed, and ``credits`` came
    back in all (negative: were used again). ``kept`` were changed by something else since and are
    left alone; they are counted with the last slice, the one without ``more``.
    """

    withdrawn: int = 0
    restored: int = 0
    unlinked: int = 0
    kept: int = 0
    credits: int = 0
    more: bool = False


def withdraw_import(
    *, account_id: int, import_id: int, now: datetime, limit: int = CALLS_AT_ONCE
) -> Withdrawn:
    """Take back what the import ``import_id`` did to at most ``limit`` calls of the account.

    One transaction; call it again while there is ``more``, also after an interruption. A call that
    the import made is withdrawn, but for what other reporters tell of it; one that it corrected is
    as it was before. A call that something else has changed since is kept: see `overtaken_calls`.
    """

    def take_back() -> Withdrawn:
        of_import = {"account_id": account_id, "import_id": import_id}
        keys = stored.of_import(**of_import, limit=limit)
        linked = reports.of_import(**of_import, limit=limit - len(keys))
        batch = _Batch(account_id, keys, linked, now=now)
        for call in batch.calls:
            # Another process may have taken some of them back before they could be locked.
            if call.import_id == import_id and call.withdrawn_at is None:
                batch.take_back(call, import_id)
        batch.forget_import(import_id)
        done = batch.store()
        return done._replace(more=has_calls(**of_import))

    done = _in_one_transaction(take_back)
    if not done.more:
        kept = len(overtaken_calls(account_id=account_id, import_id=import_id))
        return done._replace(kept=kept)
    return done


def withdraw_calls(
    *, account_id: int, call_ids: Collection[str], reason: str, now: datetime
) -> Withdrawn:
    """Withdraw calls of the account, whoever reported them, for ``reason``, which their rows tell.

    One transaction. A call that several tell may be named by any of its IDs. Calls that are
    withdrawn already, or that there are none of, are left out. Raises ReasonError as
    `readable_reason` does.
    """
    reason = readable_reason(reason)

    def withdraw() -> Withdrawn:
        reports.lock_accounts([account_id])
        linked = reports.calls_of(account_id=account_id, call_ids=call_ids)
        keys = {(account_id, linked.get(call_id, call_id)) for call_id in call_ids}
        batch = _Batch(account_id, keys, now=now, reason=reason)
        calls = [
            call for call in batch.calls if call.record.key in keys and call.withdrawn_at is None
        ]
        for call in calls:
            batch.withdraw(call)
            batch.forget_all(call)
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

    return _in_one_transaction(withdraw)


def _in_one_transaction(work: Callable[[], Withdrawn]) -> Withdrawn:
    while True:
        try:
            with transaction.atomic():
                return work()
        except OvertakenError:
            continue  # a call was linked or changed before it could be locked


def has_calls(*, account_id: int, import_id: int) -> bool:
    """Whether the import was the last to change any call that is not withdrawn, or to report it."""
    of_import = {"account_id": account_id, "import_id": import_id}
    return bool(stored.of_import(**of_import, limit=1)) or (
        CallReport.objects.filter(**of_import).exists()
    )


def overtaken_calls(*, account_id: int, import_id: int) -> list[str]:
    """The IDs of calls that the import changed and something else has changed since, in order."""
    overtaken = OvertakenCall.objects.filter(account_id=account_id, import_id=import_id)
    return list(overtaken.order_by("call_id").values_list("call_id", flat=True).distinct())


class _Batch:
    """Calls of an account that are locked, what is posted for them, and what becomes of them.

    ``calls`` are those with ``keys``, and all that may have to do with them or with the call IDs
    ``linked``, which others tell as well.
    """

    def __init__(
        self,
        account_id: int,
        keys: Collection[CallKey],
        linked: Collection[CallKey] = (),
        *,
        now: datetime,
        reason: str = "",
    ) -> None:
        self.now = now
        self.reason = reason
        self._family: Reconciliation | None = None
        reports.lock_accounts([account_id])
        known = stored.read(keys)
        if linked or any(call.record.carrier_id or call.has_reports for call in known):
            self._family = Reconciliation(
                charges=Charges({account_id}), order=Order.read([account_id]), now=now
            )
            self._family.read([*keys, *linked])
            keys = self._family.calls.keys()
        self.calls = stored.lock(keys)
        if self._family is not None:
            self._family.check(self.calls)
        elif any(call.record.carrier_id or call.has_reports for call in self.calls):
            raise OvertakenError
        locked = [call.record.key for call in self.calls]
        self._standing = standing_entries(locked)
        self._overtaken = _overtaken(locked)
        self._forgotten: list[OvertakenCall] = []
        self._changed: list[StoredCall] = []
        self._postings: list[Posting] = []
        self._done = Withdrawn()

    def withdraw(self, call: StoredCall) -> None:
        """Undo all that stands of ``call``."""
        self._forgotten += self._overtaken[call.record.key]
        for entry in reversed(self._standing[call.record.key]):
            self._postings.append(opposite(entry, reason=self.reason))
        self._changed.append(withdrawn(call, now=self.now))
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
            rated = undone(rated, entry.changed)
            self._postings.append(opposite(entry, changes=reversed_changes(entry.changed)))
        before = self._import_before(call, import_id)
        self._changed.append(call._replace(rated=rated, import_id=before))
        self._done = self._done._replace(restored=self._done.restored + bool(own))

    def forget_import(self, import_id: int) -> None:
        """Forget what the import reported of calls that others tell as well.

        Of a call that is again as it was before the import, the report is again what it was.
        """
        if self._family is None:
            return
        gone = [report for report in self._family.reports if report.import_id == import_id]
        for report in gone:
            self._family.forget(report)
        changed = {call.record.call_id: call for call in self._changed}
        for report in gone:
            call = changed.get(report.linked)
            if call is not None and call.withdrawn_at is None:
                self._restore(call, report)
        unlinked = sum(report.linked not in changed for report in gone)
        self._done = self._done._replace(unlinked=self._done.unlinked + unlinked)

    def _restore(self, call: StoredCall, gone: Report) -> None:
        """What ``call`` is again, its reporter had told before what is ``gone``."""
        if call.record.reporter == gone.record.reporter:
            record = call.record._replace(call_id=gone.record.call_id)
            assert self._family is not None
            self._family.put(Report(record, call.import_id, call.recorded_at, gone.linked))

    def forget_all(self, call: StoredCall) -> None:
        """Forget all that anybody has reported of ``call``."""
        if self._family is not None:
            for report in self._family.reports_of(call):
                self._family.forget(report)

    def store(self) -> Withdrawn:
        """Store and post it; return what was done."""
        stored.update(self._changed)
        if self._forgotten:
            forgotten = among(row.pk for row in self._forgotten)
            OvertakenCall.objects.filter(pk__in=forgotten).delete()
        self._post(self._postings)
        if self._family is not None:
            self._settle(self._family)
        return self._done

    def _settle(self, family: Reconciliation) -> None:
        """Let calls follow what is still told of them."""
        for call in self._changed:
            family.calls[call.record.key] = call
            if call.withdrawn_at is None and not family.reports_of(call):
                family.tell_alone(call)
        family.settle()
        stored.insert(sorted(family.new_calls, key=_key_of), recorded_at=self.now)
        self._post([posting for _, own in family.store() for posting in own])

    def _post(self, postings: Sequence[Posting]) -> None:
        movements.post(postings=postings, now=self.now, references_are_new=True)
        credits = sum(posting.credits for posting in postings)
        self._done = self._done._replace(credits=self._done.credits + credits)

    def _import_before(self, call: StoredCall, import_id: int) -> int | None:
        """The import that had changed ``call`` last before ``import_id``, which is forgotten."""
        overtaken = self._overtaken[call.record.key]
        if not overtaken or overtaken[-1].by_import_id != import_id:
            return None
        self._forgotten.append(overtaken[-1])
        before: int = overtaken[-1].import_id
        return before


def _key_of(call: tuple[RatedCall, int | None]) -> CallKey:
    return call[0].record.key


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

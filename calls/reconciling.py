"""Calls follow their reports: what has to change where several reporters tell of one call.

A `Reconciliation` reads all calls and reports that may belong together, is told what came or went,
and decides what becomes of the calls: which begin, which are corrected because a higher reporter
has come or the highest has gone, and which turn out to be another one and are withdrawn. Whose
facts count is decided by `calls.linking`; here is what that means for what is stored and charged.

A call keeps its ID whoever comes later: the others are linked to the call that is there.

Whoever stores what is decided holds the lock of the accounts (`calls.reports.lock_accounts`), takes
the locks on calls in the order of `calls.charging`, and starts over where a call has changed before
it could be locked: `OvertakenError`.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from billing.bulk import among
from billing.ledger import Posting
from calls import linking, reports, stored
from calls.charges import Charges, charge_posting
from calls.linking import CarrierKey, Group, Report
from calls.merging import Merge, Numbered, check_reports_same_call, merged
from calls.models import OvertakenCall
from calls.rated import RatedCall
from calls.records import CallKey, CallRecord, Rejected
from calls.reporters import Order, door
from calls.reports import StoredReport
from calls.stored import OvertakenError, StoredCall
from calls.undoing import opposite, standing_entries, withdrawn

THE_SAME = "The same phone call as"


class Assessment(NamedTuple):
    """What became of records of one reporter about one call ID.

    ``winner`` is what the reporter tells now, with the position of the record that made the
    difference, None where none did. ``is_first``: the reporter had not told of it before.
    ``rejected`` are records that are not of this call, by their positions.
    """

    winner: Numbered | None
    is_first: bool
    rejected: dict[int, Rejected]


class Change(NamedTuple):
    """What becomes of a call: it is new where there is nothing ``before``.

    ``keys`` are the IDs that it goes by, ``winner`` is the record that counts. ``posting`` is the
    charge or the difference, None where no credits are concerned. A call that turns out to be
    another one (``is_another``, the ID of that) is withdrawn instead.
    """

    before: StoredCall | None
    after: StoredCall
    keys: Collection[CallKey]
    winner: CallRecord
    posting: Posting | None = None
    is_another: str = ""

    @property
    def credits(self) -> int:
        """How many credits it uses (negative: gives back)."""
        if self.is_another and self.before is not None:
            return -self.before.rated.charge.credits
        return -self.posting.credits if self.posting else 0


class Followed(NamedTuple):
    """A group of reports, and the call that follows them."""

    group: Group
    change: Change

    @property
    def call_id(self) -> str:
        """The ID of the call."""
        return self.change.after.record.call_id

    @property
    def is_new(self) -> bool:
        """Whether the call is new, or comes again after it was withdrawn."""
        before = self.change.before
        return before is None or before.withdrawn_at is not None


class Reconciliation:
    """Calls of some accounts with all their reports, and what has to become of them.

    `read` first, then say what came (`tell`) or went (`forget`), then `settle`: ``changes`` are
    what is to be stored.
    """

    def __init__(self, *, charges: Charges, order: Order, now: datetime) -> None:
        self._charges = charges
        self._order = order
        self._now = now
        self.calls: dict[CallKey, StoredCall] = {}
        self.changes: list[Change] = []
        self._told: dict[CallKey, dict[str, Report]] = {}
        self._known: Sequence[StoredReport] = ()
        self._wanted: list[Report] = []
        self._crowded: Collection[CarrierKey] = ()
        self._followed: dict[CallKey, Followed] = {}

    def read(self, keys: Iterable[CallKey], carriers: Iterable[CarrierKey] = ()) -> None:
        """Read what may belong together with these call IDs and carrier IDs, without a lock."""
        family = reports.read_family(keys, carriers)
        self.calls = dict(family.calls)
        self._known = family.reports
        self._crowded = family.crowded
        self._told = defaultdict(dict)
        for row in family.reports:
            key, name = row.key
            self._told[key][name] = row.report
        for call in family.calls.values():
            if call.withdrawn_at is None and not call.has_reports:
                self.tell_alone(call)

    def tell_alone(self, call: StoredCall) -> None:
        """Take what is known of ``call`` for its only report."""
        record = call.record
        report = Report(record, call.import_id, call.recorded_at, record.call_id)
        self._told.setdefault(record.key, {})[door(record.reporter)] = report

    @property
    def reports(self) -> list[Report]:
        """All reports."""
        return [report for told in self._told.values() for report in told.values()]

    def reports_of(self, call: StoredCall) -> list[Report]:
        """The reports that are linked to ``call`` now."""
        account_id, call_id = call.record.key
        return [
            report
            for report in self.reports
            if (report.record.account_id, report.linked) == (account_id, call_id)
        ]

    def carriers_of(self, key: CallKey) -> set[str]:
        """The carrier IDs that are told with this call ID."""
        told = self._told.get(key, {}).values()
        return {report.record.carrier_id for report in told} - {""}

    def forget(self, report: Report) -> None:
        """Take ``report`` back."""
        self._told[report.record.key].pop(door(report.record.reporter), None)

    def put(self, report: Report) -> None:
        """Take ``report`` in, in place of what its reporter told before."""
        self._told.setdefault(report.record.key, {})[door(report.record.reporter)] = report

    def tell(
        self,
        arrived: Sequence[Numbered],
        *,
        merge: Merge,
        revise: bool,
        import_id: int | None,
    ) -> Assessment:
        """Take in records of one reporter about one call ID, in their order.

        Raises Rejected where what they come to can't be rated.
        """
        first = arrived[0].record
        own_door = door(first.reporter)
        told = self._told.get(first.key, {})
        own = told.get(own_door)
        rejected = {}
        if not revise:
            others = [report for name, report in told.items() if name != own_door]
            rejected = self._of_other_calls(arrived, others)
            arrived = [one for one in arrived if one.position not in rejected]
        winner, also_rejected = merged(own and own.record, arrived, merge, revise=revise)
        rejected |= also_rejected
        if winner is None:
            return Assessment(None, own is None, rejected)
        self._charges.rate(winner.record)
        self.put(Report(winner.record, import_id, self._now, own.linked if own else ""))
        return Assessment(winner, own is None, rejected)

    def _of_other_calls(
        self, arrived: Sequence[Numbered], others: Sequence[Report]
    ) -> dict[int, Rejected]:
        """Those of ``arrived`` that use the ID of a call that others tell for another call."""
        rejected = {}
        if others:
            highest = min(others, key=lambda one: self._order.rank(one.record.reporter))
            for position, record in arrived:
                try:
                    check_reports_same_call(highest.record, record)
                except Rejected as error:
                    rejected[position] = error
        return rejected

    def settle(self) -> None:
        """Decide what becomes of the calls."""
        self.changes.clear()
        self._wanted.clear()
        self._followed.clear()
        by_door = {
            key: linking.without_repetition(reports, self._order)
            for key, reports in self._told.items()
        }
        groups = linking.groups_of(by_door, self._order, self._crowded)
        claimed = self._claimed(groups)
        for group, call in zip(groups, claimed, strict=True):
            told = [report.record for report in group.reports]
            if call is not None:
                told.append(call.record)
            has_none = any(record.numbers_deleted for record in told)
            self._follow(group.without_numbers() if has_none else group, call)
        shown = {call.record.key for call in claimed if call is not None}
        for key, call in self.calls.items():
            if call.withdrawn_at is None and key not in shown:
                other = self._followed[key]
                group = other.group
                record = call.record._replace(carrier_id=group.carrier_id)
                known = call._replace(rated=call.rated._replace(record=record))
                after = withdrawn(known, now=self._now)
                change = Change(
                    call, after, group.keys, group.winner.record, is_another=other.call_id
                )
                self.changes.append(change)

    def _claimed(self, groups: Sequence[Group]) -> list[StoredCall | None]:
        """The call that stands for each of ``groups``: the oldest with an ID of its own, else the
        one that its reports are linked to, if that has no reports of its own any more."""
        standing = {key: call for key, call in self.calls.items() if call.withdrawn_at is None}
        of_groups = {key for group in groups for key in group.keys}
        claimed: list[StoredCall | None] = []
        taken: set[CallKey] = set()
        for group in groups:
            account_id = group.winner.record.account_id
            keys = group.keys & standing.keys()
            if not keys:
                linked = {(account_id, report.linked) for report in group.reports}
                keys = (linked & standing.keys()) - of_groups - taken
            call = min((standing[key] for key in keys), key=lambda one: one.id, default=None)
            if call is not None:
                taken.add(call.record.key)
            claimed.append(call)
        return claimed

    def _follow(self, group: Group, call: StoredCall | None) -> None:
        """Decide what becomes of ``call``, which ``group`` tells; without one, of a new one."""
        winner = group.winner
        record = winner.record._replace(carrier_id=group.carrier_id)
        call = call or self.calls.get(record.key)  # which is withdrawn
        posting: Posting | None
        if call is None:
            rated = self._charges.rate(record)
            after = StoredCall(
                id=0,
                recorded_at=self._now,
                corrections=0,
                import_id=winner.import_id,
                withdrawn_at=None,
                times_withdrawn=0,
                has_reports=False,
                retold_at=None,
                rated=rated,
            )
            posting = charge_posting(rated, winner.import_id)
        elif call.withdrawn_at is not None:
            after, posting = self._charges.again(call, record, winner.import_id)
        else:
            record = record._replace(call_id=call.record.call_id)
            after, posting = call, None
            if record != call.record:
                after, posting = self._charges.corrected(
                    call, record, winner.import_id, now=self._now
                )
        call_id = after.record.call_id
        has_reports = len(group.reports) > 1 or winner.record.call_id != call_id
        if has_reports:
            self._wanted += [report._replace(linked=call_id) for report in group.reports]
        after = after._replace(has_reports=has_reports)
        change = Change(call, after, group.keys, winner.record, posting)
        self._followed |= dict.fromkeys(group.keys, Followed(group, change))
        if change.after != call:
            self.changes.append(change)

    def followed(self, key: CallKey) -> Followed:
        """The call that what is told about this call ID comes to."""
        return self._followed[key]

    # ── Storing ───────────────────────────────────────────────────────────────────────────────
    @property
    def new_calls(self) -> list[tuple[RatedCall, int | None]]:
        """The calls to insert, each with the import that brings it."""
        return [
            (change.after.rated, change.after.import_id)
            for change in self.changes
            if change.before is None
        ]

    @property
    def changed(self) -> list[CallKey]:
        """The known calls that change: to be locked."""
        return [change.before.record.key for change in self.changes if change.before is not None]

    def check(self, locked: Iterable[StoredCall]) -> None:
        """Raise OvertakenError where one of the calls was changed before it was ``locked``."""
        for call in locked:
            if call != self.calls[call.record.key]:
                raise OvertakenError

    def store(self) -> list[tuple[Change, list[Posting]]]:
        """Store what becomes of the calls, whose locks are held; return what each has to post.

        New calls are inserted already.
        """
        others = [change.after.record.key for change in self.changes if change.is_another]
        entries = standing_entries(others)
        posted = []
        for change in self.changes:
            if change.is_another:
                reason = f"{THE_SAME} {change.is_another}"
                undone = reversed(entries[change.after.record.key])
                posted.append((change, [opposite(entry, reason=reason) for entry in undone]))
            else:
                posted.append((change, [change.posting] if change.posting else []))
        stored.update([change.after for change in self.changes if change.before is not None])
        with_reports = [
            change.after.record.key
            for change in self.changes
            if change.before is None and change.after.has_reports
        ]
        stored.mark_with_reports(with_reports)
        self._keep_overtaken(others)
        reports.replace(self._known, self._wanted)
        return posted

    def _keep_overtaken(self, withdrawn_keys: Sequence[CallKey]) -> None:
        """Note which calls are no longer as an import left them; forget those withdrawn."""
        if withdrawn_keys:
            OvertakenCall.objects.filter(pk__in=among(overtaken_ids(withdrawn_keys))).delete()
        OvertakenCall.objects.bulk_create(
            overtaken(change.before, by_import_id=change.after.import_id, at=self._now)
            for change in self.changes
            if change.before is not None
            and change.before.withdrawn_at is None
            and not change.is_another
            and change.before.import_id not in (None, change.after.import_id)
        )


def overtaken(call: StoredCall, *, by_import_id: int | None, at: datetime) -> OvertakenCall:
    """A note that ``call`` is no longer as the import left it that changed it last."""
    assert call.import_id is not None
    account_id, call_id = call.record.key
    return OvertakenCall(
        account_id=account_id,
        import_id=call.import_id,
        call_id=call_id,
        by_import_id=by_import_id,
        overtaken_at=at,
    )


def overtaken_ids(keys: Collection[CallKey]) -> list[int]:
    """The ids of all such notes about these calls."""
    wanted = set(keys)
    rows = OvertakenCall.objects.filter(
        account_id__in={account_id for account_id, _ in wanted},
        call_id__in=[call_id for _, call_id in wanted],
    )
    return [
        pk
        for pk, account_id, call_id in rows.order_by().values_list("pk", "account_id", "call_id")
        if (account_id, call_id) in wanted
    ]

"""The records of a batch that may be of calls which other reporters tell as well.

`calls.charging` sorts them out and does the rest by itself. What they come to is decided by
`calls.reconciling`; here is what became of each record.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from billing.ledger import Posting
from calls.charges import Charges
from calls.linking import CarrierKey
from calls.merging import Merge, Numbered
from calls.outcomes import UNCHANGED, Outcome, Result, rejection
from calls.reconciling import Change, Reconciliation
from calls.records import CallKey, Rejected
from calls.reporters import Order
from calls.reports import ReportKey, key_of_record


class LinkedRecords:
    """Records with their positions in the batch, and what they come to."""

    def __init__(
        self,
        arrived: Sequence[Numbered],
        *,
        charges: Charges,
        merge: Merge,
        revise: bool,
        import_id: int | None,
        now: datetime,
    ) -> None:
        """Read and decide. Where it is to be stored, the accounts' lock must be held."""
        self.outcomes: dict[int, Outcome] = {one.position: UNCHANGED for one in arrived}
        self.winners: dict[ReportKey, Numbered] = {}
        self._keys_of: dict[CallKey, list[ReportKey]] = defaultdict(list)
        self._first: set[ReportKey] = set()  # what its reporter had not told before
        self._positions: dict[CarrierKey, int] = {}
        records = [one.record for one in arrived]
        order = Order.read({record.account_id for record in records})
        self.reconciliation = Reconciliation(charges=charges, order=order, now=now)
        self.reconciliation.read(
            {record.key for record in records},
            {(one.account_id, one.carrier_id) for one in records if one.carrier_id},
        )
        of_reports: dict[ReportKey, list[Numbered]] = defaultdict(list)
        for one in arrived:
            of_reports[key_of_record(one.record)].append(one)
        for key, own in of_reports.items():
            self._tell(own, key, merge=merge, revise=revise, import_id=import_id)
        self.reconciliation.settle()
        self._note_outcomes()

    def _tell(
        self,
        arrived: Sequence[Numbered],
        key: ReportKey,
        *,
        merge: Merge,
        revise: bool,
        import_id: int | None,
    ) -> None:
        (account_id, _), _ = key
        carrier_ids = self.reconciliation.carriers_of(key[0])
        try:
            told = self.reconciliation.tell(
                arrived, merge=merge, revise=revise, import_id=import_id
            )
        except Rejected as rejected:
            self.outcomes |= {one.position: rejection(rejected) for one in arrived}
            return
        for position, error in told.rejected.items():
            self.outcomes[position] = rejection(error)
        if told.winner is None:
            return
        self.winners[key] = told.winner
        self._keys_of[key[0]].append(key)
        if told.is_first:
            self._first.add(key)
        for carrier_id in carrier_ids | {told.winner.record.carrier_id}:
            if carrier_id:
                self._positions.setdefault((account_id, carrier_id), told.winner.position)

    def _note_outcomes(self) -> None:
        credits: dict[int, int] = defaultdict(int)
        for change in self.reconciliation.changes:
            credits[self._position_of(change)] += change.credits
        for key, winner in self.winners.items():
            self.outcomes[winner.position] = self._outcome(key, credits[winner.position])

    def _outcome(self, key: ReportKey, credits: int) -> Outcome:
        (_, call_id), _ = key
        followed = self.reconciliation.followed(key[0])
        told_by = [key_of_record(report.record) for report in followed.group.reports]
        if key not in told_by:  # our own file, which says nothing new
            result = Result.UNCHANGED
        elif key != told_by[0]:
            result = Result.LINKED
        elif followed.is_new:
            result = Result.CREATED
        elif followed.change.posting is not None:
            result = Result.CORRECTED
        elif key in self._first and len(told_by) > 1:
            result = Result.LINKED
        else:
            result = Result.UNCHANGED
        linked_to = "" if followed.call_id == call_id else followed.call_id
        return Outcome(result, credits, linked_to=linked_to)

    def _position_of(self, change: Change) -> int:
        """The record that caused ``change``: the one that counts, else another one of its call,
        else one with its carrier ID."""
        own = {key: self.winners[key].position for one in change.keys for key in self._keys_of[one]}
        if own:
            return own.get(key_of_record(change.winner), min(own.values()))
        account_id, _ = change.after.record.key
        for call in filter(None, (change.after, change.before)):
            carrier = account_id, call.record.carrier_id
            if carrier in self._positions:
                return self._positions[carrier]
        return min(winner.position for winner in self.winners.values())

    def store(self) -> dict[int, list[Posting]]:
        """Store it, with the locks of the calls held; return what is to be posted, by position."""
        postings: dict[int, list[Posting]] = defaultdict(list)
        for change, own in self.reconciliation.store():
            postings[self._position_of(change)] += own
        return postings

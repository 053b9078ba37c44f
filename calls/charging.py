"""Recording calls: rate each one, freeze its charge with it, post the credits.

`record_calls` writes calls, `try_calls` says what it would do, and `calls.withdrawing` alone takes
calls back. A call is charged exactly once, however often and in whatever order its records arrive,
also from several processes at a time and by several reporters. It refuses nothing that has
happened: only a record that nothing can price (unknown account, no plan) is rejected.

Locks are always taken in the same order, so that no two batches can wait for each other: accounts
whose calls may be linked, sorted; the keys of new calls, sorted; then rows of calls that change,
sorted; then balances, sorted.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from heapq import merge as merge_sorted

from django.db import transaction

from billing.garbage import no_collection
from billing.ledger import Posting
from billing.plans import movements
from calls import reports, stored
from calls.charges import Charges, charge_posting
from calls.linked_records import LinkedRecords
from calls.merging import Numbered, merged, revised, with_leg
from calls.models import OvertakenCall
from calls.outcomes import UNCHANGED, Outcome, Result, rejection
from calls.rated import RatedCall
from calls.reconciling import overtaken
from calls.records import LONG_CALL, CallKey, CallRecord, Note, Rejected, is_long
from calls.reporters import door
from calls.stored import Found, KnownAlreadyError, OvertakenError, StoredCall

__all__ = ["LONG", "Outcome", "Result", "record_calls", "try_calls"]

# Nobody loses so often against others.
ATTEMPTS_MAX = 20

LONG = Note(
    "ended_at",
    f"is more than {LONG_CALL // timedelta(hours=1)} hours after the start of the call; it "
    "counts in full, but check that it is true.",
)

OUTDONE = Note("call_id", "is repeated by a later record, which counts instead.")


@no_collection()
def record_calls(
    *,
    records: Sequence[CallRecord],
    now: datetime,
    reporter: str | None = None,
    are_legs: bool = False,
    revise: bool = False,
    import_id: int | None = None,
) -> list[Outcome]:
    """Record validated ``records`` of any accounts at ``now``; one outcome each, in their order.

    One transaction. Of several records of one call the last one counts, unless its ``revised_at``
    is older than what is known already; one that changes nothing, or comes too late, is unchanged,
    and so is one that a later one replaces, which a note says.
    A changed one is corrected: the difference is posted as a new entry at the call's own time.
    With ``are_legs`` a record does not replace what is known of its call but adds to it
    (`calls.legs`). A record that is of another call with the same ID is rejected by itself
    (`calls.merging`). With ``revise`` the records are the last word of their reporter about their
    calls: they may move them anywhere, and replace newer revisions and all legs. A call that is
    withdrawn comes again: its records are those of a new call. ``import_id`` is kept with what they
    change, so that it can be taken back (`calls.withdrawing`).

    ``reporter`` says whose records they are (`calls.reporters`); without it each record says so
    itself, and one that does not is of a file. One call that several reporters tell, by one call ID
    or by one carrier ID, is recorded and charged once, with the facts of the highest of them; the
    records of the others are linked to it (`calls.linking`).

    A call is rated by the tariff in force when it started; one from before the account's first
    subscription is history and costs nothing. A correction keeps the tariff frozen
    with the call, unless it moves the start. Booked through `billing.plans.movements`: billing
    cycles that are due begin first, so that the calls use their plan credits before any others.
    """
    attempts = 0
    while records:
        batch = _Batch(
            records, now, reporter=reporter, are_legs=are_legs, revise=revise, import_id=import_id
        )
        try:
            with transaction.atomic():
                batch.insert_new()
                batch.store(stored.lock(batch.changed))
                # The table of calls has decided what is new, and each correction has its own
                # number.
                movements.post(postings=batch.postings_in_order(), now=now, references_are_new=True)
        except KnownAlreadyError:
            # This ends: each attempt that fails has met a call that another process inserted in
            # the meantime, and the next one knows that call.
            continue
        except OvertakenError:  # another process linked or changed a call: decide again
            attempts += 1
            if attempts == ATTEMPTS_MAX:
                raise
            continue
        return batch.outcomes_in_order()
    return []


def try_calls(
    *,
    records: Sequence[CallRecord],
    now: datetime,
    reporter: str | None = None,
    are_legs: bool = False,
    revise: bool = False,
    import_id: int | None = None,
) -> list[Outcome]:
    """Return the outcomes that `record_calls` would have at ``now``. Writes and locks nothing."""
    if not records:
        return []
    batch = _Batch(
        records, now, reporter=reporter, are_legs=are_legs, revise=revise, import_id=import_id
    )
    batch.rate_new()
    batch.change(stored.read(batch.changed))
    return batch.outcomes_in_order()


class _Batch:
    """The records of one `record_calls`, while their transaction is open, or of one `try_calls`.

    Those of accounts in which calls may have to be linked are ``linked`` and decided apart. All
    others go without looking for other reporters.
    """

    def __init__(
        self,
        records: Sequence[CallRecord],
        now: datetime,
        *,
        reporter: str | None,
        are_legs: bool,
        revise: bool,
        import_id: int | None,
    ) -> None:
        self.now = now
        self.charges = Charges({record.account_id for record in records})
        self.merge = with_leg if are_legs else revised
        self.revise = revise
        self.import_id = import_id
        if reporter:
            self.records = [record._replace(notes=(), reporter=reporter) for record in records]
        else:
            self.records = [
                record._replace(notes=()) if record.notes else record for record in records
            ]
        self._are_legs = are_legs
        self._has_rare_values = any(one.carrier_id or one.reporter for one in self.records)
        self._notes = {
            position: notes
            for position, record in enumerate(records)
            if (notes := (*record.notes, LONG) if is_long(record) else record.notes)
        }
        self.outcomes = [UNCHANGED] * len(records)
        self.every: dict[CallKey, list[int]] = defaultdict(list)  # of the records of each call
        for position, record in enumerate(records):
            self.every[record.account_id, record.call_id].append(position)
        self.positions: Mapping[CallKey, Sequence[int]] = self.every  # of calls not linked
        self.known: dict[CallKey, CallRecord | None] = {}  # None where it is withdrawn
        self.linked: LinkedRecords | None = None
        self.overtaken: list[OvertakenCall] = []
        self._rejected: dict[int, Outcome] = {}  # by position
        self._postings: dict[int, list[Posting]] = {}

    def postings_in_order(self) -> list[Posting]:
        """What is to be booked, in the order of the records."""
        return [
            posting for position in sorted(self._postings) for posting in self._postings[position]
        ]

    def outcomes_in_order(self) -> list[Outcome]:
        """What became of each record. All records of a call that can't be rated are rejected."""
        if self.linked is not None:
            for position, outcome in self.linked.outcomes.items():
                self.outcomes[position] = outcome
        for position, notes in self._notes.items():
            self.outcomes[position] = self.outcomes[position]._replace(notes=notes)
        for position, rejected in self._rejected.items():
            self.outcomes[position] = rejected
        if len(self.every) < len(self.records) and not self._are_legs:
            self._note_outdone()
        return self.outcomes

    def _note_outdone(self) -> None:
        """Note which records made no difference because a later one of their reporter did."""
        for positions in self.every.values():
            made_a_difference: set[str] = set()
            for position in reversed(positions):
                own_door = door(self.records[position].reporter)
                outcome = self.outcomes[position]
                if outcome.result is Result.UNCHANGED:
                    if own_door in made_a_difference:
                        notes = (*outcome.notes, OUTDONE)
                        self.outcomes[position] = outcome._replace(notes=notes)
                elif outcome.result is not Result.REJECTED:
                    made_a_difference.add(own_door)

    def insert_new(self) -> None:
        """Insert the calls that are not known yet, and learn the records of those that are.

        Raises KnownAlreadyError where another process has inserted one in the meantime.
        """
        self._find(lock=True)
        stored.insert(
            self._calls_to_insert(),
            recorded_at=self.now,
            with_rare_columns=self._has_rare_values or self.linked is not None,
        )
        self._count_created()

    def rate_new(self) -> None:
        """Do what `insert_new` does, and insert nothing."""
        self._find(lock=False)
        for _ in self._new_calls():
            pass
        self._count_created()

    def _find(self, *, lock: bool) -> None:
        found = stored.find(self.every)
        self.known = found.records
        accounts = self._accounts_to_link(found)
        if accounts:
            self._link(accounts, lock=lock)

    def _accounts_to_link(self, found: Found) -> set[int]:
        """The accounts of which a record may be of a call that another reporter tells."""
        accounts = found.accounts_with_reports
        if self._has_rare_values:
            accounts |= {record.account_id for record in self.records if record.carrier_id}
            accounts |= {key[0] for key, own in self.every.items() if len(self._doors(own)) > 1}
        return accounts | {
            key[0]
            for key, known in found.records.items()
            if known is not None and self._may_be_linked(known)
        }

    def _may_be_linked(self, known: CallRecord) -> bool:
        """Whether another reporter may tell the ``known`` call, or has told it."""
        if known.carrier_id:
            return True
        if not known.reporter and not self._has_rare_values:
            return False
        return self._doors(self.every[known.key]) != {door(known.reporter)}

    def _doors(self, positions: Sequence[int]) -> set[str]:
        return {door(self.records[position].reporter) for position in positions}

    def _link(self, accounts: set[int], *, lock: bool) -> None:
        if lock:
            reports.lock_accounts(accounts)
        self.positions = {key: own for key, own in self.every.items() if key[0] not in accounts}
        self.known = {key: one for key, one in self.known.items() if key[0] not in accounts}
        self.linked = LinkedRecords(
            [
                one
                for key, own in self.every.items()
                if key[0] in accounts
                for one in self._numbered(own)
            ],
            charges=self.charges,
            merge=self.merge,
            revise=self.revise,
            import_id=self.import_id,
            now=self.now,
        )
        for winner in self.linked.winners.values():
            self._flag(winner)

    def _count_created(self) -> None:
        for position, postings in self._postings.items():
            credits = -sum(posting.credits for posting in postings)
            self.outcomes[position] = Outcome(Result.CREATED, credits)

    def _calls_to_insert(self) -> Iterator[tuple[RatedCall, int | None]]:
        """All new calls with the import that brings each, in the order in which every process
        inserts."""
        own = ((call, self.import_id) for call in self._new_calls())
        if self.linked is None:
            return own
        linked = sorted(self.linked.reconciliation.new_calls, key=_key_of)
        return merge_sorted(own, linked, key=_key_of)

    def _new_calls(self) -> Iterator[RatedCall]:
        """Rate the new calls that are not linked, in order of their keys."""
        for key in sorted(self.positions.keys() - self.known.keys()):
            winner = self._winning_record(None, key)
            if winner is None:
                continue
            try:
                call = self.charges.rate(winner.record)
            except Rejected as rejected:
                self._reject(key, rejected)
                continue
            self._postings[winner.position] = [charge_posting(call, self.import_id)]
            self._flag(winner)
            yield call

    @property
    def changed(self) -> list[CallKey]:
        """The known calls whose latest record differs from what is stored, and linked ones."""
        changed = [key for key, known in self.known.items() if self._winning_record(known, key)]
        return changed + self.linked.reconciliation.changed if self.linked else changed

    def change(self, calls: Sequence[StoredCall]) -> list[StoredCall]:
        """Those of ``calls`` that change and are not linked, as they are to be stored, their
        differences posted. Raises OvertakenError where they have to be decided again."""
        changed = (self._changed(call) for call in calls if call.record.key in self.positions)
        return [call for call in changed if call is not None]

    def store(self, calls: Sequence[StoredCall]) -> None:
        """Store the known calls that change, which are locked."""
        stored.update(self.change(calls))
        OvertakenCall.objects.bulk_create(self.overtaken)
        if self.linked is not None:
            self.linked.reconciliation.check(
                call for call in calls if call.record.key not in self.positions
            )
            self._postings |= self.linked.store()

    def _changed(self, call: StoredCall) -> StoredCall | None:
        """``call`` as it is to be stored, its difference posted; None where nothing changes."""
        # Decided again, because another process may have changed the call in the meantime.
        known = call.standing
        if call.has_reports or (known is not None and self._may_be_linked(known)):
            raise OvertakenError
        winner = self._winning_record(known, call.record.key)
        if winner is None or winner.record == known:
            return None
        try:
            changed = self._again(call, winner) if known is None else self._corrected(call, winner)
        except Rejected as rejected:
            self._reject(call.record.key, rejected)
            return None
        if known is not None and call.import_id not in (None, self.import_id):
            self.overtaken.append(overtaken(call, by_import_id=self.import_id, at=self.now))
        return changed

    def _again(self, call: StoredCall, winner: Numbered) -> StoredCall:
        """A ``call`` that was withdrawn, as it comes again. Raises Rejected."""
        again, posting = self.charges.again(call, winner.record, self.import_id)
        self._post(winner, posting, Result.CREATED)
        return again

    def _corrected(self, call: StoredCall, winner: Numbered) -> StoredCall:
        """``call`` with what is known of it now. Raises Rejected."""
        corrected, posting = self.charges.corrected(
            call, winner.record, self.import_id, now=self.now
        )
        if posting is not None:  # else only its revision is newer, or the carrier's ID is
            self._post(winner, posting, Result.CORRECTED)
        return corrected

    def _post(self, winner: Numbered, posting: Posting, result: Result) -> None:
        self.outcomes[winner.position] = Outcome(result, -posting.credits)
        self._postings[winner.position] = [posting]
        self._flag(winner)

    def _numbered(self, positions: Sequence[int]) -> list[Numbered]:
        return [Numbered(position, self.records[position]) for position in positions]

    def _winning_record(self, known: CallRecord | None, key: CallKey) -> Numbered | None:
        """What stands once all records of the call are merged; None where ``known`` still does."""
        positions = self.positions[key]
        if known is None and len(positions) == 1 and not self._rejected:  # as nearly always
            return Numbered(positions[0], self.records[positions[0]])
        arrived = self._numbered(positions)
        winner, rejected = merged(known, arrived, self.merge, revise=self.revise)
        for position in positions:
            self._rejected.pop(position, None)  # what was decided before another process came
        for position, error in rejected.items():
            self._rejected[position] = rejection(error)
        return winner

    def _flag(self, winner: Numbered) -> None:
        """Note that a call is long whose records are not: they are its parts."""
        if is_long(winner.record):
            notes = self._notes.get(winner.position, ())
            if LONG not in notes:
                self._notes[winner.position] = (*notes, LONG)

    def _reject(self, key: CallKey, rejected: Rejected) -> None:
        for position in self.positions[key]:
            self._rejected.setdefault(position, rejection(rejected))


def _key_of(call: tuple[RatedCall, int | None]) -> CallKey:
    return call[0].record.key

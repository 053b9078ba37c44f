"""Recording calls: rate each one, freeze its charge with it, post the credits.

`record_calls` writes calls, `try_calls` says what it would do, and `calls.withdrawing` alone takes
calls back. A call is charged exactly once, however often and in whatever order its records arrive,
also from several processes at a time. It refuses nothing that has happened: only a record that
nothing can price (unknown account, no plan) is rejected.

Locks are always taken in the same order, so that no two batches can wait for each other:
the keys of new calls, sorted; then rows of calls that change, sorted; then accounts, sorted.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

from django.db import transaction

from billing.bulk import among
from billing.ledger import Posting, references
from billing.models import Account, Kind
from billing.plans import movements
from billing.plans.tariffs import NoTariffError, TariffBook
from calls import stored
from calls.changes import changes_between
from calls.merging import Numbered, merged, revised, with_leg
from calls.models import OvertakenCall
from calls.rated import RatedCall, rated
from calls.records import LONG_CALL, CallKey, CallRecord, Note, Rejected, is_long
from calls.stored import StoredCall


class Result(StrEnum):
    """What became of a record."""

    CREATED = "created"
    UNCHANGED = "unchanged"
    CORRECTED = "corrected"
    REJECTED = "rejected"


class Outcome(NamedTuple):
    """What became of a record, and the ``credits`` it used (negative: gave back).

    ``field`` and ``reason`` say why it was rejected; ``notes`` what else its sender should know.
    """

    result: Result
    credits: int = 0
    field: str = ""
    reason: str = ""
    notes: tuple[Note, ...] = ()


UNCHANGED = Outcome(Result.UNCHANGED)

LONG = Note(
    "ended_at",
    f"is more than {LONG_CALL // timedelta(hours=1)} hours after the start of the call; it "
    "counts in full, but check that it is true.",
)


def record_calls(
    *,
    records: Sequence[CallRecord],
    now: datetime,
    are_legs: bool = False,
    revise: bool = False,
    import_id: int | None = None,
) -> list[Outcome]:
    """Record validated ``records`` of any accounts at ``now``; one outcome each, in their order.

    One transaction. Of several records of one call the last one counts, unless its ``revised_at``
    is older than what is known already; one that changes nothing, or comes too late, is unchanged.
    A changed one is corrected: the difference is posted as a new entry at the call's own time.
    With ``are_legs`` a record does not replace what is known of its call but adds to it
    (`calls.legs`). A record that is of another call with the same ID is rejected by itself
    (`calls.merging`). With ``revise`` the records are the last word about their calls: they may
    move them anywhere, and replace newer revisions and all legs. A call that is withdrawn comes
    again: its records are those of a new call. ``import_id`` is kept with what they change, so that
    it can be taken back (`calls.withdrawing`).

    A call is rated by the tariff in force when it started; one from before the account's first
    subscription is history and costs nothing. A correction keeps the tariff frozen
    with the call, unless it moves the start. Booked through `billing.plans.movements`: billing
    cycles that are due begin first, so that the calls use their plan credits before any others.
    """
    if not records:
        return []
    batch = _Batch(records, now, are_legs=are_legs, revise=revise, import_id=import_id)
    with transaction.atomic():
        batch.insert_new()
        batch.store(batch.change(stored.lock(batch.changed)))
        # The table of calls has decided what is new, and each correction has its own number.
        movements.post(postings=batch.postings_in_order(), now=now, references_are_new=True)
    return batch.outcomes_in_order()


def try_calls(
    *,
    records: Sequence[CallRecord],
    now: datetime,
    are_legs: bool = False,
    revise: bool = False,
    import_id: int | None = None,
) -> list[Outcome]:
    """Return the outcomes that `record_calls` would have at ``now``. Writes and locks nothing."""
    if not records:
        return []
    batch = _Batch(records, now, are_legs=are_legs, revise=revise, import_id=import_id)
    batch.rate_new()
    batch.change(stored.read(batch.changed))
    return batch.outcomes_in_order()


class _Batch:
    """The records of one `record_calls`, while their transaction is open, or of one `try_calls`."""

    def __init__(
        self,
        records: Sequence[CallRecord],
        now: datetime,
        *,
        are_legs: bool,
        revise: bool,
        import_id: int | None,
    ) -> None:
        self.now = now
        self.book = TariffBook({record.account_id for record in records})
        self.merge = with_leg if are_legs else revised
        self.revise = revise
        self.import_id = import_id
        self.records = [record._replace(notes=()) if record.notes else record for record in records]
        self._notes = {
            position: notes
            for position, record in enumerate(records)
            if (notes := (*record.notes, LONG) if is_long(record) else record.notes)
        }
        self.outcomes = [UNCHANGED] * len(records)
        self.positions: dict[CallKey, list[int]] = defaultdict(list)  # of the records of each call
        for position, record in enumerate(records):
            self.positions[record.account_id, record.call_id].append(position)
        self.known: dict[CallKey, CallRecord | None] = {}  # None where it is withdrawn
        self.overtaken: list[OvertakenCall] = []
        self._rejected: dict[int, Outcome] = {}  # by position
        self._postings: dict[int, Posting] = {}

    @cached_property
    def existing_account_ids(self) -> set[int]:
        """Those of the accounts that exist."""
        account_ids = among({record.account_id for record in self.records})
        return set(Account.objects.filter(pk__in=account_ids).values_list("pk", flat=True))

    def postings_in_order(self) -> list[Posting]:
        """What is to be booked, in the order of the records."""
        return [self._postings[position] for position in sorted(self._postings)]

    def outcomes_in_order(self) -> list[Outcome]:
        """What became of each record. All records of a call that can't be rated are rejected."""
        for position, notes in self._notes.items():
            self.outcomes[position] = self.outcomes[position]._replace(notes=notes)
        for position, rejected in self._rejected.items():
            self.outcomes[position] = rejected
        return self.outcomes

    def insert_new(self) -> None:
        """Insert the calls that are not known yet, and learn the records of those that are.

        This ends: a round that fails has met a call that another process inserted in the
        meantime, and the next round knows that call.
        """
        inserted = False
        while not inserted:
            self._find()
            inserted = stored.insert(
                self._new_calls(), recorded_at=self.now, import_id=self.import_id
            )
        self._count_created()

    def rate_new(self) -> None:
        """Do what `insert_new` does, and insert nothing."""
        self._find()
        for _ in self._new_calls():
            pass
        self._count_created()

    def _find(self) -> None:
        self.known = stored.find(self.positions)
        self._postings.clear()

    def _count_created(self) -> None:
        for position, posting in self._postings.items():
            self.outcomes[position] = Outcome(Result.CREATED, -posting.credits)

    def _new_calls(self) -> Iterator[RatedCall]:
        """Rate the new calls, in the order in which every process inserts."""
        for key in sorted(self.positions.keys() - self.known.keys()):
            winner = self._winning_record(None, key)
            if winner is None:
                continue
            try:
                call = self._rate(winner.record)
            except Rejected as rejected:
                self._reject(key, rejected)
                continue
            self._postings[winner.position] = self._charge_posting(call)
            self._flag(winner)
            yield call

    @property
    def changed(self) -> list[CallKey]:
        """The known calls whose latest record differs from what is stored."""
        return [key for key, known in self.known.items() if self._winning_record(known, key)]

    def change(self, calls: Sequence[StoredCall]) -> list[StoredCall]:
        """Those of ``calls`` that change, as they are to be stored, their differences posted."""
        changed = (self._changed(call) for call in calls)
        return [call for call in changed if call is not None]

    def store(self, calls: Sequence[StoredCall]) -> None:
        """Store the known calls that change."""
        stored.update(calls)
        OvertakenCall.objects.bulk_create(self.overtaken)

    def _changed(self, call: StoredCall) -> StoredCall | None:
        """``call`` as it is to be stored, its difference posted; None where nothing changes."""
        # Decided again, because another process may have changed the call in the meantime.
        known = call.standing
        winner = self._winning_record(known, call.record.key)
        if winner is None or winner.record == known:
            return None
        try:
            changed = self._again(call, winner) if known is None else self._corrected(call, winner)
        except Rejected as rejected:
            self._reject(call.record.key, rejected)
            return None
        if known is not None:
            self._overtake(call)
        return changed._replace(import_id=self.import_id)

    def _again(self, call: StoredCall, winner: Numbered) -> StoredCall:
        """A ``call`` that was withdrawn, as it comes again. Raises Rejected."""
        again = call._replace(rated=self._rate(winner.record), withdrawn_at=None)
        number = call.times_withdrawn + 1
        posting = self._charge_posting(again.rated)._replace(
            reference=references.of_call_again(call.record.call_id, number)
        )
        self._post(winner, posting, Result.CREATED)
        return again

    def _corrected(self, call: StoredCall, winner: Numbered) -> StoredCall:
        """``call`` with what is known of it now. Raises Rejected."""
        if winner.record.facts == call.record.facts:  # only its revision is newer
            return call._replace(rated=call.rated._replace(record=winner.record))
        corrected = call._replace(
            corrections=call.corrections + 1, rated=self._rate_again(call, winner.record)
        )
        self._post(winner, self._correction_posting(call, corrected), Result.CORRECTED)
        return corrected

    def _post(self, winner: Numbered, posting: Posting, result: Result) -> None:
        self.outcomes[winner.position] = Outcome(result, -posting.credits)
        self._postings[winner.position] = posting
        self._flag(winner)

    def _overtake(self, call: StoredCall) -> None:
        """Note that ``call`` is no longer as the import left it that changed it last."""
        if call.import_id is not None and call.import_id != self.import_id:
            account_id, call_id = call.record.key
            overtaken = OvertakenCall(
                account_id=account_id,
                import_id=call.import_id,
                call_id=call_id,
                by_import_id=self.import_id,
                overtaken_at=self.now,
            )
            self.overtaken.append(overtaken)

    def _winning_record(self, known: CallRecord | None, key: CallKey) -> Numbered | None:
        """What stands once all records of the call are merged; None where ``known`` still does."""
        positions = self.positions[key]
        if known is None and len(positions) == 1 and not self._rejected:  # as nearly always
            return Numbered(positions[0], self.records[positions[0]])
        arrived = [Numbered(position, self.records[position]) for position in positions]
        winner, rejected = merged(known, arrived, self.merge, revise=self.revise)
        for position in positions:
            self._rejected.pop(position, None)  # what was decided before another process came
        for position, error in rejected.items():
            self._rejected[position] = _rejection(error)
        return winner

    def _flag(self, winner: Numbered) -> None:
        """Note that a call is long whose records are not: they are its parts."""
        if is_long(winner.record):
            notes = self._notes.get(winner.position, ())
            if LONG not in notes:
                self._notes[winner.position] = (*notes, LONG)

    def _reject(self, key: CallKey, rejected: Rejected) -> None:
        for position in self.positions[key]:
            self._rejected.setdefault(position, _rejection(rejected))

    def _rate(self, record: CallRecord) -> RatedCall:
        """Rate ``record`` by the tariff in force when it started. Raises Rejected."""
        try:
            price = self.book.price_at(record.account_id, record.started_at)
        except NoTariffError as error:
            if record.account_id not in self.existing_account_ids:
                raise Rejected("account", "does not exist.") from None
            raise Rejected(
                "account", f"can't be charged: {error}. Put it on a plan, then try again."
            ) from None
        return rated(record, price.plan_name, price.tariff, is_history=price.is_history)

    def _rate_again(self, call: StoredCall, record: CallRecord) -> RatedCall:
        """By the frozen tariff. A call that started at another time is priced anew, and so is one
        that is history no longer, or has become it."""
        frozen = call.rated
        is_history = self.book.is_history(record.account_id, record.started_at)
        if record.started_at != call.record.started_at or is_history != frozen.is_history:
            return self._rate(record)
        return rated(record, frozen.plan_name, frozen.tariff, is_history=is_history)

    def _charge_posting(self, call: RatedCall) -> Posting:
        record, charge = call.record, call.charge
        return Posting(
            account_id=record.account_id,
            kind=Kind.CALL,
            credits=-charge.credits,
            reference=references.of_call(record.call_id),
            occurred_at=record.started_at,
            remarks=record.remarks,
            call_id=record.call_id,
            usage_type=record.usage_type,
            agent=record.agent,
            billed_seconds=charge.billed_seconds,
            billable_us=charge.billable_us,
            increment_seconds=call.tariff.increment_seconds,
            call_status=record.status,
            import_id=self.import_id,
        )

    def _correction_posting(self, before: StoredCall, after: StoredCall) -> Posting:
        """The difference to ``before``, with the facts of the corrected call, at its time."""
        known, corrected = before.rated.charge, after.rated.charge
        return self._charge_posting(after.rated)._replace(
            kind=Kind.CORRECTION,
            credits=known.credits - corrected.credits,
            reference=references.of_correction(after.record.call_id, after.corrections),
            billed_seconds=corrected.billed_seconds - known.billed_seconds,
            changes=changes_between(before.rated, after.rated),
        )


def _rejection(rejected: Rejected) -> Outcome:
    return Outcome(Result.REJECTED, field=rejected.field, reason=rejected.reason)

"""Recording calls: rate each one, freeze its charge with it, post the credits.

`record_calls` is the only writer of calls. A call is charged exactly once, however often and in
whatever order its records arrive, also from several processes at a time. It refuses nothing that
has happened: only a record that nothing can price (unknown account, no plan) is rejected.

Locks are always taken in the same order, so that no two batches can wait for each other:
the keys of new calls, sorted; then rows of calls that change, sorted; then accounts, sorted.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

from django.db import IntegrityError, connection, transaction

from billing import ledger
from billing.bulk import Value, among, as_arrays, copy_rows
from billing.ledger import Posting, references
from billing.models import Account, Kind
from billing.plans.rating import MICROSECONDS_PER_SECOND, Charge, Tariff, UsageType, rate
from billing.plans.subscriptions import renew_due
from billing.plans.tariffs import NoTariffError, TariffBook
from calls import remarks
from calls.legs import joined
from calls.models import Call, Status
from calls.records import CallRecord, Rejected

FACT_COLUMNS = CallRecord._fields
CHARGE_COLUMNS = (
    "plan_name",
    "increment_seconds",
    "credits_per_increment",
    "billable_seconds",
    "billed_seconds",
    "increments",
    "credits",
)
NEW_COLUMNS = (*FACT_COLUMNS, *CHARGE_COLUMNS, "recorded_at", "corrections")
CHANGED_COLUMNS = ("corrections", *FACT_COLUMNS, *CHARGE_COLUMNS)

# Django's queries can't ask for many pairs at once, nor give many rows a value each.
# LIMIT keeps the planner at one look-up in the index for each: for a large batch it would rather
# read the whole table, as long as it believes the table to be small.
ASKED_FOR = """
    FROM unnest(%s::bigint[], %s::text[]) AS asked (account_id, call_id)
   CROSS JOIN LATERAL (
         SELECT * FROM calls_call stored
          WHERE stored.account_id = asked.account_id AND stored.call_id = asked.call_id LIMIT 1
         ) found
"""

LOCKING = "FOR NO KEY UPDATE OF calls_call"

CALL_ONCE = "call_once"  # the constraint: one row per account and call ID

Key: TypeAlias = tuple[int, str]  # account and call ID, which is how a CallRecord begins
Take: TypeAlias = Callable[[CallRecord, CallRecord], CallRecord | None]  # known, told -> new
Told: TypeAlias = tuple[int, CallRecord]  # a record with its position among those given


class Result(StrEnum):
    """What became of a record."""

    CREATED = "created"
    UNCHANGED = "unchanged"
    CORRECTED = "corrected"
    REJECTED = "rejected"


class Outcome(NamedTuple):
    """What became of a record, and the ``credits`` it used (negative: gave back).

    ``field`` and ``reason`` say why it was rejected.
    """

    result: Result
    credits: int = 0
    field: str = ""
    reason: str = ""


UNCHANGED = Outcome(Result.UNCHANGED)


class _Rated(NamedTuple):
    """A charge with what it was computed from."""

    plan_name: str
    tariff: Tariff
    charge: Charge


class _Stored(NamedTuple):
    """A call as the database has it."""

    id: int
    corrections: int
    record: CallRecord
    rated: _Rated


def record_calls(
    *, records: Sequence[CallRecord], now: datetime, are_legs: bool = False
) -> list[Outcome]:
    """Record validated ``records`` of any accounts at ``now``; one outcome each, in their order.

    One transaction. Of several records of one call the last one counts, unless its ``revised_at``
    is older than what is known already; one that changes nothing, or comes too late, is unchanged.
    A changed one is corrected: the difference is posted as a new entry at the call's own time.
    With ``are_legs`` a record does not replace what is known of its call but adds to it
    (`calls.legs`); one that is no part of that call is rejected.

    A call is rated by the tariff in force when it started. A correction keeps the tariff frozen
    with the call, unless it moves the start. Billing cycles that are due begin first, so that the
    calls use their plan credits before any others.
    """
    if not records:
        return []
    book = TariffBook({record.account_id for record in records})
    renew_due(book=book, now=now)
    with transaction.atomic():
        batch = _Batch(records, now, book, take=_with_leg if are_legs else _revised)
        batch.insert_new()
        batch.correct_changed()
        # The table of calls has decided what is new, and each correction has its own number.
        ledger.post(postings=batch.postings_in_order(), posted_at=now, references_are_new=True)
    return batch.outcomes_in_order()


class _Batch:
    """The records of one `record_calls`, while their transaction is open."""

    def __init__(
        self, records: Sequence[CallRecord], now: datetime, book: TariffBook, *, take: Take
    ) -> None:
        self.now = now
        self.book = book
        self.take = take
        self.records = records
        self.outcomes = [UNCHANGED] * len(records)
        self.told: dict[Key, list[Told]] = defaultdict(list)
        for position, record in enumerate(records):
            self.told[record[:2]].append((position, record))
        self.known: dict[Key, CallRecord] = {}
        self._rejected: dict[Key, Outcome] = {}
        self._postings: dict[int, Posting] = {}

    @cached_property
    def time_zones(self) -> dict[int, str]:
        """The names of the zones of those of the accounts that exist."""
        account_ids = among({record.account_id for record in self.records})
        return dict(Account.objects.filter(pk__in=account_ids).values_list("pk", "time_zone"))

    def postings_in_order(self) -> list[Posting]:
        """What is to be booked, in the order of the records."""
        return [self._postings[position] for position in sorted(self._postings)]

    def outcomes_in_order(self) -> list[Outcome]:
        """What became of each record. An earlier record of a rejected call is rejected with it."""
        if not self._rejected:
            return self.outcomes
        return [
            self._rejected.get(record.key, outcome)
            for record, outcome in zip(self.records, self.outcomes, strict=True)
        ]

    def insert_new(self) -> None:
        """Insert the calls that are not known yet, and learn the records of those that are.

        Ends: a round that is not the last one has met a call which another process inserted in
        the meantime, and the next one knows it.
        """
        while True:
            self.known = _known(self.told)
            self._postings.clear()
            try:
                with transaction.atomic():
                    copy_rows(Call, NEW_COLUMNS, self._new_rows())
            except IntegrityError as error:
                if CALL_ONCE not in str(error):
                    raise
            else:
                break
        for position, posting in self._postings.items():
            self.outcomes[position] = Outcome(Result.CREATED, -posting.credits)

    def _new_rows(self) -> Iterator[tuple[Value, ...]]:
        """Rate the new calls, in the order in which every process inserts; give NEW_COLUMNS."""
        recorded_at = str(self.now)  # once for all rows
        for key in sorted(self.told.keys() - self.known.keys()):
            counts = self._that_counts(None, key)
            if counts is None:
                continue
            position, record = counts
            try:
                rated = self._rate(record)
            except Rejected as rejected:
                self._reject(key, rejected)
                continue
            self._postings[position] = _charge_posting(record, rated)
            yield (*record, *_frozen(rated), recorded_at, 0)

    def correct_changed(self) -> None:
        """Change the known calls that their latest record tells differently."""
        changed = [key for key, known in self.known.items() if self._that_counts(known, key)]
        if not changed:
            return
        updates = []
        for stored in _locked(changed):
            # Asked again, because another process may have changed the call in the meantime.
            counts = self._that_counts(stored.record, stored.record.key)
            if counts is None or counts[1] == stored.record:
                continue
            position, revised = counts
            if revised.facts == stored.record.facts:  # only its revision is newer
                updates.append((stored.id, stored.corrections, *revised, *_frozen(stored.rated)))
                continue
            try:
                rated = self._rate_again(stored, revised)
            except Rejected as rejected:
                self._reject(stored.record.key, rejected)
                continue
            zone = ZoneInfo(self.time_zones[revised.account_id])
            posting = _correction_posting(stored, revised, rated, zone)
            updates.append((stored.id, stored.corrections + 1, *revised, *_frozen(rated)))
            self.outcomes[position] = Outcome(Result.CORRECTED, -posting.credits)
            self._postings[position] = posting
        _update(updates)

    def _that_counts(self, known: CallRecord | None, key: Key) -> Told | None:
        """Of the records told of a call, what stands in the end; None where ``known`` does.

        As if they came one by one, which decides between one without a revision and one with an
        old.
        """
        counts = None
        try:
            for position, record in self.told[key]:
                taken = record if known is None else self.take(known, record)
                if taken is not None:
                    known = taken
                    counts = (position, taken)
        except Rejected as rejected:
            self._reject(key, rejected)
            return None
        return counts

    def _reject(self, key: Key, rejected: Rejected) -> None:
        self._rejected[key] = Outcome(Result.REJECTED, field=rejected.field, reason=rejected.reason)

    def _rate(self, record: CallRecord) -> _Rated:
        """Rate ``record`` by the tariff in force when it started. Raises Rejected."""
        try:
            agreement = self.book.at(record.account_id, record.started_at)
        except NoTariffError as error:
            if record.account_id not in self.time_zones:
                raise Rejected("account", "does not exist.") from None
            raise Rejected(
                "account", f"can't be charged: {error}. Put it on a plan, then try again."
            ) from None
        return _rate(record, agreement.plan.name, agreement.tariff)

    def _rate_again(self, stored: _Stored, revised: CallRecord) -> _Rated:
        """By the frozen tariff; only a call that started at another time is priced anew."""
        if revised.started_at != stored.record.started_at:
            return self._rate(revised)
        return _rate(revised, stored.rated.plan_name, stored.rated.tariff)


def _revised(known: CallRecord, record: CallRecord) -> CallRecord | None:
    """``record`` as it takes the place of ``known``; None where it is older or says the same.

    The newest revision heard of is remembered, also when a record without one comes after it.
    """
    if known.revised_at is not None:
        if record.revised_at is None:
            record = record._replace(revised_at=known.revised_at)
        elif record.revised_at < known.revised_at:
            return None
    return None if record == known else record


def _with_leg(known: CallRecord, leg: CallRecord) -> CallRecord | None:
    """``known`` with ``leg`` added; None where that adds nothing. Raises Rejected."""
    whole = joined(known, leg)
    return None if whole == known else whole


def _rate(record: CallRecord, plan_name: str, tariff: Tariff) -> _Rated:
    charge = rate(
        tariff=tariff,
        usage_type=record.usage_type,
        started_at=record.started_at,
        connected_at=record.connected_at,
        ended_at=record.ended_at,
    )
    return _Rated(plan_name, tariff, charge)


def _frozen(rated: _Rated) -> tuple[Value, ...]:
    """The values of CHARGE_COLUMNS."""
    plan_name, tariff, charge = rated
    whole, rest = divmod(charge.billable_us, MICROSECONDS_PER_SECOND)
    return (
        plan_name,
        tariff.increment_seconds,
        tariff.credits_per_increment,
        f"{whole}.{rest:06d}",
        charge.billed_seconds,
        charge.increments,
        charge.credits,
    )


def _charge_posting(record: CallRecord, rated: _Rated) -> Posting:
    return Posting(
        account_id=record.account_id,
        kind=Kind.CALL,
        credits=-rated.charge.credits,
        reference=references.of_call(record.call_id),
        occurred_at=record.started_at,
        remarks=remarks.of_charge(record, rated.tariff, rated.charge),
        call_id=record.call_id,
        usage_type=record.usage_type,
        agent=record.agent,
        billed_seconds=rated.charge.billed_seconds,
    )


def _correction_posting(
    stored: _Stored, revised: CallRecord, rated: _Rated, zone: ZoneInfo
) -> Posting:
    """The difference, as usage of the corrected type and agent, at the corrected time."""
    old, new = stored.rated.charge, rated.charge
    return Posting(
        account_id=revised.account_id,
        kind=Kind.CORRECTION,
        credits=old.credits - new.credits,
        reference=references.of_correction(revised.call_id, stored.corrections + 1),
        occurred_at=revised.started_at,
        remarks=remarks.of_correction(
            before=stored.record,
            after=revised,
            billable_us=(old.billable_us, new.billable_us),
            credits=(old.credits, new.credits),
            zone=zone,
        ),
        call_id=revised.call_id,
        usage_type=revised.usage_type,
        agent=revised.agent,
        billed_seconds=new.billed_seconds - old.billed_seconds,
    )


def _known(keys: Collection[Key]) -> dict[Key, CallRecord]:
    """The records of the calls with these keys, as they are now, without a lock."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join(f'found.{name}' for name in FACT_COLUMNS)} {ASKED_FOR}",
            as_arrays(keys),
        )
        records = map(_record, cursor.fetchall())
        return {record.key: record for record in records}


def _locked(keys: Collection[Key]) -> list[_Stored]:
    """The calls with these keys, locked one after the other in order of the keys."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT {", ".join(FACT_COLUMNS)},
                   id, corrections, plan_name, increment_seconds, credits_per_increment,
                   (billable_seconds * 1000000)::bigint, increments, billed_seconds, credits
              FROM calls_call WHERE id = ANY(ARRAY(SELECT found.id {ASKED_FOR}))
             ORDER BY account_id, call_id
               {LOCKING}
            """,
            as_arrays(keys),
        )
        return [
            _Stored(
                id=row[12],
                corrections=row[13],
                record=_record(row[:12]),
                rated=_Rated(row[14], Tariff(row[15], row[16]), Charge(*row[17:])),
            )
            for row in cursor.fetchall()
        ]


def _record(row: tuple[Any, ...]) -> CallRecord:
    record = CallRecord(*row)
    return record._replace(usage_type=UsageType(record.usage_type), status=Status(record.status))


def _update(rows: Sequence[tuple[Value, ...]]) -> None:
    """Store changed calls; each row is the id, then the values of CHANGED_COLUMNS."""
    if not rows:
        return
    fields = [Call._meta.pk, *(Call._meta.get_field(name) for name in CHANGED_COLUMNS)]
    arrays = ", ".join(f"%s::{field.db_type(connection)}[]" for field in fields)
    changes = ", ".join(f"{name} = new.{name}" for name in CHANGED_COLUMNS)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE calls_call SET {changes}
              FROM unnest({arrays}) AS new (id, {", ".join(CHANGED_COLUMNS)})
             WHERE calls_call.id = new.id
            """,
            as_arrays(rows),
        )

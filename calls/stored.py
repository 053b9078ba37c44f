"""Calls as the database has them: finding, locking, inserting and updating many at once.

`calls.charging` decides what to store. Every column is read and written by its name.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple

from django.db import IntegrityError, connection, transaction

from billing.bulk import as_array, as_arrays, copy_rows
from billing.plans.rating import MICROSECONDS_PER_SECOND, Charge, Tariff, UsageType
from calls.models import Call, Status
from calls.records import STORED, CallKey, CallRecord


class RatedCall(NamedTuple):
    """What is known of a call, its charge, and what the charge was computed from.

    ``is_history``: it started before its account's first subscription, and costs no credits.
    """

    record: CallRecord
    plan_name: str
    tariff: Tariff
    charge: Charge
    is_history: bool

    @property
    def billable_seconds(self) -> str:
        """Exact to the microsecond, as the database writes it."""
        whole, rest = divmod(self.charge.billable_us, MICROSECONDS_PER_SECOND)
        return f"{whole}.{rest:06d}"


class StoredCall(NamedTuple):
    """A row of the table, ``corrections`` included: how often a later record changed the call."""

    id: int
    corrections: int
    rated: RatedCall

    @property
    def record(self) -> CallRecord:
        """What is known of the call."""
        return self.rated.record


# Where a RatedCall has the value of each column.
FACTS = {name: f"record.{name}" for name in STORED}
CHARGE = {
    "plan_name": "plan_name",
    "increment_seconds": "tariff.increment_seconds",
    "credits_per_increment": "tariff.credits_per_increment",
    "billable_seconds": "billable_seconds",
    "billed_seconds": "charge.billed_seconds",
    "increments": "charge.increments",
    "credits": "charge.credits",
    "is_history": "is_history",
}
RATED = FACTS | CHARGE

NEW_COLUMNS = (*RATED, "recorded_at", "corrections")
_values_of = attrgetter(*RATED.values())

CHANGED = {"corrections": "corrections"} | {name: f"rated.{path}" for name, path in RATED.items()}

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


def find(keys: Collection[CallKey]) -> dict[CallKey, CallRecord]:
    """Return the records of the calls with these keys, as they are now, without a lock."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join(f'found.{name}' for name in STORED)} {ASKED_FOR}",
            as_arrays(keys),
        )
        records = (_typed(CallRecord(*row)) for row in cursor.fetchall())
        return {record.key: record for record in records}


def lock(keys: Collection[CallKey]) -> list[StoredCall]:
    """Return the calls with these keys, locked one after the other in order of the keys."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT id, corrections, {", ".join(RATED)}
              FROM calls_call WHERE id = ANY(ARRAY(SELECT found.id {ASKED_FOR}))
             ORDER BY account_id, call_id
               {LOCKING}
            """,
            as_arrays(keys),
        )
        names = [column.name for column in cursor.description]
        return [_stored(dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


def insert(calls: Iterable[RatedCall], *, recorded_at: datetime) -> bool:
    """Insert new calls as they are made; return False, with none stored, if one is known already.

    Another process may have inserted it in the meantime.
    """
    at = str(recorded_at)  # once for all rows
    try:
        with transaction.atomic():
            copy_rows(Call, NEW_COLUMNS, ((*_values_of(call), at, 0) for call in calls))
    except IntegrityError as error:
        if CALL_ONCE not in str(error):
            raise
        return False
    return True


def update(calls: Sequence[StoredCall]) -> None:
    """Store calls that changed."""
    if not calls:
        return
    columns = {"id": "id"} | CHANGED
    fields = (Call._meta.get_field(name) for name in columns)
    arrays = ", ".join(f"%s::{field.db_type(connection)}[]" for field in fields)
    changes = ", ".join(f"{name} = new.{name}" for name in CHANGED)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE calls_call SET {changes}
              FROM unnest({arrays}) AS new ({", ".join(columns)})
             WHERE calls_call.id = new.id
            """,
            [as_array(map(attrgetter(path), calls)) for path in columns.values()],
        )


def _typed(record: CallRecord) -> CallRecord:
    return record._replace(usage_type=UsageType(record.usage_type), status=Status(record.status))


def _stored(row: dict[str, Any]) -> StoredCall:
    return StoredCall(
        id=row["id"],
        corrections=row["corrections"],
        rated=RatedCall(
            record=_typed(CallRecord(**{name: row[name] for name in FACTS})),
            plan_name=row["plan_name"],
            tariff=Tariff(
                increment_seconds=row["increment_seconds"],
                credits_per_increment=row["credits_per_increment"],
            ),
            charge=Charge(
                billable_us=int(row["billable_seconds"] * MICROSECONDS_PER_SECOND),
                increments=row["increments"],
                billed_seconds=row["billed_seconds"],
                credits=row["credits"],
            ),
            is_history=row["is_history"],
        ),
    )

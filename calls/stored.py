"""Calls as the database has them: finding, locking, inserting and updating many at once.

`calls.charging` and `calls.withdrawing` decide what to store. Every column is read and written by
its name.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple

from django.db import IntegrityError, connection

from billing.bulk import as_array, as_arrays, copy_rows
from billing.kept_plans import kept
from billing.plans.rating import MICROSECONDS_PER_SECOND, Charge, Tariff, UsageType
from calls.models import Call, Status
from calls.rated import RatedCall
from calls.records import STORED, CallKey, CallRecord


class OvertakenError(Exception):
    """Another process changed a call in the meantime: roll back, and decide again."""


class KnownAlreadyError(OvertakenError):
    """Another process inserted a call in the meantime. Whoever decides again knows that call."""


class StoredCall(NamedTuple):
    """A row of the table. One that is withdrawn has a charge of no credits.

    ``recorded_at`` is when its first record arrived.

    ``corrections``: how often a later record changed the call, in all of its lives, of which a
    withdrawal ends one. ``import_id``: the import that last changed it, None where a source did.
    ``has_reports``: `calls.reports` has rows that are linked to it. ``retold_at``: when it changed
    last without an entry.
    """

    id: int
    recorded_at: datetime
    corrections: int
    import_id: int | None
    withdrawn_at: datetime | None
    times_withdrawn: int
    has_reports: bool
    retold_at: datetime | None
    rated: RatedCall

    @property
    def record(self) -> CallRecord:
        """What is known of the call."""
        return self.rated.record

    @property
    def standing(self) -> CallRecord | None:
        """What a later record of the call is merged with: nothing where the call is withdrawn."""
        return self.record if self.withdrawn_at is None else None


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

# Nothing, of most calls: only written where one of a batch has any.
RARE = ("carrier_id", "reporter", "numbers_deleted")
COMMON = {name: path for name, path in RATED.items() if name not in RARE}
NEW_COLUMNS = (*COMMON, "recorded_at", "corrections", "import_id")
_values_of = attrgetter(*COMMON.values())
_rare_values_of = attrgetter(*(RATED[name] for name in RARE))

OWN = ("corrections", "import_id", "withdrawn_at", "times_withdrawn", "has_reports", "retold_at")
CHANGED = {name: name for name in OWN} | {name: f"rated.{path}" for name, path in RATED.items()}

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


class Found(NamedTuple):
    """What is known: the ``records`` of calls, None for one that is withdrawn, because its row is
    there and nothing stands; and which accounts have calls that several reporters tell."""

    records: dict[CallKey, CallRecord | None]
    accounts_with_reports: set[int]


_FIND = kept(
    f"""
    SELECT {", ".join(f"found.{name}" for name in STORED)},
           found.withdrawn_at IS NULL AS stands {ASKED_FOR}
     UNION ALL
    SELECT account_id, {", ".join(["NULL"] * len(STORED))}
      FROM unnest(%s::bigint[]) AS accounts (account_id)
     WHERE EXISTS (SELECT FROM calls_callreport report
                    WHERE report.account_id = accounts.account_id)
    """
)


def find(keys: Collection[CallKey]) -> Found:
    """Return what is known of the calls with these keys now, without a lock."""
    found = Found({}, set())
    with connection.cursor() as cursor:
        cursor.execute(
            _FIND,
            [*as_arrays(keys), as_array({account_id for account_id, _ in keys})],
        )
        for *facts, stands in cursor.fetchall():
            if stands is None:
                found.accounts_with_reports.add(facts[0])
                continue
            record = record_of(facts)
            found.records[record.key] = record if stands else None
    return found


def lock(keys: Collection[CallKey]) -> list[StoredCall]:
    """Return the calls with these keys, locked one after the other in order of the keys."""
    return _read(keys, LOCKING)


def read(keys: Collection[CallKey]) -> list[StoredCall]:
    """Return the calls with these keys, as they are now, without a lock."""
    return _read(keys)


def _read(keys: Collection[CallKey], locking: str = "") -> list[StoredCall]:
    return _select(f"SELECT found.id {ASKED_FOR}", as_arrays(keys), locking) if keys else []


def _select(ids: str, parameters: Sequence[str], locking: str = "") -> list[StoredCall]:
    """Read the calls with these ``ids``, which are a query, in order of their keys."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT id, recorded_at, {", ".join((*OWN, *RATED))}
              FROM calls_call WHERE id = ANY(ARRAY({ids}))
             ORDER BY account_id, call_id
               {locking}
            """,
            parameters,
        )
        names = [column.name for column in cursor.description]
        return [_stored(dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


def read_related(
    keys: Collection[CallKey], carriers: Collection[tuple[int, str]], *, limit: int
) -> list[StoredCall]:
    """Return the calls with these keys, and those that stand with these carrier IDs, without a
    lock. At most ``limit`` of each carrier ID."""
    found, parameters = [], []
    if keys:
        found.append(f"SELECT found.id {ASKED_FOR}")
        parameters += as_arrays(keys)
    if carriers:
        found.append(
            f"""
            SELECT own.id FROM unnest(%s::bigint[], %s::text[]) AS asked (account_id, carrier_id)
             CROSS JOIN LATERAL (
                   SELECT id FROM calls_call stored
                    WHERE stored.account_id = asked.account_id
                      AND stored.carrier_id = asked.carrier_id AND stored.carrier_id <> ''
                      AND stored.withdrawn_at IS NULL LIMIT {limit}) own
            """
        )
        parameters += as_arrays(carriers)
    return _select(" UNION ".join(found), parameters) if found else []


def of_import(*, account_id: int, import_id: int, limit: int) -> list[CallKey]:
    """Keys of calls that the import was the last to change and that stand, at most ``limit``."""
    calls = Call.objects.filter(
        account_id=account_id, import_id=import_id, withdrawn_at__isnull=True
    )
    return list(calls.order_by().values_list("account_id", "call_id")[:limit])


def insert(
    calls: Iterable[tuple[RatedCall, int | None]],
    *,
    recorded_at: datetime,
    with_rare_columns: bool = True,
) -> None:
    """Insert new calls as they are made. Raises KnownAlreadyError if one is known already: then the
    transaction can't go on.

    With each call comes the import that brings it. Without `RARE` columns these are left empty.
    """
    at = str(recorded_at)  # once for all rows
    rows: Iterable[tuple[Any, ...]]
    if with_rare_columns:
        columns = (*NEW_COLUMNS, *RARE)
        rows = (
            (*_values_of(call), at, 0, import_id, *_rare_values_of(call))
            for call, import_id in calls
        )
    else:
        columns = NEW_COLUMNS
        rows = ((*_values_of(call), at, 0, import_id) for call, import_id in calls)
    try:
        copy_rows(Call, columns, rows)
    except IntegrityError as error:
        if CALL_ONCE not in str(error):
            raise
        raise KnownAlreadyError from error


def mark_with_reports(keys: Collection[CallKey]) -> None:
    """Note of calls that were just inserted that they have reports."""
    if keys:
        ids = [call.id for call in read(keys)]
        Call.objects.filter(pk__in=ids).update(has_reports=True)


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


def record_of(facts: Iterable[Any]) -> CallRecord:
    """The record that values of the columns `STORED` are, in their order."""
    record = CallRecord(*facts)
    return record._replace(usage_type=UsageType(record.usage_type), status=Status(record.status))


def _stored(row: dict[str, Any]) -> StoredCall:
    return StoredCall(
        id=row["id"],
        recorded_at=row["recorded_at"],
        **{name: row[name] for name in OWN},
        rated=RatedCall(
            record=record_of(row[name] for name in FACTS),
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

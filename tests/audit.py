"""The whole audit: the list of invariants is that of the command `audit_ledger`.

After a test the ledger is so small that asking takes longer than reading. So all the invariants
that are SQL are asked at once, by a statement that each connection prepares once.
"""

from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

from django.db import connection, transaction

from billing.ledger.audit import INVARIANTS as LEDGER
from billing.ledger.audit import PLANNED_FOR_ALL_ROWS, Breach, Invariant, Statement
from calls.management.commands.audit_ledger import INVARIANTS as WHOLE

__all__ = ["LEDGER", "WHOLE", "breaches"]

_prepared: WeakKeyDictionary[Any, dict[str, str]] = WeakKeyDictionary()  # names by text


def breaches(invariants: Iterable[Invariant] = WHOLE) -> list[str]:
    """Everything that the audit finds, as text."""
    proofs = [invariant() for invariant in invariants]
    statements = [proof for proof in proofs if isinstance(proof, Statement)]
    others = [proof for proof in proofs if not isinstance(proof, Statement)]
    return [str(breach) for found in (_at_once(statements), *others) for breach in found]


def _at_once(statements: Sequence[Statement]) -> list[Breach]:
    """What each of ``statements`` finds, in one round trip."""
    if not statements:
        return []
    numbers = count(1)
    parts = []
    for position, statement in enumerate(statements):
        sql = statement.sql
        if statement.parameters is not None:
            sql %= tuple(f"${next(numbers)}" for _ in statement.parameters)
        parts.append(f"SELECT {position} AS position, * FROM ({sql}) AS s{position} (of, at, what)")
    parameters = [value for each in statements for value in each.parameters or ()]
    text = f"""
        SELECT position, coalesce(account.slug, 'id ' || found.of), at, what
          FROM ({" UNION ALL ".join(parts)}) AS found
          LEFT JOIN billing_account account ON account.id = found.of
         ORDER BY position, found.of, at
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"{PLANNED_FOR_ALL_ROWS}; SET LOCAL plan_cache_mode = force_generic_plan")
        names = _prepared.setdefault(connection.connection, {})
        if text not in names:
            names[text] = f"audit_{len(names)}"
            cursor.execute(f"PREPARE {names[text]} AS {text}")
        given = f"({', '.join(['%s'] * len(parameters))})" if parameters else ""
        cursor.execute(f"EXECUTE {names[text]}{given}", parameters)
        return [Breach(statements[at].invariant, *found) for at, *found in cursor.fetchall()]

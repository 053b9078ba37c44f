"""The one exception to an append-only ledger: values that may not be kept are taken out of what
corrections say. Nothing that a sum, a balance or a charge is made of is touched.
"""

import json
from collections.abc import Collection

import pgtrigger
from django.db import connection

from billing.bulk import as_array
from billing.models import LedgerEntry

DELETED = [None, None]  # in place of the value before and after


def forget_values(*, account_id: int, call_ids: Collection[str], names: Collection[str]) -> int:
    """Delete the values of the changes ``names`` from the entries of these calls of an account.

    Which of them changed stays known. Returns of how many entries.
    """
    if not call_ids:
        return 0
    with (
        pgtrigger.ignore(f"{LedgerEntry._meta.label}:append_only"),
        connection.cursor() as cursor,
    ):
        # pgtrigger puts a statement of its own before this one, with a value in its place.
        cursor.execute(
            """
            UPDATE billing_ledgerentry entry
               SET changes = entry.changes || (
                       SELECT jsonb_object_agg(name, %s::jsonb)
                         FROM unnest(%s::text[]) AS named (name) WHERE entry.changes ? name)
              FROM unnest(%s::text[]) AS asked (call_id)
             WHERE entry.account_id = %s
               AND upper(entry.call_id) = upper(asked.call_id COLLATE "C")
               AND entry.call_id = asked.call_id AND entry.call_id <> ''
               AND entry.changes ?| %s::text[]
            """,
            [json.dumps(DELETED), as_array(names), as_array(call_ids), account_id, as_array(names)],
        )
        return int(cursor.rowcount)

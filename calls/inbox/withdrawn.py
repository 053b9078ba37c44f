"""Calls that were withdrawn, and that their sources tell again by themselves.

A withdrawal stands: whatever a platform repeats, corrects, or still has in its list does not charge
a call again that somebody took back. It comes again when somebody has it recorded: on the page of
its source, from a file, or by a program. Rule: "How credits are consumed", 12.

What a file brought, and its import took away again, says nothing of what sources tell.
"""

from collections.abc import Sequence
from datetime import timedelta

from django.db import connection

from billing.bulk import as_array, as_arrays
from calls.merging import MOVE_MAX
from calls.records import CallKey, CallRecord

APART_MAX = f"interval '{MOVE_MAX // timedelta(seconds=1)} s'"

# Nearly always none: so only a few are ever asked for one by one.
ALIKE = """
    SELECT call_id, carrier_id FROM calls_call
     WHERE withdrawn_at IS NOT NULL AND account_id = ANY (%s::bigint[])
       AND (call_id = ANY (%s::text[]) OR carrier_id <> '' AND carrier_id = ANY (%s::text[]))
"""

# LIMIT and OFFSET keep the planner at look-ups in indexes, as in `calls.stored`.
WITHDRAWN = f"""
    SELECT asked.account_id, asked.call_id
      FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::timestamptz[])
        AS asked (account_id, call_id, carrier_id, reporter, started_at)
      LEFT JOIN LATERAL (
           SELECT * FROM calls_call stored
            WHERE stored.account_id = asked.account_id AND stored.call_id = asked.call_id LIMIT 1
           ) own ON true
     WHERE own.withdrawn_at IS NOT NULL
       AND own.import_id IS NULL
       AND own.started_at - asked.started_at BETWEEN -{APART_MAX} AND {APART_MAX}
       AND NOT EXISTS (
           SELECT FROM calls_callreport report
            WHERE report.account_id = asked.account_id AND report.call_id = asked.call_id OFFSET 0)
        OR own.id IS NULL
       AND asked.carrier_id <> ''
       AND (SELECT coalesce(bool_and(
                       same.withdrawn_at IS NOT NULL
                       AND same.import_id IS NULL
                       AND same.reporter <> asked.reporter
                       AND same.started_at - asked.started_at
                           BETWEEN -{APART_MAX} AND {APART_MAX}), false)
              FROM (SELECT * FROM calls_call stored
                     WHERE stored.account_id = asked.account_id AND stored.carrier_id <> ''
                       AND stored.carrier_id = asked.carrier_id OFFSET 0) same)
"""


def withdrawn_calls(records: Sequence[CallRecord]) -> set[CallKey]:
    """The keys of those ``records`` whose calls are withdrawn; one query, or two.

    A call is known by its ID, unless it turned out to be another one, which counts; and by its
    carrier's ID, where another reporter told it. One that started more than 24 hours away has an ID
    that is used again: that is another call.
    """
    if not records:
        return set()
    ids = {record.call_id for record in records}
    carriers = {record.carrier_id for record in records} - {""}
    accounts = {record.account_id for record in records}
    with connection.cursor() as cursor:
        cursor.execute(ALIKE, [as_array(each) for each in (accounts, ids, carriers)])
        found = cursor.fetchall()
        told = {call_id for call_id, _ in found}, {carrier_id for _, carrier_id in found} - {""}
        asked = [
            (one.account_id, one.call_id, one.carrier_id, one.reporter, one.started_at)
            for one in (records if found else ())
            if one.call_id in told[0] or one.carrier_id in told[1]
        ]
        if not asked:
            return set()
        cursor.execute(WITHDRAWN, as_arrays(asked))
        return set(cursor.fetchall())

"""Calls that were withdrawn, and that their sources tell again by themselves.

A withdrawal stands: whatever a platform repeats, corrects, or still has in its list does not charge
a call again that somebody took back. It comes again when somebody has it recorded: on the page of
its source, from a file, or by a program. Rule: "How credits are consumed", 12.

What a file brought, and its import took away again, says nothing of what sources tell.
"""

from collections.abc import Sequence

from django.db import connection

from billing.bulk import as_arrays
from calls.merging import MOVE_MAX
from calls.records import CallKey, CallRecord

# LIMIT and OFFSET keep the planner at look-ups in indexes, as in `calls.stored`.
WITHDRAWN = """
    SELECT asked.account_id, asked.call_id
      FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::timestamptz[])
        AS asked (account_id, call_id, carrier_id, reporter, started_at)
      LEFT JOIN LATERAL (
           SELECT * FROM calls_call stored
            WHERE stored.account_id = asked.account_id AND stored.call_id = asked.call_id LIMIT 1
           ) own ON true
     WHERE own.withdrawn_at IS NOT NULL
       AND own.import_id IS NULL
       AND own.started_at BETWEEN asked.started_at - %s AND asked.started_at + %s
       AND NOT EXISTS (
           SELECT FROM calls_callreport report
            WHERE report.account_id = asked.account_id AND report.call_id = asked.call_id OFFSET 0)
        OR own.id IS NULL
       AND asked.carrier_id <> ''
       AND (SELECT coalesce(bool_and(
                       same.withdrawn_at IS NOT NULL
                       AND same.import_id IS NULL
                       AND same.reporter <> asked.reporter
                       AND same.started_at
                           BETWEEN asked.started_at - %s AND asked.started_at + %s), false)
              FROM (SELECT * FROM calls_call stored
                     WHERE stored.account_id = asked.account_id AND stored.carrier_id <> ''
                       AND stored.carrier_id = asked.carrier_id OFFSET 0) same)
"""


def withdrawn_calls(records: Sequence[CallRecord]) -> set[CallKey]:
    """The keys of those ``records`` whose calls are withdrawn; one query.

    A call is known by its ID, unless it turned out to be another one, which counts; and by its
    carrier's ID, where another reporter told it. One that started more than 24 hours away has an ID
    that is used again: that is another call.
    """
    if not records:
        return set()
    asked = as_arrays(
        (record.account_id, record.call_id, record.carrier_id, record.reporter, record.started_at)
        for record in records
    )
    with connection.cursor() as cursor:
        cursor.execute(WITHDRAWN, [*asked, *[MOVE_MAX] * 4])
        return set(cursor.fetchall())

"""What must always be true of calls that several reporters tell: one function an invariant.

The same kind of functions as `calls.audit`. Rule: "How credits are consumed", 9.
"""

from collections.abc import Iterator

from billing.ledger.audit import Breach, Invariant, breaches_of
from calls.merging import MOVE_MAX
from calls.records import STORED
from calls.reporters import rank_sql
from calls.reports import CARRIER_CALLS_MAX

_FACTS = [name for name in STORED if name not in ("account_id", "call_id", "carrier_id")]


def reports_lead_to_a_call() -> Iterator[Breach]:
    """Every report is linked to a call that stands and says that it has reports, and the other way
    round."""
    return breaches_of(
        "reports",
        """
        SELECT report.account_id, format('report of %s by "%s"', report.call_id, report.reporter),
               format('is linked to call %s, which %s', report.linked_call_id,
                      CASE WHEN call.id IS NULL THEN 'is not there'
                           WHEN call.withdrawn_at IS NOT NULL THEN 'is withdrawn'
                           ELSE 'does not say so' END)
          FROM calls_callreport report
          LEFT JOIN calls_call call
                 ON call.account_id = report.account_id AND call.call_id = report.linked_call_id
         WHERE call.id IS NULL OR call.withdrawn_at IS NOT NULL OR NOT call.has_reports
         UNION ALL
        SELECT account_id, format('call %s', call_id), 'says that it has reports, and has none'
          FROM calls_call call
         WHERE has_reports
           AND NOT EXISTS (SELECT FROM calls_callreport report
                            WHERE report.account_id = call.account_id
                              AND report.linked_call_id = call.call_id)
        """,
    )


def the_highest_report_counts() -> Iterator[Breach]:
    """A call has the facts that the highest of its reporters tells, unless the account's calls are
    just following another order: `calls.ordering`."""
    told = ", ".join(f"told.{name}" for name in _FACTS)
    counted = ", ".join(f"call.{name}" for name in _FACTS)
    return breaches_of(
        "highest",
        f"""
        SELECT call.account_id, format('call %s', call.call_id),
               format('has facts that are not those of the highest report, of %s by "%s"',
                      told.call_id, told.reporter)
          FROM calls_call call
          JOIN (SELECT DISTINCT ON (report.account_id, report.linked_call_id) report.*
                  FROM calls_callreport report
                  LEFT JOIN calls_callsource source
                         ON report.reporter = 'source:' || source.id
                 ORDER BY report.account_id, report.linked_call_id,
                          {rank_sql("report.reporter", "source.id", "source.position")},
                          report.call_id
               ) told ON told.account_id = call.account_id AND told.linked_call_id = call.call_id
         WHERE ({told}) IS DISTINCT FROM ({counted})
           AND NOT EXISTS (SELECT FROM calls_orderchange change
                            WHERE change.account_id = call.account_id
                              AND change.finished_at IS NULL)
        """,
    )


def calls_are_counted_under_one_id() -> Iterator[Breach]:
    """No call counts whose ID is that of a report which is linked to another call."""
    return breaches_of(
        "one ID",
        """
        SELECT call.account_id, format('call %s', call.call_id),
               format('counts, and is linked to call %s too', report.linked_call_id)
          FROM calls_callreport report
          JOIN calls_call call USING (account_id, call_id)
         WHERE report.linked_call_id <> call.call_id AND call.withdrawn_at IS NULL
        """,
    )


def calls_of_one_carrier_id_are_one() -> Iterator[Breach]:
    """No two calls count that have one carrier ID from different reporters: `calls.linking`."""
    hours = int(MOVE_MAX.total_seconds() // 3600)
    return breaches_of(
        "carrier ID",
        f"""
        SELECT account_id, format('carrier ID %s', carrier_id),
               format('%s calls of different reporters count', count(*))
          FROM (SELECT call.account_id, call.call_id, call.carrier_id, call.started_at,
                       EXISTS (SELECT FROM calls_callreport report
                                WHERE report.account_id = call.account_id
                                  AND report.linked_call_id = call.call_id
                                  AND report.call_id <> call.call_id) AS is_linked,
                       (SELECT count(*)
                          FROM calls_call other
                         WHERE other.account_id = call.account_id
                           AND other.carrier_id = call.carrier_id AND other.carrier_id <> ''
                           AND other.withdrawn_at IS NULL AND other.id <> call.id
                           AND (other.reporter = call.reporter OR EXISTS (
                                SELECT FROM calls_callreport one
                                 WHERE one.account_id = call.account_id
                                   AND (one.linked_call_id, one.reporter)
                                       IN ((call.call_id, other.reporter),
                                           (other.call_id, call.reporter))) OR EXISTS (
                                SELECT FROM calls_callreport one
                                  JOIN calls_callreport two USING (account_id, reporter)
                                 WHERE one.account_id = call.account_id
                                   AND one.linked_call_id = call.call_id
                                   AND two.linked_call_id = other.call_id))) AS alike
                  FROM calls_call call
                 WHERE call.carrier_id <> '' AND call.withdrawn_at IS NULL
                   AND EXISTS (SELECT FROM calls_call other
                                WHERE other.account_id = call.account_id
                                  AND other.carrier_id = call.carrier_id AND other.carrier_id <> ''
                                  AND other.withdrawn_at IS NULL AND other.id <> call.id)) call
         GROUP BY account_id, carrier_id
        HAVING count(*) < {CARRIER_CALLS_MAX // 4}
           AND (bool_or(is_linked)
                OR (max(alike) = 0
                    AND max(started_at) - min(started_at) <= interval '{hours} hours'))
        """,
    )


INVARIANTS: tuple[Invariant, ...] = (
    reports_lead_to_a_call,
    the_highest_report_counts,
    calls_are_counted_under_one_id,
    calls_of_one_carrier_id_are_one,
)

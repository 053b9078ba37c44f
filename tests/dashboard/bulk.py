"""Many calls at once, without the time that posting them would take.

Writes by SQL what `calls.charging` and `billing.ledger` would have written.
"""

from datetime import datetime

from django.db import connection

from billing.ledger import rebuild_daily_usage
from billing.models import Account, Balance


def insert_calls(account: Account, number: int, *, last_at: datetime, days: int = 7) -> None:
    """Insert ``number`` calls of 0 to 4 credits, evenly over ``days`` days up to ``last_at``."""
    Balance.objects.create(account=account)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO billing_ledgerentry (
                account_id, seq, kind, credits, balance_after, reference, occurred_at, posted_at,
                remarks, call_id, usage_type, agent, billed_seconds, billable_us,
                increment_seconds, call_status, plan_name
            )
            SELECT %(account)s, n, 'call', -(n %% 5), sum(-(n %% 5)) OVER (ORDER BY n),
                   'call:' || name, at, at, 'Call ' || n, name,
                   (ARRAY['outbound', 'inbound', 'translation'])[n %% 3 + 1],
                   (ARRAY['Asha', 'Ravi', ''])[n %% 7 %% 3 + 1], n %% 5 * 30,
                   n %% 5 * 30000000, 30,
                   CASE WHEN n %% 5 > 0 THEN 'completed' ELSE 'no_answer' END, ''
              FROM (
                    SELECT n, 'call-' || lpad(n::text, 9, '0') AS name,
                           %(last_at)s - (%(number)s - n) * (%(days)s * interval '1 day'
                              / %(number)s) AS at
                      FROM generate_series(1, %(number)s) AS n
                   ) AS call
            """,
            {"account": account.pk, "number": number, "last_at": last_at, "days": days},
        )
        cursor.execute(
            """
            INSERT INTO calls_call (
                account_id, call_id, usage_type, agent, from_number, to_number, started_at,
                connected_at, ended_at, status, remarks, plan_name, increment_seconds,
                credits_per_increment, billable_seconds, billed_seconds, increments, credits,
                is_history, recorded_at, corrections
            )
            SELECT account_id, call_id, usage_type, agent, '', '', occurred_at,
                   CASE WHEN credits < 0 THEN occurred_at END,
                   occurred_at + billed_seconds * interval '1 s',
                   call_status,
                   remarks, 'Professional', 30, 1, billed_seconds, billed_seconds, -credits,
                   -credits, false, posted_at, 0
              FROM billing_ledgerentry WHERE account_id = %(account)s
            """,
            {"account": account.pk},
        )
        cursor.execute(
            """
            UPDATE billing_balance SET last_seq = latest.seq, credits = latest.balance_after
              FROM (SELECT seq, balance_after FROM billing_ledgerentry
                     WHERE account_id = %(account)s ORDER BY seq DESC LIMIT 1) AS latest
             WHERE account_id = %(account)s
            """,
            {"account": account.pk},
        )
        cursor.execute(
            """
            INSERT INTO billing_debt (account_id, seq, credits)
            SELECT account_id, seq, -credits FROM billing_ledgerentry
             WHERE account_id = %(account)s AND credits < 0
            """,
            {"account": account.pk},
        )
        cursor.execute("ANALYZE billing_ledgerentry, billing_dailyusage")
    rebuild_daily_usage(account=account)

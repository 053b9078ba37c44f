"""Many calls at once, without the time that posting them would take.

Writes by SQL what `billing.ledger` would have written, and no records of the calls.
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
                remarks, call_id, usage_type, agent, billed_seconds
            )
            SELECT %(account)s, n, 'call', -(n %% 5), sum(-(n %% 5)) OVER (ORDER BY n),
                   'call:' || n, at, at, 'Call ' || n, 'call-' || lpad(n::text, 9, '0'),
                   (ARRAY['outbound', 'inbound', 'translation'])[n %% 3 + 1],
                   (ARRAY['Asha', 'Ravi', ''])[n %% 7 %% 3 + 1], n %% 5 * 30
              FROM (
                    SELECT n, %(last_at)s - (%(number)s - n) * (%(days)s * interval '1 day'
                              / %(number)s) AS at
                      FROM generate_series(1, %(number)s) AS n
                   ) AS call
            """,
            {"account": account.pk, "number": number, "last_at": last_at, "days": days},
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
        cursor.execute("ANALYZE billing_ledgerentry, billing_dailyusage")
    rebuild_daily_usage(account=account)

"""What the calls of a period would be charged with other billing increments: exact, by one query.

Rule: "How credits are consumed", 1 to 3: each connected call is rounded up to whole increments by
itself, so no sum of times can tell it.

What it costs is bounded. Calls of the same billable time are counted first, so each increment that
is asked for adds a division for each different time and not for each call; and at most `CALLS_MAX`
calls are read, the latest ones. Where there are more, what they tell is taken times as many as
there are, and said to be an estimate.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from django.db import connection
from django.db.models import Sum

from billing.models import Account, DailyUsage, Kind
from calls.models import Status
from calls.usage.periods import Period

CALLS_MAX = 200_000


@dataclass(frozen=True, slots=True)
class BillableCalls:
    """The connected calls of a period that count.

    ``increments`` are how many each length of an increment, in seconds, makes of them.
    ``is_estimate``: there are more than `CALLS_MAX` calls, so all numbers are by those.
    """

    calls: int
    billable_us: int
    increments: Mapping[int, int]
    is_estimate: bool = False


def billable_calls(
    *, account: Account, period: Period, increments_seconds: Collection[int]
) -> BillableCalls:
    """Count the calls of ``period`` in increments of each of ``increments_seconds``; one query, and
    one of the counts by day where there are more than `CALLS_MAX` calls.

    A call is in the period where the log shows its charge, with the facts that it has by now. Those
    that are withdrawn, were never connected, or are history are left out.
    """
    read, counted = _read(account, period, increments_seconds)
    if read < CALLS_MAX:
        return counted
    days = DailyUsage.objects.filter(
        account=account, kind=Kind.CALL, day__range=(period.first_day, period.last_day)
    )
    part = max(Fraction(1), Fraction(int(days.aggregate(all=Sum("calls"))["all"] or 0), read))
    return BillableCalls(
        calls=ceil(counted.calls * part),
        billable_us=ceil(counted.billable_us * part),
        increments={seconds: ceil(number * part) for seconds, number in counted.increments.items()},
        is_estimate=True,
    )


def _read(
    account: Account, period: Period, increments_seconds: Collection[int]
) -> tuple[int, BillableCalls]:
    """How many charges were read, and what they are."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH charge AS MATERIALIZED (
                SELECT call_id, billable_us, call_status, occurred_at FROM billing_ledgerentry
                 WHERE account_id = %(account)s AND kind = %(call)s
                   AND occurred_at < %(ends_at)s
                   AND occurred_at >= GREATEST(%(starts_at)s, (
                       SELECT min(effective_from) FROM billing_subscription
                        WHERE account_id = %(account)s))
                 ORDER BY occurred_at DESC, id DESC LIMIT %(calls_max)s
            ), changed AS MATERIALIZED (
                -- At the time of the corrected call, which without a newer revision is at most a
                -- day from the one before.
                SELECT DISTINCT call_id FROM billing_ledgerentry
                 WHERE account_id = %(account)s AND kind = ANY (%(changes)s) AND kind <> %(call)s
                   AND occurred_at >= (SELECT min(occurred_at) FROM charge) - interval '1 day'
            ), lasting AS (
                SELECT billable_us, count(*) AS calls FROM charge
                 WHERE call_status = %(completed)s
                   AND NOT EXISTS (SELECT FROM changed WHERE changed.call_id = charge.call_id)
                 GROUP BY billable_us
                UNION ALL
                SELECT (call.billable_seconds * 1000000)::bigint, count(*)
                  FROM (SELECT DISTINCT call_id FROM charge JOIN changed USING (call_id)) AS again
                  JOIN calls_call AS call
                    ON call.account_id = %(account)s AND call.call_id = again.call_id
                 WHERE call.status = %(completed)s AND call.withdrawn_at IS NULL
                   AND NOT call.is_history
                 GROUP BY 1
            ), increment AS (
                SELECT seconds, seconds * 1000000 AS us
                  FROM unnest(%(seconds)s::bigint[]) AS seconds
            )
            SELECT (SELECT count(*) FROM charge), seconds,
                   sum(calls)::bigint, sum(calls * billable_us)::bigint,
                   sum(calls * GREATEST(1, (billable_us + us - 1) / us))::bigint
              FROM increment LEFT JOIN lasting ON true
             GROUP BY seconds
            """,
            {
                "account": account.pk,
                "call": Kind.CALL.value,
                "changes": [Kind.CORRECTION.value, Kind.WITHDRAWAL.value],
                "completed": Status.COMPLETED.value,
                "starts_at": period.starts_at,
                "ends_at": period.ends_at,
                "calls_max": CALLS_MAX,
                "seconds": sorted(set(increments_seconds)),
            },
        )
        rows = cursor.fetchall()
    increments = {seconds: number or 0 for _, seconds, _, _, number in rows}
    read, _, calls, billable_us, _ = rows[0] if rows else (0, 0, 0, 0, 0)
    return read, BillableCalls(calls or 0, billable_us or 0, increments)

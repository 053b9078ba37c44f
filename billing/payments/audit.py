"""What must always be true between the ledger and the money: top-ups, refunds and disputes.

Functions of the same kind as those of `billing.ledger.audit`, which proves the ledger by itself.
Nothing here writes or repairs.
"""

from collections.abc import Iterator

from billing.ledger import references
from billing.ledger.audit import Breach, Invariant, breaches_of


def top_ups_have_their_purchase() -> Iterator[Breach]:
    """Each top-up of the ledger is a purchase that was credited, and the other way round."""
    return breaches_of(
        "purchases",
        f"""
        SELECT coalesce(entry.account_id, bought.account_id),
               coalesce(format('entry %s (%s)', entry.seq, entry.reference),
                        format('purchase %s', bought.id)),
               CASE WHEN entry.id IS NULL THEN 'was credited, but has no entry'
                    WHEN bought.id IS NULL THEN 'belongs to no purchase that was credited'
                    ELSE format('adds %s credits, %s were bought',
                                entry.credits, bought.credits) END
          FROM (SELECT * FROM billing_ledgerentry
                 WHERE kind = 'top_up' AND NOT {references.is_refund_sql("reference")}) entry
          FULL JOIN (SELECT *, {references.of_top_up_sql("id")} AS reference FROM billing_topup
                      WHERE credited_at IS NOT NULL) bought
               ON bought.account_id = entry.account_id AND bought.reference = entry.reference
         WHERE entry.id IS NULL OR bought.id IS NULL OR entry.credits <> bought.credits
        """,
    )


def refunds_have_their_purchase() -> Iterator[Breach]:
    """What refunds and disputes took and gave back is of a purchase of the account: never more
    than it gave, nor less than nothing."""
    return breaches_of(
        "refunds",
        f"""
        SELECT entry.account_id, format('purchase %s', entry.purchase),
               CASE WHEN bought.id IS NULL THEN 'is named by a refund, and not of the account'
                    ELSE format('gave %s credits, its refunds took %s',
                                bought.credits, entry.taken) END
          FROM (SELECT account_id, {references.refunded_top_up_id_sql("reference")} AS purchase,
                       -sum(credits) AS taken
                  FROM billing_ledgerentry
                 WHERE kind = 'refund' OR {references.is_refund_sql("reference")}
                 GROUP BY 1, 2) entry
          LEFT JOIN billing_topup bought
                 ON bought.account_id = entry.account_id AND bought.id::text = entry.purchase
         WHERE bought.id IS NULL OR bought.credited_at IS NULL OR entry.taken > bought.credits
            OR entry.taken < 0
        """,
    )


def bought_credits_last_as_long_as_promised() -> Iterator[Breach]:
    """What was bought is valid for 12 months on the account's calendar, give or take DST."""
    return breaches_of(
        "validity",
        f"""
        SELECT granted.account_id, format('grant %s', granted.reference),
               format('was paid at %s, but expires at %s', bought.paid_at, granted.expires_at)
          FROM billing_creditgrant granted
          JOIN billing_topup bought ON bought.account_id = granted.account_id
                                   AND {references.of_top_up_sql("bought.id")} = granted.reference
         WHERE granted.source = 'top_up'
           AND (granted.expires_at BETWEEN bought.paid_at + interval '12 months -1 days'
                                       AND bought.paid_at + interval '12 months 1 days'
               ) IS NOT TRUE
        """,
    )


INVARIANTS: tuple[Invariant, ...] = (
    top_ups_have_their_purchase,
    refunds_have_their_purchase,
    bought_credits_last_as_long_as_promised,
)

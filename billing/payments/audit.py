"""What must always be true between the ledger and the money: top-ups, refunds and disputes.

Functions of the same kind as those of `billing.ledger.audit`, which proves the ledger by itself.
Nothing here writes or repairs.
"""

from collections.abc import Iterator

from billing.ledger import references
from billing.ledger.audit import Breach, Invariant, breaches_of

# A credited payment with what it bought, in the names of the account's log.
_CREDITED = f"""
    SELECT payment.*, top_up.account_id, top_up.credits, top_up.currency AS asked_currency,
           top_up.price_minor + top_up.tax_minor AS total_minor,
           {references.of_top_up_sql("top_up.id")} AS reference
      FROM billing_payment payment JOIN billing_topup top_up ON top_up.id = payment.top_up_id
     WHERE payment.credited_at IS NOT NULL
"""


def top_ups_have_their_payment() -> Iterator[Breach]:
    """Each top-up of the ledger is a payment that was credited, and the other way round."""
    return breaches_of(
        "purchases",
        f"""
        SELECT coalesce(entry.account_id, bought.account_id),
               coalesce(format('entry %s (%s)', entry.seq, entry.reference),
                        format('top-up %s', bought.top_up_id)),
               CASE WHEN entry.id IS NULL THEN 'was credited, but has no entry'
                    WHEN bought.id IS NULL THEN 'belongs to no payment that was credited'
                    ELSE format('adds %s credits, %s were bought',
                                entry.credits, bought.credits) END
          FROM (SELECT * FROM billing_ledgerentry
                 WHERE kind = 'top_up' AND NOT {references.is_refund_sql("reference")}) entry
          FULL JOIN ({_CREDITED}) bought
               ON bought.account_id = entry.account_id AND bought.reference = entry.reference
         WHERE entry.id IS NULL OR bought.id IS NULL OR entry.credits <> bought.credits
        """,
    )


def payments_are_of_what_was_ordered() -> Iterator[Breach]:
    """What was credited was paid in full, or an operator has accepted what was received."""
    return breaches_of(
        "payments",
        f"""
        SELECT account_id, format('top-up %s', top_up_id),
               format('was credited for %s %s, it costs %s %s',
                      amount_minor, currency, total_minor, asked_currency)
          FROM ({_CREDITED}) bought
         WHERE (amount_minor, currency) IS DISTINCT FROM (total_minor, asked_currency)
           AND NOT EXISTS (SELECT FROM billing_review review
                            WHERE review.payment_id = bought.id AND decision = 'accepted')
        """,
    )


def credits_follow_the_money() -> Iterator[Breach]:
    """Of each top-up so much is taken as its money is gone: neither more, nor less while none of
    its credits have expired."""
    return breaches_of(
        "refunds",
        f"""
        WITH bought AS ({_CREDITED}),
             moved AS (
             SELECT account_id, {references.refunded_top_up_id_sql("reference")} AS top_up,
                    -sum(credits) AS taken
               FROM billing_ledgerentry
              WHERE kind = 'refund' OR {references.is_refund_sql("reference")}
              GROUP BY 1, 2),
             gone AS (
             SELECT bought.*, least(amount_minor, refunded.minor + disputed.minor) AS gone_minor,
                    EXISTS (SELECT FROM billing_creditgrant granted
                              JOIN billing_ledgerentry entry USING (account_id, seq)
                             WHERE entry.top_up_id = bought.top_up_id
                               AND entry.account_id = bought.account_id
                               AND granted.expired IS NOT NULL) AS has_expired
               FROM bought
               CROSS JOIN LATERAL (
                    SELECT coalesce(sum(amount_minor), 0) AS minor FROM billing_refund refund
                     WHERE refund.payment_id = bought.id
                       AND refund.status IN ('pending', 'succeeded')) refunded
               CROSS JOIN LATERAL (
                    SELECT coalesce(sum(amount_minor - CASE status WHEN 'lost'
                                                       THEN returned_minor ELSE 0 END), 0) AS minor
                      FROM billing_dispute dispute
                     WHERE dispute.payment_id = bought.id
                       AND dispute.status IN ('open', 'lost')) disputed)
        SELECT coalesce(moved.account_id, gone.account_id),
               format('top-up %s', coalesce(moved.top_up, gone.top_up_id::text)),
               CASE WHEN gone.id IS NULL THEN 'is named by a refund, and not of the account'
                    ELSE format('of %s %s are gone, and %s of %s credits were taken', gone_minor,
                                amount_minor, coalesce(taken, 0), gone.credits) END
          FROM gone
          FULL JOIN moved ON moved.account_id = gone.account_id
                         AND moved.top_up = gone.top_up_id::text
         WHERE gone.id IS NULL OR coalesce(taken, 0) < 0
            OR coalesce(taken, 0) > div(gone.credits::numeric * gone_minor, amount_minor)
            OR coalesce(taken, 0) < div(gone.credits::numeric * gone_minor, amount_minor)
               AND NOT has_expired
        """,
    )


def bought_credits_last_as_long_as_promised() -> Iterator[Breach]:
    """What was bought is valid for 12 months on the account's calendar, give or take DST."""
    return breaches_of(
        "validity",
        f"""
        SELECT granted.account_id, format('grant %s', granted.seq),
               format('was paid at %s, but expires at %s', bought.paid_at, granted.expires_at)
          FROM billing_creditgrant granted
          JOIN billing_ledgerentry entry USING (account_id, seq)
          JOIN ({_CREDITED}) bought ON bought.reference = entry.reference
                                   AND bought.account_id = granted.account_id
         WHERE granted.source = 'top_up'
           AND (granted.expires_at BETWEEN bought.paid_at + interval '12 months -1 days'
                                       AND bought.paid_at + interval '12 months 1 days'
               ) IS NOT TRUE
        """,
    )


INVARIANTS: tuple[Invariant, ...] = (
    top_ups_have_their_payment,
    payments_are_of_what_was_ordered,
    credits_follow_the_money,
    bought_credits_last_as_long_as_promised,
)

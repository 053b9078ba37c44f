"""What must always be true between calls and the ledger: one function an invariant.

The same kind of functions as `billing.ledger.audit`, which owns what is true of the ledger alone.
Nothing here writes or repairs.

Rules: "How credits are consumed", 5: a call is charged exactly once; 12: what is withdrawn is
undone by its exact opposite.
"""

from collections.abc import Iterator

from billing.ledger import references
from billing.ledger.audit import Breach, Invariant, breaches_of


def calls_have_exactly_their_charge() -> Iterator[Breach]:
    """Each call has one charge, and with as many corrections as it counts they make its credits.

    A withdrawn call has as many charges as were withdrawn, and its entries add up to nothing. One
    that came again has one more.
    """
    again = references.is_call_again_sql("reference")
    undoes_charge = references.is_of_withdrawn_charge_sql("reference")
    return breaches_of(
        "charge",
        f"""
        SELECT account_id, format('call %s', call_id),
               CASE WHEN charge.credits IS NULL THEN 'has no charge'
                    WHEN coalesce(later.corrections, 0) <> calls.corrections
                    THEN format('was corrected %s times, but has %s entries of corrections',
                                calls.corrections, coalesce(later.corrections, 0))
                    WHEN coalesce(later.withdrawn, 0) <> calls.times_withdrawn
                    THEN format('was withdrawn %s times, but %s charges of it were',
                                calls.times_withdrawn, coalesce(later.withdrawn, 0))
                    WHEN 1 + coalesce(later.again - later.withdrawn, 0) <> calls.counted
                    THEN format('counts as %s calls, but %s of its charges stand',
                                calls.counted, 1 + later.again - later.withdrawn)
                    WHEN calls.credits + charge.credits + coalesce(later.credits, 0) <> 0
                    THEN format('costs %s credits, but its entries used %s', calls.credits,
                                -charge.credits - coalesce(later.credits, 0))
                    ELSE format('is billed %s s, but its entries billed %s s',
                                calls.billed_seconds,
                                charge.billed_seconds + coalesce(later.billed_seconds, 0)) END
          FROM (SELECT account_id, call_id, credits, corrections, times_withdrawn,
                       CASE WHEN withdrawn_at IS NULL THEN billed_seconds ELSE 0 END
                       AS billed_seconds,
                       CASE WHEN withdrawn_at IS NULL THEN 1 ELSE 0 END AS counted
                  FROM calls_call) calls
          LEFT JOIN (SELECT account_id, call_id, credits, billed_seconds
                       FROM billing_ledgerentry WHERE kind = 'call' AND NOT {again}
                    ) charge USING (account_id, call_id)
          LEFT JOIN (SELECT account_id, call_id,
                            count(*) FILTER (WHERE kind = 'correction') AS corrections,
                            count(*) FILTER (WHERE kind = 'call') AS again,
                            count(*) FILTER (WHERE kind = 'withdrawal' AND {undoes_charge})
                            AS withdrawn,
                            sum(credits) AS credits, sum(billed_seconds) AS billed_seconds
                       FROM billing_ledgerentry
                      WHERE kind IN ('correction', 'withdrawal') OR (kind = 'call' AND {again})
                      GROUP BY account_id, call_id) later USING (account_id, call_id)
         WHERE charge.credits IS NULL
            OR coalesce(later.corrections, 0) <> calls.corrections
            OR coalesce(later.withdrawn, 0) <> calls.times_withdrawn
            OR 1 + coalesce(later.again - later.withdrawn, 0) <> calls.counted
            OR calls.credits + charge.credits + coalesce(later.credits, 0) <> 0
            OR calls.billed_seconds <> charge.billed_seconds + coalesce(later.billed_seconds, 0)
        """,
    )


def corrections_form_a_chain() -> Iterator[Breach]:
    """The entries of one call are its charge, then its corrections 1, 2, 3, …: rule 10.

    They count on when the call comes again after a withdrawal. That a call has no other charge
    follows from `usage_has_its_call`, because its reference is unique.
    """
    number = references.correction_number_sql("reference")
    return breaches_of(
        "corrections",
        f"""
        SELECT account_id, format('entry %s (%s)', seq, reference),
               format('is number %s of the corrections of call %s, not %s', number, call_id, before)
          FROM (SELECT account_id, seq, reference, call_id,
                       CASE kind WHEN 'call' THEN '0' ELSE {number} END AS number,
                       row_number() OVER (PARTITION BY account_id, call_id ORDER BY seq) - 1
                       AS before
                  FROM billing_ledgerentry
                  JOIN (SELECT DISTINCT account_id, call_id FROM billing_ledgerentry
                         WHERE kind = 'correction') corrected USING (account_id, call_id)
                 WHERE kind <> 'withdrawal' AND NOT {references.is_call_again_sql("reference")}
               ) numbered
         WHERE number <> before::text
        """,
    )


# Of calls with anything withdrawn, the latest charge or correction that was not taken back alone:
# what it says of the call stands, or stood when all of the call was withdrawn.
_LATEST_OF_WITHDRAWN = f"""
    SELECT DISTINCT ON (account_id, call_id) account_id, call_id, entry.reference
      FROM billing_ledgerentry entry
      JOIN (SELECT DISTINCT account_id, call_id FROM billing_ledgerentry
             WHERE kind = 'withdrawal') withdrawn USING (account_id, call_id)
     WHERE kind <> 'withdrawal'
       AND NOT EXISTS (
           SELECT FROM billing_ledgerentry undoing
            WHERE undoing.account_id = entry.account_id AND undoing.changes IS NOT NULL
              AND undoing.reference = {references.of_withdrawal_sql("entry.reference")})
     ORDER BY account_id, call_id, seq DESC
"""


def calls_agree_with_their_entries() -> Iterator[Breach]:
    """The latest entry of a call tells what the call does, under the reference that is its own."""
    return breaches_of(
        "facts",
        f"""
        SELECT call.account_id, format('call %s', call.call_id),
               CASE WHEN entry.id IS NULL THEN 'has no entry of its latest record'
                    ELSE format('started at %s (%s, agent "%s"), but entry %s says %s (%s, '
                                'agent "%s")', call.started_at, call.usage_type, call.agent,
                                entry.seq, entry.occurred_at, entry.usage_type, entry.agent) END
          FROM (SELECT account_id, call_id, started_at, usage_type, agent,
                       coalesce(latest.reference, CASE corrections
                           WHEN 0 THEN {references.of_call_sql("call_id")}
                           ELSE {references.of_correction_sql("call_id", "corrections")} END
                       ) AS reference
                  FROM calls_call
                  LEFT JOIN ({_LATEST_OF_WITHDRAWN}) latest USING (account_id, call_id)) call
          LEFT JOIN billing_ledgerentry entry
                 ON entry.account_id = call.account_id AND entry.reference = call.reference
         WHERE entry.id IS NULL
            OR (entry.call_id, entry.occurred_at, entry.usage_type, entry.agent)
               IS DISTINCT FROM (call.call_id, call.started_at, call.usage_type, call.agent)
        """,
    )


def usage_has_its_call() -> Iterator[Breach]:
    """No entry of usage without the call that caused it, which its reference names too."""
    number = references.correction_number_sql("entry.reference")
    again = references.call_again_number_sql("entry.reference")
    return breaches_of(
        "cause",
        f"""
        SELECT entry.account_id, format('entry %s (%s)', entry.seq, entry.reference),
               CASE WHEN call.id IS NULL THEN format('there is no call %s', entry.call_id)
                    ELSE format('is of call %s, which its reference does not say',
                                entry.call_id) END
          FROM billing_ledgerentry entry
          LEFT JOIN calls_call call USING (account_id, call_id)
         WHERE entry.call_id <> ''
           AND (call.id IS NULL
                OR entry.reference <> CASE entry.kind
                   WHEN 'withdrawal' THEN entry.reference -- see `withdrawals_undo_their_entry`
                   WHEN 'call' THEN
                        CASE WHEN {references.is_call_again_sql("entry.reference")}
                        THEN {references.of_call_again_sql("entry.call_id", again)}
                        ELSE {references.of_call_sql("entry.call_id")} END
                   ELSE {references.of_correction_sql("entry.call_id", number)} END)
        """,
    )


def withdrawals_undo_their_entry() -> Iterator[Breach]:
    """A withdrawal is the exact opposite of a charge or correction before it, which its reference
    names; so every sum over a day, an hour, an agent, a type or an import is without both. Rule 12.
    """
    same = (
        "call_id",
        "occurred_at",
        "usage_type",
        "agent",
        "billable_us",
        "increment_seconds",
        "call_status",
        "import_id",
    )
    undoing, undone = (", ".join(f"{side}.{one}" for one in same) for side in ("undoing", "undone"))
    return breaches_of(
        "withdrawals",
        f"""
        SELECT undoing.account_id, format('entry %s (%s)', undoing.seq, undoing.reference),
               CASE WHEN undone.id IS NULL THEN 'undoes no entry of a call before it'
                    ELSE format('is not the opposite of entry %s', undone.seq) END
          FROM billing_ledgerentry undoing
          LEFT JOIN billing_ledgerentry undone
                 ON undone.account_id = undoing.account_id AND undone.seq < undoing.seq
                AND undone.kind IN ('call', 'correction')
                AND undone.reference = {references.undone_by_sql("undoing.reference")}
         WHERE undoing.kind = 'withdrawal'
           AND (undone.id IS NULL
                OR ({undoing}, undoing.credits, undoing.billed_seconds) IS DISTINCT FROM
                   ({undone}, -undone.credits, -undone.billed_seconds))
        """,
    )


def charges_after_the_first_follow_a_withdrawal() -> Iterator[Breach]:
    """The second charge of a call comes after its first is withdrawn, and so on: rules 5, 12."""
    number = references.call_again_number_sql("again.reference")
    before = f"{number}::bigint - 1"
    return breaches_of(
        "again",
        f"""
        SELECT account_id, format('entry %s (%s)', seq, reference),
               format('is charge %s of call %s, of which the one before was not withdrawn',
                      number, call_id)
          FROM (SELECT *, {number} AS number FROM billing_ledgerentry again
                 WHERE kind = 'call' AND {references.is_call_again_sql("reference")}) again
         WHERE NOT EXISTS (
               SELECT FROM billing_ledgerentry undoing
                WHERE undoing.account_id = again.account_id AND undoing.seq < again.seq
                  AND undoing.reference = CASE number WHEN '2'
                      THEN {references.of_withdrawal_sql(references.of_call_sql("again.call_id"))}
                      ELSE {
            references.of_withdrawal_sql(references.of_call_again_sql("again.call_id", before))
        } END)
        """,
    )


def overtaken_calls_are_there() -> Iterator[Breach]:
    """A call that is named as overtaken is there and not withdrawn: there is one to keep."""
    return breaches_of(
        "overtaken",
        """
        SELECT overtaken.account_id, format('call %s', overtaken.call_id),
               format('is said to be kept when import %s is taken back, but is %s',
                      overtaken.import_id,
                      CASE WHEN call.id IS NULL THEN 'not there' ELSE 'withdrawn' END)
          FROM calls_overtakencall overtaken
          LEFT JOIN calls_call call USING (account_id, call_id)
         WHERE call.id IS NULL OR call.withdrawn_at IS NOT NULL
        """,
    )


def charges_follow_from_their_facts() -> Iterator[Breach]:
    """The frozen charge is what the call's own times and frozen tariff make.

    `billing.plans.rating` is where charges are computed; this proves the stored result another way.
    """
    return breaches_of(
        "rating",
        """
        SELECT account_id, format('call %s', call_id),
               format('%s s by increments of %s s make %s increments, not %s (%s s)',
                      trim_scale(billable), increment_seconds, proved, increments,
                      trim_scale(billable_seconds))
          FROM (SELECT account_id, call_id, increment_seconds, increments, billable_seconds,
                       billable,
                       CASE WHEN connected_at IS NULL THEN 0
                            ELSE greatest(1, ceil(billable / increment_seconds)) END AS proved
                  FROM (SELECT *, CASE WHEN connected_at IS NULL THEN 0
                                       WHEN usage_type = 'outbound'
                                       THEN extract(epoch FROM ended_at - connected_at)
                                       ELSE extract(epoch FROM ended_at - started_at)
                                  END AS billable
                          FROM calls_call) timed) rated
         WHERE proved <> increments OR billable <> billable_seconds
        """,
    )


def history_is_what_started_before_the_first_subscription() -> Iterator[Breach]:
    """A call is history, and free, just where it started before its account's first subscription.

    Rule: "How credits are consumed", 8.
    """
    return breaches_of(
        "history",
        """
        SELECT call.account_id, format('call %s', call.call_id),
               format('started at %s and is %s, but the first subscription began at %s',
                      call.started_at, CASE WHEN call.is_history THEN 'free' ELSE 'charged' END,
                      first.began_at)
          FROM calls_call call
          JOIN (SELECT account_id, min(effective_from) AS began_at
                  FROM billing_subscription GROUP BY account_id) first USING (account_id)
         WHERE call.is_history <> (call.started_at < first.began_at)
        """,
    )


def corrections_tell_how_they_moved_their_call() -> Iterator[Breach]:
    """A correction says from when to when it moved its call: no call was moved in silence.

    A withdrawn correction stands at the time that it moved the call to, and moves it back.
    Whether it was allowed to move it so far (rule 10) is not stored: see `docs/decisions.md`.
    """
    return breaches_of(
        "moved",
        """
        SELECT account_id, format('entry %s (%s)', seq, reference),
               format('says %s of the start of call %s, which moves from %s to %s',
                      coalesce(changes ->> 'started_at', 'nothing'), call_id, moved_from,
                      occurred_at)
          FROM (SELECT *, lag(CASE kind WHEN 'withdrawal'
                                   THEN coalesce((changes #>> '{started_at,1}')::timestamptz,
                                                 occurred_at)
                                   ELSE occurred_at END)
                       OVER (PARTITION BY account_id, call_id ORDER BY seq) AS moved_from
                  FROM billing_ledgerentry
                  JOIN (SELECT DISTINCT account_id, call_id FROM billing_ledgerentry
                         WHERE kind = 'correction') corrected USING (account_id, call_id)) moved
         WHERE kind = 'correction' AND moved_from IS NOT NULL
           AND (coalesce((changes #>> '{started_at,0}')::timestamptz, occurred_at) <> moved_from
                OR coalesce((changes #>> '{started_at,1}')::timestamptz, moved_from) <> occurred_at)
        """,
    )


INVARIANTS: tuple[Invariant, ...] = (
    calls_have_exactly_their_charge,
    corrections_form_a_chain,
    calls_agree_with_their_entries,
    usage_has_its_call,
    withdrawals_undo_their_entry,
    charges_after_the_first_follow_a_withdrawal,
    overtaken_calls_are_there,
    charges_follow_from_their_facts,
    history_is_what_started_before_the_first_subscription,
    corrections_tell_how_they_moved_their_call,
)

"""Credits follow the money: what was paid back or is held back takes its part of them, and what
returns gives it back.

Only `billing.payments.settling` and the operators' actions call this, under the top-up's lock.

Rule: "Top-up": the unused part of the grant is removed by a new entry, what was used becomes debt.
"""

from datetime import datetime

from django.db.models import Q, QuerySet, Sum

from billing import ledger
from billing.ledger import NewGrant, Posting, references
from billing.models import GrantSource, Kind, LedgerEntry, PaymentDispute, TopUp
from billing.payments.gateways import Dispute, PaymentFacts
from billing.plans.movements import top_up_valid_until

Status = PaymentDispute.Status
# What is said later about a dispute counts, whatever order it is heard in.
_RANK = {Status.OPEN: 0, Status.LOST: 1, Status.WON: 2}


def note_refunds(top_up: TopUp, facts: PaymentFacts) -> None:
    """Set the sum of refunds to what the provider says, unless that is older than what is known.

    A sum without a time only ever raises it.
    """
    top_up.refund_failure = facts.refund_failure[:300] or top_up.refund_failure
    if facts.refunded_minor is None:
        return
    sum_minor = min(facts.refunded_minor, top_up.paid_minor)
    if facts.as_of is None:
        top_up.refunded_minor = max(top_up.refunded_minor, sum_minor)
    elif top_up.refunds_as_of is None or facts.as_of >= top_up.refunds_as_of:
        if sum_minor < top_up.refunded_minor:  # one has failed: the next is another one
            top_up.refusals += 1
        top_up.refunded_minor, top_up.refunds_as_of = sum_minor, facts.as_of


def note_dispute(top_up: TopUp, dispute: Dispute, now: datetime) -> None:
    """Keep what is said of a dispute, and what all of them hold back or have cost."""
    status = Status(dispute.status.value)
    known, _ = PaymentDispute.objects.get_or_create(
        top_up=top_up,
        dispute_id=dispute.dispute_id,
        defaults={"amount_minor": dispute.amount_minor, "status": status, "opened_at": now},
    )
    if _RANK[status] >= _RANK[Status(known.status)]:
        known.status, known.amount_minor = status, dispute.amount_minor
    if known.status != Status.OPEN:
        known.decided_at = known.decided_at or now
    known.save()
    sums = top_up.disputes.aggregate(
        disputed=Sum("amount_minor", filter=Q(status=Status.OPEN), default=0),
        lost=Sum("amount_minor", filter=Q(status=Status.LOST), default=0),
    )
    top_up.disputed_minor, top_up.lost_minor = sums["disputed"], sums["lost"]


def follow_money(top_up: TopUp, *, reason: str, now: datetime) -> None:
    """Take the credits of a credited top-up whose money is gone, or give those back whose money
    has returned.

    Part of the money is that part of the credits, rounded down. They are taken from their own grant
    first, then as any use. What of them has expired is gone already and is not taken again; what is
    given back is valid for as long as it was missing beyond the day on which it would have expired.
    """
    due = top_up.credits * top_up.gone_minor // top_up.paid_minor
    # What has expired is booked first: it must not be taken again.
    ledger.expire(account_ids=[top_up.account_id], at=now)
    bought = references.of_top_up(top_up.pk)
    refunds = references.of_refunds(top_up.pk)
    entries = LedgerEntry.objects.filter(account=top_up.account)
    moved = entries.filter(reference__startswith=refunds)
    expired = entries.filter(
        Q(reference=references.of_expiry(bought))
        | Q(reference__startswith=references.of_expiry(refunds))
    )
    taken = -_credits(moved)
    reference = references.of_refund(top_up.pk, moved.count() + 1, top_up.gone_minor)
    to_take = min(due - taken, top_up.credits + _credits(expired) - taken)
    if to_take > 0:
        posting = Posting(
            account_id=top_up.account_id,
            kind=Kind.REFUND,
            credits=-to_take,
            reference=reference,
            occurred_at=now,
            remarks=f"Refund of top-up {top_up.receipt_number}: {reason}",
            grant_reference=bought,
        )
        if top_up.disputed_minor:
            posting = posting._replace(remarks=f"Top-up {top_up.receipt_number}: {reason}")
        ledger.post_one(posting=posting, posted_at=now)
    elif due < taken:
        assert top_up.paid_at is not None
        taken_at = moved.filter(kind=Kind.REFUND).latest("seq").occurred_at
        valid_until = top_up_valid_until(account=top_up.account, paid_at=top_up.paid_at)
        ledger.post_one(
            posting=Posting(
                account_id=top_up.account_id,
                kind=Kind.TOP_UP,
                credits=taken - due,
                reference=reference,
                occurred_at=now,
                remarks=f"Top-up {top_up.receipt_number}: the payment is back, its credits too",
                grant=NewGrant(GrantSource.TOP_UP, valid_until + (now - taken_at)),
            ),
            posted_at=now,
        )


def _credits(entries: QuerySet[LedgerEntry]) -> int:
    return int(entries.aggregate(credits=Sum("credits", default=0))["credits"])

"""The door: everything that moves credits from outside goes through `post`.

Calls, top-ups, refunds and adjustments alike first find their accounts brought up to the moment of
booking. A top-up or an adjustment is one posting with a reference, so asking twice posts once.
Rule: "Where credits come from, and how long they last".
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from django.db import transaction

from billing import ledger
from billing.activity import ActivityKind, new, note
from billing.ledger import NewGrant, Posted, Posting, references
from billing.models import Account, GrantSource, Kind
from billing.plans.cycles import TOP_UP_VALID_MONTHS, add_months
from billing.plans.subscriptions import due_for_renewal, renew
from billing.refusals import Refusal
from billing.texts import readable_reason


class AdjustmentError(Refusal):
    """An adjustment that can't be posted."""


def post(
    *, postings: Sequence[Posting], now: datetime, references_are_new: bool = False
) -> list[Posted]:
    """Book what came from outside at ``now``, after the accounts were brought up to that moment.

    Cycles that are due begin, found by one query among the accounts of the ``postings``; credits
    that are due expire. Otherwise as `billing.ledger.post`, which says what ``references_are_new``
    spares. It holds the accounts' balances until the caller's transaction ends: call it last. No
    provider is asked. Raises IntegrityError where a posting breaks a constraint.
    """
    if not postings:
        return []
    _begin_due_cycles({posting.account_id for posting in postings}, now)
    return ledger.post(postings=postings, posted_at=now, references_are_new=references_are_new)


def post_one(*, posting: Posting, now: datetime) -> bool:
    """Book one posting as `post` does; return whether it was new."""
    booked = post(postings=[posting], now=now)
    return any(posted.posting is posting for posted in booked)


def bring_up_to_date(*, account: Account, now: datetime) -> None:
    """Begin the account's billing cycles that are due, then expire its credits that are."""
    _begin_due_cycles({account.pk}, now)
    ledger.expire(account_ids=[account.pk], at=now)


def _begin_due_cycles(account_ids: Collection[int], now: datetime) -> None:
    """`renew` those of the accounts that are due, so that their new credits are used first."""
    due = due_for_renewal(now=now, account_ids=account_ids)
    if not due:
        return
    with transaction.atomic():
        # All at once, in order: one after the other could wait for somebody who waits for this.
        ledger.lock_accounts(sorted(account_ids))
        for account in Account.objects.filter(pk__in=due).order_by("pk"):
            renew(account=account, now=now)


def top_up_valid_until(*, account: Account, paid_at: datetime) -> datetime:
    """When credits bought at ``paid_at`` expire: 12 months later, by the account's calendar."""
    return add_months(paid_at, TOP_UP_VALID_MONTHS, account.zone)


def credit_top_up(
    *,
    account: Account,
    credits: int,
    top_up_id: int,
    paid_at: datetime,
    now: datetime,
) -> bool:
    """Add the ``credits`` of a paid top-up, valid for 12 months from ``paid_at``.

    Returns whether they were new: a second call with the same ``top_up_id`` adds nothing.
    """
    posting = Posting(
        account_id=account.pk,
        kind=Kind.TOP_UP,
        credits=credits,
        reference=references.of_top_up(top_up_id),
        occurred_at=paid_at,
        top_up_id=top_up_id,
        grant=NewGrant(GrantSource.TOP_UP, top_up_valid_until(account=account, paid_at=paid_at)),
    )
    return post_one(posting=posting, now=now)


def adjust(
    *,
    account: Account,
    credits: int,
    reason: str,
    reference: str,
    at: datetime,
    expires_at: datetime | None = None,
) -> bool:
    """Add (or, negative, take) ``credits`` for ``reason``; return whether it was new.

    Credits added expire at ``expires_at`` (None: never). Raises AdjustmentError where nothing
    would move or the expiry is not in the future, and ReasonError as `readable_reason` does.
    """
    if not credits:
        raise AdjustmentError("An adjustment of 0 credits changes nothing.", field="credits")
    reason = readable_reason(reason)
    if expires_at is not None and credits < 0:
        raise AdjustmentError("Only credits that are added can expire.", field="expires_at")
    if expires_at is not None and expires_at <= at:
        raise AdjustmentError("Must be in the future.", field="expires_at")
    posting = Posting(
        account_id=account.pk,
        kind=Kind.ADJUSTMENT,
        credits=credits,
        reference=references.of_adjustment(reference),
        occurred_at=at,
        remarks=reason,
        grant=NewGrant(GrantSource.ADJUSTMENT, expires_at) if credits > 0 else None,
    )
    with transaction.atomic():
        is_new = post_one(posting=posting, now=at)
        if is_new:
            note(
                ActivityKind.ADJUSTED,
                account=account,
                changes=new(credits=credits, expires_at=expires_at),
                reason=reason,
            )
    return is_new

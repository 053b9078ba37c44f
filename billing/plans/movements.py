"""Movements of credits from outside: top-ups, an operator's adjustments, and the passing of time.

A top-up or an adjustment is one posting with a reference, so asking twice posts once.
"""

from collections.abc import Sequence
from datetime import datetime

from billing import ledger
from billing.ledger import NewGrant, Posted, Posting, references
from billing.models import Account, GrantSource, Kind
from billing.plans.cycles import TOP_UP_VALID_MONTHS, add_months
from billing.plans.subscriptions import renew_due
from billing.plans.tariffs import TariffBook
from billing.refusals import Refusal
from billing.texts import readable_reason


class AdjustmentError(Refusal):
    """An adjustment that can't be posted."""


def bring_up_to_date(*, account: Account, now: datetime) -> None:
    """Begin the account's billing cycles that are due, then expire its credits that are."""
    renew_due(book=TariffBook([account.pk]), now=now)
    ledger.expire(account_ids=[account.pk], at=now)


def post(*, postings: Sequence[Posting], now: datetime) -> list[Posted]:
    """Post what comes from outside: each account is brought up to ``now`` first."""
    for account in Account.objects.filter(pk__in={posting.account_id for posting in postings}):
        bring_up_to_date(account=account, now=now)
    return ledger.post(postings=postings, posted_at=now)


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
    return ledger.post_one(posting=posting, posted_at=now)


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
    return ledger.post_one(posting=posting, posted_at=at)

"""Short names for the postings of tests of the ledger by itself, which are marked `ledger_alone`.

Nothing is behind them: no call, no purchase. Everything else moves credits by `tests.movements`.
"""

from datetime import UTC, datetime, timedelta

from billing.ledger import NewGrant, Posting
from billing.models import Account, GrantSource, Kind

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
YEAR = timedelta(days=365)


def call(account: Account, call_id: str, credits: int, *, at: datetime = NOW, **more) -> Posting:
    """A call's charge."""
    return Posting(
        account_id=account.pk,
        kind=Kind.CALL,
        credits=-credits,
        reference=f"call:{call_id}",
        occurred_at=at,
        call_id=call_id,
        **{"usage_type": "outbound", "billed_seconds": credits * 30, **more},
    )


def correction(
    account: Account, call_id: str, credits: int, *, number: int = 1, at: datetime = NOW
) -> Posting:
    """The difference that a corrected record makes: positive gives credits back."""
    return Posting(
        account_id=account.pk,
        kind=Kind.CORRECTION,
        credits=credits,
        reference=f"correction:{number}:{call_id}",
        occurred_at=at,
        call_id=call_id,
        usage_type="outbound",
        billed_seconds=-credits * 30,
    )


def withdrawal(undone: Posting) -> Posting:
    """The opposite of a posting of a call that is withdrawn as a whole."""
    return undone._replace(
        kind=Kind.WITHDRAWAL,
        credits=-undone.credits,
        reference=f"withdrawal:{undone.reference}",
        billed_seconds=-undone.billed_seconds,
    )


def top_up(
    account: Account,
    credits: int,
    reference: str,
    *,
    at: datetime = NOW,
    expires_at: datetime | None = NOW + YEAR,
    top_up_id: int | None = None,
) -> Posting:
    """Credits that were bought."""
    return Posting(
        account_id=account.pk,
        kind=Kind.TOP_UP,
        credits=credits,
        reference=reference,
        occurred_at=at,
        top_up_id=top_up_id,
        grant=NewGrant(GrantSource.TOP_UP, expires_at),
    )


def refund(
    account: Account,
    credits: int,
    reference: str,
    *,
    top_up_id: int,
    grant_seq: int,
    at: datetime = NOW,
) -> Posting:
    """Credits taken back from a top-up, whose grant the entry ``grant_seq`` opened."""
    return Posting(
        account_id=account.pk,
        kind=Kind.REFUND,
        credits=-credits,
        reference=reference,
        occurred_at=at,
        top_up_id=top_up_id,
        takes_from=grant_seq,
    )


def adjustment(
    account: Account,
    credits: int,
    reference: str,
    *,
    at: datetime = NOW,
    expires_at: datetime | None = None,
) -> Posting:
    """An operator's adjustment: positive gives credits, negative takes them."""
    return Posting(
        account_id=account.pk,
        kind=Kind.ADJUSTMENT,
        credits=credits,
        reference=reference,
        occurred_at=at,
        remarks="Goodwill",
        grant=NewGrant(GrantSource.ADJUSTMENT, expires_at) if credits > 0 else None,
    )

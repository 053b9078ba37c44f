"""What a balance means for the account: whether there is something to do about it."""

from enum import StrEnum

from billing.models import Account, Balance

# Low means less than this share of what the plan gives in a cycle.
LOW_PERCENT = 20


class CreditState(StrEnum):
    """How an account stands. Everything but OK asks for a top-up."""

    OK = "ok"
    LOW = "low"
    ZERO = "zero"
    NEGATIVE = "negative"


def credit_state(*, credits: int, credits_per_cycle: int | None) -> CreditState:
    """The state of a balance of ``credits`` on a plan that gives ``credits_per_cycle``.

    Without a plan's credits to compare with (None or 0), any credits left are OK.
    """
    if credits < 0:
        return CreditState.NEGATIVE
    if credits == 0:
        return CreditState.ZERO
    if credits * 100 < (credits_per_cycle or 0) * LOW_PERCENT:
        return CreditState.LOW
    return CreditState.OK


def balance_of(account: Account) -> Balance:
    """The account's balance now; zero, unsaved, where nothing was ever posted. One query."""
    return Balance.objects.filter(account=account).first() or Balance(account=account)

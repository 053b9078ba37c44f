"""The subscription of an account, as its page and the API show it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.ledger.balances import grants_standing
from billing.models import Account, CreditGrant, CustomTerms, Subscription
from billing.plans.tariffs import Agreement
from billing.plans.terms import TypicalCharge, typical_charges


@dataclass(frozen=True, slots=True)
class SubscriptionPage:
    """The account's plan and credits. ``credits`` are in the order in which they are used.

    Among them are the plan's that are used up, until their end.
    """

    agreement: Agreement | None
    is_custom: bool
    examples: Sequence[TypicalCharge]
    credits: Sequence[CreditGrant]
    history: Sequence[Subscription]


def subscription_page(
    *, account: Account, agreement: Agreement | None, now: datetime
) -> SubscriptionPage:
    """Read the subscription of ``account``; two queries."""
    history = account.subscriptions.select_related("plan").filter(effective_from__lte=now)
    return SubscriptionPage(
        agreement=agreement,
        is_custom=agreement is not None and isinstance(agreement.terms, CustomTerms),
        examples=typical_charges(agreement.tariff) if agreement else [],
        credits=grants_standing(account=account, now=now),
        history=list(history.order_by("-effective_from")),
    )

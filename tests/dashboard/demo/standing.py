"""What several tests ask of the demonstration."""

from datetime import datetime

from billing.models import Account
from billing.notices.levels import CreditState, credit_state, low_level, thresholds_of
from billing.plans.tariffs import agreement_at


def credit_state_of(slug: str, at: datetime) -> CreditState:
    """How the account named ``slug`` stands, by its terms at ``at``."""
    account = Account.objects.get(slug=slug)
    terms = agreement_at(account=account, at=at).terms
    low_at = low_level(thresholds_of(account), credits_per_cycle=terms.credits_per_cycle)
    return credit_state(credits=account.balance.credits, low_at=low_at)

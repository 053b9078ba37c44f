"""What a change of plan would bring, in the same words for whoever asks and whoever approves."""

from billing.money import format_money
from billing.plans.requests import PlanChange
from billing.texts import in_credits
from billing.zones import local


def change_in_words(change: PlanChange) -> list[str]:
    """Price, beginning, credits that come, and what becomes of those that are left."""
    account, terms = change.account, change.terms
    price = format_money(change.price_minor, account.currency)
    per_cycle = in_credits(terms.credits_per_cycle or 0)
    return [
        f"{change.plan} costs {price} a month, with {per_cycle} a month. A call costs "
        f"{in_credits(terms.credits_per_increment)} per {terms.increment_seconds:,} s.",
        "It begins the moment the request is approved, and so does a month of it. Calls that "
        "started before keep the price they had.",
        _coming(change),
        _left(change),
    ]


def _coming(change: PlanChange) -> str:
    if change.granted_at is None:
        return f"{in_credits(change.credits)} come with it at once."
    granted = local(change.granted_at, change.account.zone)
    return (
        f"No credits come with it at once, because credits of {change.plan} were added on "
        f"{granted}; the next ones come after its first month."
    )


def _left(change: PlanChange) -> str:
    if change.balance < 0:
        return f"{in_credits(-change.balance)} are owed: the next credits pay that first."
    if not change.balance:
        return "No credits are left now."
    stay = f"{in_credits(change.balance)} that are left stay until their own end, beside the new."
    if change.first_end is None:
        return stay
    return f"{stay} The first of them end on {local(change.first_end, change.account.zone)}."

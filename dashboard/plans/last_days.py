"""What an account's last 30 days would have cost on each plan, and the sentence that follows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.models import Account
from billing.money import format_money
from billing.payments.plan_costs import PlanCost, cheapest_plan, plan_costs
from billing.plans.offers import PlanOffer
from billing.texts import in_credits
from calls.usage.billable import BillableCalls, billable_calls
from calls.usage.periods import Period, last_30_days
from dashboard.top_up.on_sale import on_sale


@dataclass(frozen=True, slots=True)
class LastDays:
    """``costs`` are by the plan's id, without the plans that have no price for the account.

    ``sentence`` is empty where no plan has one. ``tax_words`` is what all money comes without.
    """

    period: Period
    calls: BillableCalls
    costs: Mapping[int, PlanCost]
    sentence: str
    tax_words: str


def last_days(*, account: Account, offers: Sequence[PlanOffer], now: datetime) -> LastDays:
    """Compute what the calls of the last 30 days would have cost; three queries.

    One more where there are very many calls (`calls.usage.billable`).
    """
    period = last_30_days(today=now.astimezone(account.zone).date(), zone=account.zone)
    lengths = {offer.terms.increment_seconds for offer in offers if offer.terms}
    calls = billable_calls(account=account, period=period, increments_seconds=lengths)
    sale = on_sale(account)
    costs = plan_costs(
        offers=offers,
        increments=calls.increments,
        currency=account.currency,
        packs=sale.packs,
        pricing=sale.pricing,
    )
    return LastDays(
        period=period,
        calls=calls,
        costs={cost.offer.plan.pk: cost for cost in costs},
        sentence=_sentence(costs, account.currency, is_estimate=calls.is_estimate),
        tax_words=sale.tax_words,
    )


def _sentence(costs: Sequence[PlanCost], currency: str, *, is_estimate: bool) -> str:
    """Which plan would have cost least, and how much less than the account's own or the next."""
    best = cheapest_plan(costs)
    if best is None or best.total_minor is None:
        return ""
    about = "about " if is_estimate else ""
    said = f"On {_name(best)} your last 30 days would have cost {_parts(best, currency, about)}"
    others = [cost for cost in costs if cost is not best]
    own = [cost for cost in others if cost.offer.is_current]
    other = cheapest_plan(own) or cheapest_plan(others)
    if other is None or other.total_minor is None:
        return f"{said}."
    less = other.total_minor - best.total_minor
    if not less:
        return f"{said}; that is as much as on {_name(other)}."
    return f"{said}; that is {about}{format_money(less, currency)} less than on {_name(other)}."


def _name(cost: PlanCost) -> str:
    name = cost.offer.plan.name
    return f"{name} (your plan)" if cost.offer.is_current else name


def _parts(cost: PlanCost, currency: str, about: str) -> str:
    price = format_money(cost.price_minor, currency)
    if not cost.more:
        return f"{price} and no top-up"
    assert cost.top_up_minor is not None
    top_up = format_money(cost.top_up_minor, currency)
    return f"{price}, and {about}{top_up} for a top-up of {in_credits(cost.more)}"

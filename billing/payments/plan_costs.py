"""What a use of credits would have cost on each plan: its price, and top-ups for the rest.

Rule: "A custom amount". All money is in minor units of one currency, before tax.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from billing.models import Pack, TopUpPricing
from billing.payments.pricing import cheapest_set, custom_price
from billing.plans.offers import PlanOffer


@dataclass(frozen=True, slots=True)
class PlanCost:
    """What a month on the plan of ``offer`` would have cost.

    ``credits`` is what the calls would have used, ``more`` what of it the plan's credits do not
    cover, and ``top_up_minor`` what that costs today: None where nothing is on sale.
    """

    offer: PlanOffer
    credits: int
    more: int
    price_minor: int
    top_up_minor: int | None

    @property
    def total_minor(self) -> int | None:
        """Price and top-ups; None where the top-ups have no price."""
        return None if self.top_up_minor is None else self.price_minor + self.top_up_minor


def plan_costs(
    *,
    offers: Iterable[PlanOffer],
    increments: Mapping[int, int],
    currency: str,
    packs: Sequence[Pack],
    pricing: TopUpPricing | None,
) -> list[PlanCost]:
    """What calls of so many ``increments``, by their length in seconds, cost on each of ``offers``.

    Plans whose price in ``currency`` or credits are agreed with each account are left out.
    ``packs`` and ``pricing`` are those of the currency.
    """
    costs = []
    for offer in offers:
        terms = offer.terms
        price_minor = terms.price_in(currency) if terms else None
        if terms is None or price_minor is None or terms.credits_per_cycle is None:
            continue
        credits = increments[terms.increment_seconds] * terms.credits_per_increment
        more = max(0, credits - terms.credits_per_cycle)
        top_up_minor = top_ups_price(credits=more, packs=packs, pricing=pricing)
        costs.append(PlanCost(offer, credits, more, price_minor, top_up_minor))
    return costs


def top_ups_price(
    *, credits: int, packs: Sequence[Pack], pricing: TopUpPricing | None
) -> int | None:
    """The least that at least ``credits`` cost; None where nothing is on sale.

    Fewer than the smallest custom amount are bought as that amount, or as a pack.
    """
    if not credits:
        return 0
    prices = [
        sum(pack.price_minor * times for pack, times in chosen)
        for chosen in [cheapest_set(credits=credits, packs=packs)]
        if chosen
    ]
    if pricing is not None:
        amount = max(credits, pricing.credits_min)
        prices.append(custom_price(credits=amount, packs=packs, pricing=pricing)[0])
    return min(prices, default=None)


def cheapest_plan(costs: Iterable[PlanCost]) -> PlanCost | None:
    """The one that costs least; of equals the account's own plan, then the first."""
    priced = [cost for cost in costs if cost.total_minor is not None]
    return min(priced, key=lambda cost: (cost.total_minor, not cost.offer.is_current), default=None)

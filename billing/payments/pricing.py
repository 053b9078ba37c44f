"""What credits cost: packs, a custom amount, and the tax on either."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from heapq import heappop, heappush
from operator import attrgetter

from django.db.models import QuerySet

from billing.models import Account, Pack, TopUpPricing
from billing.payments.gateways import AmountError, UnavailableGatewayError, configured_gateway
from billing.refusals import Refusal

BASIS_POINTS = 10_000


class TopUpError(Refusal):
    """A top-up that can't be started, refunded or decided about."""


@dataclass(frozen=True, slots=True)
class Basis:
    """How the price of a custom amount comes about: the rate of the pack of ``rate_of`` credits
    (None: the custom rate), or the price of ``packs``, each with how many of it are meant."""

    rate_of: int | None = None
    packs: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Quote:
    """What a number of credits costs: minor units of ``currency``. ``basis`` is that of a custom
    amount, None for a pack."""

    credits: int
    price_minor: int
    tax_minor: int
    tax_name: str
    currency: str
    basis: Basis | None = None

    @property
    def total_minor(self) -> int:
        """Price and tax."""
        return self.price_minor + self.tax_minor


def packs_in(currency: str) -> QuerySet[Pack]:
    """The packs offered to accounts that pay in ``currency``, in the operators' order."""
    return Pack.objects.filter(currency=currency, is_active=True).order_by("order", "credits")


def pricing_in(currency: str) -> TopUpPricing | None:
    """How custom amounts are priced in ``currency``; None where they are not."""
    return TopUpPricing.objects.filter(currency=currency).first()


def cheapest(packs: Iterable[Pack], pricing: TopUpPricing | None) -> Pack | None:
    """The pack that costs less a credit than all others, and than a custom amount."""
    own = [Fraction(pricing.price_minor_per_credit)] if pricing else []
    by_price = sorted(packs, key=_per_credit)
    others = [*own, *map(_per_credit, by_price[1:])]
    if not by_price or (others and min(others) <= _per_credit(by_price[0])):
        return None
    return by_price[0]


def _per_credit(pack: Pack) -> Fraction:
    return Fraction(pack.price_minor, pack.credits)


def custom_price(
    *, credits: int, packs: Sequence[Pack], pricing: TopUpPricing
) -> tuple[int, Basis]:
    """What a custom amount of ``credits`` costs in minor units, and how that comes about.

    The price per credit of the largest pack that is not larger (below the smallest: the custom
    rate), rounded up to a minor unit; never more than the cheapest set of packs that holds as many.
    """
    pack = max(
        (each for each in packs if each.credits <= credits), key=attrgetter("credits"), default=None
    )
    if pack is None:
        price_minor, basis = credits * pricing.price_minor_per_credit, Basis()
    else:
        price_minor = -(-credits * pack.price_minor // pack.credits)
        basis = Basis(rate_of=pack.credits)
    chosen = cheapest_set(credits=credits, packs=packs)
    set_minor = sum(each.price_minor * times for each, times in chosen)
    if chosen and set_minor <= price_minor:
        price_minor = set_minor
        basis = Basis(packs=tuple((each.credits, times) for each, times in chosen))
    return price_minor, basis


def cheapest_set(*, credits: int, packs: Sequence[Pack]) -> list[tuple[Pack, int]]:
    """The packs that together hold ``credits`` or more for the least money, largest first, each
    with how many of it; empty where there are no packs.

    The pack with the best rate fills up whatever the others leave. So what is searched is how much
    the others hold: in the order of what they waste, which is what they cost above that rate, until
    no more waste can pay off. Held credits that differ by whole packs of the best rate are alike.
    """
    if not packs:
        return []
    best = min(packs, key=lambda pack: (_per_credit(pack), -pack.credits))
    waste_of = [each.price_minor * best.credits - each.credits * best.price_minor for each in packs]
    cheapest_minor, cheapest_held = None, 0
    added_last: dict[int, Pack] = {}
    least_held: dict[int, int] = {}
    waiting = [(0, 0, 0)]
    while waiting:
        waste, held, number = heappop(waiting)
        least = waste + credits * best.price_minor
        if cheapest_minor is not None and least >= cheapest_minor * best.credits:
            break
        if least_held.get(held % best.credits, held + 1) <= held:
            continue
        least_held[held % best.credits], added_last[held] = held, packs[number]
        times = -(-max(0, credits - held) // best.credits)
        cost_minor = (waste + held * best.price_minor) // best.credits + times * best.price_minor
        if cheapest_minor is None or cost_minor < cheapest_minor:
            cheapest_minor, cheapest_held = cost_minor, held
        if held < credits:
            for index, pack in enumerate(packs):
                if pack is not best:
                    heappush(waiting, (waste + waste_of[index], held + pack.credits, index))
    counts = Counter({best.pk: -(-max(0, credits - cheapest_held) // best.credits)})
    while cheapest_held:
        counts[added_last[cheapest_held].pk] += 1
        cheapest_held -= added_last[cheapest_held].credits
    in_order = sorted(packs, key=attrgetter("credits"), reverse=True)
    return [(pack, counts[pack.pk]) for pack in in_order if counts[pack.pk]]


def quote(*, account: Account, pack: Pack | None = None, credits: int | None = None) -> Quote:
    """Price a ``pack``, or a custom number of ``credits``, for ``account``.

    Rule: "A custom amount". Tax is rounded half up to a minor unit. Raises TopUpError where it is
    not on offer, or the provider can't be asked for what it costs.
    """
    pricing = pricing_in(account.currency)
    basis = None
    if pack is not None:
        if not pack.is_active or pack.currency != account.currency:
            raise TopUpError("This pack is no longer on offer. Choose another one.", field="pack")
        credits, price_minor = pack.credits, pack.price_minor
    else:
        if pricing is None:
            raise TopUpError(f"There is no price in {account.currency} yet.", field="credits")
        if credits is None or not pricing.credits_min <= credits <= pricing.credits_max:
            raise TopUpError(
                f"Enter a whole number from {pricing.credits_min:,} to {pricing.credits_max:,}.",
                field="credits",
            )
        packs = list(packs_in(account.currency))
        price_minor, basis = custom_price(credits=credits, packs=packs, pricing=pricing)
    basis_points = pricing.tax_basis_points if pricing else 0
    quoted = Quote(
        credits=credits,
        price_minor=price_minor,
        tax_minor=(price_minor * basis_points + BASIS_POINTS // 2) // BASIS_POINTS,
        tax_name=pricing.tax_name if pricing and basis_points else "",
        currency=account.currency,
        basis=basis,
    )
    try:
        configured_gateway().check_amount(amount_minor=quoted.total_minor, currency=quoted.currency)
    except AmountError as error:
        field = "pack" if pack else "credits"
        raise TopUpError(f"{error} Choose another number.", field=field) from error
    except UnavailableGatewayError:
        pass  # a price can be told nevertheless; `start` refuses
    return quoted

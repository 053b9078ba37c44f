"""What is on sale for an account: packs, and a custom number of credits."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

from billing.models import Account, Pack, TopUp, TopUpPricing
from billing.money import format_money
from billing.payments.pricing import Quote, cheapest, packs_in, pricing_in
from billing.texts import grouped

# What an address says of a choice.
OWN = "own"
PACK = "pack-"


@dataclass(frozen=True, slots=True)
class Offer:
    """One pack as it is offered. ``price_per_credit_minor`` is rounded to a minor unit, half up.

    ``is_best_value``: operators say so, and nothing else on offer costs as little per credit.
    """

    value: str
    credits: int
    price_minor: int
    price_per_credit_minor: int
    is_best_value: bool


@dataclass(frozen=True, slots=True)
class OnSale:
    """What an account can buy in its currency: packs, and a number of credits that it chooses."""

    packs: Sequence[Pack]
    pricing: TopUpPricing | None

    @property
    def offers(self) -> list[Offer]:
        """The packs in the operators' order."""
        best = cheapest(self.packs, self.pricing)
        return [
            Offer(
                value=f"{PACK}{pack.pk}",
                credits=pack.credits,
                price_minor=pack.price_minor,
                price_per_credit_minor=(2 * pack.price_minor + pack.credits) // (2 * pack.credits),
                is_best_value=pack.is_best_value and pack == best,
            )
            for pack in self.packs
        ]

    def more_for_as_much(self, quoted: Quote) -> Offer | None:
        """Return the largest pack with more credits for the same money, if there is one.

        None is ever cheaper: a custom amount costs no more than the packs that hold as many.
        """
        offers = (
            offer
            for offer in self.offers
            if offer.credits > quoted.credits and offer.price_minor <= quoted.price_minor
        )
        return max(offers, key=attrgetter("credits"), default=None)

    @property
    def tax_words(self) -> str:
        """What is added to every price, such as ``18 % GST``; empty without tax."""
        if self.pricing is None or not self.pricing.tax_basis_points:
            return ""
        whole, hundredths = divmod(self.pricing.tax_basis_points, 100)
        percent = f"{whole}.{hundredths:02d}".rstrip("0").rstrip(".")
        return f"{percent} % {self.pricing.tax_name or 'tax'}"

    def __bool__(self) -> bool:
        return bool(self.packs) or self.pricing is not None


def basis_in_words(quoted: Quote) -> str:
    """How the price of a custom amount comes about; empty for a pack."""
    basis = quoted.basis
    if basis is None:
        return ""
    if basis.packs:
        packs = [
            f"{times:,} packs of {grouped(credits)}"
            if times > 1
            else f"a pack of {grouped(credits)}"
            for credits, times in basis.packs
        ]
        return f"the price of {' and '.join(packs)}"
    if basis.rate_of is not None:
        return f"at the price per credit of the pack of {grouped(basis.rate_of)}"
    each_minor = quoted.price_minor // quoted.credits
    return f"{format_money(each_minor, quoted.currency)} per credit"


def on_sale(account: Account) -> OnSale:
    """Read what ``account`` can buy now; two queries."""
    currency = account.currency
    return OnSale(list(packs_in(currency)), pricing_in(currency))


def same_again(*, top_up: TopUp, sale: OnSale) -> dict[str, str]:
    """Return the parameters that choose what ``top_up`` was: its pack if it is still offered."""
    for pack in sale.packs:
        if (pack.credits, pack.price_minor) == (top_up.credits, top_up.price_minor):
            return {"choice": f"{PACK}{pack.pk}"}
    return {"choice": OWN, "credits": str(top_up.credits)}

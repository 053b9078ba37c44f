"""What credits cost: packs, a custom amount, and the tax on either."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from django.db.models import QuerySet

from billing.models import Account, Pack, TopUpPricing
from billing.payments.gateways import AmountError, UnavailableGatewayError, configured_gateway
from billing.refusals import Refusal

BASIS_POINTS = 10_000


class TopUpError(Refusal):
    """A top-up that can't be started, refunded or decided about."""


@dataclass(frozen=True, slots=True)
class Quote:
    """What a number of credits costs: minor units of ``currency``."""

    credits: int
    price_minor: int
    tax_minor: int
    tax_name: str
    currency: str

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


def quote(*, account: Account, pack: Pack | None = None, credits: int | None = None) -> Quote:
    """Price a ``pack``, or a custom number of ``credits``, for ``account``.

    Tax is rounded half up to a minor unit. Raises TopUpError where it is not on offer, or the
    provider can't be asked for what it costs.
    """
    pricing = pricing_in(account.currency)
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
        price_minor = credits * pricing.price_minor_per_credit
    basis_points = pricing.tax_basis_points if pricing else 0
    quoted = Quote(
        credits=credits,
        price_minor=price_minor,
        tax_minor=(price_minor * basis_points + BASIS_POINTS // 2) // BASIS_POINTS,
        tax_name=pricing.tax_name if pricing and basis_points else "",
        currency=account.currency,
    )
    try:
        configured_gateway().check_amount(amount_minor=quoted.total_minor, currency=quoted.currency)
    except AmountError as error:
        field = "pack" if pack else "credits"
        raise TopUpError(f"{error} Choose another number.", field=field) from error
    except UnavailableGatewayError:
        pass  # a price can be told nevertheless; `start` refuses
    return quoted

"""Money as Stripe counts it: ours in minor units of ISO 4217, and where its own units differ.

The one place where amounts are translated, both ways and without rounding.
Source: https://docs.stripe.com/currencies (zero-decimal, three-decimal and special cases)
"""

from billing.money import decimals, format_money
from billing.payments.gateways.base import AmountError

# How many decimals Stripe's amounts have where that is not what ISO 4217 says: Madagascar's coins
# are unknown there, and two currencies that lost theirs are still passed on with two zeros.
STRIPE_DECIMALS = {"MGA": 0, "ISK": 2, "UGX": 2}
# The last digit of these must be 0. What else has three decimals can't be paid in at all.
IN_TENS = ("BHD", "JOD", "KWD", "OMR", "TND")


def stripe_amount(*, amount_minor: int, currency: str) -> int:
    """Our ``amount_minor`` in Stripe's smallest unit. Raises AmountError where it has none."""
    shift = _shift(currency)
    step = _power_of_ten(max(0, -shift))
    if decimals(currency) > 2:
        if currency not in IN_TENS:
            raise AmountError(f"Payments in {currency} can't be taken.")
        step = 10
    if amount_minor % step:
        raise AmountError(
            f"{format_money(amount_minor, currency)} can't be paid: amounts must be multiples of "
            f"{format_money(step, currency)}."
        )
    if shift < 0:
        return amount_minor // step
    return amount_minor * _power_of_ten(shift)


def our_amount(*, amount: int | None, currency: str) -> int | None:
    """Stripe's ``amount`` in our minor units; None where it is none, or not a whole number."""
    if amount is None:
        return None
    shift = _shift(currency)
    if shift < 0:
        return amount * _power_of_ten(-shift)
    whole, rest = divmod(amount, _power_of_ten(shift))
    return None if rest else whole


def _shift(currency: str) -> int:
    """How many decimals Stripe's amounts have more than ours."""
    return STRIPE_DECIMALS.get(currency, decimals(currency)) - decimals(currency)


def _power_of_ten(exponent: int) -> int:
    return int(10**exponent)

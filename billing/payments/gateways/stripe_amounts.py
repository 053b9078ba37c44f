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

# The least that can be paid, in minor units of ISO 4217. Of other currencies Stripe asks for about
# half a US dollar at the rate of the day, which only it can tell.
LEAST_MINOR = {
    **dict.fromkeys(("USD", "AUD", "BRL", "CAD", "CHF", "EUR", "INR", "NZD", "SGD"), 50),
    **{"AED": 200, "CZK": 1_500, "DKK": 250, "GBP": 30, "HKD": 400, "HUF": 17_500, "JPY": 50},
    **{"MXN": 1_000, "MYR": 200, "NOK": 300, "PLN": 200, "RON": 200, "SEK": 300, "THB": 1_000},
}


def check_minimum(*, amount_minor: int, currency: str) -> None:
    """Raise AmountError where Stripe takes no payment as small as this."""
    least_minor = LEAST_MINOR.get(currency, 0)
    if amount_minor < least_minor:
        raise AmountError(
            f"{format_money(amount_minor, currency)} is too little to be paid: the least is "
            f"{format_money(least_minor, currency)}."
        )


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

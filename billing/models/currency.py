"""Which currencies and prices an operator may enter: the one validator of every such field."""

from decimal import Decimal

from django.core.exceptions import ValidationError

from billing.money import CURRENCIES, minor_units

PRICE_MAX = Decimal(10**12)


def currency_code(value: str) -> None:
    """Raise ValidationError unless ``value`` is a current code of ISO 4217."""
    if value not in CURRENCIES:
        raise ValidationError("Three capital letters of ISO 4217, such as INR.")


def prices_in_minor_units(value: object) -> None:
    """Raise ValidationError unless ``value`` names whole minor units by currency code, of at most
    PRICE_MAX."""
    if not isinstance(value, dict):
        raise ValidationError("Prices by currency are needed.")
    for currency, minor in value.items():
        currency_code(currency)
        if not isinstance(minor, int) or isinstance(minor, bool) or minor < 0:
            raise ValidationError(f"The price in {currency} must be whole minor units.")
        if minor > minor_units(PRICE_MAX, currency):
            raise ValidationError(f"The price in {currency} is too much.")

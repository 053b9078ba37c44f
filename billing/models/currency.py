"""Which currencies and prices an operator may enter: the one validator of every such field."""

from django.core.exceptions import ValidationError

from billing.money import CURRENCIES


def currency_code(value: str) -> None:
    """Raise ValidationError unless ``value`` is a current code of ISO 4217."""
    if value not in CURRENCIES:
        raise ValidationError("Three capital letters of ISO 4217, such as INR.")


def prices_in_minor_units(value: object) -> None:
    """Raise ValidationError unless ``value`` names whole minor units by currency code."""
    if not isinstance(value, dict):
        raise ValidationError("Prices by currency are needed.")
    for currency, minor in value.items():
        currency_code(currency)
        if not isinstance(minor, int) or isinstance(minor, bool) or minor < 0:
            raise ValidationError(f"The price in {currency} must be whole minor units.")

"""Which currency codes an operator may enter: the one validator of every such field."""

from django.core.exceptions import ValidationError

from billing.money import CURRENCIES


def currency_code(value: str) -> None:
    """Raise ValidationError unless ``value`` is a current code of ISO 4217."""
    if value not in CURRENCIES:
        raise ValidationError("Three capital letters of ISO 4217, such as INR.")

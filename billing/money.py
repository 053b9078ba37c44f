"""Amounts of money as people write them: minor units (whole, as stored) to major units and back.

How many decimals a currency has: ISO 4217. Pure, no Django.
"""

from decimal import Decimal

DECIMALS = 2
DECIMALS_OF = {
    **dict.fromkeys(("CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}


def major_units(minor: int, currency: str) -> Decimal:
    """``199900`` in INR is ``1999.00``."""
    return Decimal(minor).scaleb(-decimals(currency))


def minor_units(major: Decimal, currency: str) -> int:
    """``1999.00`` in INR is ``199900``. Raises ValueError where the currency has no such coin."""
    minor = major.scaleb(decimals(currency))
    if minor != minor.to_integral_value():
        raise ValueError(f"{currency} has {decimals(currency)} decimals.")
    return int(minor)


def format_money(minor: int, currency: str) -> str:
    """``INR 1,999`` or ``INR 1,999.50``: decimals only where there are any."""
    major = major_units(minor, currency)
    places = 0 if major == major.to_integral_value() else decimals(currency)
    return f"{currency} {major:,.{places}f}"


def decimals(currency: str) -> int:
    """How many digits the minor units of ``currency`` take."""
    return DECIMALS_OF.get(currency, DECIMALS)

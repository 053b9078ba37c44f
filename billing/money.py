"""Money: minor units with a currency, and how people read it.

How many decimals a currency has, and which currencies there are: ISO 4217, without the codes of
funds, metals and tests, in which nobody pays. Pure, no Django.
"""

from collections.abc import Mapping
from decimal import Decimal

DECIMALS = 2
DECIMALS_OF = {
    **dict.fromkeys(
        (
            *("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX"),
            *("VND", "VUV", "XAF", "XOF", "XPF"),
        ),
        0,
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
_CODES = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD
CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD
GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD
KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO
NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE
SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND
VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
"""
CURRENCIES = frozenset(_CODES.split())


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


def format_prices(prices: Mapping[str, int]) -> str:
    """``GBP 19 · INR 1,999``: minor units by currency, in words."""
    return " · ".join(format_money(minor, currency) for currency, minor in sorted(prices.items()))


def decimals(currency: str) -> int:
    """How many digits the minor units of ``currency`` take."""
    return DECIMALS_OF.get(currency, DECIMALS)

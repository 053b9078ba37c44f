"""Minor units and what people write."""

from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError

from billing.models.currency import currency_code
from billing.money import CURRENCIES, decimals, format_money, major_units, minor_units


@pytest.mark.parametrize(
    ("minor", "currency", "major", "written"),
    [
        (199_900, "INR", "1999", "INR 1,999"),
        (199_950, "INR", "1999.5", "INR 1,999.50"),
        (0, "USD", "0", "USD 0"),
        (5, "EUR", "0.05", "EUR 0.05"),
        (1_500, "JPY", "1500", "JPY 1,500"),
        (1_500, "RWF", "1500", "RWF 1,500"),
        (1_550, "MGA", "15.5", "MGA 15.50"),
        (1_250, "KWD", "1.25", "KWD 1.250"),
        (1_234_567_890, "INR", "12345678.9", "INR 12,345,678.90"),
    ],
)
def test_money_there_and_back(minor: int, currency: str, major: str, written: str) -> None:
    assert major_units(minor, currency) == Decimal(major)
    assert minor_units(Decimal(major), currency) == minor
    assert format_money(minor, currency) == written


@pytest.mark.parametrize(("major", "currency"), [("1.999", "INR"), ("0.5", "JPY")])
def test_less_than_the_smallest_coin_is_refused(major: str, currency: str) -> None:
    with pytest.raises(ValueError, match="decimals"):
        minor_units(Decimal(major), currency)


def test_decimals_are_those_of_iso_4217() -> None:
    codes = {
        count: " ".join(sorted(c for c in CURRENCIES if decimals(c) == count)) for count in (0, 3)
    }
    assert codes == {
        0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF",
        3: "BHD IQD JOD KWD LYD OMR TND",
    }


@pytest.mark.parametrize("code", ["XYZ", "inr", "RS", "", "XAU", "XTS", "HRK"])
def test_a_code_in_which_nobody_pays_is_no_currency(code: str) -> None:
    with pytest.raises(ValidationError, match="ISO 4217"):
        currency_code(code)

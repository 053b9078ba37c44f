"""Amounts as Stripe counts them: the special cases, both ways."""

import pytest

from billing.payments.gateways import AmountError
from billing.payments.gateways.stripe_amounts import our_amount, stripe_amount


@pytest.mark.parametrize(
    ("minor", "currency", "stripe"),
    [
        (199_950, "INR", 199_950),
        (500, "JPY", 500),
        (2_000, "RWF", 2_000),
        (5, "ISK", 500),
        (5, "UGX", 500),
        (500, "MGA", 5),
        (1_250, "KWD", 1_250),
        (1_000, "HUF", 1_000),
    ],
)
def test_amounts_there_and_back(minor: int, currency: str, stripe: int) -> None:
    assert stripe_amount(amount_minor=minor, currency=currency) == stripe
    assert our_amount(amount=stripe, currency=currency) == minor


@pytest.mark.parametrize(
    ("minor", "currency", "said"),
    [
        (1_255, "KWD", "multiples of KWD 0.010"),
        (1_001, "TND", "multiples of TND 0.010"),
        (250, "MGA", "multiples of MGA 1"),
        (1_000, "IQD", "Payments in IQD"),
        (1_000, "LYD", "Payments in LYD"),
    ],
)
def test_what_stripe_can_not_take_is_refused(minor: int, currency: str, said: str) -> None:
    with pytest.raises(AmountError, match=said):
        stripe_amount(amount_minor=minor, currency=currency)


def test_a_part_of_a_coin_is_no_amount_of_ours() -> None:
    assert our_amount(amount=550, currency="ISK") is None
    assert our_amount(amount=None, currency="ISK") is None

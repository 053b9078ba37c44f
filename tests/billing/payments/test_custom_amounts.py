"""What a custom amount costs. Rule: "A custom amount"."""

from time import monotonic

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.models import Pack, TopUpPricing
from billing.models.pricing import CREDITS_MAX
from billing.payments.pricing import Basis, cheapest_set, custom_price, quote
from tests.factories import AccountFactory

RATE = TopUpPricing(price_minor_per_credit=1_600)


def packs_of(*prices):
    """Packs that are not stored: (credits, price in minor units) of each."""
    return [
        Pack(pk=number, credits=credits, price_minor=price)
        for number, (credits, price) in enumerate(prices, start=1)
    ]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("credits", "price_minor", "basis"),
    [
        (10, 16_000, Basis()),  # below the smallest pack: the custom rate
        (93, 148_800, Basis()),
        (94, 149_900, Basis(packs=((100, 1),))),  # 150,400 by rate: the pack costs less
        (100, 149_900, Basis(packs=((100, 1),))),
        (101, 151_399, Basis(rate_of=100)),  # 1,499 each
        (499, 599_900, Basis(packs=((500, 1),))),
        (501, 601_100, Basis(rate_of=500)),  # 601,099.8, rounded up
        (1_000, 1_199_800, Basis(packs=((500, 2),))),
        (7_000, 6_299_860, Basis(rate_of=5_000)),
        (9_999, 8_998_901, Basis(rate_of=5_000)),  # 8,998,900.02
        (10_000, 8_999_800, Basis(packs=((5_000, 2),))),
        (100_000, 89_998_000, Basis(packs=((5_000, 20),))),
    ],
)
def test_worked_prices(default_packs, credits, price_minor, basis):
    quoted = quote(account=AccountFactory(currency="INR"), credits=credits)
    assert (quoted.price_minor, quoted.basis) == (price_minor, basis)


def test_without_packs_only_the_custom_rate_counts():
    assert custom_price(credits=7, packs=[], pricing=RATE) == (11_200, Basis())


def test_a_larger_pack_that_costs_less_is_the_price_of_fewer_credits():
    packs = packs_of((10, 1_000), (50, 900))
    assert custom_price(credits=20, packs=packs, pricing=RATE) == (900, Basis(packs=((50, 1),)))


def test_the_largest_amount_is_priced_while_it_is_typed():
    """Packs without a common unit took 11 seconds of a web process, for each key."""
    packs = packs_of((100, 100_000), (9_999, 8_999_100))
    began = monotonic()
    found = custom_price(credits=CREDITS_MAX, packs=packs, pricing=RATE)
    assert found == (9_000_000_000, Basis(rate_of=9_999))
    assert monotonic() - began < 1


@given(
    prices=st.lists(
        st.tuples(st.integers(1, 9), st.integers(1, 60)),
        min_size=1,
        max_size=3,
        unique_by=lambda pair: pair[0],
    ),
    credits=st.integers(1, 400),
)
@settings(max_examples=200, deadline=None)
def test_a_large_number_is_priced_as_if_every_set_had_been_tried(prices, credits):
    packs = packs_of(*prices)
    costs = [0]
    for number in range(1, credits + 1):
        costs.append(min(costs[max(0, number - p.credits)] + p.price_minor for p in packs))
    found = cheapest_set(credits=credits, packs=packs)
    assert sum(pack.price_minor * times for pack, times in found) == costs[credits]

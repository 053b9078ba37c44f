"""What the last 30 days would have cost on each plan, and what the page says of it."""

from datetime import timedelta

import pytest
from django.test import Client

from billing.models import Account, Pack, Plan, PlanTerms, TopUpPricing, User
from billing.payments.plan_costs import top_ups_price
from tests.dashboard.conftest import NOW, call, post
from tests.dashboard.top_up.test_top_up import words

pytestmark = pytest.mark.usefixtures("now")

PLANS = "/a/acme/billing/plans/"


@pytest.fixture
def payer(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client


def test_without_calls_it_says_so(payer: Client, professional: Plan) -> None:
    said = words(payer.get(PLANS))
    assert "No connected call counts in 25 Oct – 23 Nov 2026, Asia/Kolkata." in said
    assert "would have cost on each plan" in said
    assert "Your last 30 days on it" not in said


def test_each_plan_says_what_it_would_have_cost(
    payer: Client, account: Account, professional: Plan
) -> None:
    post(call(account, "a", 1_490, NOW), call(account, "b", 20, NOW - timedelta(days=2)))
    response = payer.get(PLANS)
    costs = {
        cost.offer.plan.name: (cost.credits, cost.more, cost.price_minor, cost.top_up_minor)
        for cost in response.context["last_days"].costs.values()
    }
    packs, pricing = (
        list(Pack.objects.filter(currency="INR")),
        TopUpPricing.objects.get(currency="INR"),
    )
    assert costs == {
        "Base": (1_510, 1_410, 199_900, top_ups_price(credits=1_410, packs=packs, pricing=pricing)),
        "Professional": (1_510, 10, 999_900, 10 * pricing.price_minor_per_credit),
    }
    said = words(response)
    assert "Credits used 1,510 Top-up of 10" in said
    assert "Ask us what they would have cost." in said  # Enterprise


def test_the_sentence_names_the_plan_that_costs_least_and_compares_it_with_ones_own(
    payer: Client, account: Account, professional: Plan
) -> None:
    post(call(account, "a", 90, NOW))
    assert (
        "On Base your last 30 days would have cost INR 1,999 and no top-up; "
        "that is INR 8,000 less than on Professional (your plan)."
    ) in words(payer.get(PLANS))


def test_ones_own_plan_may_cost_least(payer: Client, account: Account, professional: Plan) -> None:
    PlanTerms.objects.filter(plan=professional).update(prices={"INR": 1_000})
    post(call(account, "a", 90, NOW))
    assert (
        "On Professional (your plan) your last 30 days would have cost INR 10 and no top-up; "
        "that is INR 1,989 less than on Base."
    ) in words(payer.get(PLANS))


def test_without_any_price_in_the_currency_one_has_to_ask(
    payer: Client, account: Account, professional: Plan, settings
) -> None:
    settings.CONTACT_ADDRESS = "sales@example.com"
    post(call(account, "a", 90, NOW))
    Account.objects.filter(pk=account.pk).update(currency="JPY")
    response = payer.get(PLANS)
    assert "There is no price in JPY to compare them by. Talk to us" in words(response)
    assert 'href="mailto:sales@example.com"' in response.content.decode()


def test_talk_to_us_may_lead_to_a_page(payer: Client, settings) -> None:
    settings.CONTACT_ADDRESS = "https://example.com/contact"
    assert 'href="https://example.com/contact">' in payer.get(PLANS).content.decode()


def test_plans_say_what_a_credit_costs_and_how_long_the_credits_last(payer: Client) -> None:
    said = words(payer.get(PLANS))
    assert "Credits a cycle 100 Price per credit INR 19.99 Minutes they buy up to 50 min" in said
    assert "Credits a cycle 1,500 Price per credit INR 6.67 Minutes they buy up to 750 min" in said


@pytest.mark.parametrize(
    ("credits", "packs", "has_rate", "price"),
    [
        pytest.param(0, [], False, 0, id="nothing to buy"),
        pytest.param(5, [], False, None, id="nothing on sale"),
        pytest.param(5, [], True, 1_000, id="the smallest custom amount"),
        pytest.param(15, [], True, 1_500, id="a custom amount"),
        pytest.param(5, [(20, 600)], True, 600, id="a pack is cheaper"),
        pytest.param(30, [(20, 1_200)], False, 2_400, id="packs alone"),
        pytest.param(30, [(20, 1_200)], True, 1_800, id="the rate of the largest pack"),
    ],
)
def test_top_ups_cost_the_least_that_covers_the_credits(
    credits: int, packs: list[tuple[int, int]], has_rate: bool, price: int | None
) -> None:
    on_sale = [Pack(pk=held, credits=held, price_minor=minor) for held, minor in packs]
    pricing = TopUpPricing(price_minor_per_credit=100, credits_min=10) if has_rate else None
    assert top_ups_price(credits=credits, packs=on_sale, pricing=pricing) == price

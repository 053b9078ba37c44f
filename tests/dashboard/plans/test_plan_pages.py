"""Pricing plans and the subscription: the terms in force, what calls cost, what comes next."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from billing.models import Account, CustomTerms, Plan, PlanTerms, User
from billing.plans.subscriptions import subscribe
from billing.plans.terms import agree_terms, change_terms
from tests.dashboard.conftest import NOW, call, post, top_up
from tests.dashboard.top_up.test_top_up import words

pytestmark = pytest.mark.usefixtures("now")

PLANS = "/a/acme/billing/plans/"
SUBSCRIPTION = "/a/acme/billing/subscription/"
TOMORROW = NOW + timedelta(days=1)


@pytest.fixture
def payer(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client


def offers_of(client: Client) -> dict:
    offers = client.get(PLANS).context["offers"]
    return {offer.plan.name: offer for offer in offers}


def subscription_of(client: Client):
    return client.get(SUBSCRIPTION).context["page"]


def announce(plan: Plan, *, at: datetime = TOMORROW, **numbers: Any) -> None:
    """Give ``plan`` terms from ``at`` on: those of Professional where nothing else is given."""
    as_professional = {
        "increment_seconds": 30,
        "credits_per_increment": 1,
        "credits_per_cycle": 1_500,
    }
    terms = PlanTerms(**{**as_professional, **numbers})
    change_terms(plan=plan, terms=terms, effective_from=at, now=NOW)


def test_plans_say_what_typical_calls_cost(payer: Client) -> None:
    costs = {
        name: [example.charge.credits for example in offer.examples]
        for name, offer in offers_of(payer).items()
    }
    assert costs == {"Base": [2, 4, 10], "Professional": [1, 3, 10], "Enterprise": [1, 3, 10]}


def test_the_current_plan_is_marked(payer: Client, professional: Plan) -> None:
    current = {name: offer.is_current for name, offer in offers_of(payer).items()}
    assert current == {"Base": False, "Professional": True, "Enterprise": False}


def test_a_plan_no_longer_offered_is_shown_only_to_those_on_it(
    payer: Client, professional: Plan
) -> None:
    Plan.objects.update(is_active=False)
    assert list(offers_of(payer)) == ["Professional"]


def test_terms_to_come_are_announced_and_not_in_force(payer: Client) -> None:
    announce(Plan.objects.get(name="Base"), increment_seconds=60, credits_per_increment=3)
    offer = offers_of(payer)["Base"]
    assert (offer.terms.credits_per_increment, offer.next_terms.credits_per_increment) == (2, 3)


def test_terms_to_come_are_announced_for_the_own_plan_too(
    payer: Client, professional: Plan
) -> None:
    announce(professional, credits_per_cycle=1_000, prices={"INR": 888_800})
    said = words(payer.get(PLANS))
    assert (
        "New terms from 24 Nov 2026 : INR 8,888 a month, 1 credit per 30 s, 1,000 credits a cycle."
    ) in said


def test_who_has_custom_terms_is_told_of_theirs_and_not_of_the_plans(
    payer: Client, account: Account, professional: Plan
) -> None:
    announce(professional, credits_per_increment=9)
    subscription = account.subscriptions.get()
    for days, credits in ((0, 2), (3, 5)):
        agree_terms(
            subscription=subscription,
            terms=CustomTerms(increment_seconds=30, credits_per_increment=credits),
            effective_from=NOW + timedelta(days=days),
            now=NOW,
        )
    assert offers_of(payer)["Professional"].next_terms.credits_per_increment == 5


def test_terms_agreed_with_the_account_are_those_of_its_plan(
    payer: Client, account: Account
) -> None:
    subscribe(
        account=account,
        plan=Plan.objects.get(name="Enterprise"),
        at=NOW - timedelta(days=1),
        custom_terms=CustomTerms(
            prices={account.currency: 9_000_000},
            increment_seconds=6,
            credits_per_increment=1,
            credits_per_cycle=5_000,
        ),
    )
    offer = offers_of(payer)["Enterprise"]
    assert [example.charge.credits for example in offer.examples] == [4, 11, 50]
    assert subscription_of(payer).is_custom
    said = words(payer.get(SUBSCRIPTION))
    assert "Enterprise INR 90,000 a month, with terms agreed for you" in said


def test_a_plan_without_terms_does_not_break_the_page(payer: Client) -> None:
    Plan.objects.create(name="Brand new", order=9)
    offer = offers_of(payer)["Brand new"]
    assert (offer.terms, offer.examples) == (None, [])


def test_the_subscription_says_when_it_renews(payer: Client, professional: Plan) -> None:
    response = payer.get(SUBSCRIPTION)
    assert response.context["page"].agreement.plan == professional
    assert "Next plan credits +1,500 on 4 Dec 2026, 15:00" in words(response)
    assert "This cycle 4 Nov 2026 – 4 Dec 2026" in words(response)


def test_the_pages_say_what_a_planned_change_grants_and_when_it_ends_the_cycle(
    payer: Client, account: Account, professional: Plan
) -> None:
    base = Plan.objects.get(name="Base")
    subscribe(account=account, plan=base, at=NOW + timedelta(days=2), now=NOW)
    said = words(payer.get(SUBSCRIPTION))
    assert "Next plan credits +100 on 25 Nov 2026, 18:00" in said
    assert "This cycle 4 Nov 2026 – 25 Nov 2026" in said
    post(call(account, "a", 1_400, NOW))
    for page in ("usage", "top-up"):
        assert "plan adds 100 on 25 Nov 2026" in words(payer.get(f"/a/acme/billing/{page}/"))


def test_the_pages_say_what_coming_terms_grant(
    payer: Client, account: Account, professional: Plan
) -> None:
    announce(professional, credits_per_cycle=1_000)
    said = words(payer.get(SUBSCRIPTION))
    assert "Next plan credits +1,000 on 4 Dec 2026, 15:00" in said
    assert "1 credit per 30 s, 1,000 credits a cycle" in said


def test_where_no_credits_are_to_come_none_are_promised(
    payer: Client, account: Account, professional: Plan
) -> None:
    enterprise = Plan.objects.get(name="Enterprise")
    subscribe(account=account, plan=enterprise, at=TOMORROW, now=NOW)
    post(call(account, "a", 1_400, NOW))
    said = words(payer.get(SUBSCRIPTION))
    assert "Next plan credits – none are to come" in said
    assert "plan adds" not in said


def test_credits_are_listed_in_the_order_in_which_they_are_used(
    payer: Client, account: Account, professional: Plan
) -> None:
    post(
        top_up(account, 200, NOW - timedelta(days=2)),
        top_up(account, 300, NOW - timedelta(days=361)),
        call(account, "a", 40, NOW),
    )
    left = [(grant.source, grant.remaining) for grant in subscription_of(payer).credits]
    assert left == [("top_up", 260), ("plan", 1_500), ("top_up", 200)]


def test_plan_credits_that_are_used_up_stay_on_the_list_until_their_end(
    payer: Client, account: Account, professional: Plan
) -> None:
    post(top_up(account, 200, NOW - timedelta(days=2)), call(account, "a", 1_540, NOW))
    left = [(grant.source, grant.remaining) for grant in subscription_of(payer).credits]
    assert left == [("plan", 0), ("top_up", 160)]
    assert "Plan credits 0 1,500 4 Nov 2026 4 Dec 2026, 15:00" in words(payer.get(SUBSCRIPTION))


@pytest.mark.parametrize("page", ["", "billing/usage/"])
def test_the_balance_says_which_credits_it_is_made_of(
    payer: Client, account: Account, professional: Plan, page: str
) -> None:
    post(top_up(account, 200, NOW - timedelta(days=2)), call(account, "a", 1_540, NOW))
    said = words(payer.get(f"/a/acme/{page}"))
    assert "Plan credits 0 of 1,500 until 4 Dec 2026 Top-up 160 of 200 until 21 Nov 2027" in said


def test_changes_that_are_decided_are_announced(
    payer: Client, account: Account, professional: Plan
) -> None:
    custom = CustomTerms(increment_seconds=6, credits_per_increment=1, credits_per_cycle=9_000)
    enterprise = Plan.objects.get(name="Enterprise")
    subscribe(account=account, plan=enterprise, at=TOMORROW, now=NOW, custom_terms=custom)
    soon = {"increment_seconds": 15, "prices": {"INR": 999_900}, "concurrent_calls": 4}
    announce(professional, at=NOW + timedelta(hours=1), **soon)
    announce(professional, at=TOMORROW + timedelta(hours=1))  # the account is gone by then
    said = words(payer.get(SUBSCRIPTION))
    assert (
        "Decided changes"
        " From 23 Nov 2026, 19:00 : Professional, INR 9,999 a month, 1 credit per 15 s,"
        " 1,500 credits a cycle, 4 calls at once."
        " From 24 Nov 2026, 18:00 : Enterprise, 1 credit per 6 s, 9,000 credits a cycle."
        ""
        " Credits that are left"
    ) in said
    offered = words(payer.get(PLANS))
    assert "Enterprise Yours from 24 Nov 2026" in offered
    assert "Credits a cycle 9,000" in offered


def test_a_change_to_terms_without_credits_says_so(
    payer: Client, account: Account, professional: Plan
) -> None:
    custom = CustomTerms(increment_seconds=6, credits_per_increment=1)
    enterprise = Plan.objects.get(name="Enterprise")
    subscribe(account=account, plan=enterprise, at=TOMORROW, now=NOW, custom_terms=custom)
    assert "1 credit per 6 s, no credits a cycle." in words(payer.get(SUBSCRIPTION))


def test_an_account_without_plan_has_a_subscription_page_too(payer: Client) -> None:
    response = payer.get(SUBSCRIPTION)
    page, frame = response.context["page"], response.context["frame"]
    assert (page.agreement, frame.next_credits) == (None, None)
    assert (frame.upcoming, page.history) == ([], [])


def test_history_lists_plans_newest_first(
    payer: Client, account: Account, professional: Plan
) -> None:
    subscribe(
        account=account,
        plan=Plan.objects.get(name="Base"),
        at=datetime(2026, 11, 10, tzinfo=UTC),
    )
    assert [past.plan.name for past in subscription_of(payer).history] == ["Base", "Professional"]


# ── Prices ────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("currency", "base", "next_up", "enterprise"),
    [
        ("INR", "INR 1,999 a month", "INR 9,999 a month", "By agreement"),
        ("GBP", "GBP 19 a month", "Ask us for a price in GBP", "By agreement"),
        ("JPY", "Ask us for a price in JPY", "Ask us for a price in JPY", "By agreement"),
    ],
)
def test_an_account_sees_prices_in_its_own_currency_or_is_told_to_ask(
    payer: Client,
    account: Account,
    professional: Plan,
    currency: str,
    base: str,
    next_up: str,
    enterprise: str,
) -> None:
    expected = [base, next_up, enterprise]
    PlanTerms.objects.filter(plan__name="Base").update(prices={"INR": 199_900, "GBP": 1_900})
    Account.objects.filter(pk=account.pk).update(currency=currency)
    said = words(payer.get(PLANS))
    shown = [said.index(price) for price in dict.fromkeys(expected)]
    assert shown == sorted(shown)
    if currency != "INR":
        assert "INR" not in said
        assert "INR" not in words(payer.get(SUBSCRIPTION))

"""Pricing plans and the subscription: the terms in force, what calls cost, what comes next."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client

from billing.models import Account, CustomTerms, Plan, PlanTerms
from billing.subscriptions import subscribe
from tests.dashboard.conftest import NOW, call, post, top_up

pytestmark = pytest.mark.usefixtures("now")

TOMORROW = NOW + timedelta(days=1)


@pytest.fixture
def payer(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client


def offers_of(client: Client) -> dict:
    offers = client.get("/a/acme/billing/plans/").context["offers"]
    return {offer.plan.name: offer for offer in offers}


def subscription_of(client: Client):
    return client.get("/a/acme/billing/subscription/").context["page"]


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
    base = Plan.objects.get(name="Base")
    PlanTerms.objects.create(
        plan=base,
        effective_from=TOMORROW,
        increment_seconds=60,
        credits_per_increment=3,
        credits_per_cycle=100,
    )
    offer = offers_of(payer)["Base"]
    assert (offer.terms.credits_per_increment, offer.next_terms.credits_per_increment) == (2, 3)


def test_terms_agreed_with_the_account_are_those_of_its_plan(
    payer: Client, account: Account
) -> None:
    subscribe(
        account=account,
        plan=Plan.objects.get(name="Enterprise"),
        at=NOW - timedelta(days=1),
        custom_terms=CustomTerms(
            increment_seconds=6, credits_per_increment=1, credits_per_cycle=5_000
        ),
    )
    offer = offers_of(payer)["Enterprise"]
    assert [example.charge.credits for example in offer.examples] == [4, 11, 50]
    assert subscription_of(payer).is_custom


def test_a_plan_without_terms_does_not_break_the_page(payer: Client) -> None:
    Plan.objects.create(name="Brand new", order=9)
    offer = offers_of(payer)["Brand new"]
    assert (offer.terms, offer.examples) == (None, [])


def test_the_subscription_says_when_it_renews(payer: Client, professional: Plan) -> None:
    page = subscription_of(payer)
    assert page.agreement.plan == professional
    assert page.cycle_starts_at.isoformat() == "2026-11-04T15:00:00+05:30"
    assert page.renews_at.isoformat() == "2026-12-04T15:00:00+05:30"


def test_credits_are_listed_in_the_order_in_which_they_are_used(
    payer: Client, account: Account, professional: Plan
) -> None:
    post(
        top_up(account, 200, NOW - timedelta(days=2), days=365),
        top_up(account, 300, NOW - timedelta(days=1), days=5),
        call(account, "a", 40, NOW),
    )
    left = [(grant.source, grant.remaining) for grant in subscription_of(payer).credits]
    assert left == [("top_up", 260), ("plan", 1_500), ("top_up", 200)]


def test_changes_that_are_decided_are_announced(
    payer: Client, account: Account, professional: Plan
) -> None:
    base = Plan.objects.get(name="Base")
    account.subscriptions.create(plan=base, effective_from=TOMORROW)
    PlanTerms.objects.create(
        plan=professional,
        effective_from=NOW + timedelta(hours=1),
        increment_seconds=15,
        credits_per_increment=1,
    )
    changes = subscription_of(payer).changes
    assert [(change.plan, change.at, change.terms is None) for change in changes] == [
        (professional, NOW + timedelta(hours=1), False),
        (base, TOMORROW, True),
    ]


def test_an_account_without_plan_has_a_subscription_page_too(payer: Client) -> None:
    page = subscription_of(payer)
    assert (page.agreement, page.renews_at, page.changes, page.history) == (None, None, [], [])


def test_history_lists_plans_newest_first(
    payer: Client, account: Account, professional: Plan
) -> None:
    subscribe(
        account=account,
        plan=Plan.objects.get(name="Base"),
        at=datetime(2026, 11, 10, tzinfo=UTC),
    )
    assert [past.plan.name for past in subscription_of(payer).history] == ["Base", "Professional"]

"""Asking for a plan: one open request an account, decided once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from billing import ledger
from billing.ledger.balances import balance_of
from billing.models import Account, Plan, PlanRequest, PlanRequestState, PlanTerms, User
from billing.plans import requests
from billing.plans.requests import PlanRequestError
from billing.plans.subscriptions import subscribe
from billing.plans.tariffs import agreement_at
from billing.plans.terms import PlanInUseError, delete_plan
from billing.texts import ReasonError
from tests.billing.waiting import until_somebody_waits_for_a_lock

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def customer(account: Account, default_plans: None) -> Account:
    """On Base for ten days, with its 100 credits."""
    subscribe(account=account, plan=plan_named("Base"), at=NOW - 10 * DAY)
    return account


def plan_named(name: str) -> Plan:
    return Plan.objects.get(name=name)


def asked(account: Account, by: User, name: str = "Professional", at: datetime = NOW) -> Any:
    plan = plan_named(name)
    seen = requests.change_to(account=account, plan=plan, now=at).seen
    return requests.ask(account=account, plan=plan, by=by, seen=seen, now=at)


def state_of(request: PlanRequest) -> str:
    return PlanRequest.objects.get(pk=request.pk).state


def test_what_would_happen_is_what_approving_does(
    customer: Account, owner: User, operator: User
) -> None:
    change = requests.change_to(account=customer, plan=plan_named("Professional"), now=NOW)
    assert (change.price_minor, change.credits, change.balance) == (999_900, 1_500, 100)
    approved = requests.approve(request=asked(customer, owner), by=operator, now=NOW + DAY)
    assert approved.state == PlanRequestState.APPROVED
    assert approved.subscription is not None
    assert agreement_at(account=customer, at=NOW + DAY).plan.name == "Professional"
    assert agreement_at(account=customer, at=NOW).plan.name == "Base"
    assert balance_of(customer).credits == 1_600


def test_credits_granted_within_a_month_do_not_come_again(
    customer: Account, owner: User, operator: User
) -> None:
    requests.approve(request=asked(customer, owner), by=operator, now=NOW)
    change = requests.change_to(account=customer, plan=plan_named("Base"), now=NOW + DAY)
    assert (change.credits, change.granted_at) == (0, NOW - 10 * DAY)


def test_asked_for_twice_it_is_one_request(customer: Account, owner: User) -> None:
    assert asked(customer, owner) == asked(customer, owner)
    with pytest.raises(PlanRequestError, match="on Base already"):
        asked(customer, owner, "Base")
    Plan.objects.filter(name="Enterprise").update(name="Small")
    PlanTerms.objects.filter(plan__name="Small").update(prices={"INR": 5}, credits_per_cycle=1)
    with pytest.raises(PlanRequestError, match="asked for Professional already"):
        asked(customer, owner, "Small")


def no_price(account: Account) -> None:
    PlanTerms.objects.filter(plan__name="Professional").update(prices={"GBP": 5})


def not_offered(account: Account) -> None:
    Plan.objects.filter(name="Professional").update(is_active=False)


def change_planned(account: Account) -> None:
    subscribe(account=account, plan=plan_named("Enterprise"), at=NOW + DAY, now=NOW)


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [(no_price, "has no price in INR"), (not_offered, "not on offer"), (change_planned, "planned")],
)
def test_some_plans_can_not_be_asked_for(
    customer: Account, owner: User, prepare: Callable[[Account], None], reason: str
) -> None:
    prepare(customer)
    with pytest.raises(PlanRequestError, match=reason):
        asked(customer, owner)
    assert not PlanRequest.objects.exists()


def test_nobody_asks_at_a_price_that_they_have_not_seen(customer: Account, owner: User) -> None:
    plan = plan_named("Professional")
    with pytest.raises(PlanRequestError, match="have changed"):
        requests.ask(account=customer, plan=plan, by=owner, seen="INR 1 2 3 4", now=NOW)


def test_nothing_is_approved_that_was_not_asked_for(
    customer: Account, owner: User, operator: User
) -> None:
    request = asked(customer, owner)
    PlanTerms.objects.filter(plan__name="Professional").update(prices={"INR": 1_000_000})
    with pytest.raises(PlanRequestError, match="Decline the request"):
        requests.approve(request=request, by=operator, now=NOW)
    assert state_of(request) == PlanRequestState.OPEN


def test_declining_needs_a_reason_and_changes_nothing(
    customer: Account, owner: User, operator: User
) -> None:
    request = asked(customer, owner)
    with pytest.raises(ReasonError):
        requests.decline(request=request, by=operator, reason=" ", now=NOW)
    declined = requests.decline(request=request, by=operator, reason="Too early", now=NOW)
    assert (declined.state, declined.reason) == ("declined", "Too early")
    assert agreement_at(account=customer, at=NOW).plan.name == "Base"
    assert asked(customer, owner) != request  # and one can ask again


def test_what_is_decided_stays_so(customer: Account, owner: User, operator: User) -> None:
    request = requests.withdraw(request=asked(customer, owner), now=NOW)
    for again in (
        lambda: requests.withdraw(request=request, now=NOW),
        lambda: requests.approve(request=request, by=operator, now=NOW),
        lambda: requests.decline(request=request, by=operator, reason="No", now=NOW),
    ):
        with pytest.raises(PlanRequestError, match="was withdrawn on 23 Nov 2026"):
            again()
    assert balance_of(customer).credits == 100


def test_a_plan_that_was_asked_for_is_not_deleted(customer: Account, owner: User) -> None:
    requests.withdraw(request=asked(customer, owner), now=NOW)
    with pytest.raises(PlanInUseError, match="Acme Voice"):
        delete_plan(plan=plan_named("Professional"))


@pytest.mark.django_db(transaction=True)
def test_of_approving_and_withdrawing_at_once_one_happens(
    customer: Account, owner: User, operator: User
) -> None:
    request = asked(customer, owner)

    def withdraw() -> str:
        try:
            requests.withdraw(request=request, now=NOW)
        except PlanRequestError as refused:
            return refused.message
        finally:
            connection.close()
        return ""

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            ledger.lock_accounts([customer.pk])
            other = pool.submit(withdraw)
            until_somebody_waits_for_a_lock()
            requests.approve(request=request, by=operator, now=NOW)
        said = other.result(20)
    assert "was approved on" in said
    assert state_of(request) == PlanRequestState.APPROVED
    assert balance_of(customer).credits == 1_600

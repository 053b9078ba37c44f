"""An operator changes the plan of an account, or cancels a change, from its page."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from billing.models import Account, CustomTerms, Plan, Subscription
from billing.plans.subscriptions import renew, subscribe
from billing.plans.tariffs import agreement_at
from calls.models import Call
from tests.dashboard.operations.accounts.conftest import errors, page
from tests.dashboard.operations.conftest import call_of, credits_of


def test_a_plan_changed_now_grants_its_credits(
    staff: Client, customer: Account, professional: Plan
) -> None:
    staff.post(page(customer, "change-plan"), {"plan": professional.pk, "effective_from": ""})
    assert agreement_at(account=customer, at=timezone.now()).plan == professional
    assert credits_of(customer) == 1_600


def test_going_back_to_a_plan_within_a_month_grants_nothing_and_the_page_says_so(
    staff: Client, customer: Account, base: Plan, professional: Plan
) -> None:
    said = "Credits of Base were granted on"
    address = page(customer, "change-plan")
    assert said not in staff.get(address).content.decode()
    staff.post(address, {"plan": professional.pk, "effective_from": ""})
    assert said in staff.get(address).content.decode()
    response = staff.post(address, {"plan": base.pk, "effective_from": ""}, follow=True)
    assert "No credits come with the change." in response.content.decode()
    assert credits_of(customer) == 1_600


def test_plans_are_offered_with_what_they_give(
    staff: Client, customer: Account, professional: Plan
) -> None:
    Plan.objects.create(name="Bare", order=99)
    Plan.objects.create(name="Old", is_active=False)
    offered = staff.get(page(customer, "change-plan")).context["form"].fields["plan"].choices
    assert [label for _, label in offered][1:] == [
        "Base: 2 per 60 s, 100 credits a cycle",
        "Professional: 1 per 30 s, 1,500 credits a cycle",
        "Enterprise: 1 per 30 s, credits as agreed",
        "Bare: no terms yet",
    ]


def test_a_plan_changed_for_later_grants_its_credits_then(
    staff: Client, customer: Account, professional: Plan
) -> None:
    later = timezone.now() + timedelta(days=3)
    local = later.astimezone(customer.zone).strftime("%Y-%m-%dT%H:%M")
    staff.post(page(customer, "change-plan"), {"plan": professional.pk, "effective_from": local})
    assert credits_of(customer) == 100
    renew(account=customer, now=later + timedelta(minutes=1))
    assert credits_of(customer) == 1_600


def test_times_are_those_of_the_account(
    staff: Client, customer: Account, professional: Plan
) -> None:
    new_year = {"plan": professional.pk, "effective_from": "2031-01-01T00:00"}
    staff.post(page(customer, "change-plan"), new_year)
    latest = customer.subscriptions.first()
    assert latest is not None
    assert latest.effective_from == datetime(2030, 12, 31, 18, 30, tzinfo=UTC)


def test_sending_the_change_twice_grants_credits_once(
    staff: Client, customer: Account, professional: Plan
) -> None:
    form = {"plan": professional.pk, "effective_from": ""}
    staff.post(page(customer, "change-plan"), form)
    response = staff.post(page(customer, "change-plan"), form)
    assert "The account is on Professional already" in str(errors(response)["__all__"])
    assert credits_of(customer) == 1_600


@pytest.mark.parametrize(
    ("effective_from", "said"),
    [
        ("2020-01-01T00:00", "This is in the past"),
        ("2099-01-01T00:00", "more than 5 years ahead"),
        ("whenever", "There is no such day or time. Write it like 2026-11-23 14:05."),
        ("2026-02-29T10:00", "There is no such day or time."),
    ],
)
def test_a_plan_is_not_changed_at_a_wrong_time(
    staff: Client, customer: Account, professional: Plan, effective_from: str, said: str
) -> None:
    form = {"plan": professional.pk, "effective_from": effective_from}
    response = staff.post(page(customer, "change-plan"), form)
    assert said in str(errors(response)["effective_from"])
    assert customer.subscriptions.count() == 1


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("2031-03-30T01:30", "30 Mar 2031, 01:30 Europe/London, which never comes, because the"),
        ("2031-10-26T01:30", "26 Oct 2031, 01:30 Europe/London, which comes twice, because the"),
    ],
)
@pytest.mark.parametrize(
    ("action", "field"), [("change-plan", "From"), ("custom-terms", "In force from")]
)
def test_a_time_that_the_accounts_clock_skips_or_repeats_is_explained(
    staff: Client,
    other_account: Account,
    professional: Plan,
    action: str,
    field: str,
    asked: str,
    said: str,
) -> None:
    subscribe(account=other_account, plan=professional, at=timezone.now())
    response = staff.post(page(other_account, action), {"effective_from": asked})
    [error] = response.context["form"].errors["effective_from"]
    assert error.startswith(f"“{field}” is {said}")
    assert error.endswith("Choose a time an hour earlier or later.")


def test_the_message_says_whether_the_plan_is_changed_or_will_be(
    staff: Client, customer: Account, professional: Plan
) -> None:
    later = {"plan": professional.pk, "effective_from": "2031-01-01T00:00"}
    response = staff.post(page(customer, "change-plan"), later, follow=True)
    planned = "on Professional from 1 Jan 2031, 00:00 Asia/Kolkata"
    assert f"Acme Voice will be {planned}." in response.content.decode()
    assert LogEntry.objects.get().change_message == f"Planned {planned}"
    response = staff.post(page(customer, "change-plan"), later)
    assert "A change to Professional is planned for 1 Jan 2031" in str(errors(response))
    cancelled = customer.subscriptions.first()
    assert cancelled is not None
    staff.post(page(customer, f"cancel-change/{cancelled.pk}"))
    now = {"plan": professional.pk, "effective_from": ""}
    response = staff.post(page(customer, "change-plan"), now, follow=True)
    assert "Acme Voice is on Professional from" in response.content.decode()


def test_an_inactive_plan_is_not_offered(
    staff: Client, customer: Account, professional: Plan
) -> None:
    Plan.objects.filter(pk=professional.pk).update(is_active=False)
    form = {"plan": professional.pk, "effective_from": ""}
    response = staff.post(page(customer, "change-plan"), form)
    assert "not one of the available choices" in str(errors(response)["plan"])


def test_a_planned_change_can_be_cancelled(
    staff: Client, customer: Account, planned: Subscription
) -> None:
    address = page(customer, f"cancel-change/{planned.pk}")
    assert "Cancel the change" in staff.get(address).content.decode()
    staff.post(address)
    assert customer.subscriptions.count() == 1


def test_a_change_before_a_planned_one_is_refused_with_the_way_out(
    staff: Client, customer: Account, planned: Subscription
) -> None:
    enterprise = Plan.objects.get(name="Enterprise")
    response = staff.post(
        page(customer, "change-plan"), {"plan": enterprise.pk, "effective_from": ""}
    )
    assert "is planned for" in str(errors(response))
    assert "cancel it first" in str(errors(response))


def test_a_change_that_has_begun_is_not_cancelled(staff: Client, customer: Account) -> None:
    begun = customer.subscriptions.get()
    response = staff.post(page(customer, f"cancel-change/{begun.pk}"), follow=True)
    assert "change its plan instead" in response.content.decode()
    response = staff.get(page(customer, f"cancel-change/{begun.pk}"), follow=True)
    assert "has begun: change the plan instead." in response.content.decode()
    assert customer.subscriptions.count() == 1


def test_another_accounts_change_is_not_cancelled(
    staff: Client, other_account: Account, planned: Subscription
) -> None:
    address = page(other_account, f"cancel-change/{planned.pk}")
    response = staff.post(address, follow=True)
    assert "not planned any more" in response.content.decode()
    assert Subscription.objects.filter(pk=planned.pk).exists()


def test_a_change_cancelled_in_another_window_leads_back_to_the_account(
    staff: Client, customer: Account, planned: Subscription
) -> None:
    address = page(customer, f"cancel-change/{planned.pk}")
    staff.post(address)
    for response in (staff.get(address, follow=True), staff.post(address, follow=True)):
        assert "That change of plan is not planned any more." in response.content.decode()


def test_terms_of_ones_own_without_credits_are_said_to_grant_none(
    staff: Client, customer: Account, professional: Plan
) -> None:
    assert "Empty: none are granted." in staff.get(page(customer, "change-plan")).content.decode()
    change = {"plan": professional.pk, "increment_seconds": "6", "credits_per_increment": "1"}
    response = staff.post(page(customer, "change-plan"), change, follow=True)
    assert ", at 1 per 6 s and 0 credits a cycle. No credits come" in response.content.decode()


def with_terms(plan: Plan, **changes: Any) -> dict[str, Any]:
    return {
        "plan": plan.pk,
        "effective_from": "",
        "increment_seconds": "6",
        "credits_per_increment": "1",
        "price": "50000",
        "credits_per_cycle": "9000",
        "concurrent_calls": "12",
        **changes,
    }


def test_a_plan_is_changed_together_with_its_terms(
    staff: Client, customer: Account, enterprise: Plan
) -> None:
    response = staff.post(page(customer, "change-plan"), with_terms(enterprise), follow=True)
    said = ", at 1 per 6 s and 9,000 credits a cycle. 9,000 credits come with the change."
    assert said in response.content.decode()
    in_force = agreement_at(account=customer, at=timezone.now()).terms
    assert isinstance(in_force, CustomTerms)
    assert (in_force.prices, in_force.concurrent_calls) == ({"INR": 5_000_000}, 12)
    assert credits_of(customer) == 9_100
    call_of(customer, "after", seconds=7, started_at=timezone.now())
    assert Call.objects.get().credits == 2


def test_a_planned_change_begins_with_the_terms_agreed_along_with_it(
    staff: Client, customer: Account, enterprise: Plan
) -> None:
    change = with_terms(enterprise, effective_from="2031-01-01T00:00")
    staff.post(page(customer, "change-plan"), change)
    assert credits_of(customer) == 100
    began = datetime(2030, 12, 31, 18, 30, tzinfo=UTC)
    tariff = agreement_at(account=customer, at=began).tariff
    assert (tariff.increment_seconds, tariff.credits_per_increment) == (6, 1)
    renew(account=customer, now=began)
    assert credits_of(customer) == 9_100


def test_a_plan_changed_without_terms_has_those_of_everyone(
    staff: Client, customer: Account, enterprise: Plan
) -> None:
    staff.post(page(customer, "change-plan"), {"plan": enterprise.pk, "effective_from": ""})
    assert agreement_at(account=customer, at=timezone.now()).plan == enterprise
    assert not CustomTerms.objects.exists()


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"increment_seconds": ""}, {"increment_seconds"}),
        ({"credits_per_increment": ""}, {"credits_per_increment"}),
        (
            {"increment_seconds": "", "credits_per_increment": "", "price": ""},
            {"increment_seconds", "credits_per_increment"},
        ),
    ],
)
def test_terms_entered_in_part_are_refused_beside_what_is_missing(
    staff: Client,
    customer: Account,
    enterprise: Plan,
    changes: dict[str, str],
    missing: set[str],
) -> None:
    response = staff.post(page(customer, "change-plan"), with_terms(enterprise, **changes))
    found = errors(response)
    assert found.keys() == missing
    assert all("leave all of them empty" in str(said) for said in found.values())
    assert customer.subscriptions.count() == 1


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("increment_seconds", "0", "greater than or equal to 1"),
        ("credits_per_increment", "x", "whole number"),
        ("price", "1.999", "INR"),
        ("credits_per_cycle", "-1", "greater than or equal to 0"),
    ],
)
def test_wrong_terms_of_a_change_are_refused_beside_their_field(
    staff: Client, customer: Account, enterprise: Plan, field: str, value: str, said: str
) -> None:
    response = staff.post(page(customer, "change-plan"), with_terms(enterprise, **{field: value}))
    found = errors(response)
    assert found.keys() == {field}
    assert said in str(found[field])


def test_sending_a_change_with_terms_twice_grants_credits_once(
    staff: Client, customer: Account, enterprise: Plan
) -> None:
    staff.post(page(customer, "change-plan"), with_terms(enterprise))
    response = staff.post(page(customer, "change-plan"), with_terms(enterprise))
    assert "is on Enterprise already" in str(errors(response))
    assert customer.subscriptions.count() == 2
    assert credits_of(customer) == 9_100


def test_the_change_previews_typical_calls_beside_what_they_cost_now(
    staff: Client, customer: Account
) -> None:
    shown = staff.get(page(customer, "change-plan")).content.decode()
    assert "costs now" in shown
    assert "in-force-increment_seconds=60" in shown

"""Requests for plans, as operators find and decide them."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from billing.models import Account, Plan, PlanRequest, PlanRequestState, User
from billing.plans import requests
from billing.plans.tariffs import agreement_at
from tests.dashboard.operations.conftest import credits_of

LIST = reverse("admin:billing_planrequest_changelist")


@pytest.fixture
def asked(customer: Account, owner: User, professional: Plan) -> PlanRequest:
    """The account, on Base, asks for Professional."""
    now = timezone.now()
    seen = requests.change_to(account=customer, plan=professional, now=now).seen
    return requests.ask(account=customer, plan=professional, by=owner, seen=seen, now=now)


def page(asked: PlanRequest, name: str) -> str:
    return reverse(f"admin:billing_planrequest_{name}", args=[asked.pk])


def test_it_is_found_in_the_list_and_on_the_page_of_its_account(
    staff: Client, asked: PlanRequest
) -> None:
    found = staff.get(LIST, {"state__exact": "open"}).text
    assert "INR 9,999 a month with 1,500 credits" in found
    assert staff.get(page(asked, "change")).status_code == 200
    account = reverse("admin:billing_account_change", args=[asked.account_id])
    assert f'href="{page(asked, "change")}"' in staff.get(account).text
    requests.withdraw(request=asked, now=timezone.now())
    assert page(asked, "change") not in staff.get(account).text


def test_an_operator_sees_what_would_happen_and_approves(
    staff: Client, asked: PlanRequest, operator: User
) -> None:
    shown = staff.get(page(asked, "approve")).text
    assert "Professional costs INR 9,999 a month, with 1,500 credits a month." in shown
    assert "100 credits that are left stay until their own end" in shown
    done = staff.post(page(asked, "approve"), follow=True).text
    assert "Acme Voice is on Professional now." in done
    asked.refresh_from_db()
    assert (asked.state, asked.decided_by) == (PlanRequestState.APPROVED, operator)
    assert agreement_at(account=asked.account, at=timezone.now()).plan.name == "Professional"
    assert credits_of(asked.account) == 1_600
    again = staff.post(page(asked, "approve"), follow=True).text
    assert "This request was approved on" in again
    assert credits_of(asked.account) == 1_600


def test_an_operator_declines_with_a_reason(staff: Client, asked: PlanRequest) -> None:
    address = page(asked, "decline")
    assert "Professional costs INR 9,999 a month" in staff.get(address).text
    assert staff.post(address, {"reason": " "}).status_code == 200
    assert PlanRequest.objects.get().state == PlanRequestState.OPEN
    assert "The request is declined." in staff.post(address, {"reason": "No"}, follow=True).text
    assert PlanRequest.objects.get().reason == "No"
    assert "This request is declined already." in staff.get(address, follow=True).text


def test_a_decided_request_offers_no_decision(staff: Client, asked: PlanRequest) -> None:
    addresses = {page(asked, name) for name in ("approve", "decline")}
    offered = staff.get(page(asked, "change")).text
    assert all(address in offered for address in addresses)
    requests.withdraw(request=asked, now=timezone.now())
    over = staff.get(page(asked, "change")).text
    assert not any(address in over for address in addresses)


def test_what_can_not_be_approved_any_more_says_why(
    staff: Client, asked: PlanRequest, professional: Plan
) -> None:
    professional.terms.update(prices={"INR": 1_000_000})
    assert "Decline the request" in staff.get(page(asked, "approve")).text
    assert "Decline the request" in staff.post(page(asked, "approve"), follow=True).text
    assert PlanRequest.objects.get().state == PlanRequestState.OPEN

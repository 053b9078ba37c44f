"""An operator closes an account from its page, or reopens it."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from billing.models import Account, Activity, ActivityKind, Plan, User
from billing.plans.subscriptions import subscribe
from billing.plans.tariffs import agreement_at
from calls.closing import close_account
from calls.inbox.sources import connect
from tests.dashboard.operations.accounts.conftest import page
from tests.dashboard.operations.conftest import credits_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def closed(customer: Account, operator: User) -> Account:
    return close_account(account=customer, by=operator, reason="They left", now=timezone.now())


def test_the_page_says_what_ends_and_what_stays(
    staff: Client, customer: Account, professional: Plan
) -> None:
    now = timezone.now()
    connect(account=customer, kind="vapi", name="Our Vapi", by=None, now=now)
    subscribe(account=customer, plan=professional, at=now + timedelta(days=3), now=now)
    said = staff.get(page(customer, "close")).text
    for words in (
        "The change to Professional planned for",
        "Its call sources are deleted for good: Our Vapi.",
        "100 credits (plan credits) until",
        "refund a top-up on its own page",
    ):
        assert words in said, words
    customer.refresh_from_db()
    assert customer.closed_at is None


def test_closed_it_says_so_with_the_way_back(staff: Client, customer: Account) -> None:
    response = staff.post(page(customer, "close"), {"reason": "They left"}, follow=True)
    assert "is closed. 100 credits stay until they expire." in response.text
    assert f"/admin/billing/account/{customer.pk}/reopen/" in response.text
    assert "Billing cycle ends" not in response.text
    assert "Ended " in response.text
    noted = Activity.objects.get(kind=ActivityKind.ACCOUNT_CLOSED)
    assert (noted.account, noted.reason) == (customer, "They left")
    assert "Closed" in staff.get("/admin/billing/account/").text


def test_it_is_closed_for_a_reason(staff: Client, customer: Account) -> None:
    response = staff.post(page(customer, "close"), {"reason": " "})
    assert "required" in str(response.context["form"].errors["reason"])
    customer.refresh_from_db()
    assert customer.closed_at is None


def test_who_asks_to_close_a_closed_one_is_told(staff: Client, closed: Account) -> None:
    assert "It was closed on" in staff.get(page(closed, "close"), follow=True).text
    assert "It was closed on" in staff.post(page(closed, "close"), {}, follow=True).text


def test_it_is_reopened_on_a_plan(staff: Client, closed: Account, professional: Plan) -> None:
    assert "API keys and call sources do not come back" in staff.get(page(closed, "reopen")).text
    response = staff.post(page(closed, "reopen"), {"plan": professional.pk}, follow=True)
    assert "is open, on Professional. 1,500 credits come with it." in response.text
    closed.refresh_from_db()
    assert closed.closed_at is None
    assert agreement_at(account=closed, at=timezone.now()).plan == professional
    assert credits_of(closed) == 1_600


def test_an_open_account_is_not_reopened(staff: Client, customer: Account) -> None:
    assert "It is open." in staff.get(page(customer, "reopen"), follow=True).text


def test_a_closed_account_is_not_put_on_another_plan(
    staff: Client, closed: Account, professional: Plan
) -> None:
    response = staff.post(page(closed, "change-plan"), {"plan": professional.pk})
    assert "This account is closed" in response.text

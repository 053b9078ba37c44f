"""What the tests of actions on an account share."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from billing.models import Account, Plan, Subscription
from billing.plans.subscriptions import subscribe


@pytest.fixture
def enterprise(db: None) -> Plan:
    """The plan Enterprise: 1 credit per 30 s, the rest by agreement."""
    return Plan.objects.get(name="Enterprise")


@pytest.fixture
def planned(customer: Account, professional: Plan) -> Subscription:
    """A change of ``customer`` to Professional in five days."""
    now = timezone.now()
    at = now + timedelta(days=5)
    return subscribe(account=customer, plan=professional, at=at, now=now)


def page(account: Account, action: str) -> str:
    """The address of an action on the account."""
    return f"/admin/billing/account/{account.pk}/{action}/"


def errors(response: Any) -> dict[str, Any]:
    """What the form of the page says is wrong."""
    assert response.status_code == 200
    return dict(response.context["form"].errors)

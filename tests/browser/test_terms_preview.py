"""The preview of a plan follows what is typed, in a real browser."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from billing.models import Plan, PlanTerms, User

pytestmark = pytest.mark.browser


def test_the_preview_follows_what_is_typed(
    page: Page, sign_in: Callable[[User], None], operator: User, default_plans: None
) -> None:
    plan = Plan.objects.get(name="Base")
    sign_in(operator)
    page.goto(f"/admin/billing/plan/{plan.pk}/change/")
    row = page.locator("[data-terms-preview] tbody tr").nth(1)
    expect(row).to_contain_text("4 credits")
    page.get_by_label("Billing increment, seconds").fill("6")
    page.get_by_label("Credits per increment").fill("1")
    expect(row).to_contain_text("11 credits 11 × 6 s at 1")
    page.get_by_label("Credits per increment").fill("")
    expect(row).to_contain_text("–")
    assert PlanTerms.objects.filter(plan=plan).count() == 1

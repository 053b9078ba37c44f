"""The operators' pages without JavaScript: their theme would leave them blank."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, Page, expect

from billing.models import Account, Plan, User

pytestmark = pytest.mark.browser


@pytest.fixture
def page(browser: Browser, live_server: Any, operator: User, default_plans: None) -> Iterator[Page]:
    """An operator's page in a browser that runs no scripts."""
    client = Client()
    client.force_login(operator)
    name = settings.SESSION_COOKIE_NAME
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    context.add_cookies(
        [{"name": name, "value": client.cookies[name].value, "url": live_server.url}]
    )
    yield context.new_page()
    context.close()


def test_a_plan_is_read_and_changed_without_scripts(page: Page) -> None:
    plan = Plan.objects.get(name="Base")
    page.goto(f"/admin/billing/plan/{plan.pk}/change/")
    page.get_by_label("Billing increment, seconds").fill("30")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("calls on Base cost 2 per 30 s")).to_be_visible()


def test_the_first_steps_are_taken_without_scripts(page: Page) -> None:
    page.goto("/admin/")
    page.get_by_role("button", name="Send a test mail").click()
    expect(page.get_by_text("The test mail was made")).to_be_visible()
    page.get_by_role("button", name="Put them away").click()
    expect(page.get_by_text("The first steps are put away")).to_be_visible()
    expect(page.get_by_role("heading", name="First steps")).to_have_count(0)
    page.get_by_role("link", name="Send yourself a test mail").click()
    expect(page.get_by_role("heading", name="From an empty installation")).to_be_visible()


def test_a_list_is_not_covered_by_its_filters_without_scripts(page: Page, company: Account) -> None:
    page.goto("/admin/billing/account/")
    page.get_by_label("state").select_option("OK")
    page.get_by_role("button", name="Apply Filters").click()
    page.get_by_role("link", name=company.name).click()
    expect(page.get_by_label("Name*", exact=True)).to_have_value(company.name)

"""Making a key as a person does it, by the keyboard and on a phone, and reading the reference."""

import os
from pathlib import Path

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from billing.accounts.api_keys import find_key
from billing.models import Account, ApiKey, User
from tests.accessibility import faults_of
from tests.browser.conftest import Open

pytestmark = pytest.mark.browser


def look(page: Page, name: str) -> None:
    """Nothing that axe finds, nothing that scrolls sideways; SCREENSHOTS_INTO keeps a picture."""
    results = faults_of(page)
    assert results.violations_count == 0, results.generate_report()
    width = page.viewport_size["width"] if page.viewport_size else 0
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    if into := os.environ.get("SCREENSHOTS_INTO"):
        page.screenshot(path=Path(into) / f"{name}-{width}.png", full_page=True)


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390)])
def test_a_key_is_made_replaced_and_revoked(
    open_page: Open, default_plans: None, account: Account, owner: User, theme: str, width: int
) -> None:
    options = {"color_scheme": theme, "viewport": {"width": width, "height": 900}}
    page = open_page(user=owner, **options)
    page.goto(reverse("dashboard:api_keys", args=[account.slug]))
    look(page, "keys-none")
    page.get_by_role("link", name="Make a key").click()
    look(page, "key-new")
    page.get_by_label("Name").fill("Dialler in Pune")
    page.keyboard.press("Enter")
    secret = page.locator("#secret").inner_text()
    look(page, "key-made")
    assert find_key(secret=secret, at=ApiKey.objects.get().created_at)
    page.get_by_role("link", name="I have copied it").click()
    look(page, "keys")
    page.get_by_role("link", name="Dialler in Pune").click()
    look(page, "key")
    page.get_by_role("button", name="Replace the key").click()
    expect(page.locator("#secret")).not_to_have_text(secret)
    expect(page.get_by_text("still works until")).to_be_visible()
    page.get_by_role("link", name="I have copied it").click()
    page.get_by_role("link", name="Dialler in Pune").first.click()
    page.get_by_role("button", name="Revoke the key").click()
    expect(page.get_by_text("is revoked")).to_be_visible()
    look(page, "keys-ended")
    page.goto(reverse("dashboard:api_reference"))
    look(page, "reference")

"""The operators' front page in a real browser: what waits, and a newcomer's first hour."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from billing.models import Account, User
from calls.models import Call
from tests.browser.conftest import Open
from tests.browser.pages import OPERATORS
from tests.browser.test_imports import heading, own_calls
from tests.browser.test_pages import breaches
from tests.dashboard.operations import waiting
from tests.dashboard.operations.test_people import SECRET

pytestmark = pytest.mark.browser

PATIENCE_MS = 60_000
LINK = re.compile(r"http://\S+/accounts/password/reset/key/\S+/")


@pytest.fixture
def busy(default_plans: None, default_packs: None) -> Account:
    """Something of every kind waits."""
    return waiting.fill(now=timezone.now())


def patient(page: Page) -> Page:
    page.set_default_timeout(PATIENCE_MS)  # each page of the admin loads a dozen files
    return page


@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 390)])
def test_what_waits_is_readable_by_everyone(
    open_page: Open, busy: Account, operator: User, theme: str, width: int
) -> None:
    page = open_page(user=operator, color_scheme=theme, viewport={"width": width, "height": 900})
    assert breaches(patient(page), OPERATORS) == {}
    page.goto("/admin/")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width


def test_an_operator_finds_what_waits_and_decides(
    open_page: Open, busy: Account, operator: User
) -> None:
    page = patient(open_page(user=operator))
    page.goto("/admin/")
    page.get_by_role("link", name="Accounts with low credits 1").click()
    expect(page.get_by_role("link", name="Nearly empty")).to_be_visible()
    expect(page.get_by_role("link", name="Indebted")).to_have_count(0)
    page.get_by_role("link", name="Overview").click()
    page.get_by_role("link", name="Acme Voice asks for Base").click()
    page.get_by_role("link", name="Decline").click()
    page.get_by_label("Reason").fill("Talk to us first")
    page.get_by_role("button", name="Decline it").click()
    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_role("link", name="Requests for plans none")).to_be_visible()


def test_every_row_is_reached_by_keyboard(open_page: Open, busy: Account, operator: User) -> None:
    page = patient(open_page(user=operator))
    page.goto("/admin/")
    links = page.locator("#content-main .front-link")
    links.first.focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/billing/planrequest/\?attention=answer$"))


@pytest.mark.broker
def test_a_newcomer_goes_from_an_empty_installation_to_the_first_calls(
    open_page: Open, default_plans: None, operator: User, celery_worker: object
) -> None:
    page = patient(open_page(user=operator))
    page.goto("/admin/")
    page.get_by_role("button", name="Send a test mail").click()
    expect(page.get_by_text("The test mail was made, but")).to_be_visible()

    page.get_by_role("link", name="Open an account").click()
    page.get_by_label("Name").press_sequentially("Lotus Voice")
    page.get_by_label("Plan").select_option("Professional")
    page.get_by_label("First superadmin").fill("grace@example.com")
    start = timezone.now() - timedelta(days=10)
    page.get_by_label("Start", exact=True).fill(f"{start:%Y-%m-%dT00:00}")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Nothing is saved yet.")).to_be_visible()
    page.get_by_role("button", name="Save", exact=True).click()
    said = page.get_by_text("Give grace@example.com this link yourself").inner_text()
    expect(page.locator("#step-open")).to_contain_text("Lotus Voice is on Professional from")
    expect(page.locator("#step-invite")).to_contain_text("has not chosen a password yet")

    link = LINK.search(said)
    assert link is not None
    grace = open_page()
    grace.goto(link[0])
    grace.get_by_label("New password", exact=True).fill(SECRET)
    grace.get_by_label("New password (again)").fill(SECRET)
    grace.get_by_role("button", name="Save the password").click()
    expect(grace.get_by_role("heading", name="Your password is saved")).to_be_visible()
    page.reload()
    expect(page.locator("#step-invite")).to_contain_text("grace@example.com can sign in")

    page.get_by_role("link", name="Import a file").click()
    page.locator("form[data-ready]").wait_for()
    file: Any = {"name": "calls.csv", "mimeType": "text/csv", "buffer": own_calls(2)}
    page.get_by_label("Drop a file here, or choose one").set_input_files(file)
    heading(page, "Ready to be tried")
    page.get_by_role("button", name="Try it").click()
    heading(page, "Tried: nothing is recorded yet")
    page.get_by_role("link", name="Operations").first.click()
    expect(page.locator("#step-calls")).to_contain_text("calls.csv: tried: nothing is recorded yet")
    page.get_by_role("link", name="Go on with calls.csv").click()
    page.get_by_role("button", name="Import 2 calls").click()
    heading(page, "Imported")

    page.goto("/admin/")
    expect(page.get_by_role("heading", name="First steps")).to_have_count(0)
    expect(page.locator(".front-figures")).to_contain_text("Total Calls")
    assert Call.objects.count() == 2

"""The usage page loads htmx when it is about to be used; what was done sooner is not lost."""

import re

import pytest
from django.urls import reverse
from playwright.sync_api import Page, Route, expect

from billing.models import Account, User
from tests.browser.conftest import Open

pytestmark = pytest.mark.browser

HTMX = re.compile(r"/htmx-2\.")
# By script: a mouse would be over the page first.
CLICK_NEXT = "() => document.getElementById('page-next').click()"


def usage(open_page: Open, account: Account, owner: User) -> Page:
    page = open_page(user=owner)
    page.goto(reverse("dashboard:usage", args=[account.slug]))
    page.wait_for_load_state("networkidle")
    page.evaluate("() => { window.isSamePage = true }")
    return page


def is_same_page(page: Page) -> bool:
    return bool(page.evaluate("() => window.isSamePage === true"))


def test_who_only_reads_never_loads_htmx(open_page: Open, company: Account, owner: User):
    page = usage(open_page, company, owner)
    assert page.evaluate("() => typeof htmx") == "undefined"
    page.mouse.move(600, 500)
    page.wait_for_function("() => window.htmx")


def test_what_is_clicked_before_htmx_is_there_waits_for_it(
    open_page: Open, company: Account, owner: User
):
    page = usage(open_page, company, owner)
    held: list[Route] = []
    page.route(HTMX, lambda route: held.append(route))
    with page.expect_request(HTMX):
        page.evaluate(CLICK_NEXT)
    page.get_by_label("Usage type").select_option("outbound")
    assert page.url.endswith("/usage/")
    held[0].continue_()
    expect(page).to_have_url(re.compile("usage_type=outbound"))
    expect(page.locator(".log-count")).to_have_text(re.compile("^1–10 of"))
    assert is_same_page(page)


def test_without_htmx_a_link_is_followed(open_page: Open, company: Account, owner: User):
    page = usage(open_page, company, owner)
    page.route(HTMX, lambda route: route.fulfill(status=503, body=""))
    page.evaluate(CLICK_NEXT)
    expect(page.locator(".log-count")).to_have_text(re.compile("^11–20 of"))
    assert not is_same_page(page)


def test_going_back_after_the_page_was_loaded_again_shows_what_the_address_says(
    open_page: Open, company: Account, owner: User
):
    page = usage(open_page, company, owner)
    page.get_by_role("link", name="Next").click()
    expect(page.locator(".log-count")).to_have_text(re.compile("^11–20 of"))
    page.reload()
    page.wait_for_load_state("networkidle")
    page.evaluate("() => history.back()")
    expect(page.locator(".log-count")).to_have_text(re.compile("^1–10 of"))

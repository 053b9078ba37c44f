"""A session that ends while a page is open: the page says so, and what was typed is not lost."""

import pytest
from django.contrib.sessions.models import Session
from django.urls import reverse
from playwright.sync_api import Page, expect

from billing.models import Account, CreditThreshold, User
from tests.browser.conftest import Open
from tests.factories import PASSWORD, MembershipFactory, UserFactory

pytestmark = pytest.mark.browser

TYPED_IS_BACK = "What you typed before you signed in again is here. It is not saved yet."


def lose_session_while_typing(page: Page, account: Account) -> None:
    """Type into a form; send it when the session has ended meanwhile."""
    page.goto(reverse("dashboard:notifications", args=[account.slug]))
    page.locator("#id_number").fill("4321")
    Session.objects.all().delete()
    page.get_by_role("button", name="Add a warning").click()
    expect(page.get_by_text("Your session has ended. Sign in to go on.")).to_be_visible()


def sign_in(page: Page, user: User) -> None:
    page.get_by_role("textbox", name="Email").fill(user.email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def test_what_was_typed_is_there_again_and_not_saved(
    open_page: Open, company: Account, owner: User
) -> None:
    page = open_page(user=owner)
    lose_session_while_typing(page, company)
    sign_in(page, owner)
    expect(page.get_by_text(TYPED_IS_BACK)).to_be_visible()
    expect(page.locator("#id_number")).to_have_value("4321")
    assert not CreditThreshold.objects.filter(credits=4321).exists()
    page.reload()
    expect(page.get_by_text(TYPED_IS_BACK)).to_have_count(0)


def test_another_person_sees_nothing_of_it(open_page: Open, company: Account, owner: User) -> None:
    colleague = MembershipFactory(account=company, user=UserFactory(), role="superadmin").user
    page = open_page(user=owner)
    lose_session_while_typing(page, company)
    sign_in(page, colleague)
    expect(page.locator("#id_number")).not_to_have_value("4321")
    expect(page.get_by_text(TYPED_IS_BACK)).to_have_count(0)


def test_a_part_of_a_page_leads_the_whole_page_to_sign_in(
    open_page: Open, company: Account, owner: User
) -> None:
    page = open_page(user=owner)
    page.goto(reverse("dashboard:usage", args=[company.slug]))
    page.locator(".filters summary").click()
    Session.objects.all().delete()
    page.get_by_role("link", name="Last 30 days").click()
    expect(page.get_by_text("Your session has ended. Sign in to go on.")).to_be_visible()


@pytest.mark.parametrize(
    ("page_name", "field", "typed"),
    [
        ("admin:billing_user_add", "#id_email", "asha@example.com"),
        ("admin:billing_plan_add", "#id_name", "Wholesale"),
    ],
)
def test_what_an_operator_typed_is_there_again(
    open_page: Open, company: Account, operator: User, page_name: str, field: str, typed: str
) -> None:
    page = open_page(user=operator)
    page.goto(reverse(page_name))
    page.locator(field).fill(typed)
    Session.objects.all().delete()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Your session has ended. Sign in to go on.")).to_be_visible()
    sign_in(page, operator)
    expect(page.get_by_text(TYPED_IS_BACK)).to_be_visible()
    expect(page.locator(field)).to_have_value(typed)


@pytest.mark.parametrize(
    ("persona", "page_name"), [("owner", "mfa_index"), ("operator", "admin:billing_user_add")]
)
def test_who_comes_back_to_a_page_learns_that_its_session_ended(
    open_page: Open, company: Account, request: pytest.FixtureRequest, persona: str, page_name: str
) -> None:
    page = open_page(user=request.getfixturevalue(persona))
    page.clock.install()
    page.goto(reverse(page_name))
    page.clock.fast_forward(60_000)
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    page.wait_for_load_state("networkidle")
    assert page.url.endswith(reverse(page_name))
    Session.objects.all().delete()
    page.clock.fast_forward(60_000)
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    expect(page.get_by_text("Your session has ended. Sign in to go on.")).to_be_visible()
    assert f"next={reverse(page_name)}" in page.url

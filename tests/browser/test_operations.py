"""The operators' pages in a real browser, under a policy that inlines no script."""

import pytest
from django.contrib import admin
from django.urls import reverse
from playwright.sync_api import Page, expect

from billing.models import Account, User
from calls.inbox.receiving import store
from calls.models import InboxEvent, Via
from calls.platforms import Event
from tests.browser.conftest import Open
from tests.calls.inbox.sending import NOW, connect

pytestmark = pytest.mark.browser

PATIENCE_MS = 60_000


@pytest.fixture
def operations(open_page: Open, operator: User, company: Account) -> Page:
    """An operator's page: what its console complains of fails the test."""
    page = open_page(user=operator)
    page.set_default_timeout(PATIENCE_MS)  # each page loads a dozen files
    return page


def test_every_list_form_and_record_runs_without_a_breach_of_the_policy(operations: Page) -> None:
    operations.goto(reverse("admin:index"))
    for model in admin.site._registry:
        options = model._meta
        name = f"admin:{options.app_label}_{options.model_name}"
        operations.goto(reverse(f"{name}_changelist"))
        expect(operations.locator("html")).to_have_attribute("x-data", "theme()")
        expect(operations.locator("#changelist")).to_be_visible()
        newest = model._default_manager.order_by("pk").last()
        if newest is not None:
            operations.goto(reverse(f"{name}_change", args=[newest.pk]))
            expect(operations.locator("#content")).to_be_visible()


def test_menus_filters_sidebar_and_colours_answer_clicks(operations: Page) -> None:
    operations.goto(reverse("admin:billing_account_changelist"))
    operations.locator("[x-on\\:click='openUserLinks = !openUserLinks']").click()
    operations.get_by_text("Dark", exact=True).click()
    expect(operations.locator("html")).to_have_class("dark")
    operations.reload()
    expect(operations.locator("html")).to_have_class("dark")
    operations.locator("[x-on\\:click='filterOpen = true']").click()
    expect(operations.get_by_role("button", name="Apply Filters")).to_be_visible()
    operations.keyboard.press("Escape")
    operations.locator("[x-on\\:click*='sidebarDesktopOpen']").first.click()
    operations.reload()
    expect(operations.locator("body")).to_be_visible()
    assert operations.evaluate("localStorage.getItem('sidebarDesktopOpen')") in ("0", "false")


def test_a_form_leads_back_to_its_own_page(operations: Page, company: Account) -> None:
    operations.goto(reverse("admin:billing_account_change", args=[company.pk]))
    expect(operations.locator("#account_form")).to_have_attribute(
        "action", reverse("admin:billing_account_change", args=[company.pk])
    )


def test_what_a_source_sent_fits_on_a_phone(operations: Page, company: Account) -> None:
    source = connect(company)
    fields = {"message.startedAt": "2026-11-29T06:10:00.000Z", "message.call.id": "v" * 120}
    store(source=source, event=Event("v1", fields), digest=b"1", now=NOW, via=Via.WEBHOOK)
    operations.set_viewport_size({"width": 390, "height": 900})
    operations.goto(
        reverse("admin:calls_inboxevent_change", args=[InboxEvent.objects.get(source=source).pk])
    )
    expect(operations.get_by_text("vvvvvv")).to_be_visible()
    assert not operations.evaluate("document.documentElement.scrollWidth > innerWidth")


# Hands expressions to the theme's Alpine, and returns what each is, or why it was refused.
EVALUATE = """(expressions) => expressions.map((expression) => {
  const later = window.setTimeout;
  let refusal;
  window.setTimeout = (raise) => { try { raise(); } catch (error) { refusal = error.name; } };
  const value = Alpine.evaluate(document.querySelector("[data-tried]"), expression);
  window.setTimeout = later;
  return refusal ?? value;
})"""

VALUES = {
    "1 + 2 + 'px'": "3px",
    "'it\\'s' + \"!\"": "it's!",
    "one == 1 && 'yes' || 'no'": "yes",
    "one === '1' ? 'yes' : two !== 2 ? 'no' : {'a b': !one, c: [two, null]}": {
        "a b": False,
        "c": [2, None],
    },
    "words.length > 1 && words.length <= 2": True,
    "['h3', two].includes('H3'.toLowerCase())": True,
    "inner.name.toLowerCase()": "amina",
    "two = inner.twice(two)": None,
    "two": 4,
    "if (two === 4) { two = 5; one = 2 } else { two = 6 }": None,
    "two - one": 3,
    "each(value => two = value)": None,
    "two + 0": 7,
    "window.location.pathname": "/admin/",
    "getCurrentTab": None,
}
# What markup that somebody got into a page would want.
REFUSED = {
    "fetch('/')": "ReferenceError",
    "document.cookie": "ReferenceError",
    "window.eval('1')": "TypeError",
    "window.location = '//elsewhere.example'": None,
    "constructor": "ReferenceError",
    "inner.twice.constructor('return 1')()": "TypeError",
    "words['constr' + 'uctor']": "TypeError",
    "inner.__proto__": "TypeError",
    "$el.ownerDocument": "TypeError",
    "$el.innerHTML = '<b>'": "TypeError",
    "$el.insertAdjacentHTML('beforeend', '<b>')": "TypeError",
    "`${one}`": "SyntaxError",
    "one +": "SyntaxError",
    "(one": "SyntaxError",
}


def test_expressions_of_the_theme_are_evaluated_without_eval(operations: Page) -> None:
    operations.goto(reverse("admin:index"))
    operations.evaluate(
        """() => {
          const tried = document.createElement("p");
          tried.dataset.tried = "";
          document.body.append(tried);
          Alpine.addScopeToNode(tried, Alpine.reactive({
            one: 1, two: 2, words: ["a", "b"], each: (then) => { then(7); },
            inner: { name: "Amina", twice: (number) => number * 2 },
          }));
        }"""
    )
    for table in (VALUES, REFUSED):
        found = operations.evaluate(EVALUATE, list(table))
        assert dict(zip(table, found, strict=True)) == table
    assert operations.url.endswith("/admin/")

"""Call Usage & Credits at the widths where it once broke, and what happens out of sight."""

import re

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import FloatRect, Locator, Page, expect

from billing.models import Account, User
from billing.plans.movements import adjust
from tests.browser.conftest import Open

pytestmark = pytest.mark.browser


def usage_url(account: Account) -> str:
    return reverse("dashboard:usage", args=[account.slug])


def box(place: Locator) -> FloatRect:
    found = place.bounding_box()
    assert found is not None
    return found


def opened(open_page: Open, account: Account, owner: User, width: int, query: str = "") -> Page:
    page = open_page(user=owner, viewport={"width": width, "height": 900})
    page.goto(usage_url(account) + query)
    return page


@pytest.mark.parametrize("width", [390, 1440])
def test_a_page_turn_that_fails_is_said_where_the_reader_is(
    open_page: Open, company: Account, owner: User, width: int
):
    page = opened(open_page, company, owner, width)
    page.route("**/billing/usage/**", lambda route: route.fulfill(status=503, body=""))
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_text("The numbers could not be loaded")).to_be_in_viewport(ratio=1)
    expect(page.get_by_role("link", name="Next")).to_be_in_viewport()


@pytest.mark.parametrize("width", [390, 1440])
def test_the_words_of_an_account_without_calls_stand_apart_from_the_filters(
    open_page: Open, default_plans: None, account: Account, owner: User, width: int
):
    adjust(account=account, credits=5, reason="Hello", reference="1", at=timezone.now())
    page = opened(open_page, account, owner, width)
    panel, filters = box(page.locator(".empty").first), box(page.locator(".filters"))
    assert filters["y"] - panel["y"] - panel["height"] >= 16


def test_a_search_is_made_when_its_field_is_left(open_page: Open, company: Account, owner: User):
    page = opened(open_page, company, owner, 1440)
    page.get_by_label("Call ID").fill("no-such-call")
    page.keyboard.press("Tab")
    expect(page.get_by_role("heading", name="No rows for these filters")).to_be_visible()


# Long numbers that leave the box in which they stand, or lie on another text.
COLLISIONS = """() => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  for (let text = texts.nextNode(); text; text = texts.nextNode()) {
    const place = text.parentElement;
    if (!text.data.trim() || place.closest(".spoken, thead, details, script")) continue;
    if (!place.checkVisibility({ visibilityProperty: true })) continue;
    const range = document.createRange();
    range.selectNodeContents(text);
    const block = place.closest("td, dd, strong, .balance-figure") ?? place;
    for (const box of range.getClientRects()) found.push({ text, box, block });
  }
  const meet = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 5;
  return found.filter(({ text, box, block }) => /\\d,/.test(text.data)
    && (box.right > block.getBoundingClientRect().right + 1
      || found.some((other) => other.text !== text && meet(box, other.box))))
    .map(({ text, block }) => `${text.data} in ${block.textContent}`);
}"""


@pytest.mark.parametrize("width", [320, 390, 768, 1024, 1440])
@pytest.mark.parametrize("page_name", ["usage", "home", "subscription"])
def test_numbers_of_sixteen_digits_lie_on_nothing(
    open_page: Open, default_plans: None, account: Account, owner: User, width: int, page_name: str
):
    now = timezone.now()
    for number, credits in enumerate((9_007_199_254_740_993, -1_007_199_254_740_993)):
        adjust(account=account, credits=credits, reason="Large", reference=str(number), at=now)
    page = open_page(user=owner, viewport={"width": width, "height": 900})
    page.goto(reverse(f"dashboard:{page_name}", args=[account.slug]))
    assert "8,000,000,000,000,000" in page.locator("main").inner_text()
    assert page.evaluate(COLLISIONS) == []


@pytest.mark.parametrize("width", [390, 768, 1024])
def test_no_line_breaks_the_arithmetic_of_a_charge(
    open_page: Open, company: Account, owner: User, width: int
):
    page = opened(open_page, company, owner, width, "?kind=call")
    remarks = page.locator(".log-table td.log-remarks").all_inner_texts()
    assert any("×" in words for words in remarks)
    assert not [words for words in remarks if re.search(r"\d ×|× \d|\d s\b", words)]


def test_remarks_on_a_phone_begin_at_the_start(open_page: Open, company: Account, owner: User):
    page = opened(open_page, company, owner, 390, "?kind=call")
    remarks = page.locator("td.log-remarks").first
    assert remarks.evaluate("each => getComputedStyle(each).textAlign") == "start"


def test_rows_without_calls_say_why_the_graph_is_flat(
    open_page: Open, company: Account, owner: User
):
    page = opened(open_page, company, owner, 1440, "?kind=top_up")
    expect(
        page.get_by_text("There are no bars, because none of these rows is a call.")
    ).to_be_visible()
    page.get_by_label("Kind of row").select_option("call")
    expect(page.get_by_text("There are no bars")).to_have_count(0)


@pytest.mark.parametrize("width", [768, 899, 1024, 1180, 1280])
def test_the_search_never_stands_alone_on_a_line(
    open_page: Open, company: Account, owner: User, width: int
):
    page = opened(open_page, company, owner, width)
    fields = page.locator(".filters-fields .field")
    assert len({box(field)["y"] for field in fields.all()}) == 1


@pytest.mark.parametrize("width", [700, 900, 905, 1024])
def test_the_three_figures_stand_side_by_side(
    open_page: Open, company: Account, owner: User, width: int
):
    page = opened(open_page, company, owner, width)
    assert len({box(tile)["y"] for tile in page.locator(".tile").all()}) == 1


def test_the_days_of_the_table_stay_while_its_numbers_are_scrolled_on_a_phone(
    open_page: Open, company: Account, owner: User
):
    page = opened(open_page, company, owner, 390)
    page.get_by_text("Show the numbers as a table").click()
    expect(page.get_by_text("Scroll sideways for more columns.")).to_be_visible()
    day = page.locator(".chart-table tbody th").first
    before = box(day)
    page.locator(".chart-table .table-scroll").evaluate("each => { each.scrollLeft = 300 }")
    assert box(day) == before
    assert before["height"] < 50


def test_only_keys_that_work_everywhere_are_announced(
    open_page: Open, company: Account, owner: User
):
    page = opened(open_page, company, owner, 1440)
    expect(page.locator("[aria-keyshortcuts]")).to_have_count(0)


def test_an_account_that_does_not_exist_is_no_page_of_the_navigation(
    open_page: Open, company: Account, owner: User
):
    page = open_page(user=owner)
    page.goto("/a/nosuch/")
    expect(page.locator("nav [aria-current=page], .nav [aria-current=page]")).to_have_text(
        ["Not found"]
    )


def test_filters_on_a_phone_stay_open_for_the_next_choice(
    open_page: Open, company: Account, owner: User
):
    page = open_page(user=owner, viewport={"width": 390, "height": 844})
    page.goto(reverse("dashboard:usage", args=[company.slug]))
    page.get_by_role("button", name="Filters").click()
    page.get_by_label("Agent").focus()
    page.get_by_label("Agent").select_option("Collections")
    expect(page).to_have_url(re.compile(r"agent=Collections"))
    expect(page.get_by_label("Agent")).to_be_focused()
    page.get_by_label("Call ID").fill("call-")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"call_id=call-"))
    expect(page.get_by_label("Call ID")).to_be_hidden()


def test_agents_are_sorted_on_a_phone_too(open_page: Open, company: Account, owner: User):
    page = open_page(user=owner, viewport={"width": 390, "height": 844})
    page.goto(f"{reverse('dashboard:usage', args=[company.slug])}?view=agents")
    page.get_by_role("link", name="Minutes").click(timeout=2_000)
    expect(page).to_have_url(re.compile(r"sort=minutes"))
    expect(page.get_by_role("columnheader", name="Minutes")).to_have_attribute(
        "aria-sort", "descending"
    )

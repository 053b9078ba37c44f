"""What people come for, in a real browser: with a mouse, with keys alone, and without scripts."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from billing.models import Account, Kind, LedgerEntry, User
from billing.plans.movements import adjust
from tests.browser.conftest import Open
from tests.factories import PASSWORD

pytestmark = pytest.mark.browser


def usage_url(account: Account) -> str:
    return reverse("dashboard:usage", args=[account.slug])


def rows(page: Page) -> list[str]:
    return page.locator(".log-table tbody .log-id").all_inner_texts()


def test_from_sign_in_to_the_charge_of_a_call(open_page: Open, company: Account, owner: User):
    page = open_page()
    page.goto("/")
    page.get_by_label("Email").fill(owner.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Dashboard")

    page.get_by_role("navigation", name="Main").get_by_text("Call Usage & Credits").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Call Usage & Credits")

    page.locator(".filters summary").click()
    page.get_by_role("link", name="Last 30 days").click()
    expect(page.locator(".period-name")).to_have_text("Last 30 days")
    expect(page).to_have_url(re.compile(r"period=last_30_days"))

    page.get_by_label("Usage type").select_option("inbound")
    expect(page).to_have_url(re.compile(r"usage_type=inbound"))
    first_page = rows(page)

    page.get_by_role("link", name="Next").click()
    expect(page.locator(".log-count")).to_have_text(re.compile(r"^11–20 of \d+$"))
    expect(page).to_have_url(re.compile(r"page=2"))
    assert not set(rows(page)) & set(first_page)

    call_id = rows(page)[0]
    page.get_by_role("link", name=call_id).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Call {call_id}")
    expect(page.locator(".charge-words").first).to_contain_text("plan Professional")


def test_the_log_can_be_paged_with_keys_alone(open_page: Open, company: Account, owner: User):
    page = open_page(user=owner)
    page.goto(usage_url(company))
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "page-next":
            break
    page.keyboard.press("Enter")
    expect(page.locator(".log-count")).to_have_text(re.compile("^11–20 of"))
    expect(page.locator("#page-next")).to_be_focused()
    page.keyboard.press("p")
    expect(page.locator(".log-count")).to_have_text(re.compile("^1–10 of"))

    page.locator("#page-field").focus()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("3")
    page.keyboard.press("Enter")
    expect(page.locator(".log-count")).to_have_text(re.compile("^21–30 of"))
    expect(page.locator("#page-field")).to_be_focused()


def test_what_is_sent_the_moment_a_page_is_there_keeps_the_focus(
    open_page: Open, company: Account, owner: User
):
    page = open_page(user=owner)
    page.goto(usage_url(company))
    page.get_by_role("link", name="Next").click()
    expect(page.locator(".log-count")).to_have_text(re.compile("^11–20 of"))
    page.evaluate(
        """addEventListener("htmx:afterSwap", () => queueMicrotask(() => {
            const field = document.getElementById("page-field");
            field.focus();
            field.value = "3";
            field.form.requestSubmit();
        }), { once: true })"""
    )
    page.get_by_role("link", name="Previous").click()
    expect(page.locator(".log-count")).to_have_text(re.compile("^21–30 of"))
    expect(page.locator("#page-field")).to_be_focused()


def test_what_changed_is_said_to_those_who_do_not_see_it(
    open_page: Open, company: Account, owner: User
):
    page = open_page(user=owner)
    page.goto(usage_url(company))
    page.get_by_role("link", name="Next").click()
    expect(page.locator("#announcement")).to_have_text(re.compile(r"^Rows 11 to 20 of \d+, page 2"))


def test_the_address_brings_back_the_same_page(open_page: Open, company: Account, owner: User):
    page = open_page(user=owner)
    page.goto(usage_url(company))
    page.get_by_label("Kind of row").select_option("call")
    expect(page).to_have_url(re.compile("kind=call"))
    page.get_by_role("link", name="Next").click()
    expect(page).to_have_url(re.compile("page=2"))
    before = rows(page)
    page.reload()
    assert rows(page) == before
    page.go_back()
    expect(page.locator(".log-count")).to_have_text(re.compile("^1–10 of"))


def test_a_click_anywhere_on_a_row_opens_it(open_page: Open, company: Account, owner: User):
    page = open_page(user=owner)
    page.goto(usage_url(company))
    call_id = rows(page)[0]
    page.locator(".log-table tbody tr").first.locator(".log-remarks").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Call {call_id}")


def test_filters_without_rows_can_be_cleared(open_page: Open, company: Account, owner: User):
    page = open_page(user=owner)
    page.goto(usage_url(company))
    page.get_by_label("Call ID").fill("no-such-call")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="No rows for these filters")).to_be_visible()
    page.get_by_role("link", name="Clear the filters").click()
    expect(page.locator(".log-count")).to_have_text(re.compile("^1–10 of"))


def test_new_rows_are_offered_and_move_nothing(open_page: Open, company: Account, owner: User):
    page = open_page(user=owner)
    page.clock.install()
    page.goto(usage_url(company))
    before = rows(page)
    adjust(account=company, credits=5, reason="More", reference="live", at=timezone.now())
    page.clock.run_for(10_000)
    expect(page.get_by_text("1 new row – show")).to_be_visible()
    assert rows(page) == before
    page.get_by_text("1 new row – show").click()
    expect(page.locator(".log-table tbody .log-id").first).to_have_text("Adjustment")


def test_the_days_of_the_graph_can_be_walked_with_arrow_keys(
    open_page: Open, company: Account, owner: User
):
    page = open_page(user=owner)
    page.goto(usage_url(company))
    page.locator("#usage-chart").focus()
    page.keyboard.press("End")
    last = page.locator(".chart-table tbody th").last.text_content()
    expect(page.locator("#usage-chart-voice")).to_have_text(re.compile(f"^{last}: \\d+ calls?"))
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#usage-chart-voice")).not_to_have_text(re.compile(f"^{last}"))


def test_a_long_call_id_is_cut_for_the_eye_only(open_page: Open, company: Account, owner: User):
    page = open_page(user=owner, viewport={"width": 390, "height": 844})
    page.goto(usage_url(company))
    shown = page.locator(".middle").first
    whole = LedgerEntry.objects.filter(account=company, kind=Kind.CALL).latest("occurred_at")
    assert page.evaluate("element => element.scrollWidth", shown.element_handle()) < 220
    shown.evaluate("element => getSelection().selectAllChildren(element)")
    assert page.evaluate("() => getSelection().toString()") == whole.call_id


def test_a_balance_that_falls_below_zero_is_shown_so_at_once(
    open_page: Open, company: Account, owner: User
):
    page = open_page(user=owner)
    page.clock.install()
    page.goto(usage_url(company))
    available = page.locator(".tiles [data-live-balance]")
    owed = company.balance.credits + 1_360
    adjust(account=company, credits=-owed, reason="Less", reference="live", at=timezone.now())
    page.clock.run_for(10_000)
    expect(available).to_have_text("−1,360")
    expect(page.locator(".tiles")).to_contain_text("owed: what is added next pays it")
    expect(page.locator(".side [data-live-balance]")).to_have_text("1,360")


def test_paper_is_light_and_says_what_it_shows(open_page: Open, company: Account, owner: User):
    page = open_page(user=owner, color_scheme="dark")
    page.goto(f"{usage_url(company)}?usage_type=outbound")
    page.get_by_text("Dark", exact=True).click()
    page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    said = page.locator(".on-paper")
    expect(said.first).to_contain_text(company.name)
    expect(said.last).to_have_text(re.compile("^Last 7 days, .*Usage type: Outbound$"))
    expect(page.get_by_role("link", name=re.compile("^Download"))).to_be_hidden()
    title = "() => Chart.getChart('usage-chart').options.plugins.tooltip.titleColor"
    dark = page.evaluate(title)
    assert dark == "rgb(23, 25, 28)"
    assert page.evaluate("() => getComputedStyle(document.body).color") == dark
    page.emulate_media(media="screen")
    page.evaluate("() => dispatchEvent(new Event('afterprint'))")
    expect(said.first).to_be_hidden()
    assert page.evaluate(title) == "rgb(233, 235, 237)"


def test_the_theme_is_remembered_and_set_before_anything_is_drawn(
    open_page: Open, company: Account, owner: User
):
    page = open_page(user=owner, color_scheme="light")
    page.goto(usage_url(company))
    page.get_by_text("Dark", exact=True).click()
    page.reload(wait_until="commit")
    page.wait_for_selector("body", state="attached")
    assert page.evaluate("() => document.documentElement.dataset.theme") == "dark"


def test_the_copy_button_copies_the_whole_call_id(open_page: Open, company: Account, owner: User):
    page = open_page(user=owner, permissions=["clipboard-read", "clipboard-write"])
    page.goto(f"{usage_url(company)}?kind=call")
    call_id = rows(page)[0]
    page.get_by_role("link", name=call_id).click()
    page.get_by_role("button", name="Copy call ID").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("() => navigator.clipboard.readText()") == call_id


def test_a_lost_connection_is_said_and_leaves_the_numbers(
    open_page: Open, company: Account, owner: User
):
    page = open_page(user=owner)
    page.goto(usage_url(company))
    before = rows(page)
    page.route("**/billing/usage/**", lambda route: route.fulfill(status=503, body=""))
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_role("alert")).to_contain_text("could not be loaded")
    assert rows(page) == before


def test_a_page_number_that_is_too_high_leads_to_the_last_page(
    open_page: Open, company: Account, owner: User
):
    page = open_page(user=owner)
    page.goto(f"{usage_url(company)}?period=last_30_days")
    last = page.locator(".paging-page span").inner_text().removeprefix("of ")
    page.get_by_label("Page", exact=True).fill("99999")
    page.get_by_label("Page", exact=True).press("Enter")
    expect(page).to_have_url(re.compile(rf"\?period=last_30_days&.*page={last}$"))
    expect(page.get_by_label("Page", exact=True)).to_have_value(last)


def test_an_open_menu_hides_no_error_and_no_field_on_a_phone(
    open_page: Open, company: Account, owner: User
):
    page = open_page(user=owner, viewport={"width": 390, "height": 844})
    page.goto(f"{usage_url(company)}?from=2026-13-01&to=2026-11-01&kind=nothing")
    panel = page.locator(".field-period .menu-panel")
    expect(panel).to_be_visible()
    alert = page.locator(".filters-errors")
    field = page.get_by_role("button", name=re.compile("^Filters"))
    expect(alert).to_contain_text("The first day “2026-13-01” is not a date")
    expect(alert).to_contain_text("The kind of row “nothing” does not exist")
    boxes = [box for box in (place.bounding_box() for place in (alert, panel, field)) if box]
    edges = [edge for box in boxes for edge in (box["y"], box["y"] + box["height"])]
    assert len(edges) == 6
    assert edges == sorted(edges)


def test_everything_works_without_scripts(open_page: Open, company: Account, owner: User):
    page = open_page(user=owner, java_script_enabled=False)
    page.goto(usage_url(company))
    page.get_by_label("Kind of row").select_option("top_up")
    page.get_by_role("button", name="Apply filters").click()
    expect(page.locator(".log-table tbody tr")).to_have_count(1)

    page.goto(usage_url(company))
    today = timezone.now().astimezone(company.zone).date()
    page.locator(".filters summary").click()
    page.get_by_label("First day").fill((today - timedelta(days=14)).isoformat())
    page.get_by_label("Last day").fill(today.isoformat())
    page.get_by_role("button", name="Show these days").click()
    expect(page.locator(".period-name")).to_have_text("Custom range")
    page.get_by_role("link", name="Next").click()
    expect(page.locator(".log-count")).to_have_text(re.compile("^11–20 of"))
    page.get_by_text("Show the numbers as a table").click()
    expect(page.locator(".chart-table tbody tr")).to_have_count(15)


def test_the_menu_opens_on_a_phone_without_scripts(open_page: Open, company: Account, owner: User):
    phone = {"width": 390, "height": 844}
    page = open_page(user=owner, java_script_enabled=False, viewport=phone)
    page.goto(usage_url(company))
    expect(page.get_by_role("link", name="Subscription", exact=True)).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("link", name="Subscription", exact=True)).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("link", name="Subscription", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Subscription")

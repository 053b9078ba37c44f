"""The filters of Call Usage & Credits while answers are slow: what was asked for is shown."""

import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, Request, Route, expect

from billing.models import Account, LedgerEntry, User
from tests.browser.conftest import Open
from tests.movements import call, post

pytestmark = pytest.mark.browser

NUMBERS = re.compile(r"/billing/usage/(\?.*)?$")


@contextmanager
def slow(page: Page) -> Iterator[None]:
    """Keep every request for the numbers waiting until the block ends."""
    waiting: list[Route] = []
    gone: list[Request] = []
    is_slow = True

    def keep(route: Route) -> None:
        if is_slow:
            waiting.append(route)
        else:
            route.continue_()

    page.on("requestfailed", lambda request: gone.append(request))
    page.route(NUMBERS, keep)
    yield
    is_slow = False
    for route in waiting:
        if route.request not in gone:
            route.continue_()


@pytest.fixture
def page(open_page: Open, company: Account, owner: User) -> Page:
    page = open_page(user=owner)
    page.goto(reverse("dashboard:usage", args=[company.slug]))
    return page


def beginning(account: Account) -> str:
    """What the IDs of the calls of one day begin with."""
    entries = LedgerEntry.objects.filter(account=account, kind="call")
    return entries.order_by("-occurred_at").values_list("call_id", flat=True)[30][:13]


def shown_ids(page: Page) -> list[str | None]:
    links = page.locator(".log-table tbody .log-id a")
    return [link.get_attribute("aria-label") for link in links.all()]


def test_a_search_typed_before_next_is_pressed_is_applied(page: Page, company: Account):
    text = beginning(company)
    with slow(page):
        page.get_by_label("Call ID").fill(text)
        page.get_by_role("link", name="Next").click()
    expect(page).to_have_url(re.compile(rf"call_id={text}$"))
    expect(page.locator(".log-count")).to_contain_text("1–")
    assert all(name and name.startswith(text) for name in shown_ids(page))
    expect(page.get_by_label("Call ID")).to_have_value(text)
    announced = page.locator("#log").get_attribute("data-announcement") or ""
    calls = page.locator(".tile-figure").first.text_content()
    assert f" {calls} calls, " in announced


def test_a_filter_chosen_among_the_agents_stays_among_them(page: Page):
    page.get_by_role("link", name="Show by agent").click()
    page.locator("#sort-calls").click()
    expect(page).to_have_url(re.compile(r"sort=calls"))
    page.get_by_label("Usage type").select_option("inbound")
    expect(page).to_have_url(re.compile(r"view=agents.*sort=calls.*usage_type=inbound"))
    expect(page.locator("#log-title")).to_have_text("By Agent")
    page.get_by_role("link", name="Show the calls").click()
    expect(page).not_to_have_url(re.compile(r"view="))
    page.get_by_label("Usage type").select_option("")
    expect(page).not_to_have_url(re.compile(r"usage_type="))
    expect(page.locator("#log-title")).to_have_text("Call Logs")


def test_the_agents_are_of_the_state_of_the_tiles_and_newer_rows_are_offered(
    page: Page, company: Account
):
    calls = page.locator(".tile-figure").first.text_content() or ""
    now = timezone.now()
    post(call(company, "just-now", 1, now - timedelta(minutes=1), agent="Night desk"), at=now)
    page.get_by_role("link", name="Show by agent").click()
    expect(page.locator("#log-title")).to_have_text("By Agent")
    expect(page.get_by_role("link", name="Night desk")).to_have_count(0)
    by_agent = page.locator(".agents-table td[data-unit=calls]").all_text_contents()
    assert sum(int(number.replace(",", "")) for number in by_agent) == int(calls.replace(",", ""))
    page.get_by_role("link", name="1 new row – show").click()
    expect(page.get_by_role("link", name="Night desk")).to_be_visible()


def test_what_is_chosen_one_after_the_other_while_answers_are_away_holds_together(
    page: Page, company: Account
):
    with slow(page):
        page.get_by_label("Agent").select_option("Collections")
        page.locator(".filters summary").click()
        page.get_by_role("link", name="Last 30 days").click()
        page.get_by_label("Usage type").select_option("outbound")
        page.get_by_label("Call ID").fill("call-")
        page.keyboard.press("Enter")
    for asked in ("agent=Collections", "period=last_30_days", "usage_type=outbound", "call_id="):
        expect(page).to_have_url(re.compile(asked))
    expect(page.locator(".period-name")).to_have_text("Last 30 days")
    expect(page.get_by_label("Agent")).to_have_value("Collections")
    expect(page.get_by_label("Usage type")).to_have_value("outbound")


def test_a_choice_taken_back_while_its_answer_is_away_is_not_shown(page: Page):
    with slow(page):
        page.get_by_label("Agent").select_option("Collections")
        page.get_by_label("Agent").select_option("")
        page.get_by_label("Usage type").select_option("inbound")
    expect(page).to_have_url(re.compile(r"\?usage_type=inbound$"))
    expect(page.get_by_label("Agent")).to_have_value("")


def test_what_is_typed_while_an_answer_is_away_stays_and_is_applied(page: Page, company: Account):
    text = beginning(company)
    with slow(page):
        page.get_by_label("Agent").select_option("Reception")
        page.get_by_label("Call ID").click()
        page.keyboard.type(text)
    expect(page).to_have_url(re.compile(r"agent=Reception"))
    expect(page.get_by_label("Call ID")).to_have_value(text)
    expect(page.get_by_label("Call ID")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page).to_have_url(re.compile(rf"agent=Reception.*call_id={text}|call_id={text}.*agent"))


def test_a_download_is_of_what_was_typed(page: Page, company: Account, tmp_path: Path):
    text = beginning(company)
    with slow(page):
        page.get_by_label("Call ID").fill(text)
        with page.expect_download() as download:
            page.get_by_role("link", name=re.compile("^Download")).click()
    download.value.save_as(tmp_path / "calls.csv")
    with (tmp_path / "calls.csv").open(encoding="utf-8-sig", newline="") as file:
        _, *rows = csv.reader(file)
    assert rows
    assert all(row[1].startswith(text) for row in rows)


def test_the_menu_of_periods_stays_open_when_a_search_is_applied(page: Page, company: Account):
    page.get_by_label("Call ID").fill(beginning(company))
    page.locator(".filters summary").click()
    page.get_by_label("First day").fill("2026-01-05")
    expect(page).to_have_url(re.compile(r"call_id="))
    expect(page.get_by_role("link", name="Last 30 days")).to_be_visible()
    expect(page.get_by_label("First day")).to_have_value("2026-01-05")


def test_a_page_that_is_gone_is_no_problem_of_the_server(page: Page):
    page.route(NUMBERS, lambda route: route.fulfill(status=404, body=""))
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_text("There is no such page any more")).to_be_visible()


def test_each_arrow_key_goes_one_day_on_after_the_theme_was_changed(page: Page):
    for theme in ("dark", "light", "dark"):
        page.evaluate(
            """theme => {
                document.documentElement.dataset.theme = theme;
                document.dispatchEvent(new Event("themechange"));
            }""",
            theme,
        )
    graph = page.locator("#usage-chart")
    voice = page.locator("#usage-chart-voice")
    graph.focus()
    page.keyboard.press("Home")
    first = voice.inner_text()
    page.keyboard.press("ArrowRight")
    second = voice.inner_text()
    assert first != second
    page.keyboard.press("ArrowLeft")
    expect(voice).to_have_text(first)

"""The graph is there, with what the page counts, whatever is exchanged around it."""

import re
from collections.abc import Callable

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from billing.models import Account, User
from billing.plans.movements import adjust
from tests.browser.conftest import Open

pytestmark = pytest.mark.browser

# How many bars of credits have the colour of their usage type on the canvas itself.
PAINTED = """() => {
  const canvas = document.getElementById("usage-chart");
  const chart = window.Chart?.getChart(canvas);
  if (!chart) return 0;
  const paper = canvas.getContext("2d");
  const ratio = chart.currentDevicePixelRatio;
  let painted = 0;
  chart.data.datasets.forEach((set, index) => {
    if (set.type !== "bar" || set.yAxisID !== "credits") return;
    const plain = set.backgroundColor.find((colour) => typeof colour === "string");
    const colour = plain.match(/\\d+/g).slice(0, 3).map(Number);
    chart.getDatasetMeta(index).data.forEach((bar) => {
      const { x, y, base, width } = bar.getProps(["x", "y", "base", "width"], true);
      const at = [(x - width / 3) * ratio, ((y + base) / 2) * ratio];
      const pixel = paper.getImageData(...at, 1, 1).data;
      if (base - y > 4 && colour.every((value, channel) => Math.abs(value - pixel[channel]) < 4))
        painted += 1;
    });
  });
  return painted;
}"""


def expect_painted_bars(page: Page) -> None:
    """Wait for the first: on a busy machine the page comes slowly."""
    page.wait_for_function(PAINTED)


def chosen(label: str, value: str) -> Callable[[Page], None]:
    def choose(page: Page) -> None:
        page.get_by_label(label).select_option(value)

    return choose


def last_30_days(page: Page) -> None:
    page.locator(".filters summary").click()
    page.get_by_role("link", name="Last 30 days").click()
    expect(page.locator(".period-name")).to_have_text("Last 30 days")


def search(page: Page) -> None:
    page.get_by_label("Call ID").fill("call-")
    page.keyboard.press("Enter")


def custom_range(page: Page) -> None:
    page.locator(".filters summary").click()
    page.get_by_role("button", name="Show these days").click()


@pytest.mark.parametrize(
    ("change", "address"),
    [
        (last_30_days, "period=last_30_days"),
        (chosen("Usage type", "outbound"), "usage_type=outbound"),
        (chosen("Kind of row", "call"), "kind=call"),
        (chosen("Agent", "Collections"), "agent=Collections"),
        (search, "call_id=call-"),
        (custom_range, "period=custom"),
    ],
)
def test_the_graph_is_drawn_again_after_every_change_of_period_and_filters(
    open_page: Open,
    company: Account,
    owner: User,
    change: Callable[[Page], None],
    address: str,
):
    page = open_page(user=owner)
    page.goto(reverse("dashboard:usage", args=[company.slug]))
    expect_painted_bars(page)
    change(page)
    expect(page).to_have_url(re.compile(address))
    page.wait_for_load_state("networkidle")
    expect_painted_bars(page)
    page.get_by_role("link", name="Next").click()
    expect(page.locator(".log-count")).to_have_text(re.compile("^11–20 of"))
    expect_painted_bars(page)
    page.go_back()
    expect(page.locator(".log-count")).to_have_text(re.compile("^1–10 of"))
    expect_painted_bars(page)


def test_the_graph_is_drawn_again_when_new_rows_are_shown(
    open_page: Open, company: Account, owner: User
):
    page = open_page(user=owner)
    page.goto(reverse("dashboard:usage", args=[company.slug]))
    adjust(account=company, credits=5, reason="More", reference="live", at=timezone.now())
    page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")
    page.get_by_text("1 new row – show").click()
    expect(page.locator(".log-table tbody .log-id").first).to_have_text("Adjustment")
    expect_painted_bars(page)


def test_long_numbers_on_the_axis_leave_the_bars_their_room(
    open_page: Open, company: Account, owner: User
):
    page = open_page(user=owner)
    page.goto(reverse("dashboard:usage", args=[company.slug]))
    expect_painted_bars(page)
    written = page.evaluate(
        "values => values.map(Chart.getChart('usage-chart').options.scales.credits.ticks.callback)",
        [0, 7_500_000, 12_500_000, 1_250_000_000_000],
    )
    assert written == ["0", "7,500,000", "12.5m", "1.25tn"]

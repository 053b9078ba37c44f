"""What holds for every page: readable by everyone, on every width, quiet console, one truth."""

import json
from collections.abc import Sequence

import pytest
from django.urls import reverse
from playwright.sync_api import Page

from billing.accounts.opening import change_time_zone
from billing.models import Account, User
from tests.accessibility import bring_axe, faults_of
from tests.browser.conftest import Open
from tests.browser.pages import OPERATORS, SIGNED_OUT, pages_of

pytestmark = pytest.mark.browser

WIDTHS = (320, 390, 768, 899, 1024, 1440, 1920)
SHIFT_MAX = 0.01


def breaches(page: Page, pages: dict[str, str], widths: Sequence[int] = ()) -> dict[str, str]:
    """axe's findings by page, with every drop-down and disclosure open, and ``widths`` at which it
    scrolls sideways.
    """
    found = {}
    bring_axe(page)
    for name, path in pages.items():
        page.goto(path)  # returns once it is loaded, and nothing loads later by itself
        too_wide = [width for width in widths if scrolls_sideways(page, width)]
        if too_wide:
            found[f"{name} scrolls sideways"] = str(too_wide)
        page.evaluate(
            "() => document.querySelectorAll('.chart-table, .questions details')"
            ".forEach(each => { each.open = true })"
        )
        results = faults_of(page)
        if results.violations_count:
            found[name] = results.generate_report()
    return found


def scrolls_sideways(page: Page, width: int) -> bool:
    page.set_viewport_size({"width": width, "height": 900})
    return bool(page.evaluate("() => document.documentElement.scrollWidth") > width)


@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 390)])
def test_no_page_has_a_fault_that_axe_finds_or_scrolls_sideways(
    open_page: Open, company: Account, owner: User, operator: User, theme: str, width: int
):
    options = {"color_scheme": theme, "viewport": {"width": width, "height": 900}}
    others = [other for other in WIDTHS if other != width] if theme == "light" else []
    widths = [*others, width]
    assert breaches(open_page(user=owner, **options), pages_of(company), widths) == {}
    assert breaches(open_page(user=operator, **options), OPERATORS, widths) == {}
    assert breaches(open_page(**options), SIGNED_OUT, widths) == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_states_of_credits_are_readable(
    open_page: Open, default_plans: None, account: Account, owner: User, member: User, theme: str
):
    home = {"empty": reverse("dashboard:home", args=[account.slug])}
    usage = {"empty-usage": reverse("dashboard:usage", args=[account.slug])}
    refused = {"refused": reverse("dashboard:top_up", args=[account.slug])}
    assert breaches(open_page(user=owner, color_scheme=theme), home | usage) == {}
    assert breaches(open_page(user=member, color_scheme=theme), home | usage | refused) == {}


def test_long_names_ids_and_remarks_fit_on_a_phone(open_page: Open, company: Account, owner: User):
    company.name = "Überseegesellschaft" * 10
    company.save()
    page = open_page(user=owner, viewport={"width": 320, "height": 800})
    for path in pages_of(company).values():
        page.goto(path)
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 320, path


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/Argentina/Buenos_Aires"])
def test_the_filters_keep_to_one_line_however_long_the_period_is_in_words(
    open_page: Open, company: Account, owner: User, zone: str
):
    change_time_zone(account=company, time_zone=zone)
    page = open_page(user=owner, viewport={"width": 1440, "height": 900})
    page.goto(f"{reverse('dashboard:usage', args=[company.slug])}?from=2025-12-28&to=2026-11-23")
    controls = page.locator(".filters :is(summary, select, input[type=search])")
    boxes = [box for box in (each.bounding_box() for each in controls.all()) if box]
    assert len(boxes) >= 4
    assert {(box["y"], box["height"]) for box in boxes} == {(boxes[0]["y"], 36)}


@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_moves_while_the_page_loads(
    open_page: Open, company: Account, owner: User, width: int
):
    page = open_page(user=owner, viewport={"width": width, "height": 900})
    page.add_init_script(
        "window.shift = 0; new PerformanceObserver(list => list.getEntries().forEach("
        "entry => { window.shift += entry.value })).observe({type: 'layout-shift', buffered: true})"
    )
    page.goto(reverse("dashboard:usage", args=[company.slug]))
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(400)  # in which nothing may move
    assert page.evaluate("() => window.shift") <= SHIFT_MAX


def test_tiles_graph_and_table_alternative_say_the_same(
    open_page: Open, company: Account, owner: User
):
    page = open_page(user=owner)
    page.goto(reverse("dashboard:usage", args=[company.slug]))
    usage = json.loads(page.locator("#usage-chart").get_attribute("data-usage") or "")
    types = [value for value, _ in usage["usage_types"]]
    table = page.locator(".chart-table tbody tr").evaluate_all(
        "rows => rows.map(row => [row.cells[0].firstChild.textContent.trim(),"
        " ...[...row.cells].slice(1).map(cell => Number(cell.textContent.replace(/,/g, '')))])"
    )
    drawn = page.evaluate(
        "() => { const chart = Chart.getChart('usage-chart');"
        " return chart.data.labels.map((_, day) => chart.data.datasets.map(s => s.data[day])) }"
    )
    tiles = dict(
        zip(
            page.locator(".tile-name").all_inner_texts(),
            (int(text.replace(",", "")) for text in page.locator(".tile-figure").all_inner_texts()),
            strict=True,
        )
    )
    assert table == [
        [
            day["label"],
            day["calls"],
            day["credits_used"],
            *(day["by_type"][name] for name in types),
            day["credits_added"],
            day["credits_removed"],
            day["billed_minutes"],
        ]
        for day in usage["days"]
    ]
    assert drawn == [
        [*(day["by_type"][name] for name in types), day["calls"]] for day in usage["days"]
    ]
    assert tiles["Total Calls"] == sum(day["calls"] for day in usage["days"]) > 0
    assert tiles["Credits Used"] == sum(day["credits_used"] for day in usage["days"]) > 0


def test_columns_stand_in_their_order(open_page: Open, company: Account, owner: User):
    page = open_page(user=owner)
    page.goto(reverse("dashboard:usage", args=[company.slug]))
    assert page.locator(".log-table thead th").all_inner_texts() == [
        "Date & Time",
        "Call ID",
        "Credits Used",
        "Credits Added",
        "Remarks",
    ]

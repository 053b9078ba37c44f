"""What the usage page weighs when it is served as in production, and that nothing is lost."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from billing.models import Account, User
from config import no_page
from config.local.state import BASE_DIR
from config.static_storage import shorter_script, shorter_style
from tests.browser.conftest import Open
from tests.browser.test_graph import expect_painted_bars
from tests.hostile.site import served

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("weight")]

BYTES_MAX = 90_000
# Headers included. What is shorter than this is sent as it is.
COMPRESSED_FROM = 1_000
STYLES = sorted([*BASE_DIR.glob("static/css/*.css"), *BASE_DIR.glob("*/*/static/css/*.css")])
SCRIPTS = sorted([*BASE_DIR.glob("static/js/*.js"), *BASE_DIR.glob("*/*/static/js/*.js")])
BLOCKING_SCRIPTS = """() => performance.getEntriesByType("resource")
  .filter((each) => each.initiatorType === "script" && each.renderBlockingStatus === "blocking")
  .map((each) => each.name)"""
RULES = """(styles) => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(styles);
  // The values of custom properties are kept as they are written.
  return [...sheet.cssRules].map(({ cssText }) =>
    cssText.replace(/\\s+/g, " ").replace(/ ?([,(]) ?/g, "$1"));
}"""


@pytest.fixture(scope="module")
def origin(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the site is served by gunicorn, with collected static files."""
    with served(tmp_path_factory.mktemp("weight")) as port:
        yield f"http://localhost:{port}"


class Traffic:
    """Every answer that a page gets: its address, its encoding, its bytes with the headers."""

    def __init__(self, page: Page) -> None:
        self._answers: dict[str, tuple[str, str]] = {}
        self.bytes: dict[str, int] = {}
        session = page.context.new_cdp_session(page)
        session.on("Network.responseReceived", self._note)
        session.on("Network.loadingFinished", self._weigh)
        session.send("Network.enable")

    def _note(self, event: dict[str, Any]) -> None:
        answer = event["response"]
        headers = {name.lower(): value for name, value in answer["headers"].items()}
        self._answers[event["requestId"]] = answer["url"], headers.get("content-encoding", "")

    def _weigh(self, event: dict[str, Any]) -> None:
        self.bytes[event["requestId"]] = int(event["encodedDataLength"])

    @property
    def total(self) -> int:
        """All bytes."""
        return sum(self.bytes.values())

    @property
    def by_address(self) -> dict[str, int]:
        """The bytes of each answer."""
        return {self._answers[each][0]: size for each, size in self.bytes.items()}

    @property
    def long_and_plain(self) -> list[str]:
        """The addresses of answers that should have been compressed."""
        return [
            self._answers[each][0]
            for each, size in self.bytes.items()
            if size >= COMPRESSED_FROM and not self._answers[each][1]
        ]


@pytest.mark.parametrize("width", [390, 1440])
def test_a_first_visit_to_the_usage_page_stays_below_90_kb(
    open_page: Open, company: Account, owner: User, origin: str, width: int
):
    page = open_page(user=owner, viewport={"width": width, "height": 900})
    traffic = Traffic(page)
    page.goto(origin + reverse("dashboard:usage", args=[company.slug]))
    page.wait_for_load_state("networkidle")
    expect_painted_bars(page)
    assert traffic.total < BYTES_MAX, traffic.by_address
    files = [each for each in traffic.by_address if "/static/" in each]
    assert len(files) > 10
    assert [each for each in files if not re.search(r"\.[0-9a-f]{12}\.\w+$", each)] == []
    assert len([each for each in files if each.endswith(".css")]) == 1
    assert traffic.long_and_plain == []
    for each in files[:2]:
        headers = page.request.get(each).headers
        assert headers["content-security-policy"] == no_page.POLICY
        assert headers["x-content-type-options"] == "nosniff"
    assert page.evaluate(BLOCKING_SCRIPTS) == []
    page.get_by_role("link", name="Next").click()
    expect(page.locator(".log-count")).to_contain_text("11–20 of")
    assert [each for each in traffic.by_address if "htmx-2.min" in each]


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.stem)
def test_a_style_without_comments_has_the_same_rules(page: Page, style: Path):
    written = style.read_text(encoding="utf-8")
    shorter = shorter_style(written)
    assert len(shorter) < len(written)
    assert page.evaluate(RULES, shorter) == page.evaluate(RULES, written)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_no_text_of_a_script_has_several_lines(script: Path):
    lines = shorter_script(script.read_text(encoding="utf-8")).splitlines()
    assert [line for line in lines if line.count("`") % 2 or line.endswith("\\")] == []


def test_a_script_loses_comments_and_indentation_only():
    written = '// Says.\n\nif (a) {\n  b("// no comment");\n  // Why.\n}\n'
    assert shorter_script(written) == 'if (a) {\nb("// no comment");\n}\n'

"""What axe finds on a page."""

import json

from axe_playwright_python.base import AXE_SCRIPT
from axe_playwright_python.sync_playwright import AxeResults
from playwright.sync_api import Page

# To read styles that import others, axe puts them into the page, which its policy forbids. The one
# rule that reads them is experimental, and not run.
# Without its account of all that is in order, which nobody reads, it takes half the time.
OPTIONS = {"preload": {"assets": ["media"]}, "reporter": "no-passes"}


def bring_axe(page: Page) -> None:
    """Have every document that the page opens from now on come with axe.

    For a test of many pages: to send it to each of them takes twice as long.
    """
    page.add_init_script(AXE_SCRIPT)


def faults_of(page: Page) -> AxeResults:
    """Run axe on what the page shows."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    return AxeResults(page.evaluate(f"axe.run({json.dumps(OPTIONS)})"))

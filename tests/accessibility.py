"""What axe finds on a page."""

from axe_playwright_python.sync_playwright import Axe, AxeResults
from playwright.sync_api import Page

# To read styles that import others, axe puts them into the page, which its policy forbids. The one
# rule that reads them is experimental, and not run.
OPTIONS = {"preload": {"assets": ["media"]}}


def faults_of(page: Page) -> AxeResults:
    """Run axe on what the page shows."""
    return Axe().run(page, options=OPTIONS)

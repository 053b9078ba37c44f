"""What axe finds on a page."""

from axe_playwright_python.sync_playwright import Axe, AxeResults
from playwright.sync_api import Page

# To read styles that import others, axe puts them into the page, which its policy forbids. The one
# rule that reads them is experimental, and not run.
# Without its account of all that is in order, which nobody reads, it takes a fifth of the time.
OPTIONS = {"preload": {"assets": ["media"]}, "resultTypes": ["violations"]}


def faults_of(page: Page) -> AxeResults:
    """Run axe on what the page shows."""
    return Axe().run(page, options=OPTIONS)

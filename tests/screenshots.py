"""Pictures of the demonstration's pages, in a database of their own that is deleted afterwards.

make screenshots                      the README's: docs/usage-light.png, docs/usage-dark.png
make screenshots INTO=some/directory  every page, 1440 and 390 pixels wide, light and dark
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django
from playwright.sync_api import Browser, Page, sync_playwright

import tests.keyspace  # noqa: F401 - before Django's settings are read
from config.local import browser as chromium

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# Playwright's own event loop runs in this thread.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
django.setup()

from django.contrib.staticfiles.handlers import StaticFilesHandler  # noqa: E402
from django.db import connections  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.runner import DiscoverRunner  # noqa: E402
from django.test.testcases import LiveServerThread  # noqa: E402
from django.urls import reverse  # noqa: E402
from django.utils import timezone  # noqa: E402

from billing.models import (  # noqa: E402
    Account,
    Role,
    User,
)
from dashboard.demo.story import seed  # noqa: E402
from tests.browser.pages import OPERATORS, SIGNED_OUT, pages_of  # noqa: E402
from tests.conftest import CHROMIUM_FLAGS  # noqa: E402

DOCS = Path(__file__).resolve().parent.parent / "docs"
README_WIDTH = 1360
WIDTHS = (1440, 390)
THEMES = ("light", "dark")
# The graph is drawn within this time, its animation included.
DRAWN_MS = 600


def main(arguments: list[str]) -> int:
    """Take the pictures; return the exit status."""
    if chromium.executable() is None:
        print(f"There is no Chromium. Install it: {chromium.HOW_TO_INSTALL}", file=sys.stderr)
        return 1
    with demonstration() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium.executable(), args=CHROMIUM_FLAGS
        )
        try:
            if arguments:
                every_page(browser, address, Path(arguments[0]))
            else:
                for_the_readme(browser, address)
        finally:
            browser.close()
            # Playwright's loop makes this a context of its own, with a connection of its own.
            connections.close_all()
    return 0


@contextmanager
def demonstration() -> Iterator[str]:
    """Serve the demonstration from a test database; yields the address."""
    runner = DiscoverRunner(verbosity=0, interactive=False)
    databases = runner.setup_databases()
    seed(now=timezone.now())
    # Connections that the server's threads keep would keep the database from being deleted.
    connections.settings["default"]["CONN_MAX_AGE"] = 0
    server = LiveServerThread("localhost", StaticFilesHandler)
    server.daemon = True
    server.start()
    server.is_ready.wait()
    if server.error:
        raise server.error
    try:
        yield f"http://localhost:{server.port}"
    finally:
        server.terminate()
        connections.close_all()
        runner.teardown_databases(databases)


def for_the_readme(browser: Browser, address: str) -> None:
    """One page, whole, in both themes."""
    account = Account.objects.get(slug="lotus")
    DOCS.mkdir(exist_ok=True)
    for theme in THEMES:
        page = open_page(browser, address, owner_of(account), width=README_WIDTH, theme=theme)
        page.goto(f"{reverse('dashboard:usage', args=[account.slug])}?period=last_30_days")
        shoot(page, DOCS / f"usage-{theme}.png")


def every_page(browser: Browser, address: str, into: Path) -> None:
    """Every page of every account, and the operators' own, at every width, in both themes."""
    into.mkdir(parents=True, exist_ok=True)
    for theme in THEMES:
        for width in WIDTHS:
            page = open_page(browser, address, None, width=width, theme=theme)
            for name, path in SIGNED_OUT.items():
                page.goto(path)
                shoot(page, into / f"{name}-{width}-{theme}.png")
            operator = User.objects.filter(is_staff=True).first()
            page = open_page(browser, address, operator, width=width, theme=theme)
            for name, path in OPERATORS.items():
                page.goto(path)
                shoot(page, into / f"{name}-{width}-{theme}.png")
            for account in Account.objects.all():
                page = open_page(browser, address, owner_of(account), width=width, theme=theme)
                for name, path in pages_of(account).items():
                    page.goto(path)
                    shoot(page, into / f"{account.slug}-{name}-{width}-{theme}.png")


def owner_of(account: Account) -> User:
    """The account's superadmin."""
    return User.objects.get(memberships__account=account, memberships__role=Role.SUPERADMIN)


def open_page(browser: Browser, address: str, user: User | None, *, width: int, theme: str) -> Page:
    """An empty page of this width and theme, with ``user`` signed in."""
    context = browser.new_context(
        base_url=address,
        viewport={"width": width, "height": 900},
        color_scheme="dark" if theme == "dark" else "light",
        reduced_motion="reduce",
        locale="en-GB",
    )
    if user is not None:
        client = Client()
        client.force_login(user)
        for name, morsel in client.cookies.items():
            context.add_cookies([{"name": name, "value": morsel.value, "url": address}])
    return context.new_page()


def shoot(page: Page, path: Path) -> None:
    """Store the whole page as it looks in a window as high as itself."""
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(DRAWN_MS)
    width = page.viewport_size["width"] if page.viewport_size else README_WIDTH
    height = page.evaluate("() => document.documentElement.scrollHeight")
    page.set_viewport_size({"width": width, "height": height})
    page.wait_for_timeout(DRAWN_MS)
    page.screenshot(path=path)
    page.set_viewport_size({"width": width, "height": 900})
    print(f"{path} ({path.stat().st_size // 1000} kB)")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

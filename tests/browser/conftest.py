"""A company with calls, signed-in pages in any shape, and a watch on the console."""

import re
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, Page

from billing.models import Account, Plan, User
from tests.browser.company import add_downloads, fill

Open = Callable[..., Page]

# The browser's and htmx's words for an answer of 4xx or 5xx, and for a request that was replaced.
ANSWERED = re.compile(
    "responded with a status of|Response Status Error|htmx:(afterRequest|sendAbort), "
)


@pytest.fixture
def default_plans(transactional_db: None) -> None:
    """The plans of a new installation, which a test that commits for real has emptied."""
    if not Plan.objects.exists():
        import_module("billing.migrations.0002_new_installation").install_plans(apps, None)


@pytest.fixture
def company(default_plans: None, account: Account, owner: User) -> Account:
    """``account`` on a plan, with three weeks of calls and credits."""
    fill(account=account, now=timezone.now())
    add_downloads(account=account, by=owner, now=timezone.now())
    return account


@pytest.fixture
def open_page(browser: Browser, live_server: Any) -> Iterator[Open]:
    """Return ``open_page(user=…, **options of a browser context)``: an empty page of its own.

    Whatever the browser complains of in its console on any page visited fails the test, except
    for an answer of 4xx or 5xx, and a request that another one replaced: those are meant.
    """
    contexts = []
    faults: list[str] = []

    def open_page(*, user: User | None = None, **options: Any) -> Page:
        context = browser.new_context(base_url=live_server.url, locale="en-GB", **options)
        context.set_default_timeout(15_000)
        contexts.append(context)
        if user is not None:
            client = Client()
            client.force_login(user)
            name = settings.SESSION_COOKIE_NAME
            context.add_cookies(
                [{"name": name, "value": client.cookies[name].value, "url": live_server.url}]
            )
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(f"{page.url}: {error}"))
        page.on(
            "console",
            lambda message: (
                faults.append(f"{page.url}: {message.text}")
                if message.type == "error" and not ANSWERED.search(message.text)
                else None
            ),
        )
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []

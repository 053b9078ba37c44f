"""What every test may ask for: isolation of keys, a real browser, a real Celery worker.

Marks: `browser` tests use `page` (and `sign_in`, `assert_accessible`), `broker` tests use
`celery_worker`. Both commit for real, so their database is emptied after each test. After every
test that posts, the whole audit must find nothing, except where it is marked `broken_ledger`
or `ledger_alone`.
"""

import contextlib
import gc
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import current_app
from django.apps import apps
from django.conf import settings
from django.core.cache import caches
from django.core.servers.basehttp import WSGIRequestHandler
from django.db import connection, connections, transaction
from django.db.models import Sum
from django.template.base import Template
from django.template.context import Context
from django.test import Client, TransactionTestCase, override_settings
from django.test.signals import template_rendered
from django.utils.safestring import SafeString
from kombu.exceptions import OperationalError
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Page,
    Playwright,
    expect,
    sync_playwright,
)
from pytest_django import DjangoDbBlocker

from billing.models import Balance, Pack, Plan, User
from config.local import browser as chromium
from tests import emptying
from tests.accessibility import faults_of
from tests.audit import LEDGER, WHOLE, breaches
from tests.child import child_environment
from tests.migrated import migrated_database

pytest_plugins = ["tests.clock", "tests.personas"]

ROOT = Path(__file__).resolve().parent.parent
# What is waited for is there at once, unless the machine has much else to do.
PATIENCE_MS = 15_000
WORKER_START_SECONDS = 60
WORKER_IDLE_SECONDS = 60
GARBAGE_OBJECTS = 10_000
ONE_BY_ONE = pytest.mark.xdist_group("stack").mark
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
WITHOUT_BROWSER = (
    "THE BROWSER TESTS DID NOT RUN: there is no Chromium. Install it: " + chromium.HOW_TO_INSTALL
)


def _turn(item: pytest.Item) -> tuple[object, ...]:
    if item.get_closest_marker("xdist_group") == ONE_BY_ONE:
        path, line, _ = item.location
        return (0, path, line)
    return (1,)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with those that run one after the other, and skip what needs a browser without one.

    Run last, they kept one process waiting. They need no test database: others may empty it after.
    They run as they stand, so that those that end what others share come last.
    """
    items.sort(key=_turn)
    if chromium.executable():
        return
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.skip(reason=WITHOUT_BROWSER))


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Have each process load another part of the tests first.

    pytest compiles those that are new, which takes longer than to load them, and keeps the result.
    In a new checkout each process compiled all of them, at the same time and in the same order.
    """
    worker = getattr(session.config, "workerinput", None)
    if worker is None:
        return
    gc.disable()  # nothing of what is loaded is garbage
    asked = [Path(argument.partition("::")[0]).resolve() for argument in session.config.args]
    modules = [
        path
        for path in sorted(ROOT.glob("tests/**/test_*.py"))
        if any(path.is_relative_to(one) for one in asked)
    ]
    for path in modules[int(worker["workerid"].removeprefix("gw")) :: worker["workercount"]]:
        with contextlib.suppress(Exception):  # pytest says which, when it gets there
            import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Take all that is there for all tests out of the search for garbage, and search less often.

    To look through 7,000 tests and their modules again and again was a tenth of what they take.
    """
    gc.collect()
    gc.freeze()
    gc.enable()
    gc.set_threshold(GARBAGE_OBJECTS)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes by their argument: what is packed holds the time, so each process had its own."""
    return argname if isinstance(val, bytes) else None


# ── Without a browser: said at the end, and a failure in CI ───────────────────────────────────
def _browser_tests_left_out(terminal: Any) -> bool:
    return any(
        WITHOUT_BROWSER in str(report.longrepr) for report in terminal.stats.get("skipped", [])
    )


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say loudly what a skipped browser suite means."""
    if _browser_tests_left_out(terminalreporter):
        terminalreporter.write_sep("!", WITHOUT_BROWSER, bold=True, red=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a suite without its browser tests has failed, whatever else passed."""
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if terminal and _browser_tests_left_out(terminal) and os.environ.get("CI") == "true":
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


# ── The database ──────────────────────────────────────────────────────────────────────────────
@pytest.fixture(scope="session")
def template_database(
    testrun_uid: str, django_test_environment: None, django_db_blocker: DjangoDbBlocker
) -> str:
    """The name of a migrated database, to make others from: `CREATE DATABASE … TEMPLATE …`."""
    with django_db_blocker.unblock():
        return migrated_database(testrun_uid)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, template_database: str
) -> None:
    """Make the database of the tests from the one that is migrated."""
    connection.settings_dict["TEST"]["TEMPLATE"] = template_database


# ── What a new installation comes with ────────────────────────────────────────────────────────
@pytest.fixture
def default_plans(db: None) -> None:
    """The plans of a new installation: tests that commit for real empty the database after them."""
    if not Plan.objects.exists():
        import_module("billing.migrations.0002_new_installation").install_plans(apps, None)


@pytest.fixture
def default_packs(db: None) -> None:
    """The packs and prices of a new installation, likewise."""
    if not Pack.objects.exists():
        import_module("billing.migrations.0002_new_installation").install_packs(apps, None)


@pytest.fixture(scope="module")
def stored_for_module(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Store what other fixtures of the module store once, for all of its tests that only read it.

    Those tests belong in one `xdist_group`, so that one process stores it. None of them may commit
    for real. What was stored is audited after the last of them.
    """
    new_installation = import_module("billing.migrations.0002_new_installation")
    with django_db_blocker.unblock(), transaction.atomic():
        if not Plan.objects.exists():
            new_installation.install_plans(apps, None)
        if not Pack.objects.exists():
            new_installation.install_packs(apps, None)
        yield
        # One by one: the plan for all at once was made for tables with next to nothing in them.
        assert [str(breach) for invariant in WHOLE for breach in invariant()] == []
        transaction.set_rollback(True)


# ── The ledger ────────────────────────────────────────────────────────────────────────────────
@pytest.fixture(autouse=True)
def clean_ledger(request: pytest.FixtureRequest) -> Iterator[None]:
    """Prove every invariant of the audit after each test that posts, while its rows are there.

    Marked `broken_ledger`, a test breaks them on purpose. Marked `ledger_alone`, what it posts has
    no call or purchase behind it, so that only what is true of the ledger by itself must hold.
    """
    database = _database_of(request)
    if database:
        request.getfixturevalue(database)
    posted_before = _posted() if "stored_for_module" in request.fixturenames else None
    yield
    marks = {mark.name for mark in request.node.iter_markers()}
    if database and "broken_ledger" not in marks and _posted() != posted_before:
        assert breaches(LEDGER if "ledger_alone" in marks else WHOLE) == []


def _posted() -> int | None:
    """How many entries were posted; None where no account has a balance yet."""
    last_seqs: int | None = Balance.objects.aggregate(last_seqs=Sum("last_seq"))["last_seqs"]
    return last_seqs


def _database_of(request: pytest.FixtureRequest) -> str:
    """The fixture by which a test uses the database; empty where it doesn't."""
    mark = request.node.get_closest_marker("django_db")
    is_marked = mark is not None
    if "transactional_db" in request.fixturenames or (is_marked and mark.kwargs.get("transaction")):
        return "transactional_db"
    return "db" if is_marked or "db" in request.fixturenames else ""


@pytest.fixture(scope="session", autouse=True)
def _quick_emptying() -> Iterator[None]:
    """Empty the database quickly after each test that commits for real."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", emptying.empty)
        yield


# ── Passwords ─────────────────────────────────────────────────────────────────────────────────
@pytest.fixture(scope="session", autouse=True)
def _quick_passwords() -> Iterator[None]:
    """Hash passwords quickly; checking one that was hashed in earnest takes half a second."""
    with override_settings(PASSWORD_HASHERS=["tests.hashing.QuickHasher"]):
        yield


# ── Templates ─────────────────────────────────────────────────────────────────────────────────
def _render_and_tell(template: Template, context: Context) -> SafeString:
    if context.template is template:
        template_rendered.send(sender=template, template=template, context=context)
    return template.nodelist.render(context)


@pytest.fixture(scope="session", autouse=True)
def _quick_templates(django_test_environment: None) -> Iterator[None]:
    """Keep the context of each page for `response.context`, not of all that it includes as well.

    Django copies it each time: that was a sixth of what the tests of pages took.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Template, "_render", _render_and_tell)
        yield


# ── Keys ──────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture(autouse=True)
def _own_cache_keys() -> None:
    """Give each test an empty cache: keys of its own, as clearing would empty the broker too."""
    caches.settings["default"]["KEY_PREFIX"] = f"{settings.REDIS_KEY_PREFIX}:{secrets.token_hex(6)}"
    with contextlib.suppress(AttributeError):  # this thread has not used the cache yet
        del caches["default"]


# ── Browser ───────────────────────────────────────────────────────────────────────────────────
@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """Yield Playwright.

    While its event loop runs, Django keeps this thread's connections apart from those of before
    and after; those that would be forgotten are closed at each turn.
    """
    connections.close_all()
    with sync_playwright() as running:
        yield running
        connections.close_all()


@pytest.fixture(scope="session", autouse=True)
def _live_server_answers_at_once() -> Iterator[None]:
    """Send head and body of an answer without a pause: the body would wait 40 ms for a receipt."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WSGIRequestHandler, "disable_nagle_algorithm", True)
        yield


@pytest.fixture(scope="session")
def browser(playwright: Playwright, live_server: Any) -> Iterator[Browser]:
    """Yield the machine's own Chromium, headless.

    It ends before the live server does, and that before the database: a connection that the browser
    keeps open keeps a thread of the server, and with it a session of the database.
    """
    expect.set_options(timeout=PATIENCE_MS)
    running = playwright.chromium.launch(
        executable_path=chromium.executable(), headless=True, args=CHROMIUM_FLAGS
    )
    yield running
    running.close()


@pytest.fixture
def page(browser: Browser, live_server: Any, transactional_db: None) -> Iterator[Page]:
    """Yield an empty page of a live server: `page.goto("/…")`.

    A script error or a breach of the Content-Security-Policy on any page visited fails the test.
    """
    faults: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error" and "Content Security Policy" in message.text:
            faults.append(message.text)

    context = browser.new_context(base_url=live_server.url, locale="en-GB")
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.on("console", note)
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield page
    context.close()
    assert faults == []


@pytest.fixture
def sign_in(page: Page, live_server: Any) -> Callable[[User], None]:
    """Return a function that signs a user in without the form: `sign_in(user)`."""

    def sign_in(user: User) -> None:
        client = Client()
        client.force_login(user)
        session = client.cookies[settings.SESSION_COOKIE_NAME].value
        page.context.add_cookies(
            [{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}]
        )

    return sign_in


@pytest.fixture
def assert_accessible() -> Callable[[Page], None]:
    """Return a function that fails with axe's report when a page has a breach it can find."""

    def assert_accessible(page: Page) -> None:
        results = faults_of(page)
        assert results.violations_count == 0, results.generate_report()

    return assert_accessible


# ── Worker ────────────────────────────────────────────────────────────────────────────────────
def _worker_is_idle() -> bool:
    """Tell whether nothing is queued, received or running. A busy solo worker does not answer."""
    inspect = current_app.control.inspect(timeout=1, limit=1)
    answers = [inspect.active(), inspect.reserved(), inspect.scheduled()]
    if any(answer is None or any(answer.values()) for answer in answers):
        return False
    queue = settings.CELERY_BROKER_TRANSPORT_OPTIONS["global_keyprefix"] + "celery"
    with contextlib.closing(redis.Redis.from_url(settings.REDIS_URL)) as broker:
        return broker.llen(queue) == 0


_workers: list[subprocess.Popen[bytes]] = []


@pytest.fixture(scope="session")
def _worker_process(
    django_db_setup: None,
    live_server: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run one real worker per test process, on its test database and under its own keys.

    Its SITE_URL is the live server's: the sandbox provider reports there over HTTP.
    """
    log = tmp_path_factory.mktemp("worker") / "worker.log"
    command = ["worker", "--pool=solo", "--concurrency=1", "--loglevel=INFO", "--without-mingle"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "--app=config", *command],
            cwd=ROOT,
            env=child_environment(SITE_URL=live_server.url),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    deadline = time.monotonic() + WORKER_START_SECONDS
    _workers.append(process)
    try:
        while not _ping():
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"The Celery worker did not start:\n{log.read_text()}")
        yield process
        if process.poll() is not None:
            pytest.fail(f"The Celery worker died:\n{log.read_text()}")
    finally:
        _workers.remove(process)
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ping() -> bool:
    with contextlib.suppress(OperationalError, ConnectionError):
        return bool(current_app.control.ping(timeout=0.5, limit=1))
    return False


@pytest.fixture
def celery_worker(
    _worker_process: subprocess.Popen[bytes], live_server: Any, transactional_db: None
) -> Iterator[Callable[[], None]]:
    """Run a real worker for this test; yields a function that waits until it has nothing to do.

    SITE_URL is the live server's here too, for what this process enqueues and serves.
    """
    with override_settings(SITE_URL=live_server.url):
        yield _wait_until_idle


@pytest.fixture(autouse=True)
def _worker_rests(request: pytest.FixtureRequest, clean_ledger: None) -> Iterator[None]:
    """Let the worker finish before the ledger is audited and the database is emptied.

    A task that still runs would write into the next test, or lock what is being emptied. A test
    that asks for no worker does without the one that an earlier test started: that sleeps.
    """
    commits = _database_of(request) == "transactional_db"
    sleeping = [] if "celery_worker" in request.fixturenames or not commits else list(_workers)
    for process in sleeping:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in sleeping:
            process.send_signal(signal.SIGCONT)
    if _workers and commits:
        _wait_until_idle()


def _wait_until_idle() -> None:
    deadline = time.monotonic() + WORKER_IDLE_SECONDS
    while not _worker_is_idle():
        assert all(worker.poll() is None for worker in _workers), "the Celery worker died"
        assert time.monotonic() < deadline, "the Celery worker does not come to rest"

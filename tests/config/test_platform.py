"""The site as a whole: health, headers, sign-in, static files."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from celery import current_app
from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, expect

from billing.models import Account, PaymentEvent, User
from calls.inbox.receiving import store
from calls.models import Via
from calls.platforms import Event
from config import checks, health
from config.messages import HostCookieStorage
from tests.calls.inbox.sending import connect

pytestmark = pytest.mark.django_db


def test_health_says_that_database_and_broker_answer(client: Client) -> None:
    response = client.get("/health/", headers={"host": "10.1.2.3"})
    assert response.status_code == 200
    assert response.json() == {"database": "ok", "broker": "ok", "oldest_unprocessed_seconds": 0}


def test_health_tells_how_long_an_event_has_waited_for_a_worker(client: Client) -> None:
    received_at = timezone.now() - timedelta(minutes=10)
    PaymentEvent.objects.create(
        gateway="sandbox", event_id="1", event_type="paid", payload={}, received_at=received_at
    )
    answer = client.get("/health/")
    assert answer.status_code == 200
    assert 600 <= answer.json()["oldest_unprocessed_seconds"] < 660


def test_health_tells_how_long_a_report_of_a_call_has_waited(
    client: Client, account: Account
) -> None:
    received_at = timezone.now() - timedelta(hours=3)
    source = connect(account)
    event = Event("v1", {"message.call.id": "v1"})
    store(source=source, event=event, digest=b"1" * 32, now=received_at, via=Via.WEBHOOK)
    assert 10_800 <= client.get("/health/").json()["oldest_unprocessed_seconds"] < 10_860


def test_health_is_503_and_says_that_the_broker_is_full(client: Client) -> None:
    broker = health._broker()
    before = broker.config_get("maxmemory", "maxmemory-policy")
    broker.config_set("maxmemory-policy", "noeviction")
    broker.config_set("maxmemory", 1)
    try:
        answer = client.get("/health/")
    finally:
        for name, value in before.items():
            broker.config_set(str(name), str(value))
    assert (answer.status_code, answer.json()["broker"]) == (503, "full")


def test_a_process_is_alive_whatever_its_broker_does(client: Client, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert client.get("/health/live/").json() == {"process": "ok"}


def test_health_is_503_and_names_a_broker_that_is_down(client: Client, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    health._broker.cache_clear()
    try:
        response = client.get("/health/")
    finally:
        health._broker.cache_clear()
    assert response.status_code == 503
    assert response.json()["broker"] == "down"


def test_pages_allow_no_inline_style_and_one_inline_script(client: Client) -> None:
    policy = client.get("/accounts/login/").headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert policy.count("'sha256-") == 1
    assert "unsafe" not in policy


def test_admin_runs_no_inline_script_but_the_one_of_each_page_and_names_no_foreign_source(
    admin_client: Client,
) -> None:
    policy = admin_client.get("/admin/").headers["Content-Security-Policy"]
    scripts = policy.partition("script-src")[2].partition(";")[0]
    assert scripts == f" 'self' {settings.EARLY_SCRIPT}"
    assert "'unsafe-inline'" in policy.partition("style-src")[2].partition(";")[0]
    assert policy.count("unsafe") == 1
    ours = f" {settings.SITE_URL}"  # where the sandbox's page is
    assert "http" not in policy.replace(ours, "")


def test_probes_have_a_policy_of_their_own(client: Client) -> None:
    for address in ("/health/", "/health/live/"):
        headers = client.get(address).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


def test_what_a_page_says_once_is_under_a_name_of_this_host(
    client: Client, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HostCookieStorage, "cookie_name", "__Host-messages")
    client.force_login(owner)
    answer = client.post("/accounts/logout/")
    assert answer.cookies["__Host-messages"]["path"] == "/"
    assert client.get("/accounts/login/").cookies["__Host-messages"].value == ""


def test_nobody_signs_up_by_themselves(client: Client) -> None:
    response = client.post(
        "/accounts/signup/",
        {"email": "new@example.com", "password1": "long-and-odd-7", "password2": "long-and-odd-7"},
    )
    assert response.status_code == 200
    assert not User.objects.filter(email="new@example.com").exists()


def test_the_email_address_signs_in(client: Client) -> None:
    User.objects.create_user("asha@example.com", "long-and-odd-7")
    response = client.post(
        "/accounts/login/", {"login": "asha@example.com", "password": "long-and-odd-7"}
    )
    assert response.status_code == 302
    assert response.headers["Location"] == "/"


def test_chart_script_is_found() -> None:
    assert finders.find(checks.CHART_SCRIPT)
    assert checks.chart_script_is_found() == []


def test_a_missing_chart_script_is_an_error(settings: Any) -> None:
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    assert [error.id for error in checks.chart_script_is_found()] == ["platform.E001"]


@pytest.mark.parametrize(
    ("address", "is_on", "found"),
    [
        ("https://credits.example.com", True, ["platform.E002"]),
        ("https://credits.example.com", False, []),
        ("http://localhost:8000", True, []),
    ],
)
def test_the_demonstrations_sign_ins_are_refused_over_https(
    settings: Any, address: str, is_on: bool, found: list[str]
) -> None:
    settings.SITE_URL, settings.DEMO_SIGN_INS = address, is_on
    assert [error.id for error in checks.demo_sign_ins_are_for_trying_out()] == found


@pytest.mark.parametrize("attempt", [1, 2])
def test_each_test_starts_with_an_empty_cache(attempt: int) -> None:
    assert cache.get("left-over") is None
    cache.set("left-over", attempt)


@pytest.mark.broker
def test_a_real_worker_runs_a_task(celery_worker: Callable[[], None]) -> None:
    current_app.send_task("celery.backend_cleanup")
    celery_worker()
    replies = current_app.control.inspect(timeout=5, limit=1).stats() or {}
    assert [stats["total"]["celery.backend_cleanup"] for stats in replies.values()] == [1]


@pytest.mark.browser
def test_the_sign_in_page_works_and_is_accessible(
    page: Page, assert_accessible: Callable[[Page], None]
) -> None:
    User.objects.create_user("asha@example.com", "long-and-odd-7")
    page.goto("/accounts/login/")
    page.get_by_role("textbox", name="Email").fill("asha@example.com")
    page.get_by_label("Password").fill("long-and-odd-7")
    page.get_by_role("button", name="Sign In").click()
    expect(page).not_to_have_url(f"{page.url.split('/accounts')[0]}/accounts/login/")


def test_pages_are_compressed_by_lengths_that_tell_nothing(client: Client) -> None:
    sizes = set()
    for _ in range(20):
        answer = client.get("/accounts/login/", headers={"accept-encoding": "gzip"})
        assert answer.headers["Content-Encoding"] == "gzip"
        sizes.add(len(answer.content))
    whole = client.get("/accounts/login/")
    assert max(sizes) < len(whole.content) * 0.6
    assert len(sizes) > 1


def test_nobody_keeps_a_page_that_a_person_saw(admin_client: Client) -> None:
    for address in ("/admin/", "/accounts/password/change/", "/"):
        assert "no-store" in admin_client.get(address).headers["Cache-Control"]

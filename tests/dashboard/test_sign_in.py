"""Signing in: one page for everybody, on which tries are counted."""

import re
import signal
import socket
import time
from html import unescape

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.test import Client
from django.urls import reverse

from billing.models import User
from config.local.embedded_valkey import start_valkey
from config.local.processes import Supervisor
from tests.dashboard.test_two_step_sign_in import clock, code_of  # noqa: F401
from tests.factories import PASSWORD, OperatorFactory

pytestmark = pytest.mark.django_db

WANTED = "/admin/billing/account/?q=acme"
TRIES_OF_ONE_ADDRESS_MAX = 5
TRIES_OF_ONE_VISITOR_MAX = 10  # instead of more, to be quick
HANGING_SECONDS_MAX = 6
ANOTHER_PASSWORD = "battery-staple-horse-correct"


def is_signed_in(browser):
    return browser.get(reverse("mfa_index")).status_code == 200


def arrive(browser, address):
    """Go to an address; give the page that follows, and what its form keeps for afterwards."""
    page = browser.get(address, follow=True)
    kept = re.findall(r'type="hidden" name="next" value="([^"]*)"', page.content.decode())
    return page, {"next": unescape(kept[0])} if kept else {}


def sign_in(browser, user, password=PASSWORD, **kept):
    return browser.post(
        reverse("account_login"), {"login": user.email, "password": password, **kept}, follow=True
    )


# ── Operators ─────────────────────────────────────────────────────────────────────────────────
def test_an_operator_comes_from_the_admin_to_where_he_wanted_to_go(client, operator):
    page, kept = arrive(client, WANTED)
    assert page.request["PATH_INFO"] == reverse("account_login")
    page = sign_in(client, operator, **kept)
    assert page.status_code == 200
    assert f"{page.request['PATH_INFO']}?{page.request['QUERY_STRING']}" == WANTED


@pytest.mark.parametrize("place", ["//[", "http://[::1", "http://[x]/", "//a]b", "http://℀.com"])
def test_where_nobody_can_go_on_to_is_no_fault_of_the_site(client, owner, place):
    for name in ("account_login", "account_reset_password", "account_inactive"):
        assert client.get(reverse(name), {"next": place}).status_code == 200
    assert sign_in(client, owner, next=place).status_code == 200
    assert is_signed_in(client)
    assert client.get(reverse("account_logout"), {"next": place}).status_code < 400


def test_the_first_operator_signs_in_with_the_address_as_typed(client):
    User.objects.create_superuser("The.Boss@Example.COM", PASSWORD)
    form = {"login": "The.Boss@Example.COM", "password": PASSWORD, "next": WANTED}
    assert client.post(reverse("account_login"), form, follow=True).status_code == 200
    assert client.get(WANTED).status_code == 200


def test_the_admin_asks_for_the_second_step_too(client, operator, clock):  # noqa: F811
    secret = generate_totp_secret()
    TOTP.activate(operator, secret)
    _, kept = arrive(client, WANTED)
    assert "Enter your code" in sign_in(client, operator, **kept).content.decode()
    assert not is_signed_in(client)
    answer = client.post(reverse("mfa_authenticate"), {"code": code_of(secret, clock)})
    assert answer["Location"] == WANTED


@pytest.mark.parametrize("signed_in", [False, True])
def test_no_password_is_tried_at_the_admins_own_sign_in(client, operator, signed_in):
    clerk = OperatorFactory(is_superuser=False)
    if signed_in:
        client.force_login(clerk)
    for _ in range(2):
        client.post("/admin/login/", {"username": operator.email, "password": PASSWORD})
    assert client.session.get("_auth_user_id") == (str(clerk.pk) if signed_in else None)


def test_tries_from_the_admin_are_counted(client, operator):
    _, kept = arrive(client, WANTED)
    for _ in range(TRIES_OF_ONE_ADDRESS_MAX):
        sign_in(client, operator, "wrong", **kept)
    assert "Too many wrong passwords" in sign_in(client, operator, **kept).content.decode()
    assert not is_signed_in(client)
    assert client.get("/admin/").status_code == 302


def test_who_is_no_operator_is_told_so_after_signing_in(client, owner):
    _, kept = arrive(client, WANTED)
    page = sign_in(client, owner, **kept)
    assert page.status_code == 403
    assert "These pages are for operators" in page.content.decode()


@pytest.mark.parametrize(
    ("wanted", "reached"),
    [(WANTED, "/admin/billing/account/"), ("https://elsewhere.example/admin/", "/")],
)
def test_an_operator_who_is_signed_in_goes_on_within_the_site(client, operator, wanted, reached):
    client.force_login(operator)
    page = client.get("/admin/login/", {"next": wanted}, follow=True)
    assert page.request["PATH_INFO"] == reached


# ── Tries are counted by visitor ──────────────────────────────────────────────────────────────
def try_once(forwarded_for, number):
    """A wrong try at one of many addresses, by the same proxy; give whether it was let through."""
    answer = Client(headers={"x-forwarded-for": forwarded_for}).post(
        reverse("account_login"), {"login": f"nobody{number}@example.com", "password": "wrong"}
    )
    return "Too many wrong passwords" not in answer.content.decode()


@pytest.mark.parametrize(
    ("proxies", "first", "second", "second_is_let_through"),
    [
        (1, "203.0.113.1", "203.0.113.2", True),
        (1, "203.0.113.1, 203.0.113.9", "203.0.113.2, 203.0.113.9", False),
        (2, "203.0.113.1, 203.0.113.9", "203.0.113.2, 203.0.113.9", True),
        (0, "203.0.113.1", "203.0.113.2", False),
    ],
    ids=["two visitors of one proxy", "what a visitor forges", "two proxies", "no proxy"],
)
def test_tries_are_counted_by_who_came_to_the_proxy(
    settings, monkeypatch, proxies, first, second, second_is_let_through
):
    monkeypatch.setattr("billing.accounts.attempts.FREE_FOR_A_VISITOR", TRIES_OF_ONE_VISITOR_MAX)
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = proxies
    assert all(try_once(first, number) for number in range(TRIES_OF_ONE_VISITOR_MAX))
    assert not try_once(first, TRIES_OF_ONE_VISITOR_MAX)
    assert try_once(second, TRIES_OF_ONE_VISITOR_MAX + 1) == second_is_let_through


# ── Without Redis ─────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def counting(settings, tmp_path):
    """The server that counts tries: one of this test's own, which may die."""
    supervisor = Supervisor(tmp_path)
    location = start_valkey(supervisor, state=tmp_path, durable=False)
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": location}}
    yield supervisor
    supervisor.stop()


def die(supervisor):
    server = supervisor.running[0].popen
    server.kill()
    server.wait()


def test_the_limit_holds_while_redis_is_away(client, owner, counting):
    die(counting)
    for _ in range(TRIES_OF_ONE_ADDRESS_MAX):
        sign_in(client, owner, "wrong")
    assert "Too many wrong passwords" in sign_in(client, owner).content.decode()
    assert not is_signed_in(client)


def test_a_server_that_died_keeps_nobody_out(client, owner, counting):
    die(counting)
    sign_in(client, owner)
    assert is_signed_in(client)


def test_a_server_that_hangs_costs_a_moment_and_a_line_in_the_log(client, owner, counting, caplog):
    server = counting.running[0].popen
    server.send_signal(signal.SIGSTOP)
    started = time.monotonic()
    try:
        sign_in(client, owner)
    finally:
        server.send_signal(signal.SIGCONT)
    assert time.monotonic() - started < HANGING_SECONDS_MAX
    assert is_signed_in(client)
    said = [record.message for record in caplog.records if record.name == "config.cache"]
    assert len(said) == 1
    assert "Redis is away" in said[0]


def test_all_of_sign_in_goes_on_without_redis(client, owner, counting, clock, mailoutbox):  # noqa: F811
    secret = generate_totp_secret()
    TOTP.activate(owner, secret)
    die(counting)
    client.post(reverse("account_reset_password"), {"email": owner.email})
    [link] = re.findall(r"https?://[^/]+(/\S+)", mailoutbox[0].body)
    page = client.get(link, follow=True)
    chosen = {"password1": ANOTHER_PASSWORD, "password2": ANOTHER_PASSWORD}
    client.post(page.request["PATH_INFO"], chosen)
    sign_in(client, owner, ANOTHER_PASSWORD)
    client.post(reverse("mfa_authenticate"), {"code": code_of(secret, clock)})
    assert is_signed_in(client)
    changed = {"oldpassword": ANOTHER_PASSWORD, "password1": PASSWORD, "password2": PASSWORD}
    assert client.post(reverse("account_change_password"), changed).status_code == 302
    again = client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    assert again.status_code == 302


def test_a_proxy_too_few_is_logged_and_keeps_nobody_out(client, owner, settings, caplog):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 2
    form = {"login": owner.email, "password": PASSWORD}
    client.post(reverse("account_login"), form, headers={"x-forwarded-for": "203.0.113.1"})
    assert is_signed_in(client)
    assert "TRUSTED_PROXY_COUNT" in caplog.text


def test_an_operator_changes_the_password_where_tries_are_counted(client, operator):
    client.force_login(operator)
    page = client.get("/admin/password_change/", follow=True)
    assert page.request["PATH_INFO"] == reverse("account_change_password")
    wrong = {"oldpassword": "wrong", "password1": PASSWORD, "password2": PASSWORD}
    statuses = [client.post(page.request["PATH_INFO"], wrong) for _ in range(6)]
    assert [page.status_code for page in statuses] == [200] * 5 + [429]
    assert "Too many tries" in statuses[-1].content.decode()


# ── Without a mail server ─────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("address", ["owner@example.com", "nobody@example.com"])
def test_a_link_that_cannot_be_sent_is_said_and_not_promised(client, owner, settings, address):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = closed.getsockname()
        page = client.post(reverse("account_reset_password"), {"email": address})
    assert page.status_code == 200
    assert "The mail could not be sent. Try again in a few minutes." in page.content.decode()

"""Wrong passwords and codes: who waits, and who does not."""

import re
from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from billing.accounts.tasks import clear_sign_in
from billing.models import User
from tests.dashboard.test_two_step_sign_in import clock, code_of  # noqa: F401
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db


def signs_in(browser: Client, user: User, password: str, **options: Any) -> str:
    """Try a password; give what the page says against it, "" if it was right."""
    form = {"login": user.email, "password": password}
    answer = browser.post(reverse("account_login"), form, **options)
    if answer.status_code == 302:
        return ""
    return str(answer.context["form"].non_field_errors())


def test_wrong_passwords_of_somebody_else_do_not_lock_the_owner_out(owner: User) -> None:
    stranger = Client(REMOTE_ADDR="203.0.113.66")
    for _ in range(6):
        said = signs_in(stranger, owner, "wrong")
    assert re.search(r"Too many wrong passwords from here. Wait \d\d seconds", said)
    assert "Too many" in signs_in(stranger, owner, PASSWORD)
    assert signs_in(Client(REMOTE_ADDR="203.0.113.1"), owner, PASSWORD) == ""


def test_a_new_password_ends_the_wait(client: Client, owner: User, mailoutbox: list[Any]) -> None:
    for _ in range(6):
        signs_in(client, owner, "wrong")
    client.post(reverse("account_reset_password"), {"email": owner.email})
    link = next(word for word in mailoutbox[0].body.split() if "/reset/key/" in word)
    page = client.get("/" + link.split("/", 3)[3], follow=True)
    chosen = "battery-staple-horse-correct"
    client.post(page.request["PATH_INFO"], {"password1": chosen, "password2": chosen})
    assert signs_in(client, owner, chosen) == ""


def test_codes_are_tried_a_few_times_only(
    client: Client,
    owner: User,
    clock: float,  # noqa: F811
) -> None:
    secret = generate_totp_secret()
    TOTP.activate(owner, secret)
    signs_in(client, owner, PASSWORD)
    for _ in range(5):
        client.post(reverse("mfa_authenticate"), {"code": "000000"})
    page = client.post(reverse("mfa_authenticate"), {"code": code_of(secret, clock)})
    said = page.content.decode()
    assert re.search(r"Too many wrong codes from here. Wait \d\d seconds", said)


def test_a_code_signs_in_once_even_if_the_cache_forgot_it(
    owner: User,
    clock: float,  # noqa: F811
) -> None:
    secret = generate_totp_secret()
    TOTP.activate(owner, secret)
    answers = []
    for browser in (Client(), Client()):
        signs_in(browser, owner, PASSWORD)
        answers.append(
            browser.post(reverse("mfa_authenticate"), {"code": code_of(secret, clock)}).status_code
        )
        cache.clear()
    assert answers == [302, 200]


def test_sessions_that_have_ended_are_cleared(client: Client, owner: User) -> None:
    client.force_login(owner)
    clear_sign_in()
    assert Session.objects.count() == 1
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    clear_sign_in()
    assert not Session.objects.exists()

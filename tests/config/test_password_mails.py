"""Mails about passwords: who gets one, and where its link leads."""

import re
from typing import Any

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client

from billing.accounts.people import add_person
from billing.models import User

pytestmark = pytest.mark.django_db

RESET = "/accounts/password/reset/"


@pytest.fixture(autouse=True)
def fresh_limits() -> None:
    cache.clear()


@pytest.fixture
def person() -> User:
    return add_person(email="asha@example.com", password="long-and-odd-7")


def ask(client: Client, email: str, **options: Any) -> int:
    return client.post(RESET, {"email": email}, **options).status_code


def test_the_link_leads_to_the_site_whatever_the_request_says(
    client: Client, person: User, settings: Any
) -> None:
    settings.SITE_URL = "https://credits.example.com"
    ask(client, person.email, headers={"host": "evil.example"})
    (sent,) = mail.outbox
    assert sent.subject == "Call Credits: Choose a new password"
    assert "evil.example" not in sent.body
    assert re.search(
        r"https://credits\.example\.com/accounts/password/reset/key/\S+", str(sent.body)
    )
    assert "24 hours" in sent.body


def test_the_page_of_the_link_says_whose_password_it_is_and_that_it_is_saved_once(
    client: Client, person: User
) -> None:
    ask(client, person.email)
    link = re.search(r"/accounts/password/reset/key/\S+", str(mail.outbox[0].body))
    assert link is not None
    page = client.get(link[0], follow=True)
    assert "<h1>Choose a new password</h1>" in page.text
    assert "You sign in with asha@example.com." in page.text
    form = {"password1": "even-longer-and-odd-8", "password2": "even-longer-and-odd-8"}
    done = client.post(page.request["PATH_INFO"], form, follow=True)
    assert "<h1>Your password is saved</h1>" in done.text
    assert "Your password is changed" not in done.text + client.get("/accounts/login/").text


def test_an_address_that_nobody_has_gets_nothing(client: Client) -> None:
    assert ask(client, "nobody@example.com") == 302
    assert mail.outbox == []


def test_three_mails_an_hour_are_enough_for_one_address(client: Client, person: User) -> None:
    answers = [ask(client, person.email) for _ in range(5)]
    assert (answers[:3], len(mail.outbox)) == ([302] * 3, 3)
    assert answers[3:] == [200, 200]  # the page says how long to wait


def test_the_limit_of_mails_holds_without_the_cache(client: Client, person: User) -> None:
    for _ in range(4):
        cache.clear()
        page = client.post(RESET, {"email": person.email})
    assert len(mail.outbox) == 3
    assert "Too many links were asked for from here. Wait" in page.content.decode()


def test_a_change_of_password_is_told(client: Client, person: User) -> None:
    client.force_login(person)
    client.post(
        "/accounts/password/change/",
        {
            "oldpassword": "long-and-odd-7",
            "password1": "longer-and-odder-8",
            "password2": "longer-and-odder-8",
        },
    )
    (sent,) = mail.outbox
    assert (sent.to, sent.subject) == ([person.email], "Call Credits: Your password was changed")
    assert "choose a new password at once" in sent.body


def test_a_mail_server_that_is_away_undoes_no_change(
    client: Client, person: User, settings: Any
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    client.force_login(person)
    answer = client.post(
        "/accounts/password/change/",
        {
            "oldpassword": "long-and-odd-7",
            "password1": "longer-and-odder-8",
            "password2": "longer-and-odder-8",
        },
    )
    assert answer.status_code == 302
    person.refresh_from_db()
    assert person.check_password("longer-and-odder-8")

"""What the log says about sign-in: who, what, from where, and never a secret."""

import json
import logging
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from billing.models import User
from config import gunicorn
from config.logs import MaskLinks
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Any:
    """The lines about sign-in so far, each as an object."""
    caplog.set_level(logging.INFO, logger="security")
    return lambda: [
        json.loads(record.message) for record in caplog.records if record.name == "security"
    ]


def sign_in(browser: Client, address: str, password: str) -> None:
    browser.post(reverse("account_login"), {"login": address, "password": password})


def test_who_signs_in_from_where_is_logged(client: Client, owner: User, lines: Any) -> None:
    sign_in(client, owner.email, "wrong")
    sign_in(client, owner.email, PASSWORD)
    client.post(reverse("account_logout"))
    who = f"{owner.pk} {owner.email}"
    assert lines() == [
        {"event": event, "who": who, "visitor": "127.0.0.1"}
        for event in ("wrong password", "signed in", "signed out")
    ]


def test_a_password_typed_as_an_address_is_not_logged(
    client: Client, lines: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(6):
        sign_in(client, "my-secret@password.example", "another-secret")
    assert [line["who"] for line in lines()] == ["unknown"] * 6
    assert lines()[-1]["event"] == "refused: too many wrong passwords"
    assert "secret" not in "".join(record.message for record in caplog.records)


def test_what_an_operator_changes_is_logged(
    client: Client, operator: User, owner: User, lines: Any
) -> None:
    client.force_login(operator)
    form = {
        "email": owner.email,
        "first_name": "Asha",
        "is_active": "on",
        "memberships-TOTAL_FORMS": 0,
        "memberships-INITIAL_FORMS": 0,
    }
    client.post(f"/admin/billing/user/{owner.pk}/change/", form)
    line = lines()[-1]
    assert line["event"] == "operator changed"
    assert line["who"].endswith(operator.email)
    assert "First name" in line["how"]


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("GET /accounts/password/reset/key/2-c8z1x-9f3/ 200", ()),
        ('"%s" %s', ("GET /accounts/password/reset/key/2-c8z1x-9f3 HTTP/1.1", 200)),
    ],
)
def test_links_to_a_new_password_are_masked(message: str, arguments: tuple[Any, ...]) -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, message, arguments, None)
    assert MaskLinks().filter(record)
    assert "c8z1x" not in record.getMessage()
    assert "/password/reset/key/…" in record.getMessage()


def test_the_access_log_is_masked_too(caplog: pytest.LogCaptureFixture) -> None:
    assert gunicorn.accesslog == "-"
    caplog.set_level(logging.INFO, logger="gunicorn.access")
    atoms = {"r": "GET /accounts/password/reset/key/2-c8z1x-9f3/ HTTP/1.1", "s": 200}
    logging.getLogger("gunicorn.access").info('"%(r)s" %(s)s', atoms)
    assert caplog.messages == ['"GET /accounts/password/reset/key/…/ HTTP/1.1" 200']

"""Operators need a second step; seeds are encrypted."""

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.db import connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from billing.accounts.encryption import MARK, encrypt_anew
from billing.accounts.people import add_person
from billing.models import Account, User
from calls.models import CallSource
from dashboard.demo import OPERATOR
from tests.dashboard.test_two_step_sign_in import clock, code_of  # noqa: F401
from tests.factories import PASSWORD, MembershipFactory

pytestmark = pytest.mark.django_db

ADMIN = "/admin/"


def wait_a_week(user: User) -> None:
    user.refresh_from_db()
    assert user.second_step_due_at is not None
    user.second_step_due_at -= timedelta(days=7)
    user.save()


# ── Operators ─────────────────────────────────────────────────────────────────────────────────
def test_a_new_operator_has_a_week_to_set_it_up(client: Client, operator: User) -> None:
    User.objects.update(second_step_due_at=None)
    client.force_login(operator)
    assert client.get(ADMIN).status_code == 200
    wait_a_week(operator)
    for address in (ADMIN, "/admin/billing/account/", "/admin/billing/user/add/"):
        for method in (client.get, client.post):
            assert method(address)["Location"] == reverse("mfa_activate_totp")
    page = client.get(reverse("mfa_activate_totp"), follow=True)
    assert "Operators need a second step" in page.content.decode()


def test_an_operator_with_a_second_step_goes_on(client: Client, operator: User) -> None:
    TOTP.activate(operator, generate_totp_secret())
    client.force_login(operator)
    User.objects.update(second_step_due_at=timezone.now() - timedelta(days=1))
    assert client.get(ADMIN).status_code == 200


IMPORTS, SOURCES = "/a/acme/calls/imports/", "/a/acme/calls/sources/"


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("get", IMPORTS),
        ("get", f"{IMPORTS}new/"),
        ("post", f"{IMPORTS}begin/"),
        ("get", SOURCES),
        ("post", f"{SOURCES}new/elevenlabs/"),
    ],
)
def test_nor_does_an_operator_without_it_work_in_an_account(
    client: Client, account: Account, operator: User, method: str, address: str
) -> None:
    client.force_login(operator)
    User.objects.update(second_step_due_at=timezone.now() - timedelta(days=1))
    answer = getattr(client, method)(address)
    assert (answer.status_code, answer.get("Location")) == (302, reverse("mfa_activate_totp"))
    assert not CallSource.objects.exists()


def test_a_visit_to_an_account_begins_the_week(
    client: Client, account: Account, operator: User
) -> None:
    User.objects.update(second_step_due_at=None)
    client.force_login(operator)
    assert client.get(IMPORTS).status_code == 200
    wait_a_week(operator)
    assert client.get(IMPORTS).status_code == 302


def test_an_operator_needs_none_for_an_account_of_their_own(
    client: Client, account: Account, operator: User
) -> None:
    MembershipFactory(account=account, user=operator, role="admin")
    User.objects.update(second_step_due_at=timezone.now() - timedelta(days=1))
    client.force_login(operator)
    assert client.get(IMPORTS).status_code == 200


def test_customers_need_none(client: Client, owner: User) -> None:
    client.force_login(owner)
    client.get(ADMIN)
    owner.refresh_from_db()
    assert owner.second_step_due_at is None


@pytest.mark.parametrize(("is_demo", "status"), [(True, 200), (False, 302)])
def test_the_demonstrations_operator_needs_none_in_the_demonstration(
    client: Client, settings: Any, is_demo: bool, status: int
) -> None:
    settings.DEMO_SIGN_INS = is_demo
    person = add_person(email=OPERATOR, password="try", is_operator=True)
    person.second_step_due_at = timezone.now() - timedelta(days=1)
    person.save()
    client.force_login(person)
    assert client.get(ADMIN).status_code == status


@pytest.mark.django_db(transaction=True)
def test_who_sets_it_up_several_times_at_once_has_one(
    client: Client,
    owner: User,
    clock: float,  # noqa: F811
) -> None:
    client.post(reverse("account_login"), {"login": owner.email, "password": PASSWORD})
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    secret = client.get(reverse("mfa_activate_totp")).context["form"].secret
    browsers = [Client() for _ in range(4)]
    for browser in browsers:
        browser.cookies = client.cookies
    start, answers = threading.Barrier(len(browsers)), []

    def set_up(browser: Client) -> None:
        start.wait()
        sent = {"code": code_of(secret, clock)}
        answers.append(browser.post(reverse("mfa_activate_totp"), sent).status_code)
        connections.close_all()

    threads = [threading.Thread(target=set_up, args=(browser,)) for browser in browsers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [302] * len(browsers)
    assert Authenticator.objects.filter(user=owner, type="totp").count() == 1


# ── Seeds ─────────────────────────────────────────────────────────────────────────────────────
def stored(user: User) -> str:
    return str(Authenticator.objects.get(user=user).data["secret"])


def test_a_seed_cannot_be_read_in_the_database(owner: User, clock: float) -> None:  # noqa: F811
    secret = generate_totp_secret()
    totp = TOTP.activate(owner, secret)
    assert secret not in json.dumps(totp.instance.data)
    assert totp.validate_code(code_of(secret, clock))


def test_a_new_key_before_the_old_one_takes_over(
    owner: User,
    settings: Any,
    clock: float,  # noqa: F811
) -> None:
    secret = generate_totp_secret()
    settings.FIELD_ENCRYPTION_KEYS = ["old"]
    TOTP.activate(owner, secret)
    before = stored(owner)
    settings.FIELD_ENCRYPTION_KEYS = ["new", "old"]
    assert (encrypt_anew(), encrypt_anew()) == (1, 0)
    assert stored(owner) != before
    settings.FIELD_ENCRYPTION_KEYS = ["new"]
    code = code_of(secret, clock)
    assert Authenticator.objects.get(user=owner).wrap().validate_code(code)


def test_seeds_from_before_go_on_and_are_encrypted(
    owner: User,
    clock: float,  # noqa: F811
) -> None:
    secret = generate_totp_secret()
    plain = {"secret": secret}
    factor = Authenticator.objects.create(user=owner, type="totp", data=plain)
    assert factor.wrap().validate_code(code_of(secret, clock))
    encrypt_anew()
    assert stored(owner).startswith(MARK)


def test_without_the_key_no_code_is_right_and_the_log_says_why(
    owner: User,
    settings: Any,
    clock: float,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    secret = generate_totp_secret()
    totp = TOTP.activate(owner, secret)
    settings.FIELD_ENCRYPTION_KEYS = ["another"]
    assert not totp.validate_code(code_of(secret, clock))
    assert "No key of FIELD_ENCRYPTION_KEYS fits" in caplog.text
    assert encrypt_anew() == 0

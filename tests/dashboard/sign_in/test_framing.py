"""Password, second step and sessions stand in the frame of who has an account, alone for others."""

from collections.abc import Iterator

import pytest
from allauth.account import urls as sign_in_urls
from allauth.mfa import urls as mfa_urls
from django.test import Client
from django.urls import reverse

from billing.models import Account, User
from dashboard.sign_in.framing import FRAMED
from tests.factories import PASSWORD, AccountFactory, MembershipFactory

pytestmark = pytest.mark.django_db

PAGES = ["mfa_index", "account_change_password", "usersessions_list", "account_reauthenticate"]
NAVIGATION = 'aria-label="Main"'


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("persona", ["owner", "member"])
def test_who_has_an_account_stays_in_its_frame(
    client: Client, request: pytest.FixtureRequest, persona: str, name: str
) -> None:
    client.force_login(request.getfixturevalue(persona))
    text = client.get(reverse(name)).content.decode()
    assert NAVIGATION in text
    assert text.count("<h1") == 1
    assert text.count('aria-current="page">Security</a>') == 1
    assert 'aria-label="Breadcrumb"' in text


@pytest.mark.parametrize("name", PAGES)
def test_an_operator_without_account_sees_the_page_alone(
    client: Client, operator: User, name: str
) -> None:
    client.force_login(operator)
    text = client.get(reverse(name)).content.decode()
    assert NAVIGATION not in text
    assert text.count("<h1") == 1
    assert '<a href="/admin/">Operations</a>' in text


def test_the_frame_is_that_of_the_account_seen_last(
    client: Client, account: Account, owner: User
) -> None:
    other = AccountFactory(name="Zenith", slug="zenith")
    MembershipFactory(user=owner, account=other)
    client.force_login(owner)
    client.get(reverse("dashboard:home", args=["zenith"]))
    assert client.get(reverse("mfa_index")).context["account"] == other


def test_a_refused_form_stays_in_the_frame(client: Client, owner: User) -> None:
    client.force_login(owner)
    form = {"oldpassword": "wrong", "password1": "a", "password2": "b"}
    text = client.post(reverse("account_change_password"), form).content.decode()
    assert NAVIGATION in text
    assert "Please type your current password" in text


def test_times_are_those_of_the_account(client: Client, account: Account, owner: User) -> None:
    form = {"login": owner.email, "password": PASSWORD}
    client.post(reverse("account_login"), form)
    assert f"Times are in {account.time_zone}." in client.get("/accounts/sessions/").text


def names_of(patterns: list) -> Iterator[str]:
    for pattern in patterns:
        if hasattr(pattern, "url_patterns"):
            yield from names_of(pattern.url_patterns)
        else:
            yield pattern.name


def test_every_page_to_frame_exists() -> None:
    known = {*names_of(sign_in_urls.urlpatterns), *names_of(mfa_urls.urlpatterns)}
    assert known | {"usersessions_list"} >= FRAMED

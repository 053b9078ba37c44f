"""Signing in with a second step, from switching it on to switching it off."""

import re

import pytest
from allauth.account.authentication import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.urls import reverse

from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db

WRONG = "000000"
CODE_SECONDS = 30
TIME = "allauth.mfa.totp.internal.auth.time.time"


def code_of(secret, time):
    """What an authenticator app shows at that time."""
    return format_hotp_value(hotp_value(secret, int(time) // CODE_SECONDS))


@pytest.fixture
def clock(monkeypatch):
    """The time that codes are made of; it stands."""
    now = 1_800_000_000.0
    monkeypatch.setattr(TIME, lambda: now)
    return now


def sign_in(client, user):
    return client.post(
        reverse("account_login"), {"login": user.email, "password": PASSWORD}, follow=True
    )


def prove_again(client, name, given):
    """Answer, on the page of that name, who is asked for it before a change; give what follows."""
    address = f"{reverse(name)}?next={reverse('mfa_index')}"
    assert "Confirm" in client.get(address).content.decode()
    return client.post(address, given, follow=True)


@pytest.fixture
def secret(client, owner, clock, monkeypatch):
    """Have the second step switched on half a minute ago by ``owner``, who stays signed in.

    Give the app's secret.
    """
    sign_in(client, owner)
    prove_again(client, "account_reauthenticate", {"password": PASSWORD})
    page = client.get(reverse("mfa_activate_totp"))
    secret = page.context["form"].secret
    assert secret in page.content.decode()
    earlier = clock - CODE_SECONDS
    with monkeypatch.context() as patched:
        patched.setattr(TIME, lambda: earlier)
        client.post(reverse("mfa_activate_totp"), {"code": code_of(secret, earlier)})
    assert Authenticator.objects.filter(user=owner, type="totp").exists()
    return secret


def is_signed_in(client):
    return client.get(reverse("mfa_index")).status_code == 200


def test_a_wrong_code_does_not_switch_it_on(client, owner, clock):
    sign_in(client, owner)
    prove_again(client, "account_reauthenticate", {"password": PASSWORD})
    page = client.post(reverse("mfa_activate_totp"), {"code": WRONG})
    assert "Incorrect code" in page.content.decode()
    assert not Authenticator.objects.filter(user=owner).exists()


def test_a_password_alone_does_not_sign_in_any_more(client, owner, secret, clock):
    client.logout()
    assert "Enter your code" in sign_in(client, owner).content.decode()
    assert not is_signed_in(client)
    client.post(reverse("mfa_authenticate"), {"code": WRONG})
    assert not is_signed_in(client)
    client.post(reverse("mfa_authenticate"), {"code": code_of(secret, clock)})
    assert is_signed_in(client)


@pytest.mark.parametrize("between", ["", " ", "-"])
def test_the_code_that_set_it_up_signs_in_no_more(
    client, owner, secret, clock, monkeypatch, between
):
    client.logout()
    earlier = clock - CODE_SECONDS
    monkeypatch.setattr(TIME, lambda: earlier)
    code = code_of(secret, earlier)
    sign_in(client, owner)
    client.post(reverse("mfa_authenticate"), {"code": f"{code[:3]}{between}{code[3:]}"})
    assert not is_signed_in(client)


def test_a_recovery_code_signs_in_once(client, owner, secret):
    page = client.get(reverse("mfa_view_recovery_codes")).content.decode()
    code = re.findall(r"\b\d{8}\b|\b[0-9a-f]{10}\b", page)[0]
    for lets_in in (True, False):
        client.logout()
        sign_in(client, owner)
        client.post(reverse("mfa_authenticate"), {"code": code})
        assert is_signed_in(client) == lets_in


@pytest.mark.parametrize("step", ["password", "code"])
def test_who_signed_in_long_ago_proves_it_again_before_switching_it_off(
    client, owner, secret, clock, step
):
    session = client.session
    for method in session[AUTHENTICATION_METHODS_SESSION_KEY]:
        method["at"] -= 86_400
    session.save()
    assert client.post(reverse("mfa_deactivate_totp")).status_code == 302
    assert Authenticator.objects.filter(user=owner, type="totp").exists()
    name, right, wrong = {
        "password": ("account_reauthenticate", {"password": PASSWORD}, {"password": "wrong"}),
        "code": ("mfa_reauthenticate", {"code": code_of(secret, clock)}, {"code": WRONG}),
    }[step]
    assert prove_again(client, name, wrong).request["PATH_INFO"] == reverse(name)
    assert prove_again(client, name, right).request["PATH_INFO"] == reverse("mfa_index")
    client.post(reverse("mfa_deactivate_totp"))
    assert not Authenticator.objects.filter(user=owner, type="totp").exists()

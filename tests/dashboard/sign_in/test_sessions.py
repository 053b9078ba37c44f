"""How long sessions last, where somebody is signed in, and what ends them."""

import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse

from billing.models import User
from dashboard.sign_in.sessions import SEEN_AT, SIGNED_IN_AT
from dashboard.templatetags.browsers import browser_name
from tests.dashboard.test_two_step_sign_in import clock, code_of  # noqa: F401
from tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db

SESSIONS = "/accounts/sessions/"
ANOTHER_PASSWORD = "battery-staple-horse-correct"


@pytest.fixture
def signed_in() -> Callable[..., Client]:
    """Sign somebody in, in a browser of its own."""

    def browser_of(user: User) -> Client:
        browser = Client(headers={"user-agent": "Mozilla"})
        form = {"login": user.email, "password": PASSWORD}
        assert browser.post(reverse("account_login"), form).status_code == 302
        return browser

    return browser_of


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "Firefox on Windows",
        ),
        (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/142.0.0.0 Safari/537.36",
            "Chrome on Linux",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, "
            "like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) "
            "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 "
            "Safari/604.1",
            "Safari on iPhone",
        ),
        (
            "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like "
            "Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
            "Chrome on Android",
        ),
        ("curl/8.5.0", "curl/8.5.0"),
        ("", "unknown"),
    ],
)
def test_people_recognise_the_browser(user_agent: str, name: str) -> None:
    assert browser_name(user_agent) == name


def is_signed_in(browser: Client) -> bool:
    return browser.get(reverse("mfa_index")).status_code == 200


def back_date(browser: Client, name: str, by: timedelta) -> None:
    session = browser.session
    session[name] = time.time() - by.total_seconds()
    session.save()


@pytest.mark.parametrize(
    ("persona", "hours", "stays"),
    [
        ("owner", 11.9, True),
        ("owner", 12.1, False),
        ("operator", 0.9, True),
        ("operator", 1.1, False),
    ],
)
def test_who_does_nothing_is_signed_out(
    client: Client, persona: str, hours: float, stays: bool, request: pytest.FixtureRequest
) -> None:
    client.force_login(request.getfixturevalue(persona))
    back_date(client, SEEN_AT, timedelta(hours=hours))
    assert is_signed_in(client) == stays
    if not stays:
        assert "Your session has ended" in client.get(reverse("account_login")).content.decode()


def test_nobody_stays_signed_in_for_more_than_two_weeks(client: Client, owner: User) -> None:
    client.force_login(owner)
    back_date(client, SIGNED_IN_AT, timedelta(days=14, minutes=1))
    assert not is_signed_in(client)


def test_who_goes_on_stays_signed_in(client: Client, owner: User) -> None:
    client.force_login(owner)
    for _ in range(3):
        back_date(client, SEEN_AT, timedelta(hours=11))
        assert is_signed_in(client)


def test_a_session_is_ended_from_another_one(owner: User, signed_in: Callable[..., Client]) -> None:
    here, there = signed_in(owner), signed_in(owner)
    page = here.get(SESSIONS).content.decode()
    assert page.count("This one") == 1
    other = UserSession.objects.exclude(session_key=here.session.session_key).get()
    here.post(SESSIONS, {"session": other.pk})
    assert is_signed_in(there)  # not before the person has proved who they are
    again = reverse("account_reauthenticate")
    here.post(again, {"password": PASSWORD, "next": SESSIONS})
    assert (is_signed_in(here), is_signed_in(there)) == (True, False)


def test_a_browser_may_call_itself_anything(owner: User) -> None:
    browser = Client(HTTP_USER_AGENT="\x00\ud800" + "x" * 5_000)
    form = {"login": owner.email, "password": PASSWORD}
    assert browser.post(reverse("account_login"), form).status_code == 302
    assert browser.get(SESSIONS).status_code == 200


def test_nobody_ends_the_session_of_somebody_else(
    owner: User, outsider: User, signed_in: Callable[..., Client]
) -> None:
    here, there = signed_in(owner), signed_in(outsider)
    here.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    for asked in (UserSession.objects.get(user=outsider).pk, "9" * 5_000, "x"):
        assert here.post(SESSIONS, {"session": asked}).status_code == 302
    assert is_signed_in(there)


def test_all_others_are_ended_at_once(owner: User, signed_in: Callable[..., Client]) -> None:
    here, *others = (signed_in(owner) for _ in range(3))
    here.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    here.post(SESSIONS)
    assert is_signed_in(here)
    assert not any(is_signed_in(browser) for browser in others)


def test_a_new_password_ends_the_other_sessions(
    owner: User, signed_in: Callable[..., Client]
) -> None:
    here, there = signed_in(owner), signed_in(owner)
    form = {
        "oldpassword": PASSWORD,
        "password1": ANOTHER_PASSWORD,
        "password2": ANOTHER_PASSWORD,
    }
    here.post(reverse("account_change_password"), form)
    assert (is_signed_in(here), is_signed_in(there)) == (True, False)
    assert Session.objects.count() == 1


def test_a_new_second_step_ends_the_other_sessions(
    owner: User,
    signed_in: Callable[..., Client],
    clock: float,  # noqa: F811
    django_capture_on_commit_callbacks: Callable[..., object],
) -> None:
    here, there = signed_in(owner), signed_in(owner)
    here.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    secret = here.get(reverse("mfa_activate_totp")).context["form"].secret
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[attr-defined]
        here.post(reverse("mfa_activate_totp"), {"code": code_of(secret, clock)})
    assert Authenticator.objects.filter(user=owner).exists()
    assert (is_signed_in(here), is_signed_in(there)) == (True, False)


def test_a_second_step_that_an_operator_removed_ends_all_sessions(
    owner: User, operator: User, signed_in: Callable[..., Client], client: Client
) -> None:
    there = signed_in(owner)
    factor = TOTP.activate(owner, generate_totp_secret()).instance
    client.force_login(operator)
    client.post(f"/admin/mfa/authenticator/{factor.pk}/delete/", {"post": "yes"})
    assert not is_signed_in(there)


def test_an_operator_signs_somebody_out_everywhere_but_no_superuser(
    owner: User, operator: User, signed_in: Callable[..., Client], client: Client
) -> None:
    superuser, clerk = operator, UserFactory(is_staff=True)
    customers, superusers = signed_in(owner), signed_in(superuser)
    client.force_login(clerk)
    for person in (owner, superuser):
        client.post(f"/admin/billing/user/{person.pk}/end-sessions/")
    assert not is_signed_in(customers)
    assert is_signed_in(superusers)


def test_who_is_made_inactive_is_signed_out_for_good(
    owner: User, operator: User, signed_in: Callable[..., Client], client: Client
) -> None:
    there = signed_in(owner)
    client.force_login(operator)
    address = f"/admin/billing/user/{owner.pk}/change/"
    page = client.get(address).context["adminform"].form
    form = {name: page.initial[name] for name in ("email", "first_name", "last_name")}
    rows = {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}
    for is_active in ({}, {"is_active": "on"}):
        assert client.post(address, form | rows | is_active).status_code == 302
        assert not is_signed_in(there)


# ── An open page whose session ended ──────────────────────────────────────────────────────────
def test_what_htmx_asks_for_leads_the_whole_page_to_sign_in(client: Client, owner: User) -> None:
    answer = client.get(
        "/accounts/2fa/",
        headers={"hx-request": "true", "hx-current-url": "http://testserver/acme/usage/?page=2"},
    )
    assert answer.headers["HX-Redirect"] == "/accounts/login/?next=/acme/usage/%3Fpage%3D2"


def test_what_a_script_asks_for_gets_401_with_the_way_to_sign_in(client: Client) -> None:
    headers = {"sec-fetch-dest": "empty", "referer": "http://testserver/acme/usage/"}
    answer = client.get("/accounts/2fa/", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["X-Sign-In"] == "/accounts/login/?next=/acme/usage/"


@pytest.mark.parametrize("unreadable", ["http://[::1/", "//["])
@pytest.mark.parametrize("address", ["/accounts/2fa/", "/a/acme/billing/usage/"])
def test_a_page_whose_address_nobody_can_read_is_led_to_sign_in_too(
    client: Client, address: str, unreadable: str
) -> None:
    headers = {"hx-request": "true", "hx-current-url": unreadable}
    answer = client.get(address, headers=headers)
    to = answer.get("HX-Redirect") or answer["Location"]
    assert to == f"/accounts/login/?next={address}"
    headers = {"sec-fetch-dest": "empty", "referer": unreadable}
    assert client.get(address, headers=headers).status_code == 401


def test_a_script_of_the_admin_is_led_to_sign_in_too(client: Client) -> None:
    headers = {"sec-fetch-dest": "empty", "referer": "http://testserver/admin/billing/plan/add/"}
    answer = client.get("/admin/", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["X-Sign-In"] == "/accounts/login/?next=/admin/billing/plan/add/"


def test_sign_in_says_that_an_operators_session_ended(client: Client, operator: User) -> None:
    client.force_login(operator)
    Session.objects.all().delete()
    page = client.get("/admin/billing/plan/add/", follow=True).content.decode()
    assert "Your session has ended. Sign in to go on." in page


def test_sign_in_says_that_a_a_session_ended_and_only_then(client: Client, owner: User) -> None:
    page = client.get(reverse("mfa_index"), follow=True).content.decode()
    assert "Your session has ended" not in page
    client.force_login(owner)
    Session.objects.all().delete()
    page = client.get(reverse("mfa_index"), follow=True).content.decode()
    assert "Your session has ended. Sign in to go on." in page

"""Settings → API keys: made and shown once, replaced, revoked, and nothing given that one lacks."""

import json
import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client

from billing.accounts.api_keys import KEYS_MAX, find_key
from billing.accounts.key_format import is_well_formed
from billing.models import Account, ApiKey, User
from billing.models.activity import Activity, ActivityKind
from tests.dashboard.conftest import NOW

pytestmark = pytest.mark.usefixtures("now")

KEYS = "/a/acme/settings/api-keys/"
NEW = KEYS + "new/"


def made(client: Client, **fields):
    sent = {"form_key": uuid4(), "name": "Dialler", "scopes": ["calls:write", "calls:read"]}
    return client.post(NEW, {**sent, **fields})


def secret_in(response) -> str:
    found = re.search(r'id="secret">(ccl_live_\w+)<', response.text)
    assert found
    return found[1]


@pytest.fixture
def manager(client: Client, admin: User) -> Client:
    client.force_login(admin)
    return client


@pytest.fixture
def payer(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client


def test_a_key_is_shown_once_and_opens_its_account(manager: Client, account: Account) -> None:
    response = made(manager)
    secret = secret_in(response)
    assert (response.status_code, response["Cache-Control"]) == (200, "no-store")
    assert is_well_formed(secret)
    found = find_key(secret=secret, at=NOW)
    assert found is not None
    assert (found.account, found.name, found.scopes) == (
        account,
        "Dialler",
        ["calls:write", "calls:read"],
    )
    listed = manager.get(KEYS).text
    assert "Dialler" in listed
    assert found.shown in listed
    assert secret not in listed
    assert secret not in json.dumps(list(ApiKey.objects.values()), default=str)


def test_the_first_request_has_the_key_in_it(manager: Client) -> None:
    response = made(manager)
    secret = secret_in(response)
    for example in response.context["examples"]:
        assert secret in example.text
        assert "/api/v1/calls/" in example.text


def test_a_form_sent_twice_makes_one_key(manager: Client) -> None:
    form_key = uuid4()
    made(manager, form_key=form_key)
    again = made(manager, form_key=form_key)
    assert (again.status_code, ApiKey.objects.count()) == (422, 1)
    assert "shown only once" in again.text


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"name": "  "}, "name", "Name it after"),
        ({"name": "x" * 81}, "name", "at most 80"),
        ({"name": "a\x7fb"}, "name", "control character"),
        ({"scopes": []}, "scopes", "at least one"),
        ({"scopes": ["calls:write", "nonsense"]}, "scopes", "can give what they may not"),
        ({"scopes": ["topups:write"]}, "scopes", "can give what they may not"),
        ({"last_day": "2026-11-22"}, "last_day", "is over"),
        ({"last_day": "soon"}, "last_day", "like 2027-01-31"),
    ],
    ids=[
        "no name",
        "long name",
        "odd name",
        "no scope",
        "no such scope",
        "money",
        "past",
        "no day",
    ],
)
def test_what_cannot_be_is_refused_beside_its_field(
    manager: Client, fields: dict, field: str, said: str
) -> None:
    response = made(manager, **fields)
    assert (response.status_code, ApiKey.objects.count()) == (422, 0)
    assert said in response.context["form"].errors[field][0]
    assert said in response.text


def test_a_superadmin_may_give_what_has_to_do_with_money(payer: Client) -> None:
    assert made(payer, scopes=["topups:write"]).status_code == 200


def test_a_key_ends_with_its_last_day_in_the_zone_of_the_account(manager: Client) -> None:
    secret = secret_in(made(manager, last_day="2026-11-23"))
    key = ApiKey.objects.get()
    assert key.expires_at is not None
    assert key.expires_at.isoformat() == "2026-11-23T18:30:00+00:00"
    assert find_key(secret=secret, at=key.expires_at - timedelta(microseconds=1))
    assert find_key(secret=secret, at=key.expires_at) is None


def test_an_account_has_no_more_keys_than_it_can_oversee(manager: Client) -> None:
    made(manager)
    key = ApiKey.objects.get()
    for number in range(KEYS_MAX - 1):
        key.pk, key.public_id, key.digest = None, uuid4(), str(number)
        key._state.adding = True
        key.save()
    assert made(manager).status_code == 422


@pytest.mark.parametrize(
    ("old_ends", "valid_for"),
    [("at_once", timedelta(0)), ("later", timedelta(hours=24))],
    ids=["at once", "after a day"],
)
def test_a_replaced_key_ends_when_it_was_said(
    manager: Client, old_ends: str, valid_for: timedelta
) -> None:
    old = secret_in(made(manager))
    address = f"{KEYS}{ApiKey.objects.get().public_id}/"
    response = manager.post(address, {"form": "rotate", "form_key": uuid4(), "old_ends": old_ends})
    new = secret_in(response)
    assert new != old
    moment = timedelta(microseconds=1)
    assert (find_key(secret=old, at=NOW + valid_for - moment) is not None) == bool(valid_for)
    assert find_key(secret=old, at=NOW + valid_for) is None
    found = find_key(secret=new, at=NOW + timedelta(days=400))
    assert found is not None
    assert (found.name, found.scopes) == ("Dialler", ["calls:write", "calls:read"])
    again = manager.post(address, {"form": "rotate", "form_key": uuid4(), "old_ends": old_ends})
    assert again.status_code == 409


def test_an_admin_gets_no_new_key_that_may_do_more_than_they_may(
    client: Client, owner: User, admin: User
) -> None:
    client.force_login(owner)
    made(client, scopes=["calls:read", "topups:write"])
    address = f"{KEYS}{ApiKey.objects.get().public_id}/"
    client.force_login(admin)
    assert "Ask one of them to replace it" in client.get(address).text
    refused = client.post(address, {"form": "rotate", "form_key": uuid4(), "old_ends": "later"})
    assert (refused.status_code, ApiKey.objects.count()) == (409, 1)
    assert client.post(address, {"form": "revoke"}).status_code == 302
    assert ApiKey.objects.get().revoked_at == NOW


def test_a_revoked_key_opens_nothing_and_stays_in_sight(manager: Client) -> None:
    secret = secret_in(made(manager))
    manager.post(f"{KEYS}{ApiKey.objects.get().public_id}/", {"form": "revoke"})
    assert find_key(secret=secret, at=NOW) is None
    listed = manager.get(KEYS).text
    assert "Revoked" in listed
    assert "No key opens anything now" in listed


def rotated(client: Client, key: ApiKey) -> tuple[str, ApiKey]:
    """Replace ``key``, which goes on for a day; return the new secret and key."""
    address = f"{KEYS}{key.public_id}/"
    sent = {"form": "rotate", "form_key": uuid4(), "old_ends": "later"}
    secret = secret_in(client.post(address, sent))
    found = find_key(secret=secret, at=NOW)
    assert found is not None
    return secret, found


def test_with_a_key_those_before_it_that_still_work_are_revoked(manager: Client) -> None:
    first = secret_in(made(manager))
    second, key = rotated(manager, ApiKey.objects.get())
    third, latest = rotated(manager, key)
    page = manager.get(f"{KEYS}{latest.public_id}/").text
    assert page.count("is revoked as well") == 2
    assert key.shown in page
    said = manager.post(f"{KEYS}{latest.public_id}/", {"form": "revoke"}, follow=True).text
    assert f"So is the key before it: {key.shown}" in said
    assert [find_key(secret=secret, at=NOW) for secret in (first, second, third)] == [None] * 3
    assert "No key opens anything now" in manager.get(KEYS).text
    assert Activity.objects.filter(kind=ActivityKind.KEY_REVOKED).count() == 3


def test_a_key_that_is_being_replaced_is_revoked_alone(manager: Client) -> None:
    first = secret_in(made(manager))
    old = ApiKey.objects.get()
    second, key = rotated(manager, old)
    assert f"{key.shown}</code>, goes on" in manager.get(f"{KEYS}{old.public_id}/").text
    manager.post(f"{KEYS}{old.public_id}/", {"form": "revoke"})
    assert find_key(secret=first, at=NOW) is None
    assert find_key(secret=second, at=NOW) == key


@pytest.mark.parametrize("sent", [{}, {"form": "rotate"}, {"form": "rotate", "old_ends": "never"}])
def test_a_form_that_says_nothing_clear_changes_nothing(manager: Client, sent: dict) -> None:
    secret = secret_in(made(manager))
    response = manager.post(f"{KEYS}{ApiKey.objects.get().public_id}/", sent)
    assert response.status_code == 422
    assert find_key(secret=secret, at=NOW)


def test_a_key_of_another_account_is_not_found(
    client: Client, owner: User, outsider: User, other_account: Account
) -> None:
    client.force_login(outsider)
    secret = secret_in(
        client.post(
            f"/a/{other_account.slug}/settings/api-keys/new/",
            {"form_key": uuid4(), "name": "Theirs", "scopes": ["calls:read"]},
        )
    )
    address = f"{KEYS}{ApiKey.objects.get().public_id}/"
    client.force_login(owner)
    assert client.get(address).status_code == 404
    assert client.post(address, {"form": "revoke"}).status_code == 404
    assert find_key(secret=secret, at=NOW)


def test_every_key_is_noted_in_the_log_without_itself(
    manager: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="security"):
        secret = secret_in(made(manager))
    (line,) = [record.getMessage() for record in caplog.records if "API key" in record.getMessage()]
    assert json.loads(line)["event"] == "API key made"
    assert secret not in line


# ── The form of a key ─────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "spoilt",
    [
        lambda key: key[:-1] + ("a" if key[-1] != "a" else "b"),
        lambda key: key[:15] + ("a" if key[15] != "a" else "b") + key[16:],
        lambda key: key + "a",
        lambda key: key.replace("live", "test"),
        lambda key: key + "\n",
        lambda key: "",
        lambda key: "ccl_live_" + "é" * 36,
    ],
    ids=["checksum", "body", "longer", "prefix", "line break", "empty", "letters"],
)
def test_a_forged_key_is_refused_without_the_database(
    manager: Client, spoilt, django_assert_num_queries
) -> None:
    secret = spoilt(secret_in(made(manager)))
    with django_assert_num_queries(0):
        assert find_key(secret=secret, at=NOW) is None

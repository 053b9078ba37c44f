"""A closed account: its members read and download, and begin nothing."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from billing.models import Account, Plan, TopUp, User
from calls.closing import close_account
from calls.models import CallSource, FileImport
from tests.dashboard.conftest import NOW, call, post, top_up
from tests.dashboard.top_up.test_top_up import words

pytestmark = [pytest.mark.usefixtures("now"), pytest.mark.django_db]

BEGINNING = ["top_up", "import_new", "api_key_new"]
READ = ["home", "usage", "top_ups", "plans", "subscription", "imports", "sources", "team"]


@pytest.fixture
def closed(account: Account, professional: Plan, operator: User) -> Account:
    post(top_up(account, 100, NOW), call(account, "a", 1_550, NOW))
    return close_account(account=account, by=operator, reason="They left", now=NOW)


def page(name: str) -> str:
    return reverse(f"dashboard:{name}", args=["acme"])


@pytest.mark.parametrize("name", READ)
def test_every_page_says_that_it_is_closed(
    client: Client, closed: Account, owner: User, name: str
) -> None:
    client.force_login(owner)
    response = client.get(page(name))
    said = words(response)
    assert response.status_code == 200
    assert "This account was closed on 23 Nov 2026, 18:00 . Nothing is charged" in said
    assert "50 credits are left, until they expire." in said
    assert "running low" not in said
    assert f'class="button" href="{page("top_up")}"' not in response.text


@pytest.mark.parametrize("name", BEGINNING)
def test_nobody_begins_anything(client: Client, closed: Account, owner: User, name: str) -> None:
    client.force_login(owner)
    for response in (client.get(page(name)), client.post(page(name), {})):
        assert response.status_code == 409
        assert "This can’t be done in a closed account" in words(response)
    counts = [each.objects.count() for each in (TopUp, FileImport, CallSource)]
    assert counts == [1, 0, 0]


def test_what_a_script_asks_for_is_refused(client: Client, closed: Account, owner: User) -> None:
    client.force_login(owner)
    assert client.post(page("import_begin"), {"name": "a.csv", "size": 5}).status_code == 403


def test_no_plan_is_offered_to_be_asked_for(client: Client, closed: Account, owner: User) -> None:
    client.force_login(owner)
    said = words(client.get(page("plans")))
    assert "Ask for" not in said
    assert "A closed account has no plan to change." in said
    response = client.post(page("plans"), {"do": "ask"})
    assert response.status_code == 409


def test_nothing_is_foretold_of_what_is_left(
    client: Client, account: Account, professional: Plan, operator: User, member: User
) -> None:
    calls = [call(account, f"c{ago}", 5, NOW - timedelta(days=ago)) for ago in range(1, 7)]
    post(top_up(account, 1_000, NOW), *calls)
    client.force_login(member)
    assert "at this rate" in words(client.get(page("usage")))
    close_account(account=account, by=operator, reason="They left", now=NOW)
    assert "at this rate" not in words(client.get(page("usage")))


def test_members_download_and_choose_their_mails(
    client: Client, closed: Account, member: User
) -> None:
    client.force_login(member)
    assert client.get(page("export")).status_code == 200
    assert client.post(page("export_new"), {}).status_code == 302
    assert client.post(page("notifications"), {"form": "mails"}).status_code == 302


def test_an_operator_still_imports_for_it(client: Client, closed: Account, operator: User) -> None:
    client.force_login(operator)
    assert client.get(page("import_new")).status_code == 200

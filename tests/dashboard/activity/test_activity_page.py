"""Settings → Activity: who changed what in the account, for its Superadmins; and for operators."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.acting import Actor
from billing.activity import changed, new, note
from billing.models import Account, ActorKind, Membership, User
from billing.models import ActivityKind as K
from billing.plans.movements import adjust

PAGE = "/a/acme/settings/activity/"


@pytest.fixture
def reader(client: Client, owner: User) -> Client:
    """The browser of a Superadmin."""
    client.force_login(owner)
    return client


def by(user: User, *, is_operator: bool = False) -> Actor:
    return Actor.person(user, visitor="192.0.2.7", is_operator=is_operator)


def subjects(client: Client, **query: str) -> list[str]:
    return [row.subject for row in client.get(PAGE, query).context["rows"]]


@pytest.fixture
def done(
    account: Account, other_account: Account, owner: User, admin: User, operator: User
) -> None:
    """Something by each kind of actor, and something in another account."""
    note(K.TOP_UP_ORDERED, account=account, subject="order", by=by(owner))
    note(K.IMPORT_STARTED, account=account, subject="file", by=by(admin))
    note(K.PLAN_CHANGED, account=account, subject="plan", by=by(operator, is_operator=True))
    command = Actor(kind=ActorKind.COMMAND, name="import_calls")
    note(K.IMPORT_STARTED, account=account, subject="log", by=command)
    note(K.TOP_UP_ORDERED, account=other_account, subject="foreign")


def test_the_newest_comes_first_and_nothing_of_another_account(reader: Client, done: None) -> None:
    assert subjects(reader) == ["log", "plan", "file", "order"]


def test_a_row_says_who_from_where_what_and_from_what_to_what(
    reader: Client, account: Account, owner: User
) -> None:
    changes = changed({"name": "Acme <b>", "slug": "a"}, {"name": "Acme Ltd", "slug": "b"})
    note(K.ACCOUNT_CHANGED, account=account, changes=changes, reason="New owners", by=by(owner))
    page = reader.get(PAGE).text
    for said in (
        "Changed the account",
        owner.email,
        "from 192.0.2.7",
        "Acme &lt;b&gt;",
        "Acme Ltd",
        "Short name",
        "“New owners”",
    ):
        assert said in page


def test_times_are_on_the_accounts_clock(reader: Client, account: Account) -> None:
    note(K.ADJUSTED, account=account)
    zone = account.zone
    (row,) = reader.get(PAGE).context["rows"]
    assert f"{row.at.astimezone(zone):%H:%M}" in reader.get(PAGE).text


@pytest.mark.parametrize(
    ("area", "found"),
    [("money", ["order"]), ("calls", ["log", "file"]), ("plan", ["plan"]), ("people", [])],
)
def test_it_is_narrowed_down_by_what_it_is_about(
    reader: Client, done: None, area: str, found: list[str]
) -> None:
    assert subjects(reader, area=area) == found


def test_it_is_narrowed_down_by_who_acted(
    reader: Client, done: None, owner: User, admin: User
) -> None:
    choices = dict(reader.get(PAGE).context["filters"].fields["who"].choices)
    assert list(choices.values()) == [
        "Everybody",
        admin.email,
        owner.email,
        "Operators",
        "Commands on the server",
    ]
    assert subjects(reader, who=f"person-{admin.pk}") == ["file"]
    assert subjects(reader, who="operator") == ["plan"]
    assert subjects(reader, who="command", area="calls") == ["log"]


def test_who_has_left_is_still_found(
    reader: Client, done: None, account: Account, admin: User
) -> None:
    Membership.objects.get(account=account, user=admin).delete()
    assert subjects(reader, who=f"person-{admin.pk}") == ["file"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"area": "offers"}, "About: choose one of the areas."),
        ({"area": "\x00"}, "About: choose one of the areas."),
        ({"who": "person-999999"}, "Who: this person has done nothing here."),
        ({"who": "9" * 500}, "Who: this person has done nothing here."),
    ],
    ids=["area", "nul", "nobody", "digits"],
)
def test_a_filter_that_cannot_be_is_named(
    reader: Client, done: None, query: dict[str, str], said: str
) -> None:
    response = reader.get(PAGE, query)
    assert response.status_code == 422
    assert said in response.text


def test_nothing_yet_and_nothing_that_fits_say_so(reader: Client, account: Account) -> None:
    assert "Nothing has been changed yet" in reader.get(PAGE).text
    note(K.ADJUSTED, account=account)
    page = reader.get(PAGE, {"area": "people"}).text
    assert "Nothing fits these filters" in page
    assert f'href="{PAGE}">Show everything' in page


def test_pages_have_twenty_rows_and_keep_the_filters(reader: Client, account: Account) -> None:
    for number in range(45):
        note(K.ADJUSTED, account=account, subject=str(number))
    assert subjects(reader, page="3", area="money") == ["4", "3", "2", "1", "0"]
    page = reader.get(PAGE, {"page": "2", "area": "money"}).text
    assert "21–40 of 45" in page
    assert "?page=3&amp;area=money" in page or "area=money&amp;page=3" in page
    beyond = reader.get(PAGE, {"page": "9", "area": "money"})
    assert (beyond.status_code, beyond["Location"]) == (302, f"{PAGE}?area=money&page=3")


def test_as_many_queries_for_one_row_as_for_twenty(reader: Client, account: Account) -> None:
    counts = []
    for more in (1, 19):
        for _ in range(more):
            note(K.ADJUSTED, account=account, changes=new(credits=1))
        reader.get(PAGE)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            reader.get(PAGE)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_only_superadmins_are_led_there(client: Client, owner: User, admin: User) -> None:
    for person, is_led in ((owner, True), (admin, False)):
        client.force_login(person)
        assert (PAGE in client.get("/a/acme/").text) == is_led


# ── Operators ─────────────────────────────────────────────────────────────────────────────────
LIST = "/admin/billing/activity/"


@pytest.fixture
def staff(client: Client, operator: User) -> Client:
    """The browser of an operator."""
    client.force_login(operator)
    return client


def listed(staff: Client, **query: str | int) -> list[str]:
    response = staff.get(LIST, query)
    assert response.status_code == 200
    return [row.subject for row in response.context["cl"].result_list]


def test_operators_read_what_was_done_in_all_accounts(
    staff: Client, done: None, account: Account, owner: User
) -> None:
    note(K.PACK_ADDED, account=None, subject="pack", changes=new(credits=500))
    assert listed(staff) == ["pack", "foreign", "log", "plan", "file", "order"]
    assert listed(staff, account__id__exact=account.pk) == ["log", "plan", "file", "order"]
    assert listed(staff, area="offers") == ["pack"]
    assert listed(staff, by_user__id__exact=owner.pk) == ["order"]
    assert listed(staff, by_kind__exact="operator") == ["plan"]
    page = staff.get(LIST).text
    assert "192.0.2.7" in page
    assert "Credits: 500" in page


def test_operators_change_nothing_of_it(staff: Client, account: Account) -> None:
    now = timezone.now() - timedelta(seconds=1)
    adjust(account=account, credits=5, reason="Goodwill", reference="gift", at=now)
    row = staff.get(LIST).context["cl"].result_list[0]
    page = staff.get(f"{LIST}{row.pk}/change/")
    assert "Goodwill" in page.text
    for address in (f"{LIST}add/", f"{LIST}{row.pk}/change/", f"{LIST}{row.pk}/delete/"):
        assert staff.post(address, {"reason": "x", "post": "yes"}).status_code == 403


def test_an_account_leads_operators_to_its_activity(staff: Client, account: Account) -> None:
    page = staff.get(f"/admin/billing/account/{account.pk}/change/").text
    assert f"{LIST}?account__id__exact={account.pk}" in page

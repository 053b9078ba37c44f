"""Who may see which page: every URL, every role. A URL that is not in the table fails."""

import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from django.test import Client
from django.urls import URLResolver, reverse

from billing.models import Account, ApiKey, Role, TopUp, User
from billing.payments import buying, pricing, settling
from calls.inbox import sources
from calls.models import CallSource, Export, FileImport, ImportState
from dashboard import urls
from tests.billing.payments.purchases import checkout_facts
from tests.calls.exports.exporting import asked
from tests.dashboard.conftest import NOW, call, post, top_up
from tests.factories import MembershipFactory, UserFactory

TOP_UP = UUID(int=1)
IMPORT = UUID(int=2)
EXPORT = UUID(int=3)
API_KEY = UUID(int=4)
SOURCE = UUID(int=5)
MEMBER = 1_000_000

# For every page of an account: its arguments, and what superadmin, admin and member get.
EVERYONE = (200, 200, 200)
PAYERS = (200, 403, 403)
MANAGERS = (200, 200, 403)
LED_ELSEWHERE = (302, 302, 403)  # those who manage, because it is too early for this page
PAGES: dict[str, tuple[dict[str, Any], tuple[int, int, int]]] = {
    "home": ({}, EVERYONE),
    "usage": ({}, EVERYONE),
    "export": ({}, EVERYONE),
    "changes": ({}, EVERYONE),
    "exports": ({}, EVERYONE),
    "export_new": ({}, EVERYONE),
    # The owner's, so that nobody else finds it; tests/dashboard/exports has the rest.
    "export_page": ({"public_id": EXPORT}, (200, 404, 404)),
    "export_file": ({"public_id": EXPORT}, (302, 404, 404)),
    "row": ({"seq": 1}, EVERYONE),
    "call": ({"call_id": "call/1 ?"}, EVERYONE),
    "top_up": ({}, PAYERS),
    "top_up_status": ({"public_id": TOP_UP}, PAYERS),
    "top_ups": ({}, PAYERS),
    "receipt": ({"public_id": TOP_UP}, PAYERS),
    "imports": ({}, MANAGERS),
    "import_new": ({}, MANAGERS),
    "import_page": ({"public_id": IMPORT}, MANAGERS),
    "import_parts": ({"public_id": IMPORT}, MANAGERS),
    "import_mapping": ({"public_id": IMPORT}, LED_ELSEWHERE),
    "import_profile": ({"public_id": IMPORT}, (404, 404, 403)),
    "import_rejects": ({"public_id": IMPORT}, MANAGERS),
    "import_take_back": ({"public_id": IMPORT}, LED_ELSEWHERE),
    "team": ({}, MANAGERS),
    "team_invite": ({}, MANAGERS),
    "team_member": ({"member_id": MEMBER}, MANAGERS),
    "api_keys": ({}, MANAGERS),
    "api_key_new": ({}, MANAGERS),
    "api_key": ({"public_id": API_KEY}, MANAGERS),
    "sources": ({}, MANAGERS),
    "source_new": ({"kind": "vapi"}, MANAGERS),
    "source_order": ({}, MANAGERS),
    "source": ({"public_id": SOURCE}, MANAGERS),
    "source_delete": ({"public_id": SOURCE}, MANAGERS),
    "plans": ({}, PAYERS),
    "subscription": ({}, PAYERS),
    "activity": ({}, PAYERS),
    "company": ({}, PAYERS),
    "notifications": ({}, EVERYONE),
    "troubleshooting": ({}, EVERYONE),
}
# The pages that take a form; all others are only read.
ACTIONS = {
    "plans",
    "top_up",
    "top_up_status",
    "company",
    "notifications",
    "import_new",
    "import_page",
    "import_mapping",
    "import_take_back",
    "export_new",
    "export_page",
    "team_invite",
    "team_member",
    "api_key_new",
    "api_key",
    "source_new",
    "source_order",
    "source",
    "source_delete",
}
# What is no page and only acts, by the method that it takes.
BARE_ACTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "import_begin": ({}, "POST"),
    "import_part": ({"public_id": IMPORT, "number": 0}, "PUT"),
    "import_finish": ({"public_id": IMPORT}, "POST"),
    "import_stop_upload": ({"public_id": IMPORT}, "POST"),
}
WITHOUT_ACCOUNT = {"landing", "api_reference"}
WHO_ADDS_PEOPLE = "Ask the people who look after your company’s account here"

NAMES = sorted(PAGES)
# The pages on which operators work for an account; they are no members of it.
OF_OPERATORS = {name for name in NAMES if name.startswith(("import", "source"))}


def _names(patterns: Iterable[Any]) -> Iterator[str | None]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _names(pattern.url_patterns)
        else:
            yield pattern.name


def address(name: str, slug: str = "acme") -> str:
    arguments, _ = PAGES.get(name) or BARE_ACTIONS[name]
    return reverse(f"dashboard:{name}", kwargs={"slug": slug, **arguments})


@pytest.fixture(autouse=True)
def _something_to_see(account: Account, owner: User) -> None:
    post(top_up(account, 100, NOW), call(account, "call/1 ?", 3, NOW))
    begun = buying.start(
        account=account,
        user_id=None,
        email="owner@example.com",
        quoted=pricing.quote(account=account, credits=500),
        form_key="form",
        return_url="http://testserver/{id}/",
        now=NOW,
    )
    settling.settle(payment_pk=begun.pk, facts=checkout_facts(begun), now=NOW)
    TopUp.objects.filter(payments=begun).update(public_id=TOP_UP)
    FileImport.objects.create(
        account=account,
        public_id=IMPORT,
        file_name="calls.csv",
        size=3,
        state=ImportState.UPLOADING,
        created_at=NOW,
        moved_at=NOW,
    )
    asked(account, owner)
    Export.objects.update(public_id=EXPORT)
    ApiKey.objects.create(
        account=account,
        public_id=API_KEY,
        name="Switch",
        digest="0" * 64,
        scopes=["calls:write"],
        created_at=NOW,
    )
    MembershipFactory(pk=MEMBER, account=account)
    source = sources.connect(account=account, kind="vapi", name="Vapi", by=None, now=NOW)
    CallSource.objects.filter(pk=source.pk).update(public_id=SOURCE)


def test_every_url_has_its_case() -> None:
    assert set(_names(urls.urlpatterns)) == {*PAGES, *BARE_ACTIONS, *WITHOUT_ACCOUNT}


def statuses(client: Client, names: Iterable[str], slug: str = "acme") -> dict[str, int]:
    """What each of the pages answers to who is signed in with ``client``."""
    return {name: client.get(address(name, slug)).status_code for name in names}


def expected(names: Iterable[str], role: Role) -> dict[str, int]:
    """What each of the pages answers to a member with ``role``."""
    number = [Role.SUPERADMIN, Role.ADMIN, Role.MEMBER].index(role)
    return {name: PAGES[name][1][number] for name in names}


def test_who_is_not_signed_in_is_sent_to_the_sign_in_and_back(client: Client) -> None:
    for name in NAMES:
        response = client.get(address(name) + "?page=2")
        assert response.status_code == 302, name
        assert response["Location"].startswith("/accounts/login/?next=/a/acme/"), name
        assert "page%3D2" in response["Location"], name


@pytest.mark.parametrize("slug", ["acme", "no-such-account"])
def test_an_outsider_finds_nothing(client: Client, outsider: User, slug: str) -> None:
    client.force_login(outsider)
    assert statuses(client, NAMES, slug) == dict.fromkeys(NAMES, 404)


def test_an_operator_who_is_no_member_finds_nothing(client: Client, operator: User) -> None:
    client.force_login(operator)
    names = set(NAMES) - OF_OPERATORS
    assert statuses(client, names) == dict.fromkeys(names, 404)


def test_an_operator_passes_to_the_imports_of_any_account(client: Client, operator: User) -> None:
    client.force_login(operator)
    assert statuses(client, OF_OPERATORS) == expected(OF_OPERATORS, Role.ADMIN)
    nowhere = statuses(client, OF_OPERATORS, "no-such-account")
    assert nowhere == dict.fromkeys(OF_OPERATORS, 404)


def test_who_is_no_operator_any_more_finds_nothing(client: Client, operator: User) -> None:
    operator.is_staff = False
    operator.save()
    client.force_login(operator)
    assert statuses(client, OF_OPERATORS) == dict.fromkeys(OF_OPERATORS, 404)


# ── What is no page and only acts ─────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", sorted(BARE_ACTIONS))
def test_a_bare_action_takes_its_own_method_only(client: Client, owner: User, name: str) -> None:
    own = BARE_ACTIONS[name][1]
    client.force_login(owner)
    for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} - {own}:
        response = client.generic(method, address(name))
        assert (response.status_code, response["Allow"]) == (405, own), method
    assert client.generic(own, address(name)).status_code in (204, 422)


@pytest.mark.parametrize(("person", "status"), [("outsider", 404), ("member", 403)])
def test_who_does_not_manage_the_account_can_not_act(
    client: Client, person: str, status: int, request: pytest.FixtureRequest
) -> None:
    client.force_login(request.getfixturevalue(person))
    for name, (_, method) in BARE_ACTIONS.items():
        assert client.generic(method, address(name)).status_code == status, name


def test_a_bare_action_without_csrf_token_is_refused(owner: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    for name, (_, method) in BARE_ACTIONS.items():
        assert client.generic(method, address(name)).status_code == 403, name


def test_a_superadmin_sees(client: Client, owner: User) -> None:
    client.force_login(owner)
    assert statuses(client, NAMES) == expected(NAMES, Role.SUPERADMIN)


def test_an_admin_sees(client: Client, admin: User) -> None:
    client.force_login(admin)
    assert statuses(client, NAMES) == expected(NAMES, Role.ADMIN)


def test_a_member_sees(client: Client, member: User) -> None:
    client.force_login(member)
    assert statuses(client, NAMES) == expected(NAMES, Role.MEMBER)


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_pages_are_only_read(client: Client, owner: User, method: str) -> None:
    client.force_login(owner)
    for name in set(NAMES) - ACTIONS:
        response = getattr(client, method)(address(name))
        assert (response.status_code, response["Allow"]) == (405, "GET, HEAD"), name


# ── Forms that are sent to a page ─────────────────────────────────────────────────────────────
@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_actions_are_posted(client: Client, owner: User, method: str) -> None:
    client.force_login(owner)
    for name in ACTIONS:
        response = getattr(client, method)(address(name))
        assert (response.status_code, response["Allow"]) == (405, "GET, HEAD, POST"), name


def test_who_is_not_signed_in_can_not_act(client: Client) -> None:
    for name in ACTIONS:
        response = client.post(address(name))
        assert response["Location"] == f"/accounts/login/?next={quote(address(name))}", name


def test_an_outsider_can_not_act(client: Client, outsider: User) -> None:
    client.force_login(outsider)
    for name in ACTIONS:
        assert client.post(address(name)).status_code == 404, name


def test_an_action_without_csrf_token_is_refused(owner: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    for name in ACTIONS:
        assert client.post(address(name)).status_code == 403, name


@pytest.mark.parametrize("name", ["top_up", "top_up_status"])
@pytest.mark.parametrize("role", ["admin", "member"])
def test_only_who_pays_can_act_on_top_ups(
    client: Client, request: pytest.FixtureRequest, name: str, role: str
) -> None:
    client.force_login(request.getfixturevalue(role))
    response = client.post(address(name))
    assert response.status_code == 403
    assert "dashboard/account/no_permission.html" in [
        template.name for template in response.templates
    ]


@pytest.mark.parametrize("role", ["admin", "member"])
@pytest.mark.parametrize("form", ["add", "remove", "", "something else"])
def test_only_who_pays_sets_the_warnings_of_the_account(
    client: Client, request: pytest.FixtureRequest, role: str, form: str
) -> None:
    client.force_login(request.getfixturevalue(role))
    response = client.post(address("notifications"), {"form": form, "number": 5, "unit": "credits"})
    assert response.status_code == 403


def test_the_refusal_names_who_can_help(client: Client, member: User, owner: User) -> None:
    client.force_login(member)
    response = client.get(address("plans"))
    assert [person.user for person in response.context["people"]] == [owner]


def test_the_refusal_names_nobody_who_can_not_sign_in(
    client: Client, member: User, owner: User
) -> None:
    owner.is_active = False
    owner.save()
    client.force_login(member)
    assert client.get(address("plans")).context["people"] == []


def test_a_call_of_another_account_is_not_found_in_ones_own(
    client: Client, outsider: User, other_account: Account
) -> None:
    client.force_login(outsider)
    assert client.get(address("call", other_account.slug)).status_code == 404
    assert client.get(address("row", other_account.slug)).status_code == 404


@pytest.mark.parametrize("name", ["top_up_status", "receipt"])
def test_a_top_up_of_another_account_is_not_found_in_ones_own(
    client: Client, outsider: User, other_account: Account, name: str
) -> None:
    client.force_login(outsider)
    assert client.get(address(name, other_account.slug)).status_code == 404


def test_a_top_up_of_another_account_can_not_be_cancelled_in_ones_own(
    client: Client, outsider: User, other_account: Account
) -> None:
    client.force_login(outsider)
    assert client.post(address("top_up_status", other_account.slug)).status_code == 404


def test_a_part_of_a_page_sends_the_whole_page_to_the_sign_in(client: Client) -> None:
    response = client.get(
        address("usage") + "?page=2",
        headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/a/acme/billing/usage/"},
    )
    assert response["HX-Redirect"] == "/accounts/login/?next=/a/acme/billing/usage/"


@pytest.mark.parametrize("path", ["/no/such/page/", "/a/other/", "/a/acme/billing/usage/rows/99/"])
def test_who_is_in_an_account_keeps_its_navigation_where_nothing_is_found(
    client: Client, member: User, other_account: Account, path: str
) -> None:
    client.force_login(member)
    response = client.get(path)
    assert response.status_code == 404
    assert response.context["frame"].account.slug == "acme"
    assert "There is no such page" in response.text
    assert address("usage") in response.text
    assert other_account.name not in response.text


def test_the_navigation_is_that_of_the_account_that_the_address_names(
    client: Client, member: User, other_account: Account
) -> None:
    MembershipFactory(user=member, account=other_account, role=Role.MEMBER)
    client.force_login(member)
    client.get("/a/other/")
    assert client.get("/a/acme/nosuch/").context["frame"].account.slug == "acme"
    assert client.get("/nosuch/").context["frame"].account.slug == "other"


def test_what_is_anothers_and_what_does_not_exist_get_the_same_answer(
    client: Client, member: User, other_account: Account
) -> None:
    client.force_login(member)
    token = re.compile(r'name="csrfmiddlewaretoken" value="\w+"')
    others, nobodys = (token.sub("", client.get(f"/a/{name}/").text) for name in ("other", "none"))
    assert others == nobodys


def test_who_is_in_no_account_gets_no_navigation_where_nothing_is_found(
    client: Client, outsider: User, account: Account
) -> None:
    client.force_login(UserFactory())
    response = client.get(f"/a/{account.slug}/")
    assert (response.status_code, response.context["frame"]) == (404, None)
    assert "There is no such page" in response.text


# ── / ─────────────────────────────────────────────────────────────────────────────────────────
def test_the_root_asks_to_sign_in(client: Client) -> None:
    assert client.get("/")["Location"] == "/accounts/login/?next=/"


def test_the_root_leads_to_the_only_account(client: Client, member: User) -> None:
    client.force_login(member)
    assert client.get("/")["Location"] == "/a/acme/"


def test_the_root_leads_to_the_account_seen_last(
    client: Client, member: User, other_account: Account
) -> None:
    MembershipFactory(user=member, account=other_account, role=Role.MEMBER)
    client.force_login(member)
    assert client.get("/")["Location"] == "/a/acme/"
    client.get("/a/other/billing/usage/")
    assert client.get("/")["Location"] == "/a/other/"


def test_the_root_forgets_an_account_that_the_person_has_left(
    client: Client, member: User, other_account: Account
) -> None:
    membership = MembershipFactory(user=member, account=other_account, role=Role.MEMBER)
    client.force_login(member)
    client.get("/a/other/")
    membership.delete()
    assert client.get("/")["Location"] == "/a/acme/"


@pytest.mark.parametrize("address", ["/", "/accounts/signup/", "/accounts/inactive/"])
def test_who_has_no_account_or_sign_in_is_told_who_can_help(
    client: Client, db: None, address: str
) -> None:
    if address == "/":
        client.force_login(UserFactory())
    response = client.get(address)
    assert response.status_code == 200
    assert WHO_ADDS_PEOPLE in response.text
    assert "admin of your company" not in response.text


def test_the_root_tells_an_operator_where_their_work_is(client: Client, db: None) -> None:
    client.force_login(UserFactory(is_staff=True))
    page = client.get("/").text
    assert f'href="{reverse("admin:index")}"' in page
    assert WHO_ADDS_PEOPLE not in page


def test_the_frame_offers_the_other_accounts(
    client: Client, member: User, other_account: Account
) -> None:
    MembershipFactory(user=member, account=other_account)
    client.force_login(member)
    assert client.get("/a/acme/").context["frame"].other_accounts == [other_account]

"""The banner of low credits: on every page of an account, whatever else the page has to say."""

from typing import Any

import pytest
from django.urls import reverse

from billing.models import CreditThreshold
from calls.inbox import sources
from calls.models import FileImport, ImportState
from tests.api.v1.conftest import key_of
from tests.calls.exports.exporting import asked
from tests.dashboard.conftest import NOW, call, goodwill, post, top_up
from tests.dashboard.test_access import PAGES
from tests.dashboard.top_up.test_top_up import decide, words
from tests.dashboard.top_up.test_top_up_status import begin, paid

pytestmark = pytest.mark.usefixtures("now")

LOW = (
    "Credits are running low. 200 left: 190 of 1,500 plan credits that end on 4 Dec 2026 "
    "and 10 top-up credits."
)
# Data, no pages.
BARE = {"export", "export_file", "changes", "import_parts", "import_profile", "import_rejects"}
LED_ELSEWHERE = {"import_mapping", "import_take_back"}  # of an import that recorded nothing
HOME = "/a/acme/"
TOPPING_UP = {"top_up", "top_up_status"}


@pytest.fixture
def addresses(account, owner, professional):
    """Every page of an account that has 200 of 1,500 credits left, and an unpaid top-up."""
    post(call(account, "a", 1_300, NOW))
    payment = begin(account, owner)
    receipt = paid(begin(account, owner, credits=10, form_key="paid"))
    post(call(account, "b", 10, NOW))
    done = FileImport.objects.create(
        account=account,
        file_name="calls.csv",
        size=1,
        state=ImportState.DONE,
        created_at=NOW,
        moved_at=NOW,
        ended_at=NOW,
    )
    vapi = sources.connect(account=account, kind="vapi", name="Vapi", by=owner, now=NOW)
    arguments: dict[str, dict[str, Any]] = {
        "row": {"seq": 1},
        "call": {"call_id": "a"},
        "top_up_status": {"public_id": payment.top_up.public_id},
        "receipt": {"public_id": receipt.top_up.public_id},
        "import_page": {"public_id": done.public_id},
        "export_page": {"public_id": asked(account, owner).public_id},
        "api_key": {"public_id": key_of(account).key.public_id},
        "source_new": {"kind": "vapi"},
        "source": {"public_id": vapi.public_id},
        "source_delete": {"public_id": vapi.public_id},
        "team_member": {"member_id": account.memberships.get(user=owner).pk},
    }
    return {
        name: reverse(f"dashboard:{name}", kwargs={"slug": "acme", **arguments.get(name, {})})
        for name in set(PAGES) - BARE - LED_ELSEWHERE
    }


def test_it_says_that_all_plan_credits_are_used(client, owner, account, professional):
    post(top_up(account, 200, NOW), call(account, "a", 1_550, NOW))
    client.force_login(owner)
    said = words(client.get(HOME))
    assert "Credits are running low. 150 left: 0 of 1,500 plan credits and 150 top-up" in said
    post(call(account, "b", 150, NOW))
    said = words(client.get(HOME))
    assert "No credits are left. All 1,500 plan credits of this cycle are used, and" in said


def test_it_says_where_the_others_are_from(client, owner, account, professional):
    post(top_up(account, 30, NOW), goodwill(account, 1), call(account, "a", 1_400, NOW))
    client.force_login(owner)
    said = words(client.get(HOME))
    assert "131 left: 100 of 1,500 plan credits that end on 4 Dec 2026 , 30 top-up credits" in said
    assert "and 1 other." in said


def test_without_a_plan_it_says_that_all_are_from_top_ups(client, owner, account):
    CreditThreshold.objects.create(account=account, credits=40)
    post(top_up(account, 30, NOW))
    client.force_login(owner)
    assert "Credits are running low. 30 left, all from top-ups." in words(client.get(HOME))


def test_every_page_says_that_credits_are_low(client, owner, addresses):
    client.force_login(owner)
    assert {name for name, page in addresses.items() if LOW not in words(client.get(page))} == set()


def test_a_page_that_a_role_does_not_include_says_so_too(client, member, addresses):
    client.force_login(member)
    response = client.get(addresses["subscription"])
    assert response.status_code == 403
    assert LOW in words(response)


def test_every_page_leads_to_topping_up_but_those_that_do_it(client, owner, addresses):
    client.force_login(owner)
    without = {
        name
        for name, page in addresses.items()
        if "on 4 Dec 2026 . Top up credits" not in words(client.get(page))
    }
    assert without == TOPPING_UP


def test_the_review_says_it_and_what_is_wrong_with_a_choice_too(client, owner, addresses):
    client.force_login(owner)
    for query in ({"choice": "own", "credits": "50"}, {"choice": "own", "credits": "x"}):
        assert LOW in words(client.get(addresses["top_up"], query))


def test_it_goes_when_the_credits_come_while_the_page_waits(client, owner, account, professional):
    post(call(account, "a", 1_300, NOW))
    payment = begin(account, owner)
    client.force_login(owner)
    page = client.get(reverse("dashboard:top_up_status", args=["acme", payment.top_up.public_id]))
    address = page.context["page"].look_again_url
    decide(payment, "pay")
    news = client.get(address, headers={"HX-Request": "true"}).content.decode()
    assert '<div hx-swap-oob="innerHTML:.balance-banner"></div>' in "".join(news.splitlines())


def test_every_page_says_in_words_what_is_owed(client, owner, account, addresses):
    post(call(account, "c", 1_360, NOW))
    client.force_login(owner)
    for name, address in addresses.items():
        page = client.get(address)
        assert "You owe 1,160 credits." in words(page), name
        assert page.text.count(">credits owed</span>") >= 2, name  # top bar and navigation
        assert "credits available</span>" not in page.text, name
        tile = "Available Credits −1,160 owed: what is added next pays it"
        assert page.text.count("−1,160") == (tile in words(page)), name
        assert (tile in words(page)) == (name in ("home", "usage", "subscription")), name


def test_credits_enough_are_not_worth_a_banner(client, owner, account, professional):
    post(top_up(account, 100, NOW))
    client.force_login(owner)
    assert "running low" not in words(client.get(reverse("dashboard:home", args=["acme"])))

"""The page on which the order of sources is tried and changed."""

import pytest
from django.test import Client
from django.urls import reverse

from billing.models import Account, Plan, User
from calls.charging import record_calls
from calls.models import Call, CallSource, OrderChange
from calls.reporters import of_source
from calls.tasks import follow_order
from tests.dashboard.conftest import NOW
from tests.dashboard.usage.test_call_page import record

pytestmark = pytest.mark.usefixtures("now")


@pytest.fixture
def sources(account: Account, professional: Plan) -> list[int]:
    """Vapi, then Twilio, which tell the same call."""
    made = [
        CallSource.objects.create(
            account=account, kind=kind, name=kind.title(), position=position, created_at=NOW
        )
        for position, kind in enumerate(["vapi", "twilio"], 1)
    ]
    for source, call_id, seconds in ((made[0], "v1", 65), (made[1], "CA1", 95)):
        told = record(account, call_id, seconds=seconds, carrier_id="CA1")
        record_calls(records=[told], now=NOW, reporter=of_source(source.pk))
    return [source.pk for source in made]


def url(account: Account, order: list[int] | None = None) -> str:
    query = {"order": ",".join(map(str, order))} if order else None
    return reverse("dashboard:source_order", args=[account.slug], query=query)


def test_an_order_is_tried_with_what_it_would_do_and_then_used(
    client: Client, account: Account, admin: User, sources: list[int]
) -> None:
    client.force_login(admin)
    vapi, twilio = sources
    assert url(account, [twilio, vapi]).encode() in client.get(url(account)).content
    tried = client.get(url(account, [twilio, vapi])).content.decode()
    assert "1 would be corrected: 1 credit more." in tried
    assert Call.objects.get().credits == 3
    response = client.post(url(account), {"order": f"{twilio},{vapi}"})
    assert response.headers["Location"] == url(account)
    change = OrderChange.objects.get()
    while change.finished_at is None:
        follow_order(change.pk)
        change.refresh_from_db()
    assert Call.objects.get().credits == 4
    assert "1 call was corrected: 1 credit more." in client.get(url(account)).content.decode()


@pytest.mark.parametrize("order", ["", "x", "1,2,3", "²"])
def test_an_order_that_is_none_changes_nothing(
    client: Client, account: Account, admin: User, sources: list[int], order: str
) -> None:
    client.force_login(admin)
    response = client.post(url(account), {"order": order})
    assert response.status_code == 409
    assert "Reload the page" in response.content.decode()
    assert not OrderChange.objects.exists()


def test_a_call_is_found_by_each_of_its_ids(
    client: Client, account: Account, admin: User, sources: list[int]
) -> None:
    client.force_login(admin)
    led = client.get(reverse("dashboard:call", args=[account.slug, "CA1"]))
    page = reverse("dashboard:call", args=[account.slug, "v1"])
    assert led.headers["Location"] == page
    said = client.get(page).content.decode()
    assert "Also reported by" in said
    assert "Twilio" in said
    usage = reverse("dashboard:usage", args=[account.slug], query={"call_id": "CA1"})
    assert page in client.get(usage).content.decode()

"""Top-ups by the API: begun once for each key, paid by a person elsewhere."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.test import override_settings
from django.urls import reverse

from billing.models import Account, Payment, TopUp
from billing.payments.settling import settle
from billing.plans.closed import hold_open
from dashboard.sandbox.models import SandboxCheckout
from tests.api.v1.conftest import Program, key_of, pointers
from tests.billing.payments.purchases import checkout_facts
from tests.billing.waiting import until_somebody_waits_for_a_lock
from tests.dashboard.conftest import NOW

TOP_UPS = "/api/v1/top-ups/"

pytestmark = pytest.mark.usefixtures("default_packs")


def begin(program: Program, credits: Any = 500, key: str = "order-1") -> Any:
    return program.post(TOP_UPS, {"credits": credits}, Idempotency_Key=key)


def test_a_top_up_leads_to_the_page_on_which_it_is_paid(program: Program) -> None:
    top_up = begin(program).json()
    assert (top_up["state"], top_up["credits"]) == ("pending", 500)
    assert "/sandbox/" in top_up["payment_url"]
    assert top_up["total_minor"] == top_up["price_minor"] + top_up["tax_minor"]
    assert program.get(f"{TOP_UPS}{top_up['id']}/").json() == top_up
    checkout = SandboxCheckout.objects.get()
    path = reverse("dashboard:top_up_status", args=["acme", UUID(top_up["id"])])
    assert checkout.return_url == f"{settings.SITE_URL}{path}?returned=1"


def test_the_same_request_again_begins_nothing_again(program: Program) -> None:
    assert begin(program).json() == begin(program).json()
    assert TopUp.objects.count() == 1
    assert begin(program, key="order-2").json()["id"] != begin(program).json()["id"]


def test_what_was_paid_is_not_begun_again_by_the_same_key(program: Program) -> None:
    begun = begin(program).json()
    payment = Payment.objects.get()
    settle(payment_pk=payment.pk, facts=checkout_facts(payment), now=NOW)
    again = begin(program).json()
    assert (again["id"], again["state"], again["payment_url"]) == (begun["id"], "credited", None)
    assert program.get("/api/v1/balance/").json()["available"] == 2_000


def test_a_key_is_of_one_request(program: Program) -> None:
    begin(program)
    response = begin(program, 600)
    assert (response.status_code, list(pointers(response))) == (422, ["Idempotency-Key"])
    assert TopUp.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("second", "statuses"), [(600, [200, 422]), (500, [200, 200])])
def test_a_key_begins_one_top_up_also_when_it_is_used_twice_at_once(
    program: Program, account: Account, second: int, statuses: list[int]
) -> None:
    def begin_in_a_thread(credits: int) -> Any:
        try:
            return begin(Program(program.secret), credits)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        with transaction.atomic():
            hold_open(account.pk)
            answers = [pool.submit(begin_in_a_thread, credits) for credits in (500, second)]
            until_somebody_waits_for_a_lock(count=2)
        found = [answer.result() for answer in answers]
    assert sorted(each.status_code for each in found) == statuses
    top_up = TopUp.objects.get()
    begun = {each.json()["id"] for each in found if each.status_code == 200}
    assert begun == {str(top_up.public_id)}
    other = ({500, 600} - {top_up.credits}).pop()
    assert begin(program, other).status_code == 422
    assert TopUp.objects.count() == SandboxCheckout.objects.count() == 1


def test_two_accounts_may_make_up_the_same_key(program: Program, other_account: Account) -> None:
    other_account.currency = "INR"
    other_account.save()
    other = Program(key_of(other_account).secret)
    assert begin(program).json()["id"] != begin(other).json()["id"]
    assert [one["id"] for one in other.all(TOP_UPS, "top_ups")] == [begin(other).json()["id"]]
    assert other.get(f"{TOP_UPS}{begin(program).json()['id']}/").status_code == 404


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/credits"),
        ({"credits": "500"}, "/credits"),
        ({"credits": True}, "/credits"),
        ({"credits": 0}, "/credits"),
        ({"credits": 10**20}, "/credits"),
        ({"credits": 500, "pack": 1}, ""),
        ([], "/credits"),
    ],
    ids=["none", "text", "true", "zero", "many", "more", "list"],
)
def test_what_cannot_be_bought_is_refused(program: Program, body: Any, pointer: str) -> None:
    response = program.post(TOP_UPS, body, Idempotency_Key="k")
    assert (response.status_code, list(pointers(response))) == (422, [pointer])
    assert not TopUp.objects.exists()


@pytest.mark.parametrize("key", ["", " ", "x" * 256], ids=["none", "blank", "long"])
def test_a_top_up_needs_a_key_of_its_own(program: Program, key: str) -> None:
    response = program.post(TOP_UPS, {"credits": 500}, Idempotency_Key=key)
    assert (response.status_code, list(pointers(response))) == (400, ["Idempotency-Key"])


@override_settings(SANDBOX_PAYMENTS_ALLOWED=False)
def test_a_provider_that_is_away_is_said_and_the_request_can_be_sent_again(
    program: Program,
) -> None:
    response = begin(program)
    assert response.status_code == 503
    assert response.has_header("Retry-After")

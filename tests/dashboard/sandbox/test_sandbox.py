"""The sandbox provider's page: what its buttons do, and that it closes."""

from datetime import timedelta

import pytest
from django.test import Client

from billing.models import Payment, TopUp
from billing.payments import buying, pricing
from dashboard.sandbox import gateway
from dashboard.sandbox.tasks import deliver_sandbox_event, deliver_sandbox_reversal
from tests.dashboard.conftest import NOW

pytestmark = pytest.mark.usefixtures("now")


@pytest.fixture
def page(account, owner):
    """The address of an open checkout."""
    buying.start(
        account=account,
        user_id=owner.pk,
        email=owner.email,
        quoted=pricing.quote(account=account, credits=500),
        form_key="form",
        return_url="http://shop.example/{id}/",
        now=NOW,
    )
    return Payment.objects.get().checkout_url


@pytest.fixture
def reports(monkeypatch):
    """What the sandbox hands to its queue: (checkout, event, status), seconds from now."""
    sent = []
    monkeypatch.setattr(
        deliver_sandbox_event,
        "apply_async",
        lambda ids, countdown: sent.append((ids, countdown)),
    )
    return sent


def checkout():
    return gateway.checkout_now(checkout_id=Payment.objects.get().checkout_id, now=NOW)


def decide(client, page, decision, **options):
    return client.post(page, {"decision": decision, **options})


def test_the_page_says_that_no_money_moves(client, page):
    text = client.get(page).content.decode()
    assert "Sandbox: no money moves" in text
    assert "Pay INR 5,999" in text
    assert "500 call credits for Acme Voice" in text


def test_leaving_is_a_link_to_where_the_shop_wants_it(client, page):
    address = f"http://shop.example/{TopUp.objects.get().public_id}/?returned=cancelled"
    assert f'href="{address}"' in client.get(page).content.decode()


@pytest.mark.parametrize(("decision", "status"), [("pay", "paid"), ("decline", "failed")])
def test_a_decision_is_noted_reported_and_leads_back(client, page, reports, decision, status):
    response = decide(client, page, decision)
    assert response["Location"].startswith("http://shop.example/")
    assert response["Location"].endswith("?returned=1")
    assert checkout().status == status
    assert [countdown for _, countdown in reports] == [0]


def test_a_form_sent_twice_decides_and_reports_once(client, page, reports):
    decide(client, page, "pay")
    assert decide(client, page, "decline")["Location"].endswith("?returned=1")
    assert checkout().status == "paid"
    assert len(reports) == 1


def test_paying_late_pays_late(client, page, reports, monkeypatch):
    decide(client, page, "pay_late", late_seconds="30")
    assert checkout().status == "open"
    assert [countdown for _, countdown in reports] == [30]
    later = NOW + timedelta(seconds=30)
    checkout_id = Payment.objects.get().checkout_id
    assert gateway.checkout_now(checkout_id=checkout_id, now=later).status == "paid"


@pytest.mark.parametrize(
    ("options", "countdowns"),
    [
        ({"repeat": "on"}, [0, 1]),
        ({"reorder": "on"}, [0, 1]),
        ({"delay_seconds": "7"}, [7]),
        ({"silent": "on"}, []),
        ({"repeat": "on", "reorder": "on", "delay_seconds": "2"}, [2, 3, 3]),
    ],
)
def test_the_report_is_as_it_was_asked_for(client, page, reports, options, countdowns):
    decide(client, page, "pay", **options)
    assert [countdown for _, countdown in reports] == countdowns


def test_the_same_event_is_reported_twice(client, page, reports):
    decide(client, page, "pay", repeat="on")
    first, second = reports
    assert first[0] == second[0]


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"decision": "steal"},
        {"decision": "pay_late", "late_seconds": "0"},
        {"decision": "pay", "delay_seconds": "3601"},
    ],
)
def test_what_is_no_decision_changes_nothing(client, page, reports, sent):
    response = client.post(page, sent)
    assert response.status_code == 422
    assert 'class="field-error"' in response.content.decode() or (
        'class="errorlist"' in response.content.decode()
    )
    assert checkout().status == "open"
    assert reports == []


@pytest.mark.parametrize(
    ("decision", "said"),
    [("pay", "This was paid"), ("decline", "This payment was declined"), ("pay_late", "will be")],
)
def test_a_page_that_is_closed_says_so_and_leads_back(client, page, reports, decision, said):
    decide(client, page, decision)
    text = client.get(page).content.decode()
    assert said in text
    assert "Back to the shop" in text
    assert 'name="decision"' not in text
    assert ('name="action"' in text) == (decision == "pay")


@pytest.fixture
def reversals(monkeypatch):
    """What the sandbox would report of refunds and disputes."""
    sent = []
    monkeypatch.setattr(deliver_sandbox_reversal, "delay", lambda *ids: sent.append(ids))
    return sent


def test_a_payment_can_be_paid_back_and_disputed_on_the_page(client, page, reports, reversals):
    decide(client, page, "pay")
    client.post(page, {"action": "refund", "amount_minor": "100"})
    client.post(page, {"action": "dispute", "silent": "on"})
    client.post(page, {"action": "lose"})
    client.post(page, {"action": "reinstate", "amount_minor": "100"})
    assert [kind for kind, *_ in reversals] == ["refund", "dispute", "dispute"]
    dispute = checkout().disputes.get()
    assert (dispute.status, dispute.returned_minor) == ("lost", 100)
    assert checkout().refunds.get().amount_minor == 100
    assert "Dispute of 599900: lost, 100 came back" in client.get(page).content.decode()


def test_a_page_cancelled_by_the_shop_is_closed(client, page):
    buying.cancel(payment=Payment.objects.get(), now=NOW)
    assert "This payment was cancelled" in client.get(page).content.decode()


def test_after_an_hour_the_page_is_closed(client, page, stop_clock):
    stop_clock(NOW + timedelta(hours=1))
    assert "This page has expired" in client.get(page).content.decode()


def test_its_form_may_lead_back_to_the_shop_and_nothing_runs_inline(client, page):
    response = client.get(page)
    policy = dict(
        part.strip().partition(" ")[::2] for part in response["Content-Security-Policy"].split(";")
    )
    assert "http://shop.example" in policy["form-action"].split()
    assert policy["default-src"] == "'self'"
    assert " style=" not in response.content.decode()


def test_the_form_is_protected(page):
    assert Client(enforce_csrf_checks=True).post(page, {"decision": "pay"}).status_code == 403


def test_there_is_no_page_for_what_was_never_opened(client, db):
    assert client.get("/sandbox/checkout/nothing/").status_code == 404


def test_there_is_no_page_where_the_sandbox_is_not_allowed(client, page, settings):
    settings.SANDBOX_PAYMENTS_ALLOWED = False
    assert client.get(page).status_code == 404
    assert decide(client, page, "pay").status_code == 404

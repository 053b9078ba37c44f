"""Stripe from the checkout to the credits and back, over HTTP to a server that answers like it."""

import fnmatch
import json
import logging
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path

import pytest

from billing.models import LedgerEntry, Pack, Payment, PaymentEvent, TopUp, TopUpPricing, TopUpState
from billing.payments import asking, pricing, refunds, settling
from billing.payments.gateways import GatewayError, Order, RefusedError, stripe
from billing.payments.gateways.stripe_facts import EVENTS
from tests.billing.payments.fake_stripe import API_KEY, WEBHOOK_SECRET, signed
from tests.billing.payments.purchases import (
    TOTAL,
    balance_of,
    begin,
    now,
    review_of,
    state_of,
)
from tests.billing.payments.stripe_events import post, take
from tests.factories import AccountFactory

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


# ── Checkout ──────────────────────────────────────────────────────────────────────────────────
def test_a_checkout_asks_for_exactly_what_was_quoted(provider, account):
    payment = begin(account)
    [request] = provider.requests
    metadata = {"payment": str(payment.request_key), "account": str(account.pk)}
    assert request.path == "/v1/checkout/sessions"
    assert request.parameters == {
        "mode": "payment",
        "adaptive_pricing": {"enabled": "false"},
        "client_reference_id": str(payment.request_key),
        "metadata": metadata,
        "payment_intent_data": {"metadata": metadata},
        "customer_email": "owner@example.com",
        "line_items": [
            {
                "quantity": "1",
                "price_data": {
                    "currency": "inr",
                    "unit_amount": str(TOTAL),
                    "product_data": {"name": "500 call credits for Acme Voice"},
                },
            }
        ],
        "success_url": f"http://localhost/top-ups/{payment.top_up.public_id}/?returned=1",
        "cancel_url": f"http://localhost/top-ups/{payment.top_up.public_id}/?returned=cancelled",
        "expires_at": str(int((payment.created_at + timedelta(hours=1)).timestamp())),
    }
    assert payment.checkout_id in provider.sessions
    assert payment.checkout_url.startswith("https://checkout.stripe.com/c/pay/")


def test_the_idempotency_key_is_that_of_the_top_up(provider, account):
    payment = begin(account)
    assert provider.requests[0].headers["Idempotency-Key"] == f"checkout-{payment.request_key}"


def test_opening_the_same_checkout_again_gives_the_same_one(provider, account):
    payment = begin(account, form_key="form")
    Payment.objects.update(checkout_id="", checkout_url="")
    assert begin(account, form_key="form").checkout_id == payment.checkout_id
    assert len(provider.sessions) == 1


def test_an_order_of_another_amount_under_the_same_reference_is_refused(provider):
    order = Order(
        reference="r",
        account_reference="acme",
        description="x",
        amount_minor=100,
        currency="INR",
        customer_email="",
        return_url="http://localhost/",
        cancel_url="http://localhost/",
        expires_at=now() + timedelta(hours=1),
    )
    stripe_gateway = stripe.StripeGateway()
    stripe_gateway.create_checkout(order)
    with pytest.raises(GatewayError, match="idempotent"):
        stripe_gateway.create_checkout(
            Order(**{name: getattr(order, name) for name in Order.__slots__} | {"amount_minor": 1})
        )


def test_a_currency_without_minor_units_is_asked_for_in_whole_ones(provider, client):
    TopUpPricing.objects.create(currency="JPY", price_minor_per_credit=25)
    account = AccountFactory(currency="JPY")
    payment = begin(account, credits=100)
    session = provider.sessions[payment.checkout_id]
    assert (session["amount_total"], session["currency"]) == (2_500, "jpy")
    take(client, provider.pay(payment.checkout_id))
    assert balance_of(account) == 100


def test_an_amount_that_stripe_can_not_take_is_refused_before_anything_is_begun(provider):
    TopUpPricing.objects.create(currency="KWD", price_minor_per_credit=25)
    account = AccountFactory(currency="KWD")
    with pytest.raises(pricing.TopUpError, match=r"multiples of KWD 0\.010"):
        begin(account, credits=101)
    assert not TopUp.objects.exists()
    assert begin(account, credits=102).checkout_url


@pytest.mark.parametrize(("currency", "price", "asked"), [("ISK", 25, 250_000), ("MGA", 100, 100)])
def test_a_currency_that_stripe_counts_otherwise_is_credited_and_refunded_exactly(
    provider, client, currency, price, asked
):
    TopUpPricing.objects.create(currency=currency, price_minor_per_credit=price)
    account = AccountFactory(currency=currency)
    payment = begin(account, credits=100)
    assert provider.sessions[payment.checkout_id]["amount_total"] == asked
    take(client, provider.pay(payment.checkout_id))
    assert balance_of(account) == 100
    refunds.refund(payment_pk=payment.pk, reason="x", by=None, now=now())
    assert provider.refunds[0]["amount"] == asked
    assert (state_of(payment), balance_of(account)) == (TopUpState.REFUNDED, 0)


def test_what_was_refused_is_asked_for_again_with_another_key(provider, account, settings):
    settings.STRIPE_SECRET_KEY = "sk_test_wrong"
    with pytest.raises(RefusedError, match="Invalid API Key"):
        begin(account, form_key="form")
    settings.STRIPE_SECRET_KEY = API_KEY
    payment = begin(account, form_key="form")
    keys = [request.headers["Idempotency-Key"] for request in provider.requests]
    assert keys[-1] == f"checkout-{payment.request_key}"
    assert (payment.number, len(set(keys)), TopUp.objects.count()) == (2, 2, 1)


def test_why_the_provider_opened_no_page_is_kept_with_the_attempt(provider, account):
    provider.minimum = 10**9
    with pytest.raises(RefusedError, match="amount_too_small"):
        begin(account)
    payment = Payment.objects.get()
    assert (payment.status, state_of(payment)) == ("failed", TopUpState.UNOPENED)
    assert "at least 50 cents. (amount_too_small)" in payment.failure_reason


@pytest.mark.parametrize(("currency", "least"), [("GBP", 30), ("USD", 50), ("JPY", 50)])
def test_an_amount_below_the_least_of_the_provider_is_said_before_paying(provider, currency, least):
    TopUpPricing.objects.filter(currency=currency).delete()
    TopUpPricing.objects.create(currency=currency, price_minor_per_credit=1, credits_min=1)
    Pack.objects.filter(currency=currency).delete()
    account = AccountFactory(currency=currency)
    with pytest.raises(pricing.TopUpError, match="is too little to be paid: the least is"):
        begin(account, credits=least - 1)
    assert not TopUp.objects.exists()
    assert begin(account, credits=least).checkout_url


def test_what_was_not_answered_is_asked_for_again_with_the_same_key(provider, account):
    provider.faults = ["drop"] * (1 + stripe.NETWORK_RETRIES)
    with pytest.raises(GatewayError):
        begin(account, form_key="form")
    begin(account, form_key="form")
    assert len({request.headers["Idempotency-Key"] for request in provider.requests}) == 1


def test_a_session_that_stripe_does_not_know_expires(provider, account):
    payment = begin(account)
    provider.sessions.clear()
    assert (
        settling.reconcile(payment_pk=payment.pk, now=now()).failure_reason
        == settling.UNKNOWN_THERE
    )


# ── Two attempts of one top-up ────────────────────────────────────────────────────────────────
@pytest.fixture
def older(provider, account):
    """An attempt whose page the provider opened, though it answered that it had failed."""
    payment = begin(account, form_key="form")
    session_id = payment.checkout_id
    Payment.objects.update(status="failed", checkout_id="", checkout_url="", ended_at=now())
    return session_id


@pytest.fixture
def newer(older, account):
    """The attempt after it, whose page is open."""
    payment = begin(account, form_key="form")
    assert payment.number == 2
    return payment


def sweep():
    """Ask about every payment that is due."""
    for payment_pk in asking.payments_to_ask_about(now=now()):
        settling.reconcile(payment_pk=payment_pk, now=now())


def test_an_older_attempt_that_is_paid_closes_the_page_of_the_newer(
    provider, client, account, older, newer
):
    take(client, provider.pay(older))
    assert provider.sessions[newer.checkout_id]["status"] == "open"
    sweep()
    assert provider.sessions[newer.checkout_id]["status"] == "expired"
    newer.refresh_from_db()
    assert (newer.status, state_of(newer), balance_of(account)) == (
        "cancelled",
        TopUpState.CREDITED,
        500,
    )


def test_a_provider_that_is_away_is_asked_to_close_the_page_until_it_does(
    provider, client, older, newer
):
    take(client, provider.pay(older))
    provider.faults = ["500"] * (1 + stripe.NETWORK_RETRIES)
    with pytest.raises(GatewayError):
        sweep()
    newer.refresh_from_db()
    assert newer.next_check_at is not None
    settling.reconcile(payment_pk=newer.pk, now=newer.next_check_at)
    assert provider.sessions[newer.checkout_id]["status"] == "expired"


def test_a_newer_attempt_that_is_paid_before_its_page_is_closed_is_reviewed(
    provider, client, account, older, newer
):
    take(client, provider.pay(older))
    late = provider.pay(newer.checkout_id)
    sweep()
    take(client, late)
    assert review_of(newer) == "This top-up was paid before, by another payment."
    assert balance_of(account) == 500


def test_an_older_attempt_that_is_paid_after_the_newer_is_reviewed(
    provider, client, account, older, newer
):
    take(client, provider.pay(newer.checkout_id))
    take(client, provider.pay(older))
    sweep()
    assert review_of(newer) == "This top-up was paid before, by another payment."
    assert balance_of(account) == 500


def test_the_form_of_a_top_up_that_an_older_attempt_has_paid_opens_no_page(
    provider, client, account, older, newer
):
    Payment.objects.filter(pk=newer.pk).update(checkout_id="", checkout_url="")
    take(client, provider.pay(older))
    assert begin(account, form_key="form").number == 1
    assert len(provider.sessions) == 2


# ── Paid ──────────────────────────────────────────────────────────────────────────────────────
def test_a_completed_session_is_credited_once_by_webhook_and_return_page(provider, client, account):
    payment = begin(account)
    completed = provider.pay(payment.checkout_id)
    assert take(client, completed) == f"{payment.top_up.receipt_number} is credited."
    settling.reconcile(payment_pk=payment.pk, now=now())
    again = provider.event("checkout.session.completed", provider.sessions[payment.checkout_id])
    take(client, again)
    assert balance_of(account) == 500
    assert LedgerEntry.objects.get(account=account).reference == f"top-up:{payment.top_up_id}"
    payment.refresh_from_db()
    assert payment.payment_id == completed["data"]["object"]["payment_intent"]


def test_the_return_page_alone_finds_the_payment(provider, account):
    payment = begin(account)
    provider.pay(payment.checkout_id)
    assert state_of(settling.reconcile(payment_pk=payment.pk, now=now())) == TopUpState.CREDITED
    payment.refresh_from_db()
    intent = {"payment_intent": payment.payment_id, "limit": "100"}
    assert [request.parameters for request in provider.requests[-3:]] == [
        {"expand": ["payment_intent.latest_charge"]},
        intent,
        intent,
    ]


@pytest.fixture
def begun(account):
    """A purchase that began three hours ago."""
    payment = begin(account)
    Payment.objects.update(created_at=now() - 3 * HOUR)
    return payment


@pytest.mark.parametrize("tells", ["event", "answer"])
def test_it_was_paid_when_stripe_says(provider, client, begun, tells):
    an_hour_ago = (now() - HOUR).replace(microsecond=0)
    completed = provider.pay(begun.checkout_id)
    if tells == "event":  # while nobody can be asked
        provider.faults = ["500"] * (1 + stripe.NETWORK_RETRIES)
        completed["created"] = int(an_hour_ago.timestamp())
        take(client, completed)
    else:
        (charge,) = provider.charges.values()
        charge["created"] = int(an_hour_ago.timestamp())
        settling.reconcile(payment_pk=begun.pk, now=now())
    begun.refresh_from_db()
    assert (state_of(begun), begun.paid_at) == (TopUpState.CREDITED, an_hour_ago)


@pytest.mark.parametrize(("created", "hours"), [(1, 3), (10**11, 0), (10**14, 0), ("x", 0)])
def test_a_time_of_payment_that_can_not_be_is_kept_between_order_and_now(
    provider, client, begun, created, hours
):
    completed = provider.pay(begun.checkout_id)
    completed["created"] = created
    provider.faults = ["500"] * (1 + stripe.NETWORK_RETRIES)
    take(client, completed)
    begun.refresh_from_db()
    assert abs(now() - begun.paid_at - hours * HOUR) < timedelta(minutes=1)


def test_the_same_event_id_is_stored_once(provider, client, account):
    completed = provider.pay(begin(account).checkout_id)
    answers = [post(client, completed).json()["received"] for _ in range(3)]
    assert answers == ["stored", "known", "known"]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"amount_total": TOTAL - 1}, "reports INR 5,998.99, the top-up costs INR 5,999."),
        ({"amount_total": None}, "does not say what was paid"),
        ({"currency": "usd"}, "reports USD"),
        ({"metadata": {"account": "other"}}, "names the account other"),
        ({"id": "cs_test_another"}, "another checkout"),
    ],
)
def test_a_session_of_something_else_is_reviewed(provider, client, account, changed, reason):
    payment = begin(account)
    completed = provider.pay(payment.checkout_id)
    provider.sessions[payment.checkout_id].update(changed)
    completed["data"]["object"].update(changed)
    assert "waits for an operator" in take(client, completed)
    payment.refresh_from_db()
    assert reason in review_of(payment)
    assert (state_of(payment), balance_of(account)) == (TopUpState.CHECKING, 0)


@pytest.mark.parametrize("reference", ["order 17", "7b0c1f6e-53c4-4d3b-9d43-0d5c3f6f5a11"])
@pytest.mark.parametrize("names", ["charge", "session"])
def test_a_reference_that_is_not_ours_hides_no_payment_that_is(
    provider, client, account, reference, names
):
    payment = begin(account)
    completed = provider.pay(payment.checkout_id)
    if names == "session":
        for session in (provider.sessions[payment.checkout_id], completed["data"]["object"]):
            session["client_reference_id"] = reference
        assert take(client, completed) == f"{payment.top_up.receipt_number} is credited."
        return
    take(client, completed)
    refunded = provider.refund(payment.checkout_id, TOTAL)
    refunded["data"]["object"]["metadata"] = {"payment": reference}
    assert take(client, refunded) == f"{payment.top_up.receipt_number} is refunded."
    assert balance_of(account) == 0


@pytest.mark.parametrize(
    ("gateway", "is_of", "reason"),
    [
        ("stripe", "other", "The provider names another checkout."),
        ("sandbox", "payment", "The provider names another top-up."),
    ],
)
def test_a_reference_of_another_top_up_of_ours_is_reviewed(
    provider, client, account, gateway, is_of, reason
):
    payments = {"payment": begin(account), "other": begin(account, form_key="other")}
    Payment.objects.filter(pk=payments["other"].pk).update(gateway=gateway)
    checkout_id = payments["payment"].checkout_id
    completed = provider.pay(checkout_id)
    for session in (provider.sessions[checkout_id], completed["data"]["object"]):
        session["client_reference_id"] = str(payments["other"].request_key)
    assert "waits for an operator" in take(client, completed)
    assert review_of(payments[is_of]) == reason
    assert balance_of(account) == 0


def test_an_event_of_a_payment_of_others_is_not_ours(provider, client, account):
    payment = begin(account)
    take(client, provider.pay(payment.checkout_id))
    (charge,) = provider.charges.values()
    theirs = {**charge, "payment_intent": "pi_theirs", "metadata": {"payment": "order 17"}}
    assert take(client, provider.event("charge.refunded", theirs)) == "Names no top-up of ours."


def test_an_event_of_a_type_of_no_concern_is_done_with(provider, client):
    assert take(client, provider.event("customer.created", {"id": "cus_1"})) == (
        "Names no payment."
    )


def test_the_readme_subscribes_to_every_event_that_is_read_and_to_no_other():
    readme = (Path(__file__).parents[3] / "README.md").read_text()
    sentence = readme.partition("/webhooks/stripe/` with the events ")[2].partition(".\n")[0]
    named = re.findall("`([^`]+)`", sentence)
    found = {name: fnmatch.filter(EVENTS, name) for name in named}
    assert all(found.values())
    assert sorted(chain.from_iterable(found.values())) == sorted(EVENTS)


# ── Paid later, or never ──────────────────────────────────────────────────────────────────────
def test_a_bank_payment_is_pending_until_it_succeeds(provider, client, account):
    payment = begin(account)
    take(client, provider.pay_by_bank(payment.checkout_id))
    a_day_later = now() + timedelta(days=1)
    settling.reconcile(payment_pk=payment.pk, now=a_day_later)
    assert (state_of(payment), balance_of(account)) == (TopUpState.PROCESSING, 0)
    take(client, provider.bank_pays(payment.checkout_id))
    assert (state_of(payment), balance_of(account)) == (TopUpState.CREDITED, 500)


def test_a_bank_payment_that_fails_says_so_and_why(provider, client, account):
    """The event's session does not say why: the provider is asked for its payment."""
    payment = begin(account)
    take(client, provider.pay_by_bank(payment.checkout_id))
    take(client, provider.bank_refuses(payment.checkout_id))
    assert (state_of(payment), balance_of(account)) == (TopUpState.FAILED, 0)
    payment.refresh_from_db()
    assert payment.failure_reason == "The bank refused the debit. (insufficient_funds)"


def test_a_status_that_nobody_knows_is_never_paid(provider, client, account):
    payment = begin(account)
    provider.sessions[payment.checkout_id].update(status="paused", payment_status="pondering")
    settling.reconcile(payment_pk=payment.pk, now=now())
    assert (state_of(payment), balance_of(account)) == (TopUpState.PENDING, 0)


def test_an_event_about_our_payment_of_a_kind_that_is_not_read_is_not_said_to_be_of_others(
    provider, client, account
):
    payment = begin(account)
    take(client, provider.pay(payment.checkout_id))
    (intent,) = (each for each in provider.intents.values() if each.get("id"))
    said = take(client, provider.event("payment_intent.succeeded", intent))
    assert said == f"{payment.top_up.receipt_number} is credited."


def test_a_bank_payment_whose_failure_was_not_reported_is_found_by_asking(provider, account):
    payment = begin(account)
    provider.pay_by_bank(payment.checkout_id)
    provider.bank_refuses(payment.checkout_id)
    payment = settling.reconcile(payment_pk=payment.pk, now=now())
    assert (state_of(payment), payment.failure_reason) == (
        TopUpState.FAILED,
        "The bank refused the debit. (insufficient_funds)",
    )


def test_a_bank_payment_on_its_way_is_not_cancelled_by_another_purchase(provider, account, owner):
    first = begin(account, user=owner)
    provider.pay_by_bank(first.checkout_id)
    begin(account, credits=100, user=owner)
    assert state_of(first) == TopUpState.PROCESSING


def test_another_purchase_closes_the_page_of_the_first(provider, account, owner):
    first = begin(account, user=owner)
    begin(account, credits=100, user=owner)
    assert provider.sessions[first.checkout_id]["status"] == "expired"
    assert state_of(first) == TopUpState.CANCELLED


def test_a_session_that_nobody_paid_expires(provider, client, account):
    payment = begin(account)
    take(client, provider.expire(payment.checkout_id))
    assert state_of(payment) == TopUpState.EXPIRED


def test_the_news_of_an_expired_page_does_not_undo_a_payment(provider, client, account):
    payment = begin(account)
    session = dict(provider.sessions[payment.checkout_id], status="expired", url=None)
    take(client, provider.pay(payment.checkout_id))
    take(client, provider.event("checkout.session.expired", session))
    assert (state_of(payment), balance_of(account)) == (TopUpState.CREDITED, 500)


# ── Signatures ────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("how", [{"secret": "whsec_guessed"}, {"at": 1_700_000_000.0}])
def test_a_forged_or_stale_event_is_refused(provider, client, account, how):
    completed = provider.pay(begin(account).checkout_id)
    assert post(client, completed, **how).status_code == 400
    assert not PaymentEvent.objects.exists()


def test_while_the_secret_is_being_changed_either_signature_is_enough(provider, client, account):
    body = json.dumps(provider.pay(begin(account).checkout_id)).encode()
    old, new = signed(body, secret="whsec_old"), signed(body)
    response = client.post(
        "/webhooks/stripe/",
        data=body,
        content_type="application/json",
        headers={"Stripe-Signature": f"{old},{new.split(',')[1]}"},
    )
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("key", "taken"), [("sk_test_1", 200), ("sk_live_1", 400), ("rk_live_1", 400)]
)
def test_an_event_of_the_other_mode_than_the_key_is_refused(
    provider, client, account, settings, key, taken
):
    completed = provider.pay(begin(account).checkout_id)
    settings.STRIPE_SECRET_KEY = key
    assert post(client, completed).status_code == taken


# ── While Stripe is not well ──────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("fault", ["500", "drop"])
def test_what_fails_once_is_tried_again_at_once_and_done_once(provider, account, fault):
    provider.faults = [fault]
    assert begin(account).checkout_url
    assert len(provider.sessions) == 1


@pytest.mark.parametrize("fault", ["500", "429", "drop", "slow"])
def test_an_outage_leaves_a_purchase_that_the_same_form_goes_on_with(
    provider, account, fault, monkeypatch
):
    monkeypatch.setattr(stripe, "TIMEOUT_SECONDS", 0.2)
    provider.faults = [fault] * (1 + stripe.NETWORK_RETRIES)
    with pytest.raises(GatewayError, match="Stripe: "):
        begin(account, form_key="form")
    assert state_of(Payment.objects.get()) == TopUpState.UNOPENED
    assert Payment.objects.get().failure_reason
    provider.faults = []
    assert begin(account, form_key="form").checkout_url
    assert (TopUp.objects.count(), len(provider.sessions)) == (1, 1)


def test_asking_during_an_outage_fails_and_later_finds_the_payment(provider, account):
    payment = begin(account)
    provider.pay(payment.checkout_id)
    provider.faults = ["500"] * (1 + stripe.NETWORK_RETRIES)
    with pytest.raises(GatewayError):
        settling.reconcile(payment_pk=payment.pk, now=now())
    assert asking.payments_to_ask_about(now=now() + timedelta(seconds=21)) == [payment.pk]
    assert state_of(settling.reconcile(payment_pk=payment.pk, now=now())) == TopUpState.CREDITED


def test_a_port_where_nobody_listens_is_a_gateway_error(provider, account, settings):
    settings.STRIPE_API_BASE = "http://127.0.0.1:9"
    with pytest.raises(GatewayError):
        begin(account)


def test_a_request_with_the_key_is_led_nowhere_else(provider, account):
    provider.faults = ["moved"] * 5
    with pytest.raises(GatewayError):
        begin(account)
    assert provider.requests == []


def test_a_wrong_key_is_a_gateway_error(provider, account, settings):
    settings.STRIPE_SECRET_KEY = "sk_test_wrong"
    with pytest.raises(GatewayError, match="Invalid API Key"):
        begin(account)


def test_no_secret_is_ever_logged_or_stored(provider, client, account, caplog):
    caplog.set_level(logging.DEBUG)
    payment = begin(account)
    completed = provider.pay(payment.checkout_id)
    post(client, completed, secret="whsec_guessed")
    take(client, completed)
    provider.faults = ["", "", "", *["500"] * (1 + stripe.NETWORK_RETRIES)]
    with pytest.raises(GatewayError) as error:
        refunds.refund(payment_pk=payment.pk, reason="x", by=None, now=now())
    stored = json.dumps(list(PaymentEvent.objects.values("payload", "outcome")))
    everything = caplog.text + str(error.value) + stored
    assert "/v1/refunds" in everything
    assert API_KEY not in everything
    assert WEBHOOK_SECRET not in everything


# ── The browser's way there ───────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("name", "is_allowed"), [("stripe", True), ("sandbox", False)])
def test_a_form_may_lead_to_stripe_only_where_that_is_the_gateway(name, is_allowed):
    script = (
        "import django; django.setup(); from django.test import Client;"
        "print(Client().get('/accounts/login/').headers['Content-Security-Policy'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "PAYMENT_GATEWAY": name,
            "STRIPE_SECRET_KEY": API_KEY,
            "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    directives = dict(part.strip().split(" ", 1) for part in done.stdout.strip().split(";"))
    assert ("https://checkout.stripe.com" in directives["form-action"].split()) is is_allowed


def test_expires_at_is_a_time_that_stripe_accepts(provider, account):
    begin(account)
    [session] = provider.sessions.values()
    left = datetime.fromtimestamp(session["expires_at"], UTC) - now()
    assert timedelta(minutes=58) < left <= timedelta(hours=1)

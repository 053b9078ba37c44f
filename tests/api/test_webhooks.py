"""Where providers report to: what is believed, what is refused, and that nothing is lost."""

import json
import logging
from collections import defaultdict
from datetime import timedelta

import pytest
from django.test import Client, override_settings
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from api.payments import BODY_BYTES_MAX
from billing import security_log
from billing.models import LedgerEntry, PaymentEvent, TopUpState
from billing.payments import events
from billing.payments.gateways import WebhookError, gateway_named
from billing.payments.gateways.signatures import sign
from billing.payments.gateways.stripe_facts import EVENTS
from dashboard.sandbox.models import SandboxCheckout
from tests.billing.payments.purchases import (
    balance_of,
    begin,
    now,
    review_of,
    state_of,
    stored,
)
from tests.dashboard.sandbox.customer import ADDRESS, deliver, event, pay
from tests.factories import AccountFactory
from tests.properties import examples

pytestmark = pytest.mark.django_db

SECONDS = timedelta(seconds=1)


@pytest.fixture
def payment(account):
    """A purchase that was paid at the provider, of which we know nothing yet."""
    payment = begin(account)
    pay(payment)
    return payment


def process(*, after: timedelta = timedelta()) -> str:
    return events.process(event_id=stored().pk, now=now() + after)


def test_what_waited_to_be_processed_was_paid_when_it_was_told(client, payment):
    deliver(client, event(payment))
    process(after=timedelta(hours=9))
    payment.refresh_from_db()
    assert payment.paid_at == stored().received_at
    assert LedgerEntry.objects.get().occurred_at == payment.paid_at
    assert payment.credited_at - payment.paid_at >= timedelta(hours=9)


# ── Believed ──────────────────────────────────────────────────────────────────────────────────
def test_a_signed_event_is_stored_and_answered_before_it_is_processed(client, payment, account):
    response = deliver(client, event(payment))
    assert (response.status_code, response.json()) == (200, {"received": "stored"})
    assert (stored().processed_at, balance_of(account)) == (None, 0)


def test_processing_a_stored_payment_credits_the_top_up(client, payment, account):
    deliver(client, event(payment))
    assert process() == f"{payment.top_up.receipt_number} is credited."
    assert (balance_of(account), stored().attempts) == (500, 1)


def test_processing_twice_credits_once_and_tells_the_same(client, payment, account):
    deliver(client, event(payment))
    assert process() == process()
    assert (balance_of(account), stored().attempts) == (500, 1)


def test_an_event_delivered_again_is_known_and_stored_once(client, payment):
    again = event(payment, event_id="event_1")
    answers = [deliver(client, again) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert [answer.json()["received"] for answer in answers] == ["stored", "known", "known"]
    assert PaymentEvent.objects.count() == 1


def test_an_older_event_after_a_newer_one_takes_nothing_back(client, payment, account):
    older = event(payment, status="open", payment_id="")
    for payload in (event(payment), older):
        deliver(client, payload)
        events.process(event_id=PaymentEvent.objects.latest("pk").pk, now=now())
    assert (state_of(payment), balance_of(account)) == (TopUpState.CREDITED, 500)


def test_an_event_of_almost_five_minutes_ago_is_believed(client, payment):
    assert deliver(client, event(payment), at=now() - 290 * SECONDS).status_code == 200


# ── Refused ───────────────────────────────────────────────────────────────────────────────────
@pytest.fixture(autouse=True)
def _nothing_refused_before(monkeypatch):
    monkeypatch.setattr(security_log, "_bounds", defaultdict(security_log.Bound))


def refused(response, status, caplog) -> bool:
    """Whether it was refused with ``status``, logged, and nothing stored."""
    assert response.status_code == status
    assert PaymentEvent.objects.count() == 0
    assert f'"who": "sandbox", "status": {status}' in caplog.text
    return True


@pytest.mark.parametrize(
    "header",
    ["", "nonsense", "t=1,v1=", "t=soon,v1=00", "v1=00", "t=,v1=", "t=99999999999999999999,v1=00"],
)
def test_a_missing_or_unreadable_signature_is_refused(client, payment, header, caplog):
    assert refused(deliver(client, event(payment), header=header), 400, caplog)


def test_a_signature_with_another_secret_is_refused(client, payment, caplog):
    assert refused(deliver(client, event(payment), secret="guessed"), 400, caplog)


def test_an_event_of_more_than_five_minutes_ago_is_refused(client, payment, caplog):
    assert refused(deliver(client, event(payment), at=now() - 302 * SECONDS), 400, caplog)


def test_an_event_signed_for_the_future_is_refused(client, payment, caplog):
    assert refused(deliver(client, event(payment), at=now() + 400 * SECONDS), 400, caplog)
    assert not PaymentEvent.objects.exists()


def test_a_body_changed_after_signing_is_refused(client, payment, caplog):
    signed = json.dumps(event(payment)).encode()
    assert refused(deliver(client, signed.replace(b"minor", b"other"), signed=signed), 400, caplog)


def test_the_signature_is_over_the_bytes_and_not_over_what_they_mean(client, payment, caplog):
    signed = json.dumps(event(payment)).encode()
    spaced = json.dumps(json.loads(signed), indent=1).encode()
    assert refused(deliver(client, spaced, signed=signed), 400, caplog)


def test_where_no_secret_is_set_nothing_is_believed(client, payment, settings, caplog):
    settings.SANDBOX_WEBHOOK_SECRET = ""
    assert refused(deliver(client, event(payment), secret=""), 400, caplog)


def test_an_event_for_stripe_is_refused_where_stripe_is_not_set_up(client, payment, settings):
    settings.STRIPE_WEBHOOK_SECRET = ""
    signature = sign(body=b"{}", secret="", at=now())
    response = client.post(
        "/webhooks/stripe/",
        data=b"{}",
        content_type="application/json",
        headers={"Stripe-Signature": signature},
    )
    assert response.status_code == 404


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe", b"not json", b'{"id": "event_1"', b"[" * 100_000, b'"' + b"a" * 99],
)
def test_a_signed_body_that_is_not_json_is_refused(client, payment, body, caplog):
    assert refused(deliver(client, body), 400, caplog)


@pytest.mark.parametrize(
    "shape",
    [
        None,
        [],
        7,
        "event",
        [["id", "event_1"], ["type", "x"]],
        {},
        {"type": "x"},
        {"id": "event_1"},
        {"id": None, "type": "x"},
        {"id": 7, "type": "x"},
        {"id": "", "type": "x"},
        {"id": {"a": 1}, "type": "x"},
        {"id": "event_1", "type": ["x"]},
        {"id": "e" * 256, "type": "x"},
    ],
)
def test_signed_json_of_another_shape_is_refused(client, payment, shape, caplog):
    assert refused(deliver(client, shape), 400, caplog)


@pytest.mark.parametrize(
    "body",
    [
        b'{"id": "event\\u0000", "type": "x"}',
        b'{"id": "event\\ud800", "type": "x"}',
        b'{"id": "event_1", "type": "x\\u0000"}',
        b'{"id": "event_1", "type": "x", "note": "a\\u0000b"}',
        b'{"id": "event_1", "type": "x", "no\\u0000te": 1}',
        b'{"id": "event_1", "type": "x", "note": "\\ud800"}',
        b'{"id": "event_1", "type": "x", "amount": NaN}',
        b'{"id": "event_1", "type": "x", "amount": 1e999}',
    ],
)
def test_signed_json_that_postgresql_can_not_store_is_refused(client, payment, body, caplog):
    assert refused(deliver(client, body), 400, caplog)


def test_a_type_that_is_very_long_is_stored_cut_off(client, payment):
    assert deliver(client, {"id": "event_1", "type": "x" * 200}).status_code == 200
    assert stored().event_type == "x" * 100


def test_a_body_that_is_too_large_is_refused_by_its_length(client, payment, caplog):
    body = json.dumps({**event(payment), "note": "a" * BODY_BYTES_MAX}).encode()
    assert refused(deliver(client, body), 413, caplog)


def test_the_largest_body_is_read_whole(client, payment):
    payload = event(payment)
    room = BODY_BYTES_MAX - len(json.dumps({**payload, "note": ""}))
    assert deliver(client, {**payload, "note": "a" * room}).status_code == 200


def test_a_gateway_that_there_is_not_is_404(client, payment):
    assert deliver(client, event(payment), address="/webhooks/paypal/").status_code == 404


def test_the_sandbox_is_404_where_it_is_not_allowed(client, payment, settings):
    settings.SANDBOX_PAYMENTS_ALLOWED = False
    assert deliver(client, event(payment)).status_code == 404


@pytest.mark.parametrize("method", ["get", "put", "delete", "head"])
def test_only_post_is_answered(client, payment, method):
    answer = getattr(client, method)(ADDRESS)
    assert (answer.status_code, answer.headers["Content-Type"]) == (405, "application/json")


def test_no_cookie_and_no_csrf_token_is_needed(payment):
    client = Client(enforce_csrf_checks=True)
    assert deliver(client, event(payment)).status_code == 200


# ── Believed, and of no effect ────────────────────────────────────────────────────────────────
def test_an_event_about_no_top_up_of_ours_is_done_with_and_says_so(client, payment, account):
    others = {"id": "checkout_of_others", "payment_id": "payment_of_others"}
    told = event(payment, reference="00000000-0000-4000-8000-000000000000", **others)
    deliver(client, told)
    assert process() == "Names no top-up of ours."
    assert balance_of(account) == 0


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"account_reference": "other"}, "names the account other"),
        ({"currency": "USD"}, "reports USD"),
        ({"amount_minor": 1}, "reports INR 0.01, the top-up costs INR"),
        ({"currency": ""}, "does not say what was paid"),
    ],
)
def test_a_payment_of_something_else_is_reviewed_logged_and_not_credited(
    client, payment, account, changed, reason, caplog
):
    caplog.set_level(logging.WARNING)
    SandboxCheckout.objects.update(**changed)
    assert deliver(client, event(payment)).status_code == 200
    assert process().startswith(f"{payment.top_up.receipt_number} waits for an operator: ")
    assert state_of(payment) == TopUpState.CHECKING
    assert reason in review_of(payment)
    assert reason in caplog.text
    assert balance_of(account) == 0


def test_an_event_about_another_checkout_is_reviewed(client, payment, account):
    deliver(client, event(payment, id="another"))
    process()
    assert "another checkout" in review_of(payment)
    assert balance_of(account) == 0


def test_an_event_that_names_another_accounts_top_up_moves_neither(
    client, payment, account, other_account
):
    theirs = begin(other_account)
    deliver(client, event(payment, reference=str(theirs.request_key)))
    process()
    assert (balance_of(account), balance_of(other_account)) == (0, 0)
    assert (state_of(payment), state_of(theirs)) == (TopUpState.PENDING, TopUpState.CHECKING)


@pytest.mark.parametrize("status", ["", "maybe", None, 7])
def test_an_event_of_an_unknown_status_is_never_a_payment(client, account, status):
    payment = begin(account)
    deliver(client, event(payment, status=status))
    assert process() == f"{payment.top_up.receipt_number} is waiting for payment."
    assert balance_of(account) == 0


def test_an_event_about_something_else_is_done_with_and_says_so(client, payment):
    deliver(client, {"id": "event_1", "type": "payout.paid"})
    assert process() == "Names no payment."


# ── Tried again ───────────────────────────────────────────────────────────────────────────────
def test_an_event_about_a_payment_not_known_yet_waits_a_day(client, payment):
    deliver(client, event(payment, reference="", id="", payment_id="payment_unknown"))
    assert process() == ""
    late = stored().received_at + timedelta(days=1, seconds=1)
    assert events.process(event_id=stored().pk, now=late) == "Names no top-up of ours."


def test_an_event_that_was_lost_on_its_way_is_found_after_ten_seconds(client, payment):
    deliver(client, event(payment))
    received_at = stored().received_at
    assert events.unprocessed(now=received_at + 9 * SECONDS) == []
    assert events.unprocessed(now=received_at + 11 * SECONDS) == [stored().pk]


def test_an_event_that_was_processed_is_not_found_again(client, payment):
    deliver(client, event(payment))
    process()
    assert events.unprocessed(now=now() + timedelta(hours=1)) == []


def test_an_event_that_fails_is_tried_ever_less_often_and_counted(client, payment):
    deliver(client, event(payment, reference="", id="", payment_id="payment_unknown"))
    began = at = stored().received_at
    tries = []
    while at < began + timedelta(hours=12):
        for event_id in events.unprocessed(now=at):
            events.process(event_id=event_id, now=at)
            tries.append(at)
        at += 10 * SECONDS if len(tries) < 10 else timedelta(minutes=5)
    assert 20 < len(tries) < 60
    assert stored().attempts == len(tries)


# ── Whatever the provider sends ───────────────────────────────────────────────────────────────
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
SANDBOX_KEYS = ["id", "status", "reference", "account", "amount_minor", "currency", "payment_id"]
STRIPE_KEYS = [
    *("id", "payment_status", "status", "metadata", "payment_intent", "client_reference_id"),
    *("amount_total", "currency", "amount", "amount_refunded", "paid"),
]


def objects(keys):
    return st.fixed_dictionaries({}, optional=dict.fromkeys(keys, JSON))


@given(
    payload=JSON.map(lambda value: {"type": "checkout.paid", "checkout": value})
    | objects(SANDBOX_KEYS).map(lambda found: {"checkout": {"status": "paid", **found}})
    | st.tuples(st.sampled_from(sorted(EVENTS)), objects(STRIPE_KEYS) | JSON).map(
        lambda pair: {"type": pair[0], "data": {"object": pair[1]}}
    )
)
@examples(60)
@pytest.mark.parametrize("gateway", ["sandbox", "stripe"])
def test_reading_an_event_gives_facts_or_says_that_it_is_not_one(gateway, payload):
    with override_settings(STRIPE_SECRET_KEY="sk_test_1"):
        reader = gateway_named(gateway)
    try:
        facts = reader.facts_of(payload)
    except WebhookError:
        return
    amount = getattr(facts, "amount_minor", None)
    assert amount is None or type(amount) is int


class AnySignedEvent(TestCase):
    """Whatever an event says about our payment, it is processed; only what was paid is credited."""

    @given(changed=objects(SANDBOX_KEYS))
    @example(changed={"amount_minor": -1})
    @example(changed={"amount_minor": 2**63})
    @example(changed={"currency": "INRR"})
    @examples(15)
    def test_any_event(self, changed):
        account = AccountFactory()
        payment = begin(account)
        pay(payment)
        payload = event(payment, **changed)
        stored = PaymentEvent.objects.create(
            gateway="sandbox", event_id="e", event_type="x", payload=payload, received_at=now()
        )
        events.process(event_id=stored.pk, now=now())
        true = event(payment)["checkout"]
        credited = sum(LedgerEntry.objects.values_list("credits", flat=True))
        assert credited in (0, 500)
        if payload["checkout"] == true:
            assert credited == 500

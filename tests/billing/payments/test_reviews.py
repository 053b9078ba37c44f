"""Payments that do not fit: what an operator can do, once, and what settles itself."""

import pytest

from billing.models import LedgerEntry, Payment, PaymentEvent, Refund, Review, TopUpState
from billing.money import format_money
from billing.payments import buying, events, pricing, refunds, settling
from billing.payments.gateways import GatewayError, PaymentStatus, RefusedError, gateway_named
from billing.payments.gateways.base import ServerError
from billing.texts import ReasonError
from dashboard.sandbox.gateway import SandboxGateway
from dashboard.sandbox.models import SandboxCheckout, SandboxRefund
from tests.billing.payments.purchases import (
    TOTAL,
    balance_of,
    begin,
    checkout_facts,
    dispute_facts,
    now,
    review_of,
    standing_of,
    state_of,
)
from tests.billing.payments.stripe_events import take
from tests.dashboard.sandbox.customer import pay

pytestmark = pytest.mark.django_db

HALF = TOTAL // 2


def decide(act, payment, reason="x", by=None):
    """Decide about the newest review of a payment."""
    review = Review.objects.filter(payment=payment.pk).latest("pk")
    return act(review_pk=review.pk, reason=reason, by=by and by.pk, now=now())


@pytest.fixture
def parked(account):
    """A payment for which half of the price has come."""
    payment = begin(account)
    pay(payment)
    SandboxCheckout.objects.update(amount_minor=HALF)
    return settling.reconcile(payment_pk=payment.pk, now=now())


def test_what_was_received_is_kept(parked):
    review = Review.objects.get()
    assert (review.received_minor, review.received_currency) == (HALF, "INR")
    assert review.received_payment_id
    assert not parked.payment_id
    assert state_of(parked) == TopUpState.CHECKING


def test_accepting_credits_once_and_what_was_received_is_the_price(parked, account, owner):
    standing = decide(refunds.accept, parked, "Agreed by phone", by=owner)
    assert (standing.state, balance_of(account)) == (TopUpState.CREDITED, 500)
    assert standing.money.paid_minor == HALF
    review = Review.objects.get()
    assert (review.decision_reason, review.decided_by) == ("Agreed by phone", owner)
    assert f"reports {format_money(HALF, 'INR')}, the top-up costs INR" in review.reason
    for act in (refunds.accept, refunds.close, refunds.return_received):
        with pytest.raises(pricing.TopUpError, match="does not wait"):
            decide(act, parked)
    settling.reconcile(payment_pk=parked.pk, now=now())
    standing = refunds.refund(payment_pk=parked.pk, reason="By mistake", by=None, now=now())
    assert SandboxRefund.objects.get().amount_minor == HALF
    assert (standing.state, balance_of(account)) == (TopUpState.REFUNDED, 0)


def test_paying_back_returns_what_was_received_and_credits_nothing(parked, account):
    standing = decide(refunds.return_received, parked, "Too little")
    assert SandboxRefund.objects.get().amount_minor == HALF
    assert (standing.state, standing.money.paid_back_minor) == (TopUpState.REFUNDED, HALF)
    settling.reconcile(payment_pk=parked.pk, now=now())
    assert (state_of(parked), balance_of(account)) == (TopUpState.REFUNDED, 0)
    assert not LedgerEntry.objects.exists()


def test_paying_back_that_the_provider_refuses_changes_nothing(parked):
    Review.objects.update(received_payment_id="unknown")
    with pytest.raises(RefusedError):
        decide(refunds.return_received, parked)
    assert state_of(parked) == TopUpState.CHECKING
    refused = Refund.objects.get()
    assert (refused.status, refused.failure_reason) == (
        "failed",
        "The sandbox has no payment unknown.",
    )


def test_closing_ends_it_and_the_same_payment_does_not_ask_again(parked, account):
    assert decide(refunds.close, parked, "A test payment").state == TopUpState.CLOSED
    settling.reconcile(payment_pk=parked.pk, now=now())
    fits = checkout_facts(parked, payment_id=Review.objects.get().received_payment_id)
    settling.settle(payment_pk=parked.pk, facts=fits, now=now())
    assert (state_of(parked), review_of(parked)) == (TopUpState.CLOSED, "")
    assert balance_of(account) == 0


def test_what_was_closed_can_be_bought_anew(account, owner):
    first = begin(account, user=owner, form_key="form")
    pay(first)
    SandboxCheckout.objects.update(amount_minor=HALF)
    settling.reconcile(payment_pk=first.pk, now=now())
    decide(refunds.close, first)
    second = begin(account, user=owner, form_key="form")
    assert (state_of(first), state_of(second)) == (TopUpState.CLOSED, TopUpState.PENDING)
    assert begin(account, user=owner, form_key="form") == second


@pytest.fixture
def paid_twice(account, monkeypatch):
    """A top-up whose first attempt was answered by an error, though its page had been opened. Both
    pages were paid on: return the payment that came last and is not credited."""
    create = SandboxGateway.create_checkout

    def open_but_fail(sandbox, order):
        create(sandbox, order)
        raise ServerError("Something went wrong")

    monkeypatch.setattr(SandboxGateway, "create_checkout", open_but_fail)
    with pytest.raises(ServerError):
        begin(account, form_key="form")
    monkeypatch.setattr(SandboxGateway, "create_checkout", create)
    first, second = Payment.objects.get(), begin(account, form_key="form")
    first.checkout_id = SandboxCheckout.objects.get(reference=first.request_key).checkout_id
    for payment in (second, first):
        pay(payment)
        facts = gateway_named("sandbox").fetch_checkout(payment.checkout_id)
        settling.settle(payment_pk=payment.pk, facts=facts, now=now())
    return first


def test_a_second_payment_of_a_top_up_waits_for_an_operator_who_finds_it(paid_twice, account):
    standing = standing_of(paid_twice)
    assert (standing.state, balance_of(account)) == (TopUpState.CREDITED, 500)
    assert standing.open_review is not None
    assert standing.open_review.payment == paid_twice
    with pytest.raises(pricing.TopUpError, match="added already"):
        decide(refunds.accept, paid_twice)
    decide(refunds.return_received, paid_twice, "Paid twice")
    assert SandboxRefund.objects.get().checkout.reference == str(paid_twice.request_key)
    standing = standing_of(paid_twice)
    assert (standing.state, standing.open_review) == (TopUpState.CREDITED, None)
    assert balance_of(account) == 500


def test_another_payment_after_closing_waits_for_an_operator(parked, account):
    decide(refunds.close, parked)
    other = checkout_facts(parked, payment_id="payment_other")
    for _ in range(2):
        settling.settle(payment_pk=parked.pk, facts=other, now=now())
    assert "after it had been closed" in review_of(parked)
    assert balance_of(account) == 0
    standing = decide(refunds.accept, parked, "It is theirs")
    assert standing.payment
    assert (standing.payment.payment_id, balance_of(account)) == ("payment_other", 500)


@pytest.mark.parametrize("act", [refunds.accept, refunds.close, refunds.return_received])
def test_a_decision_needs_a_reason(parked, act):
    with pytest.raises(ReasonError) as refused:
        decide(act, parked, "  ")
    assert refused.value.field == "reason"


def test_a_payment_that_fits_after_all_is_credited_by_itself(parked, account):
    SandboxCheckout.objects.update(amount_minor=TOTAL)
    settling.reconcile(payment_pk=parked.pk, now=now())
    assert (state_of(parked), review_of(parked)) == (TopUpState.CREDITED, "")
    assert (standing_of(parked).money.paid_minor, balance_of(account)) == (TOTAL, 500)
    assert Review.objects.get().decision == "settled"


def test_a_payment_of_another_top_up_can_not_be_accepted(parked, account):
    other = begin(account, form_key="other")
    received = Review.objects.get().received_payment_id
    facts = checkout_facts(other, payment_id=received)
    settling.settle(payment_pk=other.pk, facts=facts, now=now())
    with pytest.raises(pricing.TopUpError, match="another top-up"):
        decide(refunds.accept, parked)


@pytest.mark.parametrize("act", [refunds.accept, refunds.return_received])
def test_where_nothing_was_received_nothing_is_credited_or_paid_back(account, act):
    payment = begin(account)
    facts = checkout_facts(payment, amount_minor=0)
    settling.settle(payment_pk=payment.pk, facts=facts, now=now())
    with pytest.raises(pricing.TopUpError, match="received nothing"):
        decide(act, payment)
    assert not LedgerEntry.objects.exists()


@pytest.mark.parametrize("status", [PaymentStatus.FAILED, PaymentStatus.EXPIRED])
def test_a_final_word_ends_the_customers_wait_and_not_the_operators(parked, status):
    facts = checkout_facts(parked, status=status)
    settling.settle(payment_pk=parked.pk, facts=facts, now=now())
    assert state_of(parked) == status.value
    assert review_of(parked)


def test_what_is_not_about_a_payment_binds_none(account):
    payment = begin(account)
    facts = checkout_facts(payment, status=PaymentStatus.OPEN)
    assert settling.settle(payment_pk=payment.pk, facts=facts, now=now()).payment_id == ""


def test_news_of_money_taken_that_does_not_fit_can_be_closed_once(account):
    payment = begin(account)
    pay(payment)
    payment = settling.reconcile(payment_pk=payment.pk, now=now())
    facts = dispute_facts(payment, TOTAL, currency="USD")
    settling.settle(payment_pk=payment.pk, facts=facts, now=now())
    assert review_of(payment)
    with pytest.raises(pricing.TopUpError, match="added already"):
        decide(refunds.accept, payment)
    with pytest.raises(pricing.TopUpError, match="refund it instead"):
        decide(refunds.return_received, payment)
    decide(refunds.close, payment)
    settling.settle(payment_pk=payment.pk, facts=facts, now=now())
    assert (state_of(payment), review_of(payment)) == (TopUpState.CREDITED, "")
    assert balance_of(account) == 500


# ── At Stripe ─────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def parked_there(provider, client, account):
    payment = begin(account)
    completed = provider.pay(payment.checkout_id)
    provider.sessions[payment.checkout_id]["metadata"] = {"account": "other"}
    take(client, completed)
    payment.refresh_from_db()
    return payment


def test_paying_back_twice_at_once_pays_once(provider, parked_there):
    decide(refunds.return_received, parked_there, "Not theirs")
    # As the second finds it that began before the first was answered.
    Review.objects.update(decision="", decided_at=None)
    Refund.objects.update(status="requested", refund_id="")
    decide(refunds.return_received, parked_there, "Not theirs")
    assert len(provider.refunds) == 1


def test_paying_back_that_fails_later_waits_for_an_operator_again(
    provider, client, account, parked_there
):
    decide(refunds.return_received, parked_there, "Not theirs")
    assert state_of(parked_there) == TopUpState.REFUNDED
    take(client, provider.fail_refund(provider.refunds[0]))
    assert (state_of(parked_there), balance_of(account)) == (TopUpState.CHECKING, 0)
    assert "did not reach the customer" in review_of(parked_there)
    assert "lost or stolen card" in standing_of(parked_there).refund_failure
    decide(refunds.accept, parked_there, "It was theirs")
    assert (state_of(parked_there), balance_of(account)) == (TopUpState.CREDITED, 500)


def test_a_payment_that_could_not_be_paid_back_can_be_closed(
    provider, client, account, parked_there
):
    decide(refunds.return_received, parked_there)
    take(client, provider.fail_refund(provider.refunds[0]))
    decide(refunds.close, parked_there, "Paid back by bank transfer")
    assert (state_of(parked_there), balance_of(account)) == (TopUpState.CLOSED, 0)


def test_an_event_of_a_provider_not_in_use_waits_quietly(provider, client, account, settings):
    payment = begin(account)
    completed = provider.pay(payment.checkout_id)
    take_later = PaymentEvent.objects.create(
        gateway="stripe",
        event_id="evt_later",
        event_type=completed["type"],
        payload=completed,
        received_at=now(),
    )
    key, settings.STRIPE_SECRET_KEY = settings.STRIPE_SECRET_KEY, ""
    assert events.process(event_id=take_later.pk, now=now()) == ""
    with pytest.raises(GatewayError, match="not in use"):
        buying.cancel(payment=payment, now=now())
    settings.STRIPE_SECRET_KEY = key
    events.process(event_id=take_later.pk, now=now())
    assert balance_of(account) == 500

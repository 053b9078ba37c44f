"""Payments that do not fit: what an operator can do, once, and what settles itself."""

import pytest

from billing.models import LedgerEntry, PaymentEvent, SandboxCheckout, TopUp, TopUpState
from billing.payments import buying, events, pricing, refunds, settling
from billing.payments.gateways import (
    Dispute,
    DisputeStatus,
    GatewayError,
    PaymentFacts,
    PaymentStatus,
    RefusedError,
)
from billing.texts import ReasonError
from tests.billing.payments.purchases import balance_of, begin, now, state_of
from tests.billing.payments.stripe_events import take
from tests.dashboard.sandbox.customer import pay

pytestmark = pytest.mark.django_db

TOTAL = 800_000


def said(top_up, **changed):
    told = {
        "status": PaymentStatus.PAID,
        "payment_id": f"payment_{top_up.checkout_id}",
        "amount_minor": TOTAL,
        "currency": "INR",
        **changed,
    }
    return PaymentFacts(**told)


@pytest.fixture
def parked(account):
    """A top-up for which half of its price has come."""
    top_up = begin(account)
    pay(top_up)
    SandboxCheckout.objects.update(amount_minor=TOTAL // 2)
    return settling.reconcile(top_up_id=top_up.pk, now=now())


def test_what_was_received_is_kept(parked):
    assert (parked.received_minor, parked.received_currency) == (TOTAL // 2, "INR")
    assert parked.received_payment_id
    assert not parked.payment_id
    assert parked.is_being_checked


def test_accepting_credits_once_and_what_was_received_is_the_price(parked, account):
    top_up = refunds.accept(top_up_id=parked.pk, reason="Agreed by phone", now=now())
    assert (top_up.state, balance_of(account)) == (TopUpState.CREDITED, 500)
    assert (top_up.paid_minor, top_up.decision_reason) == (TOTAL // 2, "Agreed by phone")
    assert "amount of 400000" in top_up.decided_about
    for act in (refunds.accept, refunds.close, refunds.refund_parked):
        with pytest.raises(pricing.TopUpError, match="does not wait"):
            act(top_up_id=parked.pk, reason="x", now=now())
    settling.reconcile(top_up_id=parked.pk, now=now())
    top_up = refunds.refund(top_up_id=parked.pk, reason="By mistake", now=now())
    assert SandboxCheckout.objects.get().refunded_minor == TOTAL // 2
    assert (top_up.state, balance_of(account)) == (TopUpState.REFUNDED, 0)


def test_paying_back_returns_what_was_received_and_credits_nothing(parked, account):
    top_up = refunds.refund_parked(top_up_id=parked.pk, reason="Too little", now=now())
    assert SandboxCheckout.objects.get().refunded_minor == TOTAL // 2
    assert (top_up.state, top_up.paid_back_minor) == (TopUpState.REFUNDED, TOTAL // 2)
    settling.reconcile(top_up_id=parked.pk, now=now())
    assert (state_of(parked), balance_of(account)) == (TopUpState.REFUNDED, 0)
    assert not LedgerEntry.objects.exists()


def test_paying_back_that_the_provider_refuses_changes_nothing(parked):
    TopUp.objects.update(received_payment_id="unknown")
    with pytest.raises(RefusedError):
        refunds.refund_parked(top_up_id=parked.pk, reason="x", now=now())
    parked.refresh_from_db()
    assert (parked.state, parked.decision) == (TopUpState.PENDING, "")
    assert parked.parked_reason


def test_closing_ends_it_and_the_same_payment_does_not_park_it_again(parked, account):
    top_up = refunds.close(top_up_id=parked.pk, reason="A test payment", now=now())
    assert (top_up.state, top_up.parked_reason) == (TopUpState.CANCELLED, "")
    top_up = settling.reconcile(top_up_id=parked.pk, now=now())
    fits = said(parked, payment_id=parked.received_payment_id)
    top_up = settling.settle(top_up_id=parked.pk, facts=fits, now=now())
    assert (top_up.state, top_up.parked_reason) == (TopUpState.CANCELLED, "")
    assert balance_of(account) == 0


def test_another_payment_after_closing_waits_for_an_operator(parked, account):
    refunds.close(top_up_id=parked.pk, reason="x", now=now())
    other = said(parked, payment_id="payment_other")
    for _ in range(2):
        top_up = settling.settle(top_up_id=parked.pk, facts=other, now=now())
    assert "after it had been closed" in top_up.parked_reason
    assert balance_of(account) == 0
    top_up = refunds.accept(top_up_id=parked.pk, reason="It is theirs", now=now())
    assert (top_up.payment_id, balance_of(account)) == ("payment_other", 500)


@pytest.mark.parametrize("act", [refunds.accept, refunds.close, refunds.refund_parked])
def test_a_decision_needs_a_reason(parked, act):
    with pytest.raises(ReasonError) as refused:
        act(top_up_id=parked.pk, reason="  ", now=now())
    assert refused.value.field == "reason"


def test_a_payment_that_fits_after_all_is_credited_by_itself(parked, account):
    SandboxCheckout.objects.update(amount_minor=TOTAL)
    top_up = settling.reconcile(top_up_id=parked.pk, now=now())
    assert (top_up.state, top_up.parked_reason) == (TopUpState.CREDITED, "")
    assert (top_up.received_minor, balance_of(account)) == (TOTAL, 500)


def test_a_payment_of_another_top_up_can_not_be_accepted(parked, account):
    other = begin(account, form_key="other")
    settling.settle(
        top_up_id=other.pk, facts=said(other, payment_id=parked.received_payment_id), now=now()
    )
    with pytest.raises(pricing.TopUpError, match="another top-up"):
        refunds.accept(top_up_id=parked.pk, reason="x", now=now())


@pytest.mark.parametrize("status", [PaymentStatus.FAILED, PaymentStatus.EXPIRED])
def test_a_final_word_ends_the_customers_wait_and_not_the_operators(parked, status):
    facts = PaymentFacts(status=status)
    top_up = settling.settle(top_up_id=parked.pk, facts=facts, now=now())
    assert (top_up.state, top_up.is_being_checked) == (status.value, False)
    assert top_up.parked_reason


def test_what_is_not_about_a_payment_binds_none(account):
    top_up = begin(account)
    facts = said(top_up, status=PaymentStatus.OPEN)
    assert settling.settle(top_up_id=top_up.pk, facts=facts, now=now()).payment_id == ""


def test_news_of_money_taken_that_does_not_fit_can_be_closed_once(account):
    top_up = begin(account)
    pay(top_up)
    settling.reconcile(top_up_id=top_up.pk, now=now())
    dispute = Dispute(dispute_id="d1", amount_minor=TOTAL, status=DisputeStatus.OPEN)
    facts = PaymentFacts(status=PaymentStatus.OPEN, currency="USD", dispute=dispute)
    assert settling.settle(top_up_id=top_up.pk, facts=facts, now=now()).parked_reason
    with pytest.raises(pricing.TopUpError, match="added already"):
        refunds.accept(top_up_id=top_up.pk, reason="x", now=now())
    with pytest.raises(pricing.TopUpError, match="refund it instead"):
        refunds.refund_parked(top_up_id=top_up.pk, reason="x", now=now())
    refunds.close(top_up_id=top_up.pk, reason="x", now=now())
    top_up = settling.settle(top_up_id=top_up.pk, facts=facts, now=now())
    assert (top_up.state, top_up.parked_reason) == (TopUpState.CREDITED, "")
    assert balance_of(account) == 500


# ── At Stripe ─────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def parked_there(provider, client, account):
    top_up = begin(account)
    completed = provider.pay(top_up.checkout_id)
    provider.sessions[top_up.checkout_id]["metadata"] = {"account": "other"}
    completed["data"]["object"]["metadata"] = {"account": "other"}
    take(client, completed)
    top_up.refresh_from_db()
    return top_up


def test_paying_back_twice_at_once_pays_once(provider, parked_there):
    first = refunds.refund_parked(top_up_id=parked_there.pk, reason="Not theirs", now=now())
    TopUp.objects.filter(pk=first.pk).update(refunded_minor=0, parked_reason="x")
    refunds.refund_parked(top_up_id=parked_there.pk, reason="Not theirs", now=now())
    assert len(provider.refunds) == 1


def test_paying_back_that_fails_later_waits_for_an_operator_again(
    provider, client, account, parked_there
):
    refunds.refund_parked(top_up_id=parked_there.pk, reason="Not theirs", now=now())
    assert state_of(parked_there) == TopUpState.REFUNDED
    provider.sessions[parked_there.checkout_id]["metadata"] = {"account": str(account.pk)}
    take(client, provider.fail_refund(provider.refunds[0]))
    parked_there.refresh_from_db()
    assert (parked_there.state, balance_of(account)) == (TopUpState.PAID, 0)
    assert "did not reach the customer" in parked_there.parked_reason
    assert "lost or stolen card" in parked_there.refund_failure
    refunds.accept(top_up_id=parked_there.pk, reason="It was theirs", now=now())
    assert (state_of(parked_there), balance_of(account)) == (TopUpState.CREDITED, 500)


def test_an_event_of_a_provider_not_in_use_waits_quietly(provider, client, account, settings):
    top_up = begin(account)
    completed = provider.pay(top_up.checkout_id)
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
        buying.cancel(top_up=top_up, now=now())
    settings.STRIPE_SECRET_KEY = key
    events.process(event_id=take_later.pk, now=now())
    assert balance_of(account) == 500

"""An account that is renamed while its payments are under way, and long after them."""

import pytest

from billing.models import Account, Payment, Review, TopUpState
from billing.payments import settling
from billing.payments.gateways import GatewayError, stripe
from dashboard.sandbox import gateway
from dashboard.sandbox.models import SandboxCheckout
from tests.billing.payments import purchases
from tests.billing.payments.purchases import (
    TOTAL,
    balance_of,
    begin,
    now,
    review_of,
    state_of,
)
from tests.billing.payments.stripe_events import take
from tests.dashboard.sandbox.customer import pay

pytestmark = pytest.mark.django_db


def rename(account):
    Account.objects.filter(pk=account.pk).update(slug="renamed")


def standing(payment):
    """The state, why it is parked, and the account's credits, after asking the provider."""
    asked = settling.reconcile(payment_pk=payment.pk, now=now())
    return state_of(asked), review_of(asked), balance_of(asked.top_up.account)


# ── The sandbox ───────────────────────────────────────────────────────────────────────────────
def test_what_was_begun_before_a_renaming_is_credited_after_it(account):
    payment = begin(account)
    rename(account)
    pay(payment)
    assert standing(payment) == (TopUpState.CREDITED, "", 500)


def test_what_was_credited_before_a_renaming_is_refunded_after_it(account):
    payment = begin(account)
    pay(payment)
    assert standing(payment) == (TopUpState.CREDITED, "", 500)
    rename(account)
    gateway.refund_payment(checkout=SandboxCheckout.objects.get(), amount_minor=TOTAL)
    assert standing(payment) == (TopUpState.REFUNDED, "", 0)


def test_a_payment_that_names_an_account_which_took_the_slug_is_parked(account, other_account):
    payment = begin(account)
    slug = account.slug
    rename(account)
    Account.objects.filter(pk=other_account.pk).update(slug=slug)
    pay(payment)
    for another in (str(other_account.pk), slug):
        SandboxCheckout.objects.update(account_reference=another)
        Review.objects.all().delete()
        reason = f"The provider names the account {another}."
        assert standing(payment) == (TopUpState.CHECKING, reason, 0)


# ── Stripe ────────────────────────────────────────────────────────────────────────────────────
def test_stripes_payment_and_refund_outlast_a_renaming(provider, client, account):
    payment = begin(account)
    rename(account)
    take(client, provider.pay(payment.checkout_id))
    assert (state_of(payment), balance_of(account)) == (TopUpState.CREDITED, 500)
    Account.objects.filter(pk=account.pk).update(slug="renamed-again")
    take(client, provider.refund(payment.checkout_id, TOTAL))
    assert standing(payment) == (TopUpState.REFUNDED, "", 0)


def test_a_lost_answer_is_asked_for_again_in_the_same_words_after_a_renaming(provider, account):
    payment = begin(account, form_key="form")
    Payment.objects.update(checkout_id="", checkout_url="")
    rename(account)
    account.refresh_from_db()
    assert begin(account, form_key="form").checkout_id == payment.checkout_id


def test_a_lost_answer_is_asked_for_again_in_the_same_words_whatever_has_changed(
    provider, account, monkeypatch
):
    provider.faults = ["drop"] * (1 + stripe.NETWORK_RETRIES)
    with pytest.raises(GatewayError):
        begin(account, form_key="form")
    rename(account)
    Account.objects.filter(pk=account.pk).update(name="Another Name")
    account.refresh_from_db()
    monkeypatch.setattr(purchases, "RETURN_URL", "http://localhost/renamed/top-ups/{id}/")
    payment = begin(account, form_key="form", email="new@example.com")
    assert (payment.number, len(provider.sessions)) == (1, 1)
    session = provider.sessions[payment.checkout_id]
    assert session["customer_email"] == "owner@example.com"
    assert "renamed" not in session["success_url"]


def test_stripes_payment_that_names_another_account_is_parked(provider, client, account):
    payment = begin(account)
    provider.sessions[payment.checkout_id]["metadata"]["account"] = "another"
    take(client, provider.pay(payment.checkout_id))
    reason = "The provider names the account another."
    assert standing(payment) == (TopUpState.CHECKING, reason, 0)

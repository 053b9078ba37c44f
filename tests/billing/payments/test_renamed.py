"""An account that is renamed while its payments are under way, and long after them."""

from importlib import import_module
from pathlib import Path

import pytest
from django.db import connection

import billing.migrations
from billing.models import Account, SandboxCheckout, TopUp, TopUpState
from billing.payments import settling
from tests.billing.payments.purchases import balance_of, begin, now, state_of
from tests.billing.payments.stripe_events import take
from tests.dashboard.sandbox.customer import pay

pytestmark = pytest.mark.django_db

TOTAL = 800_000  # 500 credits of one's own at INR 16


def rename(account):
    Account.objects.filter(pk=account.pk).update(slug="renamed")


def standing(top_up):
    """The state, why it is parked, and the account's credits, after asking the provider."""
    asked = settling.reconcile(top_up_id=top_up.pk, now=now())
    return asked.state, asked.parked_reason, balance_of(asked.account)


# ── The sandbox ───────────────────────────────────────────────────────────────────────────────
def test_what_was_begun_before_a_renaming_is_credited_after_it(account):
    top_up = begin(account)
    rename(account)
    pay(top_up)
    assert standing(top_up) == (TopUpState.CREDITED, "", 500)


def test_what_was_credited_before_a_renaming_is_refunded_after_it(account):
    top_up = begin(account)
    pay(top_up)
    assert standing(top_up) == (TopUpState.CREDITED, "", 500)
    rename(account)
    SandboxCheckout.objects.update(refunded_minor=TOTAL)
    assert standing(top_up) == (TopUpState.REFUNDED, "", 0)


def test_a_payment_that_named_the_account_by_its_slug_still_fits(account):
    top_up = begin(account)
    SandboxCheckout.objects.update(account_reference=account.slug)
    TopUp.objects.update(account_reference="")
    [path] = Path(billing.migrations.__file__).parent.glob(
        "*_top_ups_keep_the_account_they_named.py"
    )
    with connection.cursor() as cursor:
        cursor.execute(import_module(f"billing.migrations.{path.stem}").FROM_SLUGS)
    rename(account)
    pay(top_up)
    assert standing(top_up) == (TopUpState.CREDITED, "", 500)


def test_a_payment_that_names_an_account_which_took_the_slug_is_parked(account, other_account):
    top_up = begin(account)
    slug = account.slug
    rename(account)
    Account.objects.filter(pk=other_account.pk).update(slug=slug)
    pay(top_up)
    for another in (str(other_account.pk), slug):
        SandboxCheckout.objects.update(account_reference=another)
        TopUp.objects.update(parked_reason="")
        reason = f"The provider names the account {another}."
        assert standing(top_up) == (TopUpState.PENDING, reason, 0)


# ── Stripe ────────────────────────────────────────────────────────────────────────────────────
def test_stripes_payment_and_refund_outlast_a_renaming(provider, client, account):
    top_up = begin(account)
    rename(account)
    take(client, provider.pay(top_up.checkout_id))
    assert (state_of(top_up), balance_of(account)) == (TopUpState.CREDITED, 500)
    Account.objects.filter(pk=account.pk).update(slug="renamed-again")
    take(client, provider.refund(top_up.checkout_id, TOTAL))
    assert standing(top_up) == (TopUpState.REFUNDED, "", 0)


def test_a_lost_answer_is_asked_for_again_in_the_same_words_after_a_renaming(provider, account):
    top_up = begin(account, form_key="form")
    TopUp.objects.update(checkout_id="", checkout_url="")
    rename(account)
    account.refresh_from_db()
    assert begin(account, form_key="form").checkout_id == top_up.checkout_id


def test_stripes_payment_that_names_another_account_is_parked(provider, client, account):
    top_up = begin(account)
    provider.sessions[top_up.checkout_id]["metadata"]["account"] = "another"
    take(client, provider.pay(top_up.checkout_id))
    reason = "The provider names the account another."
    assert standing(top_up) == (TopUpState.PENDING, reason, 0)

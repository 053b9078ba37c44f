"""The audit finds entries without their top-up, planted with raw SQL past all of our own guards."""

import pytest
from django.db import connection

from billing.models import Plan, TopUp
from billing.payments import refunds, settling
from billing.plans.subscriptions import subscribe
from tests.audit import breaches
from tests.billing.payments.purchases import begin, now
from tests.dashboard.sandbox.customer import pay

pytestmark = pytest.mark.django_db

ENTRY = """
    INSERT INTO billing_ledgerentry (account_id, seq, kind, credits, balance_after, reference,
                                     occurred_at, posted_at, remarks, call_id, usage_type, agent,
                                     billed_seconds, billable_us, increment_seconds, call_status,
                                     plan_name)
    SELECT account_id, 99, '{kind}', {credits}, 0, '{reference}', {at}, posted_at, '', '', '', '',
           0, 0, 0, '', ''
      FROM billing_ledgerentry WHERE kind = 'plan_credits'
"""
FAULTS = {
    # what the audit must say: SQL
    "purchases: account acme: entry 99 (top-up:0): belongs to no payment that was credited": (
        ENTRY.format(kind="top_up", credits=5, reference="top-up:0", at="now()")
    ),
    "adds 500 credits, 501 were bought": "UPDATE billing_topup SET credits = 501",
    "was credited, but has no entry": "DELETE FROM billing_ledgerentry WHERE kind = 'top_up'",
    "was credited for 1 INR, it costs 599900 INR": "UPDATE billing_payment SET amount_minor = 1",
    "refunds: account acme: top-up 0: is named by a refund, and not of the account": (
        ENTRY.format(kind="refund", credits=-5, reference="refund:0:1", at="now()")
    ),
    "of 599900 599900 are gone, and 0 of 500 credits were taken": (
        "DELETE FROM billing_ledgerentry WHERE kind = 'refund'"
    ),
    "of 0 599900 are gone, and 500 of 500 credits were taken": (
        "UPDATE billing_refund SET status = 'failed'"
    ),
    "but expires at ": "UPDATE billing_creditgrant SET expires_at = NULL WHERE source = 'top_up'",
    "validity: account acme: grant": (
        "UPDATE billing_creditgrant SET expires_at = '2099-01-01' WHERE source = 'top_up'"
    ),
}


@pytest.fixture
def customer(account, default_plans, default_packs):
    """On a plan, with a purchase and one that was paid back."""
    subscribe(account=account, plan=Plan.objects.get(name="Professional"), at=now())
    for _ in range(2):
        payment = begin(account)
        pay(payment)
        settling.reconcile(payment_pk=payment.pk, now=now())
    refunds.refund(payment_pk=payment.pk, reason="By mistake", by=None, now=now())
    return account


def test_what_has_its_cause_is_no_breach(customer):
    assert TopUp.objects.count() == 2
    assert breaches() == []


@pytest.mark.broken_ledger
@pytest.mark.parametrize("said", FAULTS)
def test_an_entry_without_its_cause_is_found_and_named(customer, said):
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(FAULTS[said])
        assert cursor.rowcount > 0
        cursor.execute("SET session_replication_role = DEFAULT")
    assert any(said in breach for breach in breaches())

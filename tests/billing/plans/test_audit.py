"""The audit finds plan credits without a cycle, planted with raw SQL past all of our own guards."""

import pytest
from django.db import connection

from billing.models import Plan
from billing.plans.subscriptions import subscribe
from tests.audit import breaches
from tests.billing.payments.purchases import now

pytestmark = pytest.mark.django_db

FAULTS = {
    # what the audit must say: SQL
    "belongs to no subscription of the account": (
        "INSERT INTO billing_ledgerentry (account_id, seq, kind, credits, balance_after, reference,"
        " occurred_at, posted_at, remarks, call_id, usage_type, agent, billed_seconds,"
        " billable_us, increment_seconds, call_status, plan_name)"
        " SELECT account_id, 99, kind, 5, 0, 'plan-credits:0:0', now(), posted_at,"
        " '', '', '', '', 0, 0, 0, '', ''"
        " FROM billing_ledgerentry WHERE kind = 'plan_credits'"
    ),
    "is not at the start of cycle 7 of its subscription": (
        "UPDATE billing_ledgerentry SET reference = regexp_replace(reference, '0$', '7')"
        " WHERE kind = 'plan_credits'"
    ),
    "adds 91500 credits, which no terms of its subscription give": (
        "UPDATE billing_ledgerentry SET credits = 91500 WHERE kind = 'plan_credits'"
    ),
    "can be used until None, but ends at ": (
        "UPDATE billing_creditgrant SET expires_at = NULL WHERE source = 'plan'"
    ),
    "can be used until 2099-01-01 00:00:00+00:00, but ends at ": (
        "WITH planned AS (INSERT INTO billing_subscription"
        " (account_id, plan_id, effective_from, time_zone)"
        " SELECT account_id, plan_id, '2099-01-01 00:00Z', 'UTC' FROM billing_subscription)"
        " UPDATE billing_creditgrant SET expires_at = '2099-01-01 00:00Z' WHERE source = 'plan'"
    ),
    "is of a subscription in the unknown time zone “Nowhere/AtAll”": (
        "UPDATE billing_subscription SET time_zone = 'Nowhere/AtAll'"
    ),
    "granted credits, but notes that it has not begun": (
        "UPDATE billing_subscription SET begun_at = NULL"
    ),
    ", but notes None": "UPDATE billing_subscription SET due_at = NULL",
    ", but notes 2099-01-01 00:00:00+00:00": (
        "UPDATE billing_subscription SET due_at = '2099-01-01 00:00Z'"
    ),
    "ended at no time, but the account was closed at 2026-": (
        "UPDATE billing_account SET closed_at = '2026-11-29 10:00Z'"
    ),
    "but the account was closed at no time": (
        "UPDATE billing_subscription SET ended_at = '2026-11-29 10:00Z'"
    ),
    "within a month of those at": (
        "WITH later AS (INSERT INTO billing_subscription"
        " (account_id, plan_id, effective_from, time_zone, begun_at, due_at)"
        " SELECT account_id, plan_id, effective_from + interval '1 day', 'UTC', now(), now()"
        " FROM billing_subscription RETURNING id, account_id, effective_from)"
        " INSERT INTO billing_ledgerentry (account_id, seq, kind, credits, balance_after,"
        " reference, occurred_at, posted_at, remarks, call_id, usage_type, agent, billed_seconds,"
        " billable_us, increment_seconds, call_status, plan_name)"
        " SELECT account_id, 99, 'plan_credits', 1500, 0, 'plan-credits:' || id || ':0',"
        " effective_from, now(), '', '', '', '', 0, 0, 0, '', '' FROM later"
    ),
}


@pytest.fixture
def customer(account, default_plans):
    """On a plan, with the credits of its first cycle."""
    subscribe(account=account, plan=Plan.objects.get(name="Professional"), at=now())
    return account


def test_plan_credits_of_a_cycle_are_no_breach(customer):
    assert breaches() == []


@pytest.mark.broken_ledger
@pytest.mark.parametrize("said", FAULTS)
def test_plan_credits_without_their_cycle_are_found_and_named(customer, said):
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(FAULTS[said])
        assert cursor.rowcount > 0
        cursor.execute("SET session_replication_role = DEFAULT")
    assert any(said in breach for breach in breaches())

"""The audit finds every kind of fault. Each is planted with raw SQL, past all of our own guards."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from billing import ledger
from billing.ledger.audit import INVARIANTS, breaches_of
from billing.models import LedgerEntry
from tests.billing.postings import call, correction, top_up

pytestmark = [pytest.mark.django_db, pytest.mark.broken_ledger]

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)

FAULTS = {
    "balance": "UPDATE billing_balance SET credits = credits + 1",
    "chain": "UPDATE billing_ledgerentry SET balance_after = balance_after + 1 WHERE seq = 2",
    "chain ": "DELETE FROM billing_ledgerentry WHERE seq = 2",
    "last entry": "UPDATE billing_balance SET last_seq = last_seq + 1",
    "grants": "UPDATE billing_creditgrant SET remaining = remaining - 1 WHERE remaining > 0",
    "grant entries": "UPDATE billing_creditgrant SET credits = credits + 1",
    "grant entries  ": "UPDATE billing_creditgrant SET source = 'plan' WHERE seq = 5",
    "expiries ": "UPDATE billing_ledgerentry SET occurred_at = occurred_at + interval '1 s'"
    " WHERE kind = 'expiry'",
    "grant entries ": "DELETE FROM billing_creditgrant WHERE seq = 5",
    "expiries": "UPDATE billing_ledgerentry SET paid_by = 99 WHERE kind = 'expiry'",
    "daily usage": "UPDATE billing_dailyusage SET calls = calls - 1 WHERE calls > 0",
    "daily usage ": "UPDATE billing_dailyusage SET day = day + 1 WHERE kind = 'call'",
    "daily usage  ": "UPDATE billing_dailyusage SET billed_seconds = 1 WHERE kind = 'call'",
    "daily usage   ": "DELETE FROM billing_dailyusage WHERE kind = 'correction'",
    "daily usage    ": "UPDATE billing_dailyusage SET entries_by_hour[1] = 9 WHERE kind = 'call'",
    "time zone": "UPDATE billing_account SET time_zone = 'Mars/Olympus'",
    "consumption    ": "UPDATE billing_debt SET credits = credits + 1",
    "consumption   ": "DELETE FROM billing_debt",
    "consumption      ": "UPDATE billing_grantshare SET credits = credits + 1"
    " WHERE credits < 0 AND grant_seq IS NOT NULL",
    "consumption     ": "UPDATE billing_grantshare SET credits = credits - 50"
    " WHERE credits < 0 AND grant_seq IS NOT NULL",
    "consumption        ": "UPDATE billing_creditgrant SET expired = expired - 1 WHERE expired > 0",
    "consumption       ": "UPDATE billing_ledgerentry SET paid_by = 99"
    " WHERE kind = 'call' AND seq = 2",
    "consumption": "UPDATE billing_ledgerentry SET paid_by = NULL WHERE kind = 'call' AND seq = 2",
    "consumption ": "UPDATE billing_creditgrant SET granted_at = granted_at - interval '9 days',"
    " expires_at = expires_at - interval '3 days' WHERE expired > 0",
    "consumption  ": "UPDATE billing_grantshare SET use_seq = use_seq + 1 WHERE grant_seq IS NULL",
    "overdue": "UPDATE billing_creditgrant SET granted_at = '2020-01-01', expires_at = '2020-02-01'"
    " WHERE seq = 5",
    "account": "UPDATE billing_dailyusage SET account_id = account_id + 987654 WHERE kind = 'call'",
}


def breaches():
    return {breach.invariant for invariant in INVARIANTS for breach in invariant()}


@pytest.fixture
def busy_account(account, other_account):
    """An account with something of everything: debt paid, a grant expired, a correction. And one
    that owes credits, of which some were cancelled."""
    later = NOW + timedelta(days=2)
    ledger.post(
        postings=[
            top_up(account, 10, "expired", expires_at=NOW + timedelta(days=1)),
            call(account, "a", 4),
        ],
        posted_at=NOW,
    )
    ledger.post(
        postings=[
            call(account, "b", 7, at=later),
            top_up(account, 50, "second", at=later),
            correction(account, "b", 2, at=later),
        ],
        posted_at=later,
    )
    ledger.post(
        postings=[
            top_up(other_account, 45, "paid a part"),
            call(other_account, "c", 60),
            correction(other_account, "c", 20),
            call(other_account, "d", 10),
        ],
        posted_at=NOW,
    )
    return account


@pytest.fixture
def without_triggers(db):
    """Let raw SQL past the triggers, as a superuser of the database could."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        yield cursor
        cursor.execute("SET session_replication_role = DEFAULT")


def test_a_clean_ledger_has_no_breach(busy_account):
    assert breaches() == set()


@pytest.mark.parametrize("invariant", FAULTS)
def test_a_planted_fault_is_found(busy_account, without_triggers, invariant):
    without_triggers.execute(FAULTS[invariant])
    assert without_triggers.rowcount > 0
    assert invariant.strip() in breaches()


def test_an_entry_deleted_is_reported_with_account_and_entry(busy_account, without_triggers):
    without_triggers.execute("DELETE FROM billing_ledgerentry WHERE seq = 2")
    found = [str(breach) for invariant in INVARIANTS for breach in invariant()]
    assert any(one.startswith(f"chain: account {busy_account.slug}: entry 3") for one in found)


def test_the_command_fails_on_a_breach(busy_account, without_triggers):
    without_triggers.execute(FAULTS["balance"])
    with pytest.raises(CommandError, match="breaches found") as failed:
        call_command("audit_ledger")
    assert failed.value.returncode == 1


def test_every_invariant_has_a_planted_fault():
    """A new invariant without a fault that it finds proves nothing."""
    assert len({name.strip() for name in FAULTS}) == len(INVARIANTS)
    assert LedgerEntry.objects.count() == 0


def test_no_query_of_the_audit_is_compiled_first(db):
    [asked] = breaches_of("jit", "SELECT 1::bigint, 'jit', current_setting('jit')")
    assert asked.message == "off"

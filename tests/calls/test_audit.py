"""The audit of calls finds every kind of fault, planted with raw SQL past all of our own guards."""

from datetime import timedelta

import pytest
from django.db import connection

from calls.charging import record_calls
from calls.withdrawing import withdraw_calls, withdraw_import
from tests.audit import breaches
from tests.calls.calling import NOW, STARTED_AT, record, unanswered

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)

CHARGED = "charge: account acme: call c1: "
FAULTS = {
    # SQL: what the audit must say
    "DELETE FROM billing_ledgerentry WHERE call_id = 'c1'": CHARGED + "has no charge",
    "UPDATE billing_ledgerentry SET kind = 'correction' WHERE reference = 'call:c1'": CHARGED
    + "has no charge",
    "UPDATE billing_ledgerentry SET kind = 'call' WHERE reference = 'correction:1:c1'": CHARGED
    + "was corrected 1 times, but has 0 entries of corrections",
    "UPDATE billing_ledgerentry SET reference = 'correction:2:c1'"
    " WHERE reference = 'correction:1:c1'": "corrections: account acme: entry 4 (correction:2:c1): "
    "is number 2 of the corrections of call c1, not 1",
    "UPDATE calls_call SET corrections = 2 WHERE call_id = 'c1'": CHARGED
    + "was corrected 2 times, but has 1 entries of corrections",
    "UPDATE billing_ledgerentry SET credits = -4 WHERE reference = 'call:c1'": CHARGED
    + "costs 5 credits, but its entries used 6",
    "UPDATE billing_ledgerentry SET billed_seconds = 91 WHERE reference = 'call:c1'": CHARGED
    + "is billed 150 s, but its entries billed 151 s",
    "DELETE FROM calls_call WHERE call_id = 'c1'": "cause: account acme: entry 4 (correction:1:c1):"
    " there is no call c1",
    "UPDATE calls_call SET ended_at = ended_at + interval '1 ms' WHERE call_id = 'c1'": "rating: "
    "account acme: call c1: 125.001 s by increments of 30 s make 5 increments, not 5 (125 s)",
    "UPDATE calls_call SET usage_type = 'inbound' WHERE call_id = 'c1'": "rating: account acme: "
    "call c1: 130 s by increments of 30 s make 5 increments, not 5 (125 s)",
    "UPDATE calls_call SET started_at = started_at - interval '1 day', usage_type = 'outbound'"
    " WHERE call_id = 'c2'": "facts: account acme: call c2: started at 2026-03-09 09:30:00+00"
    ' (outbound, agent ""), but entry 3 says 2026-03-10 09:30:00+00 (outbound, agent "")',
    "UPDATE billing_ledgerentry SET agent = 'Ravi' WHERE reference = 'call:c2'": "facts: account "
    'acme: call c2: started at 2026-03-10 09:30:00+00 (outbound, agent ""), but entry 3 says '
    '2026-03-10 09:30:00+00 (outbound, agent "Ravi")',
    "UPDATE billing_ledgerentry SET reference = 'call:zz' WHERE reference = 'call:c1'": "cause: "
    "account acme: entry 2 (call:zz): is of call c1, which its reference does not say",
    "UPDATE billing_ledgerentry SET reference = 'call:zz' WHERE reference = 'call:c2'": "facts: "
    "account acme: call c2: has no entry of its latest record",
    "UPDATE calls_call SET increments = 4, credits = 4, billed_seconds = 120,"
    " billable_seconds = 120 WHERE call_id = 'c1'": "rating: account acme: call c1: "
    "125 s by increments of 30 s make 5 increments, not 4 (120 s)",
    "UPDATE billing_subscription SET effective_from = '2026-03-11Z'": "history: account acme: call "
    "c1: started at 2026-03-10 09:30:00+00 and is charged, but the first subscription began at "
    "2026-03-11 00:00:00+00",
    "UPDATE billing_ledgerentry SET credits = -1 WHERE reference = 'call:c2'": "charge: account "
    "acme: call c2: costs 0 credits, but its entries used 1",
    "UPDATE calls_call SET numbers_deleted = true, to_number = '1' WHERE call_id = 'c1'": ""
    "numbers: account acme: call c1: says that its numbers were deleted, but there are some",
    "UPDATE calls_call SET is_history = true, credits = 0 WHERE call_id = 'c1'": "history: account "
    "acme: call c1: started at 2026-03-10 09:30:00+00 and is free, but the first subscription "
    "began at 2026-03-01 00:00:00+00",
    "UPDATE calls_call SET remarks = E'torn\\x07' WHERE call_id = 'c2'": "texts: account acme: "
    "call c2: has a text that is too long or has control characters:  ·  ·  · torn\x07",
    "UPDATE billing_ledgerentry SET remarks = E'torn\\u0085' WHERE reference = 'call:c2'": "texts: "
    "account acme: entry 3 (call:c2): has a text that is too long or has control characters:  · "
    "torn\x85",
    "ALTER TABLE calls_call ALTER agent TYPE text;"
    " UPDATE calls_call SET agent = repeat('Ä', 101) WHERE call_id = 'c2'": "texts: account acme: "
    f"call c2: has a text that is too long or has control characters: {'Ä' * 101} ·  ·  · ",
    "UPDATE calls_call SET call_id = 'c\ufffd' WHERE call_id = 'c2'": "call IDs: account acme: "
    "call c\ufffd: has an ID that no record can have",
    "UPDATE calls_call SET call_id = 'c2 ' WHERE call_id = 'c2'": "call IDs: account acme: call c2 "
    ": has an ID that no record can have",
    'ALTER TABLE calls_call ALTER call_id TYPE text COLLATE "C";'
    " UPDATE calls_call SET call_id = repeat('c', 201) WHERE call_id = 'c2'": "call IDs: account "
    f"acme: call {'c' * 201}: has an ID that no record can have",
    "UPDATE billing_ledgerentry SET occurred_at = occurred_at - interval '3 days'"
    " WHERE reference = 'call:c1'": "moved: account acme: entry 4 (correction:1:c1): says nothing "
    "of the start of call c1, which moves from 2026-03-07 09:30:00+00 to 2026-03-10 09:30:00+00",
    "UPDATE billing_ledgerentry SET changes = jsonb_set(changes, '{started_at}',"
    """ ' ["2026-03-10T09:30:00+00:00", "2026-03-09T09:30:00+00:00"]')"""
    " WHERE reference = 'correction:1:c1'": "moved: account acme: entry 4 (correction:1:c1): says "
    '["2026-03-10T09:30:00+00:00", "2026-03-09T09:30:00+00:00"] of the start of call c1, which '
    "moves from 2026-03-10 09:30:00+00 to 2026-03-10 09:30:00+00",
    "UPDATE calls_call SET account_id = 987654 WHERE call_id = 'c2'": "account: account id 987654: "
    "calls: belong to no account",
}


WITHDRAWN = "withdrawals: account acme: entry "
OF_WITHDRAWN = {
    "UPDATE calls_call SET times_withdrawn = 3 WHERE call_id = 'c1'": CHARGED
    + "was withdrawn 3 times, but 1 charges of it were",
    "UPDATE calls_call SET withdrawn_at = NULL, is_history = true WHERE call_id = 'c1'": CHARGED
    + "counts as 1 calls, but 0 of its charges stand",
    "DELETE FROM billing_ledgerentry WHERE reference = 'withdrawal:correction:1:c1'": CHARGED
    + "costs 0 credits, but its entries used 2",
    "UPDATE billing_ledgerentry SET agent = 'Ravi'"
    " WHERE reference = 'withdrawal:call:c1'": WITHDRAWN
    + "6 (withdrawal:call:c1): is not the opposite of entry 2",
    "UPDATE billing_ledgerentry SET occurred_at = occurred_at - interval '1 s'"
    " WHERE reference = 'withdrawal:call:c1'": WITHDRAWN
    + "6 (withdrawal:call:c1): is not the opposite of entry 2",
    "UPDATE billing_ledgerentry SET credits = 2 WHERE reference = 'withdrawal:call:c1'": WITHDRAWN
    + "6 (withdrawal:call:c1): is not the opposite of entry 2",
    "UPDATE billing_ledgerentry SET import_id = 9 WHERE reference = 'withdrawal:call:c1'": WITHDRAWN
    + "6 (withdrawal:call:c1): is not the opposite of entry 2",
    "UPDATE billing_ledgerentry SET reference = 'withdrawal:call:zz'"
    " WHERE reference = 'withdrawal:call:c1'": WITHDRAWN
    + "6 (withdrawal:call:zz): undoes no entry of a call before it",
    "UPDATE billing_ledgerentry SET reference = 'call-again:3:c2'"
    " WHERE reference = 'call-again:2:c2'": "again: account acme: entry 8 (call-again:3:c2): is "
    "charge 3 of call c2, of which the one before was not withdrawn",
    "UPDATE billing_ledgerentry SET reference = 'call-again:2:zz'"
    " WHERE reference = 'call-again:2:c2'": "cause: account acme: entry 8 (call-again:2:zz): is of "
    "call c2, which its reference does not say",
    "UPDATE calls_call SET agent = 'Ravi' WHERE call_id = 'c2'": "facts: account acme: call c2: "
    'started at 2026-03-10 09:30:00+00 (outbound, agent "Ravi"), but entry 8 says '
    '2026-03-10 09:30:00+00 (outbound, agent "")',
    "UPDATE calls_call SET agent = 'Ravi' WHERE call_id = 'c3'": "facts: account acme: call c3: "
    'started at 2026-03-10 09:30:00+00 (outbound, agent "Ravi"), but entry 9 says '
    '2026-03-10 09:30:00+00 (outbound, agent "")',
    "UPDATE calls_call SET withdrawn_at = now(), times_withdrawn = 1, credits = 0"
    " WHERE call_id = 'c4'": "overtaken: account acme: call c4: is said to be kept when import 7 "
    "is taken back, but is withdrawn",
    "UPDATE calls_overtakencall SET call_id = 'zz'": "overtaken: account acme: call zz: is said to "
    "be kept when import 7 is taken back, but is not there",
}


@pytest.fixture
def withdrawn(professional, calls):
    """One that is withdrawn, one that came again, one restored and one that is kept."""
    for call_id in ("c1", "c2"):
        withdraw_calls(account_id=professional.pk, call_ids=[call_id], reason="Test", now=NOW)
    record_calls(records=[unanswered(professional, "c2")], now=NOW)
    record_calls(records=[record(professional, "c3")], now=NOW)
    corrected = record(professional, "c3", seconds=95, agent="Asha")
    record_calls(records=[corrected], now=NOW, import_id=8)
    withdraw_import(account_id=professional.pk, import_id=8, now=NOW)
    record_calls(records=[record(professional, "c4")], now=NOW, import_id=7)
    record_calls(records=[record(professional, "c4", seconds=95)], now=NOW)


@pytest.fixture
def calls(professional):
    """A call with a correction, and one that nobody answered."""
    record_calls(records=[record(professional, "c1"), unanswered(professional, "c2")], now=NOW)
    record_calls(records=[record(professional, "c1", seconds=125)], now=NOW)


@pytest.fixture
def unguarded(db):
    """A cursor for raw SQL past the triggers, as a superuser of the database could."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        yield cursor
        cursor.execute("SET session_replication_role = DEFAULT")


def test_clean_calls_have_no_breach(calls):
    assert breaches() == []


def test_texts_at_their_limits_and_a_call_that_was_moved_far_are_no_breach(professional):
    texts = {"agent": "Ä" * 101, "from_number": "ब" * 101, "remarks": "…\ufffd" * 300}
    record_calls(records=[record(professional, "c" * 200, **texts)], now=NOW)
    moved = record(professional, "c" * 200, started_at=STARTED_AT - 9 * DAY)
    record_calls(records=[moved], now=NOW, revise=True)
    assert breaches() == []


@pytest.mark.broken_ledger
@pytest.mark.parametrize(("fault", "said"), FAULTS.items())
def test_a_planted_fault_is_found_and_named(calls, unguarded, fault, said):
    unguarded.execute(fault)
    assert unguarded.rowcount > 0
    assert said in breaches()


def test_withdrawn_calls_have_no_breach(withdrawn):
    assert breaches() == []


@pytest.mark.broken_ledger
@pytest.mark.parametrize(("fault", "said"), OF_WITHDRAWN.items())
def test_a_fault_of_withdrawn_calls_is_found_and_named(withdrawn, unguarded, fault, said):
    unguarded.execute(fault)
    assert unguarded.rowcount > 0
    assert said in breaches()

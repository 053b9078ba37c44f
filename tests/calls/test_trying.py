"""Trying calls: the outcomes that recording them would have, and nothing written or locked."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from billing.models import LedgerEntry, Plan
from billing.plans.subscriptions import subscribe
from calls import stored
from calls.charging import record_calls, try_calls
from calls.models import Call
from calls.withdrawing import withdraw_calls
from tests.audit import breaches
from tests.calls.calling import NOW, STARTED_AT, after, record, unanswered
from tests.factories import AccountFactory
from tests.properties import examples

CALL_IDS = "abcd"

records: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    # Two with a plan, one since a day after most calls, one without.
    account=st.integers(0, 3),
    call_id=st.sampled_from(CALL_IDS),
    seconds=st.sampled_from([None, 0, 61, 600, 20 * 3_600]),
    started=st.sampled_from([-48, 0, 1, 25]),  # hours after STARTED_AT
    to_number=st.sampled_from(["", "+911", "+912"]),
    agent=st.sampled_from(["", "Asha", "x" * 200]),
    revision=st.none() | st.integers(0, 3),
)
batches = st.tuples(
    st.lists(records, max_size=8), st.booleans(), st.booleans(), st.none() | st.integers(7, 8)
)
withdrawals = st.tuples(st.integers(0, 1), st.sampled_from(CALL_IDS))


def as_record(accounts, told):
    more = {
        "started_at": STARTED_AT + told["started"] * timedelta(hours=1),
        "to_number": told["to_number"],
        "agent": told["agent"],
        "revised_at": None if told["revision"] is None else after(told["revision"]),
        "now": NOW + timedelta(days=9),
    }
    account = accounts[told["account"]]
    if told["seconds"] is None:
        return unanswered(account, told["call_id"], **more)
    return record(account, told["call_id"], told["seconds"], **more)


class TryingForetells(TestCase):
    """Whatever is known, withdrawn, told in parts, revised or can't be priced."""

    @given(history=st.lists(batches | withdrawals, max_size=6))
    @examples(25)
    def test_outcomes_are_those_of_recording(self, history):
        accounts = [AccountFactory() for _ in range(4)]
        plan = Plan.objects.get(name="Professional")
        for account in accounts[:2]:
            subscribe(account=account, plan=plan, at=STARTED_AT - timedelta(days=9))
        subscribe(account=accounts[2], plan=plan, at=STARTED_AT + timedelta(days=1))
        for step in history:
            if len(step) == 2:
                account, call_id = step
                withdraw_calls(
                    account_id=accounts[account].pk, call_ids=[call_id], reason="Test", now=NOW
                )
                continue
            told, are_legs, revise, import_id = step
            options = {
                "records": [as_record(accounts, one) for one in told],
                "now": NOW,
                "are_legs": are_legs,
                "revise": revise,
                "import_id": import_id,
            }
            assert try_calls(**options) == record_calls(**options)
        assert breaches() == []


@pytest.mark.django_db
def test_trying_writes_and_locks_nothing(professional):
    record_calls(records=[record(professional, "known"), record(professional, "gone")], now=NOW)
    withdraw_calls(account_id=professional.pk, call_ids=["gone"], reason="Test", now=NOW)
    told = [record(professional, call_id, 125) for call_id in ("known", "gone", "new")]
    with CaptureQueriesContext(connection) as captured:
        outcomes = try_calls(records=told, now=NOW, import_id=7)
    assert [outcome.result for outcome in outcomes] == ["corrected", "created", "created"]
    statements = [query["sql"].split()[0] for query in captured]
    # Two by their kept plans: the tariffs, and the search for calls, which only read.
    assert sorted(statements) == ["EXECUTE"] * 2 + ["SELECT"] * (len(statements) - 2)
    assert " FOR " not in stored._FIND
    assert not [query for query in captured if " FOR " in query["sql"]]
    assert Call.objects.count() == 2
    assert LedgerEntry.objects.exclude(call_id="").count() == 3

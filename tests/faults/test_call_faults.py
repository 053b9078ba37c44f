"""What the run that breaks things while calls come must not overlook."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from billing import ledger
from billing.ledger import Posting
from billing.models import Kind
from calls.charging import record_calls
from calls.inbox.draining import drain
from calls.models import Call, CallSource, EventState, InboxEvent, OpenEvent, PullState
from tests.calls.calling import record
from tests.faults.call_outcome import differences, unsettled, violations
from tests.faults.callers import Accepted, open_doors
from tests.faults.told_calls import Told, name_of, tell

CALLS = 40


def say(message, doors):
    """Send a message without a network; return the answer's status."""
    client = Client()
    if message.door == "twilio":
        return 200  # the signed address is that of a server
    addresses = {
        "api": ("/api/v1/calls/", message.body, doors.key),
        "withdrawal": (
            f"/api/v1/calls/{message.body}/withdraw/",
            {"reason": "A test"},
            doors.key,
        ),
        "vapi": (doors.vapi, message.body, doors.vapi_token),
    }
    path, body, secret = addresses[message.door]
    headers = {"Authorization": f"Bearer {secret}"}
    return client.post(path, body, content_type="application/json", headers=headers).status_code


@pytest.fixture
def told(default_plans):
    """What is told, but for carriers."""
    whole = tell(calls=CALLS, seed=3, now=timezone.now())
    return Told(
        senders=whole.senders,
        credits={
            name: credits
            for name, credits in whole.credits.items()
            if not name.startswith("twilio")
        },
        withdrawn=whole.withdrawn,
    )


@pytest.fixture
def settle(told):
    """Tell everything to an account, and let it settle."""

    def run():
        doors, accepted = open_doors(), Accepted()
        for messages in told.senders:
            for message in messages:
                assert say(message, doors) == 200
                if message.door != "twilio":
                    accepted.note(message)
        while drain(clock=timezone.now):
            pass
        return doors.account, accepted

    return run


def some_call(account):
    return Call.objects.filter(account=account, credits__gt=0, withdrawn_at=None).first()


@pytest.mark.django_db
def test_what_is_told_twice_in_peace_comes_to_the_same_end(told, settle):
    (ours, accepted), (theirs, _) = settle(), settle()
    assert list(violations(told, accepted, ours)) == []
    assert list(differences(ours, theirs)) == []
    assert accepted.withdrawn


@pytest.mark.django_db
def test_a_call_that_was_accepted_and_is_not_there_is_a_violation(told, settle):
    account, accepted = settle()
    accepted.calls.add("api-lost")
    assert list(violations(told, accepted, account)) == ["api-lost was accepted and is not there"]


@pytest.mark.django_db
@pytest.mark.broken_ledger
def test_a_call_that_was_charged_twice_is_a_violation(told, settle):
    account, accepted = settle()
    call = some_call(account)
    posting = Posting(
        account_id=account.pk,
        kind=Kind.CALL,
        credits=-call.credits,
        reference="call:again",
        occurred_at=call.started_at,
        call_id=call.call_id,
        usage_type=call.usage_type,
        agent=call.agent,
        billed_seconds=call.billed_seconds,
        increment_seconds=call.increment_seconds,
        call_status=call.status,
    )
    ledger.post_one(posting=posting, posted_at=timezone.now())
    name = name_of(call)
    [found] = violations(told, accepted, account)
    assert found == f"{name} is charged {2 * call.credits} credits and costs {call.credits}"


@pytest.mark.django_db
def test_a_call_that_costs_something_else_is_a_violation_and_a_difference(told, settle):
    (account, accepted), (theirs, _) = settle(), settle()
    call = some_call(account)
    record_calls(records=[_longer(account, call)], now=timezone.now(), reporter=call.reporter)
    assert any(name_of(call) in found for found in violations(told, accepted, account))
    kinds = {found.partition(":")[0] for found in differences(account, theirs)}
    assert kinds == {"calls", "days", "balance"}


def _longer(account, call):
    return record(
        account,
        call.call_id,
        600,
        rings=0,
        started_at=call.started_at,
        now=timezone.now() + timedelta(hours=1),
    )


@pytest.mark.django_db
def test_what_waits_and_lists_that_were_not_asked_are_not_settled(told, settle):
    account, _ = settle()
    since = timezone.now()
    assert unsettled(account, since=since) == "2 lists not asked"
    CallSource.objects.update(pull_state=PullState.FINE, last_pull_at=since, pulled_until=since)
    assert unsettled(account, since=since) == ""
    event = InboxEvent.objects.latest("pk")
    OpenEvent.objects.create(event=event, source=event.source, state=EventState.WAITING)
    assert unsettled(account, since=since) == "1 events not recorded"

"""What messages are made into: calls, charged once, however and in whatever order they came."""

import json
import random
from collections import Counter
from datetime import timedelta

import pytest

from billing.models import LedgerEntry, Plan
from billing.plans.subscriptions import subscribe
from calls.inbox import sources
from calls.inbox.again import retry, retry_failed
from calls.inbox.draining import drain
from calls.inbox.forgetting import KEPT_FOR, forget_old
from calls.models import Call, EventState, InboxEvent, OpenEvent
from calls.models.call_source import REASON_LENGTH_MAX
from calls.platforms import StoredEvent
from calls.records import Rejected
from calls.sources.registry import platforms
from tests.calls.inbox.sending import (
    AT,
    NOW,
    callbacks,
    clock,
    connect,
    drain_all,
    outcome,
    report,
    send_callback,
    send_report,
    settled,
)

pytestmark = pytest.mark.django_db

SECONDS = timedelta(seconds=1)


def only_call(account):
    return Call.objects.get(account=account)


# ── Vapi ──────────────────────────────────────────────────────────────────────────────────────
def test_a_report_becomes_a_charged_call(client, professional):
    source = connect(professional)
    send_report(client, source, report(seconds=65))
    drain_all()
    call = only_call(professional)
    assert (call.call_id, call.usage_type, call.agent, call.credits) == (
        "v1",
        "outbound",
        "Asha",
        3,
    )
    assert (call.from_number, call.to_number) == ("+14155550100", "+14155550123")
    assert settled() == [("v1", EventState.RECORDED, "", "")]
    source.refresh_from_db()
    assert source.last_event_at is not None


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("customer-did-not-answer", "no_answer"),
        ("customer-busy", "busy"),
        ("twilio-failed-to-connect-call", "failed"),
        ("call.start.error-get-assistant", "failed"),
        ("call.start.error-subscription-frozen", "blocked"),
    ],
)
def test_the_reason_alone_tells_that_nobody_answered(client, professional, reason, status):
    send_report(client, connect(professional), report(endedReason=reason))
    drain_all()
    call = only_call(professional)
    assert (call.status, call.connected_at, call.credits) == (status, None, 0)


def test_a_conversation_without_its_start_waits_for_it(client, professional):
    """What is not known is not nothing: the reason tells that there was something to charge."""
    source = connect(professional)
    told, without = report(), report(startedAt=None)
    without["message"]["call"]["createdAt"] = told["message"]["startedAt"]
    send_report(client, source, without)
    drain_all()
    [(_, state, field, reason)] = settled()
    assert (state, field) == (EventState.FAILED, "message.startedAt"), reason
    assert not Call.objects.exists()
    send_report(client, source, told)
    drain_all()
    assert only_call(professional).credits == 3
    assert {state for _, state, *_ in settled()} == {EventState.RECORDED}


def test_a_report_without_a_type_is_the_same_call_by_file_and_by_webhook(
    client, professional, importing_file
):
    document = report()
    del document["message"]["call"]["type"]
    send_report(client, connect(professional), document)
    drain_all()
    by_webhook = outcome(professional)
    assert only_call(professional).usage_type == "outbound"
    importing_file(json.dumps(document), name="reports.json")
    assert outcome(professional) == by_webhook


def test_a_corrected_report_posts_the_difference_and_an_older_one_nothing(client, professional):
    source = connect(professional)
    for seconds, sent in [(95, AT + 60 * SECONDS), (65, AT)]:
        send_report(client, source, report(seconds=seconds, sent=sent))
        drain_all()
    assert only_call(professional).credits == 4
    assert LedgerEntry.objects.exclude(call_id="").count() == 1


# ── Twilio ────────────────────────────────────────────────────────────────────────────────────
def test_callbacks_become_one_call_from_its_answer_to_its_end(client, professional):
    source = connect(professional, "twilio")
    for form in callbacks(seconds=65, rings=5):
        send_callback(client, source, form)
    drain_all()
    call = only_call(professional)
    assert (call.connected_at, call.ended_at) == (AT + 5 * SECONDS, AT + 70 * SECONDS)
    assert (call.status, call.credits) == ("completed", 3)
    assert {state for _, state, _, _ in settled()} == {EventState.RECORDED}


def test_a_call_that_has_not_ended_is_not_recorded_yet(client, professional):
    source = connect(professional, "twilio")
    for form in callbacks()[:-1]:
        send_callback(client, source, form)
    drain_all()
    assert not Call.objects.exists()
    assert {row[1:] for row in settled()} == {
        (EventState.IRRELEVANT, "", "The call has not ended yet.")
    }


def test_completed_may_come_days_before_answered(client, professional):
    source = connect(professional, "twilio")
    *steps, completed = callbacks(rings=5)
    send_callback(client, source, completed)
    drain_all()
    assert only_call(professional).credits == 3
    for form in reversed(steps):
        send_callback(client, source, form)
        drain_all()
    call = only_call(professional)
    assert (call.connected_at, call.corrections) == (AT + 5 * SECONDS, 0)


def test_only_completed_tells_enough(client, professional):
    source = connect(professional, "twilio")
    send_callback(client, source, callbacks(seconds=31)[-1])
    drain_all()
    assert only_call(professional).credits == 2


@pytest.mark.parametrize(
    ("status", "recorded"),
    [
        ("busy", "busy"),
        ("no-answer", "no_answer"),
        ("canceled", "no_answer"),
        ("failed", "failed"),
    ],
)
def test_what_twilio_did_not_connect_costs_nothing(client, professional, status, recorded):
    source = connect(professional, "twilio")
    for form in callbacks(status=status):
        send_callback(client, source, form)
    drain_all()
    call = only_call(professional)
    assert (call.status, call.connected_at, call.credits) == (recorded, None, 0)


def test_the_leg_of_a_transfer_is_part_of_its_call(client, professional):
    source = connect(professional, "twilio")
    child = callbacks(
        "CA2", at=AT + 20 * SECONDS, seconds=30, ParentCallSid="CA1", Direction="outbound-dial"
    )
    for form in [*child, *callbacks("CA1", seconds=65, Direction="inbound")]:
        send_callback(client, source, form)
        drain_all()
    call = only_call(professional)
    assert (call.call_id, call.usage_type, call.credits) == ("CA1", "inbound", 3)


def test_a_status_of_twilio_that_nobody_knows_fails_until_one_that_is_known_comes(
    client, professional
):
    """It may be the end of a call: passed over in silence, the call would not be charged."""
    source = connect(professional, "twilio")
    completed = callbacks(seconds=65)[-1]
    send_callback(client, source, completed | {"CallStatus": "finished"})
    drain_all()
    (event,) = settled()
    assert event[:3] == ("CA1", EventState.FAILED, "CallStatus")
    assert event[3].startswith("is “finished”; known are: queued,")
    send_callback(client, source, completed)
    drain_all()
    assert only_call(professional).credits == 3
    assert {state for _, state, *_ in settled()} == {EventState.RECORDED}


@pytest.mark.parametrize("missing", ["CallDuration", "Timestamp"])
def test_a_completed_call_of_twilio_says_what_it_lacks(client, professional, missing):
    send_callback(client, connect(professional, "twilio"), callbacks()[-1] | {missing: ""})
    drain_all()
    assert settled()[0][1:3] == (EventState.FAILED, missing)


def test_a_length_of_twilio_that_no_calendar_has_fails_with_its_field(client, professional):
    told = callbacks()[-1] | {"CallDuration": "9999999999999999"}
    send_callback(client, connect(professional, "twilio"), told)
    drain_all()
    assert settled()[0][1:3] == (EventState.FAILED, "CallDuration")


@pytest.mark.parametrize("wrong", [{"finished_at": "0001-01-01T00:00:00Z"}, {"call_sec": "9" * 16}])
def test_an_answer_of_telnyx_that_no_calendar_has_is_rejected_with_its_field(professional, wrong):
    fields = {
        "direction": "outbound",
        "started_at": "2026-11-20T10:05:33Z",
        "finished_at": "2026-11-20T10:06:38Z",
        "call_sec": "65",
        **wrong,
    }
    with pytest.raises(Rejected) as rejected:
        platforms()["telnyx"].record(
            [StoredEvent(fields, True, b"")],
            call_id="t1",
            account_id=professional.pk,
            zone=professional.zone,
            options={},
            now=AT,
        )
    assert rejected.value.field == "call_sec"


def test_a_callback_that_tells_no_direction_fails_with_its_field(client, professional):
    source = connect(professional, "twilio")
    send_callback(client, source, callbacks(Direction="")[-1])
    drain_all()
    [(_, state, field, reason)] = settled()
    assert (state, field) == (EventState.FAILED, "Direction")
    assert "known are: inbound" in reason


# ── In whatever order, however often ──────────────────────────────────────────────────────────
def messages(client, vapi, twilio):
    """Some of every kind, as functions that send them."""
    told = [lambda doc=doc: send_report(client, vapi, doc) for doc in _reports()]
    forms = [
        *callbacks("CA1", seconds=65),
        *callbacks("CA2", seconds=29, rings=9, Direction="inbound"),
        *callbacks("CA3", status="busy"),
        *callbacks("CA4", seconds=40, ParentCallSid="CA2", Direction="outbound-dial"),
    ]
    return told + [lambda form=form: send_callback(client, twilio, form) for form in forms]


def _reports():
    return [
        report("v1", seconds=65),
        report("v1", seconds=95, sent=AT + 300 * SECONDS),
        report("v2", endedReason="customer-busy"),
        report("v3", seconds=10, assistant={}),
        report("v3", seconds=10, sent=AT + 5 * SECONDS),
    ]


@pytest.fixture
def once_in_order(client, base):
    """The end when all messages come once, in order, to a company of its own."""
    vapi, twilio = connect(base), connect(base, "twilio")
    for send in messages(client, vapi, twilio):
        send()
    drain_all()
    return facts_and_credits(base)


def facts_and_credits(account):
    """Calls as they are in the end, and how many there are a day.

    By whom they are counted is decided when they are first booked, as with every correction.
    """
    calls, usage, _, used = outcome(account)
    counts: Counter = Counter()
    for day, _, _, count in usage:
        counts[day] += count
    return calls, counts, used


@pytest.mark.parametrize("seed", range(6))
def test_shuffled_and_repeated_messages_come_to_the_same_end(
    client, professional, base, once_in_order, seed
):
    shuffled = random.Random(seed)
    vapi, twilio = connect(professional), connect(professional, "twilio")
    sends = messages(client, vapi, twilio) * 2
    shuffled.shuffle(sends)
    for send in sends:
        assert send().status_code == 200
        if shuffled.random() < 0.3:
            drain(clock=clock, batch_size=shuffled.choice([1, 3, 1000]))
    drain_all()
    calls, counts, _ = facts_and_credits(professional)
    assert without_credits(calls) == without_credits(once_in_order[0])
    assert counts == once_in_order[1]


def without_credits(calls):
    """The two companies are on different plans."""
    return [call[:-1] for call in calls]


# ── What fails, and again ─────────────────────────────────────────────────────────────────────
def test_what_failed_for_want_of_a_plan_is_recorded_once_there_is_one(
    client, account, default_plans
):
    send_report(client, connect(account), report())
    drain_all()
    [(_, state, field, reason)] = settled()
    assert (state, field) == (EventState.FAILED, "account")
    assert "Put it on a plan" in reason
    InboxEvent.objects.update(received_at=NOW)
    assert retry_failed(now=NOW + 5 * SECONDS) == 0
    subscribe(account=account, plan=Plan.objects.get(name="Professional"), at=AT - 60 * SECONDS)
    assert retry_failed(now=NOW + timedelta(hours=1)) == 1
    drain_all()
    assert only_call(account).credits == 3


def test_somebody_can_have_a_failed_event_tried_again(client, account):
    source = connect(account)
    send_report(client, source, report())
    drain_all()
    assert retry(source=source) == 1
    drain_all()
    assert OpenEvent.objects.get().attempts == 2


def test_one_event_that_breaks_the_work_does_not_keep_others_waiting(
    client, professional, monkeypatch
):
    source = connect(professional)
    for number in range(12):
        send_report(client, source, report(f"v{number}"))
    InboxEvent.objects.filter(call_id="v5").update(fields=[])  # no such thing can be read
    drain_all()
    states = {call_id: state for call_id, state, *_ in settled()}
    assert states.pop("v5") == EventState.FAILED
    assert set(states.values()) == {EventState.RECORDED}


def test_what_a_paused_source_sends_is_recorded_when_it_goes_on(client, professional):
    source = connect(professional)
    sources.pause(source=source, now=NOW)
    assert send_report(client, source, report()).status_code == 200
    drain_all()
    assert settled() == [("v1", EventState.HELD, "", "")]
    sources.resume(source=source, now=NOW)
    drain_all()
    assert only_call(professional).credits == 3


@pytest.mark.parametrize("is_paused", [True, False])
def test_what_is_on_its_way_when_a_source_is_paused_or_let_go_on_follows_it(
    client, professional, monkeypatch, is_paused
):
    source = connect(professional)
    if not is_paused:
        source = sources.pause(source=source, now=NOW)
    monkeypatch.setattr("api.calls.find", lambda **_: source)  # as it was when it was looked up
    change = sources.pause if is_paused else sources.resume
    change(source=source, now=NOW)
    send_report(client, source, report())
    [(_, state, *_)] = settled()
    assert state == (EventState.HELD if is_paused else EventState.WAITING)


def test_what_was_held_back_too_late_goes_on_with_its_source(client, professional):
    source = connect(professional)
    for call_id in ("v1", "v2"):
        send_report(client, source, report(call_id))
    OpenEvent.objects.filter(event__call_id="v1").update(state=EventState.HELD)
    assert sources.let_go_on() == 1
    sources.pause(source=source, now=NOW)
    assert sources.let_go_on() == 0
    sources.resume(source=source, now=NOW)
    drain_all()
    assert {state for _, state, *_ in settled()} == {EventState.RECORDED}


def test_a_call_id_that_is_too_long_is_rejected_with_that_reason(client, professional):
    send_report(client, connect(professional), report("v" * 300))
    drain_all()
    [(call_id, state, _, reason)] = settled()
    assert (call_id, state) == ("", EventState.FAILED)
    assert "300 characters" in reason
    assert len(reason) <= REASON_LENGTH_MAX


def test_old_events_are_forgotten_but_not_those_that_wait(client, professional):
    source = connect(professional)
    send_report(client, source, report())
    drain_all()
    send_report(client, source, report("v2"))
    long_ago = NOW - KEPT_FOR - SECONDS
    InboxEvent.objects.update(received_at=long_ago)
    assert forget_old(now=NOW) == 1
    assert settled() == [("v2", EventState.WAITING, "", "")]

"""After a call was withdrawn: what its sources tell by themselves does not charge it again."""

from datetime import timedelta

import pytest

from calls.charging import record_calls
from calls.inbox.again import replay, retry, retry_failed
from calls.inbox.pulling import pull
from calls.inbox.withdrawn import withdrawn_calls
from calls.models import Call, EventState, InboxEvent, OpenEvent
from calls.withdrawing import withdraw_calls, withdraw_import
from tests.audit import breaches
from tests.calls.calling import balance, record
from tests.calls.inbox.fake_platforms import KEY, listed_by_vapi, serving
from tests.calls.inbox.sending import (
    AT,
    NOW,
    callbacks,
    connect,
    drain_all,
    report,
    send_callback,
    send_report,
    settled,
)

pytestmark = pytest.mark.django_db

HOURS = timedelta(hours=1)
LATER = AT + HOURS
CARRIER = "CA" + "c" * 32


@pytest.fixture
def vapi(professional):
    return connect(professional, api_key=KEY)


@pytest.fixture
def withdrawn(client, professional, vapi):
    """The account with a call that its source told, and an operator withdrew."""
    send_report(client, vapi, told())
    drain_all()
    withdraw(professional, "v1")
    return professional


def told(call_id="v1", *, at=AT, **more):
    document = report(call_id, at=at, **more)
    document["message"]["call"]["phoneCallProviderId"] = CARRIER
    return document


def withdraw(account, call_id):
    done = withdraw_calls(account_id=account.pk, call_ids=[call_id], reason="A test", now=NOW)
    assert done.withdrawn == 1


def counting(account):
    return list(
        Call.objects.filter(account=account, withdrawn_at=None)
        .order_by("call_id")
        .values_list("call_id", "credits")
    )


# ── By itself ─────────────────────────────────────────────────────────────────────────────────
def test_the_same_facts_told_again_do_not_charge_it(client, withdrawn, vapi):
    again = told()
    again["message"]["extra"] = "other bytes, so that it is no repeated message"
    assert send_report(client, vapi, again).json() == {"received": "stored"}
    drain_all()
    assert (counting(withdrawn), balance(withdrawn)) == ([], 1_500)


def test_other_facts_do_not_charge_it_and_are_said_where_somebody_can_act(client, withdrawn, vapi):
    send_report(client, vapi, told(seconds=125, sent=LATER))
    drain_all()
    assert (counting(withdrawn), balance(withdrawn)) == ([], 1_500)
    call_id, state, field, reason = settled()[-1]
    assert (call_id, state, field) == ("v1", EventState.FAILED, "call_id")
    assert "was withdrawn" in reason
    assert "Try again" in reason


def test_what_its_list_has_does_not_charge_it(withdrawn, vapi, settings):
    with serving() as platform:
        settings.PLATFORM_API_BASES = {"vapi": platform.base}
        platform.calls = [listed_by_vapi(told(), created_at="2026-03-10T11:30:00.000Z")]
        assert pull(source_id=vapi.pk, now=NOW) == 1
    drain_all()
    assert counting(withdrawn) == []


def test_what_waited_when_it_was_withdrawn_does_not_charge_it(client, professional, vapi):
    send_report(client, vapi, told())
    drain_all()
    send_report(client, vapi, told(seconds=125, sent=LATER))
    withdraw(professional, "v1")
    drain_all()
    assert counting(professional) == []


def test_a_retry_by_itself_does_not_charge_it(client, withdrawn, vapi):
    send_report(client, vapi, told(seconds=125, sent=LATER))
    drain_all()
    InboxEvent.objects.update(received_at=NOW)
    OpenEvent.objects.update(settled_at=NOW)
    assert retry_failed(now=NOW + HOURS) == 1
    drain_all()
    assert counting(withdrawn) == []


def test_another_source_of_the_same_call_does_not_charge_it(client, withdrawn):
    twilio = connect(withdrawn, "twilio")
    for form in callbacks(CARRIER, seconds=95):
        send_callback(client, twilio, form)
    drain_all()
    assert counting(withdrawn) == []


# ── When somebody wants it ────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("again", [retry, replay])
def test_somebody_can_have_it_recorded_again(client, withdrawn, vapi, again):
    send_report(client, vapi, told(seconds=125, sent=LATER))
    drain_all()
    assert again(source=vapi)
    drain_all()
    assert counting(withdrawn) == [("v1", 5)]
    assert balance(withdrawn) == 1_495
    assert breaches() == []


def test_once_it_came_again_its_source_corrects_it(client, withdrawn, vapi):
    replay(source=vapi)
    drain_all()
    send_report(client, vapi, told(seconds=125, sent=LATER))
    drain_all()
    assert counting(withdrawn) == [("v1", 5)]


def test_a_program_or_a_file_brings_it_again(withdrawn):
    record_calls(records=[record(withdrawn, "v1")], now=NOW, reporter="api")
    assert counting(withdrawn) == [("v1", 3)]


# ── What is no telling of it ──────────────────────────────────────────────────────────────────
def test_a_call_that_only_a_withdrawn_file_brought_is_charged_by_its_source(
    client, professional, vapi
):
    record_calls(records=[record(professional, "v1")], now=NOW, import_id=7)
    assert withdraw_import(account_id=professional.pk, import_id=7, now=NOW).withdrawn == 1
    send_report(client, vapi, told())
    drain_all()
    assert counting(professional) == [("v1", 3)]


def test_another_call_with_a_reused_id_is_charged(client, withdrawn, vapi):
    send_report(client, vapi, told(at=AT + 25 * HOURS))
    drain_all()
    assert counting(withdrawn) == [("v1", 3)]


def test_another_part_of_a_transferred_call_is_charged(client, withdrawn, vapi):
    """One source tells two calls with one ID of the carrier's: one of them was withdrawn."""
    send_report(client, vapi, told("v2"))
    drain_all()
    assert counting(withdrawn) == [("v2", 3)]


def test_a_report_of_a_call_that_turned_out_to_be_another_is_not_lost(client, professional, vapi):
    """The carrier told it first, without its own ID of the call: then both came to be one."""
    twilio = connect(professional, "twilio")
    for form in callbacks(CARRIER, seconds=95):
        send_callback(client, twilio, form)
    drain_all()
    send_report(client, vapi, report("v1"))  # by another ID of the carrier's: another call
    drain_all()
    send_report(client, vapi, told(sent=LATER))  # it is the same after all
    drain_all()
    assert len(counting(professional)) == 1
    corrected = {**callbacks(CARRIER, seconds=96)[-1], "SequenceNumber": "9"}
    send_callback(client, twilio, corrected)
    drain_all()
    assert not OpenEvent.objects.filter(state=EventState.FAILED).exists()
    assert len(counting(professional)) == 1


def test_nothing_is_asked_of_no_records():
    assert withdrawn_calls([]) == set()

"""Asking platforms for what never came."""

import random
from datetime import timedelta

import pytest

from billing.refusals import Refusal
from calls.inbox import pulling, sources
from calls.inbox.pulling import EVERY, due, pull
from calls.models import Call, CallSource, InboxEvent, PullState, Via
from tests.calls.inbox.fake_platforms import KEY, listed_by_twilio, listed_by_vapi, serving
from tests.calls.inbox.sending import (
    AT,
    NOW,
    callbacks,
    connect,
    drain_all,
    iso,
    outcome,
    report,
    send_callback,
    send_report,
)

pytestmark = pytest.mark.django_db

MINUTES = timedelta(minutes=1)


@pytest.fixture
def platform(settings):
    with serving() as books:
        settings.PLATFORM_API_BASES = {"vapi": books.base, "twilio": books.base}
        yield books


@pytest.fixture
def vapi(professional):
    return connect(professional, api_key=KEY)


def pulled(source, now=NOW):
    found = pull(source_id=source.pk, now=now)
    source.refresh_from_db()
    return found


def recent(call_id, minutes, **more):
    """A report of a call that began so many minutes before NOW."""
    return report(call_id, at=NOW - minutes * MINUTES, **more)


def test_a_call_that_never_came_is_found_and_charged(platform, vapi, professional):
    platform.calls = [listed_by_vapi(recent("v1", 30))]
    assert pulled(vapi) == 1
    drain_all()
    assert Call.objects.get().credits == 3
    event = InboxEvent.objects.get()
    assert event.via == Via.PULL
    assert "transcript" not in str(event.fields)
    assert (vapi.pull_state, vapi.pulled_until, vapi.next_pull_at) == (
        PullState.FINE,
        NOW,
        NOW + EVERY,
    )


@pytest.mark.parametrize("is_sent_first", [True, False])
def test_the_list_goes_before_a_report_that_was_corrected_and_lost(
    client, platform, vapi, is_sent_first
):
    """A report has its times on the message, a call of the list on itself."""
    sends = [lambda: send_report(client, vapi, recent("v1", 30, seconds=125))]
    platform.calls = [listed_by_vapi(recent("v1", 30, seconds=65))]
    sends.insert(is_sent_first, lambda: pulled(vapi))
    for send in sends:
        send()
        drain_all()
    assert Call.objects.get().credits == 3


def test_a_newer_report_that_has_its_times_on_the_call_goes_before_an_older_one(client, vapi):
    send_report(client, vapi, recent("v1", 30, seconds=125))
    newer = recent("v1", 30, seconds=65, sent=NOW)
    message = newer["message"]
    message["call"] |= {name: message.pop(name) for name in ("startedAt", "endedAt")}
    send_report(client, vapi, newer)
    drain_all()
    assert Call.objects.get().credits == 3


def test_what_is_known_is_stored_once(platform, vapi):
    platform.calls = [listed_by_vapi(recent("v1", 30))]
    assert [pulled(vapi), pulled(vapi, NOW + EVERY)] == [1, 0]


def test_all_pages_are_asked_for(platform, vapi):
    platform.calls = [
        listed_by_vapi(report(f"v{number}", at=NOW - timedelta(seconds=10 * number)))
        for number in range(1, 251)
    ]
    assert pulled(vapi) == 250
    assert len(platform.requests) == 3


def test_the_next_pull_asks_from_an_hour_before_the_last(platform, vapi):
    pulled(vapi)
    pulled(vapi, NOW + EVERY)
    (_, _, query) = platform.requests[-1]
    assert query["createdAtGe"] == [iso(NOW - timedelta(hours=1))]


def test_a_call_under_way_is_asked_for_until_it_has_ended(platform, vapi, professional):
    call = listed_by_vapi(recent("v1", 50), status="in-progress")
    platform.calls = [call]
    assert pulled(vapi) == 0
    assert vapi.pulled_until == NOW - 50 * MINUTES
    call["status"] = "ended"
    assert pulled(vapi, NOW + 3 * timedelta(hours=1)) == 1


def test_a_call_of_an_unknown_status_has_ended_if_it_has_an_end(platform, vapi):
    platform.calls = [listed_by_vapi(recent("v1", 30), status="archived")]
    assert pulled(vapi) == 1
    drain_all()
    assert Call.objects.get().credits == 3
    assert vapi.pulled_until == NOW


def test_nobody_waits_for_a_call_that_never_ends(platform, vapi, professional):
    """It is asked for again for a week: meanwhile all others are found as they start."""
    platform.calls = [listed_by_vapi(recent("stuck", 30), status="in-progress")]
    pulled(vapi)
    for hours in (20, 44, 68):
        now = NOW + timedelta(hours=hours)
        platform.calls.append(listed_by_vapi(report(f"v{hours}", at=now - 5 * MINUTES)))
        assert pulled(vapi, now) == 1
        assert vapi.pulled_until == NOW - 30 * MINUTES
    platform.calls[0]["status"] = "ended"
    assert pulled(vapi, now + EVERY) == 1
    assert vapi.pulled_until == now + EVERY


def test_the_newest_calls_are_found_though_older_ones_can_not_be_asked_for(platform, vapi):
    pulled(vapi)
    later = NOW + timedelta(days=3)
    platform.calls = [
        listed_by_vapi(report("new", at=later - 5 * MINUTES)),
        listed_by_vapi(report("old", at=NOW + timedelta(hours=5))),
    ]
    platform.break_after = 1
    assert pulled(vapi, later) == 1
    assert (vapi.pull_state, vapi.pulled_until) == (PullState.FAILING, NOW)
    platform.break_after = None
    assert pulled(vapi, later + EVERY) == 1
    assert (vapi.pull_state, vapi.pulled_until) == (PullState.FINE, later + EVERY)


def test_days_without_a_worker_are_asked_for_one_part_after_the_other(platform, vapi):
    pulled(vapi)
    platform.requests.clear()
    later = NOW + timedelta(days=3)
    platform.calls = [listed_by_vapi(report("v1", at=NOW + timedelta(days=1)))]
    assert pulled(vapi, later) == 1
    assert (len(platform.requests), vapi.pulled_until) == (6, later)


def test_a_revoked_key_is_a_state_that_people_see(platform, vapi):
    platform.key = "another"
    assert pulled(vapi) == 0
    assert (vapi.pull_state, vapi.pulled_until) == (PullState.REFUSED, None)
    assert "does not accept the key" in vapi.pull_said
    sources.set_api_key(source=vapi, api_key="another", now=NOW)
    assert due(now=NOW) == [vapi.pk]
    pulled(vapi)
    assert (vapi.pull_state, vapi.pull_said) == (PullState.FINE, "")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("120", 120), ("", 60), ("soon", 60), ("999999999", 60), ("86400", 6 * 3600)],
)
def test_a_platform_that_asks_to_wait_is_not_asked_before(platform, vapi, header, seconds):
    platform.faults = [(429, {"Retry-After": header}, {})]
    pulled(vapi)
    assert vapi.pull_state == PullState.WAITING
    assert vapi.next_pull_at == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "fault",
    [
        (500, {}, {}),
        (302, {"Location": "/elsewhere"}, {}),
        (200, {}, b"<html>"),
        (200, {}, {"a": 1}),
    ],
    ids=["error", "elsewhere", "no-json", "no-list"],
)
def test_other_failures_are_said_and_tried_again_in_their_turn(platform, vapi, fault):
    platform.faults = [fault]
    pulled(vapi)
    assert (vapi.pull_state, vapi.next_pull_at) == (PullState.FAILING, NOW + EVERY)
    assert vapi.pull_said.endswith(".")


@pytest.mark.parametrize("kind", ["vapi", "twilio"])
@pytest.mark.parametrize("key", ["••••••••", "ключ"], ids=["dots", "words"])
def test_what_can_not_be_a_key_is_refused_when_it_is_entered(professional, kind, key):
    with pytest.raises(Refusal, match="copy it again"):
        connect(professional, kind, api_key=key)


def test_what_can_not_be_sent_is_a_state_that_people_see(platform, professional):
    source = connect(professional, "twilio", options={"account_sid": "AC•••"}, api_key="")
    pulled(source)
    assert (source.pull_state, source.next_pull_at) == (PullState.FAILING, NOW + EVERY)
    assert "can’t be sent" in source.pull_said


def test_a_platform_that_is_away_is_said(settings, vapi):
    settings.PLATFORM_API_BASES = {"vapi": "http://127.0.0.1:9"}
    pulled(vapi)
    assert "could not be reached" in vapi.pull_said


def test_what_was_found_before_a_failure_is_kept(platform, vapi):
    pulled(vapi)
    platform.requests.clear()
    later = NOW + timedelta(days=2)
    platform.calls = [listed_by_vapi(report("v1", at=NOW + timedelta(hours=1)))]
    # The newest part is asked for first, then the earliest.
    platform.faults = [(200, {}, []), (200, {}, platform.calls), (500, {}, {})]
    assert pulled(vapi, later) == 1
    assert vapi.pulled_until == NOW + pulling.WINDOW
    assert vapi.pull_state == PullState.FAILING


def test_nobody_is_asked_without_a_key_or_while_paused(platform, professional, vapi):
    assert due(now=NOW) == [vapi.pk]
    sources.pause(source=vapi, now=NOW)
    without = connect(professional, name="No key")
    assert due(now=NOW) == []
    assert [pulled(vapi), pulled(without)] == [0, 0]
    assert platform.requests == []


# ── Twilio ────────────────────────────────────────────────────────────────────────────────────
def test_twilio_is_asked_with_its_auth_token_page_by_page(platform, professional):
    platform.key, platform.page_size = "12345", 2
    source = connect(professional, "twilio")
    platform.calls = [
        listed_by_twilio(callbacks(f"CA{number}", at=NOW - 40 * MINUTES)) for number in range(5)
    ]
    assert pulled(source) == 5
    drain_all()
    assert Call.objects.count() == 5
    assert set(Call.objects.values_list("credits", flat=True)) == {3}


def test_a_key_of_its_own_goes_before_the_auth_token(platform, professional):
    source = connect(professional, "twilio", api_key=f"SK1:{KEY}")
    pulled(source)
    assert source.pull_state == PullState.FINE


# ── Half by webhook, half by pull ─────────────────────────────────────────────────────────────
@pytest.mark.parametrize("seed", range(3))
def test_it_does_not_matter_which_half_came_and_which_was_found(
    client, platform, professional, base, seed
):
    """Against the same calls that all came by webhook, to another company."""
    reports = [recent(f"v{number}", 50 - number, seconds=20 + 7 * number) for number in range(8)]
    reports[3]["message"]["endedReason"] = "customer-busy"
    told = [
        callbacks(f"CA{number}", at=NOW - (40 - number) * MINUTES, seconds=25 + 9 * number)
        for number in range(6)
    ]
    ours, theirs = connect(base), connect(base, "twilio")
    for document in reports:
        send_report(client, ours, document)
    for forms in told:
        for form in forms:
            send_callback(client, theirs, form)
    drain_all()
    shuffled = random.Random(seed)
    vapi = connect(professional, api_key=KEY)
    twilio = connect(professional, "twilio", api_key=f"SK:{KEY}")
    sends = [lambda doc=doc: send_report(client, vapi, doc) for doc in reports] + [
        lambda form=form: send_callback(client, twilio, form) for forms in told for form in forms
    ]
    platform.calls = []
    half = shuffled.sample(sends, len(sends) // 2)
    in_list = {"vapi": [listed_by_vapi(one) for one in reports]}
    in_list["twilio"] = [listed_by_twilio(forms) for forms in told]

    def find(source):
        platform.calls = in_list[source.kind]
        pulled(source)

    steps = [*half, lambda: find(vapi), lambda: find(twilio), drain_all]
    shuffled.shuffle(steps)
    for step in steps:
        step()
    drain_all()
    assert without_credits(professional) == without_credits(base)


def without_credits(account):
    calls, usage, _, _ = outcome(account)
    return [call[:-1] for call in calls], usage


def test_every_pull_of_a_list_leaves_other_accounts_alone(platform, vapi, base):
    other = connect(base, api_key=KEY)
    platform.calls = [listed_by_vapi(report("v1", at=AT + 120 * MINUTES))]
    pulled(vapi)
    drain_all()
    assert not Call.objects.filter(account=base).exists()
    assert CallSource.objects.get(pk=other.pk).pulled_until is None

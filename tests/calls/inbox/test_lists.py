"""The list of calls of each platform: in parts, refused, put off, clocks apart, malformed."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from calls.inbox.pulling import EVERY, pull
from calls.models import Call, EventState, InboxEvent, OpenEvent, PullState
from calls.sources import elevenlabs, retell, telnyx, vapi
from tests.calls.inbox.fake_platforms import (
    KEY,
    LISTED,
    listed_by_twilio,
    listed_by_vapi,
    serving,
)
from tests.calls.inbox.sending import EVENTS, NOW, callbacks, connect_any, drain_all, report

pytestmark = pytest.mark.django_db

MINUTES = timedelta(minutes=1)
KINDS = ("vapi", "twilio", "retell", "elevenlabs", "telnyx")
# Where each says in its list: the call's ID, when it began, whether it is under way.
PLACES = {
    "vapi": ("id", "createdAt", ("status", "in-progress")),
    "twilio": ("sid", "start_time", ("status", "in-progress")),
    "retell": ("call_id", "start_timestamp", ("call_status", "ongoing")),
    "elevenlabs": ("conversation_id", "start_time_unix_secs", ("status", "in-progress")),
    "telnyx": ("call_session_id", "started_at", ("finished_at", "")),
}


def listed(kind, call_id, minutes, *, seconds=65):
    """A call of 65 s in the list of ``kind`` that began so many minutes before NOW."""
    at = NOW - minutes * MINUTES
    if kind == "vapi":
        return listed_by_vapi(report(call_id, at=at, seconds=seconds))
    if kind == "twilio":
        return listed_by_twilio(callbacks(call_id, at=at, seconds=seconds, rings=0))
    events, _ = EVENTS[kind]
    return LISTED[kind](events(call_id, at=at, seconds=seconds))


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def platform(settings, kind):
    with serving() as books:
        settings.PLATFORM_API_BASES = {kind: books.base}
        yield books


@pytest.fixture
def pulled(platform, professional, kind) -> Callable[..., Any]:
    """A function that asks the list of a source of ``kind``, and returns the source after it."""
    key = f"SK:{KEY}" if kind == "twilio" else KEY
    source = connect_any(professional, kind, api_key=key)

    def ask(now=NOW):
        pull(source_id=source.pk, now=now)
        source.refresh_from_db()
        return source

    return ask


def test_all_parts_of_a_list_are_asked_for(kind, platform, pulled, monkeypatch):
    for module in (vapi, retell, elevenlabs, telnyx):
        monkeypatch.setattr(module, "PAGE", 3)
    platform.page_size = 3
    platform.calls = [listed(kind, f"c{number}", 50 - number) for number in range(8)]
    assert pulled().pull_state == PullState.FINE
    assert len(platform.requests) >= 3
    drain_all()
    assert [call.credits for call in Call.objects.all()] == [3] * 8


def test_a_list_that_breaks_off_is_asked_again_from_where_it_was(
    kind, platform, pulled, monkeypatch
):
    """It answers the same part for ever, or does not say where the next one is."""
    for module in (vapi, retell, elevenlabs, telnyx):
        monkeypatch.setattr(module, "PAGE", 2)
    calls = [listed(kind, f"c{number}", 50 - number) for number in range(2)]
    for call in calls:
        call.update(dict.fromkeys(PLACES[kind][:2]))
    answer = {
        "twilio": {"calls": calls, "next_page_uri": "https://elsewhere.example/2"},
        "elevenlabs": {"conversations": calls, "has_more": True, "next_cursor": None},
        "telnyx": {"data": calls},
    }.get(kind, calls)
    platform.faults = [(200, {}, answer)]
    source = pulled()
    assert (source.pull_state, source.pulled_until) == (PullState.FAILING, None)
    assert "breaks off" in source.pull_said


@pytest.mark.parametrize("kind", ["telnyx"], indirect=True)
@pytest.mark.parametrize(("number", "requests"), [(8, 3), (9, 4)])
def test_a_list_is_followed_to_its_end_where_too_few_parts_are_told(
    platform, pulled, number, requests
):
    platform.page_size, platform.pages_told = 3, 1
    platform.calls = [listed("telnyx", f"c{count}", 50 - count) for count in range(number)]
    assert pulled().pull_state == PullState.FINE
    drain_all()
    assert (Call.objects.count(), len(platform.requests)) == (number, requests)


@pytest.mark.parametrize("kind", ["telnyx"], indirect=True)
def test_a_list_that_gives_the_same_full_part_again_breaks_off(platform, pulled):
    calls = [listed("telnyx", f"c{number}", 50 - number) for number in range(3)]
    answer: dict[str, Any] = {"data": calls, "meta": {"total_pages": 1, "page_size": 3}}
    platform.faults = [(200, {}, answer)] * 5
    assert "breaks off" in pulled().pull_said
    assert len(platform.requests) == 2


def test_a_platform_that_asks_to_wait_is_not_asked_before(platform, pulled):
    platform.faults = [(429, {"Retry-After": "120"}, {})]
    source = pulled()
    assert (source.pull_state, source.next_pull_at) == (
        PullState.WAITING,
        NOW + timedelta(seconds=120),
    )


def test_a_revoked_key_is_a_state_that_people_see(platform, pulled):
    platform.key = "another"
    source = pulled()
    assert source.pull_state == PullState.REFUSED
    assert "does not accept the key" in source.pull_said


@pytest.mark.parametrize("ahead", [50, -50])
def test_a_clock_that_is_off_loses_no_call(kind, platform, pulled, ahead):
    """Ours is 50 minutes ahead of the platform's, or behind it: what began then is found later."""
    ours = NOW + ahead * MINUTES
    pulled(ours)
    platform.calls = [listed(kind, "c1", 3)]
    pulled(ours + EVERY)
    pulled(ours + 60 * MINUTES)
    drain_all()
    assert Call.objects.get().credits == 3


def test_a_call_under_way_is_asked_for_until_it_has_ended(kind, platform, pulled):
    call = listed(kind, "c1", 50)
    _, _, (name, under_way) = PLACES[kind]
    ended = call[name]
    call[name] = under_way
    platform.calls = [call]
    assert pulled().pulled_until == NOW - 50 * MINUTES
    assert not InboxEvent.objects.exists()
    call[name] = ended
    pulled(NOW + 180 * MINUTES)
    drain_all()
    assert Call.objects.get().credits == 3


ODD: tuple[Any, ...] = (None, 7, "call", [], {}, {"status": {}}, [[]])


def test_what_is_malformed_in_a_list_does_not_keep_the_rest_from_being_found(
    kind, platform, pulled
):
    id_at, time_at, (state_at, under_way) = PLACES[kind]
    good = [listed(kind, f"good{number}", 40 - number) for number in range(2)]
    broken = [
        {**listed(kind, "no-id", 30), id_at: None},
        {**listed(kind, "odd-id", 30), id_at: {"a": 1}},
        {**listed(kind, "long-id", 30), id_at: "x" * 300},
        {**listed(kind, "no-time", 30), time_at: None},
        {**listed(kind, "odd-time", 30), time_at: "soon"},
        {**listed(kind, "endless", 30), time_at: 9_999_999_999_999_999, state_at: under_way},
        {**listed(kind, "far", 30), time_at: "9999-12-31T23:59:59-23:59"},
    ]
    answer = [good[0], *ODD, *broken, good[1]]
    platform.faults = [
        (
            200,
            {},
            {
                "twilio": {"calls": answer, "next_page_uri": None},
                "elevenlabs": {"conversations": answer, "has_more": False},
                "telnyx": {"data": answer, "meta": {"total_pages": 1}},
            }.get(kind, answer),
        )
    ]
    assert pulled().pull_state == PullState.FINE
    drain_all()
    recorded = Call.objects.filter(call_id__startswith="good")
    assert [call.credits for call in recorded] == [3, 3]
    assert not OpenEvent.objects.filter(state=EventState.WAITING).exists()

"""Whatever the platform: told twice, shuffled, half by webhook and half by its list, one end."""

import base64
import json
import random
from datetime import timedelta
from functools import partial
from urllib.parse import quote

import pytest

from calls.inbox import sources
from calls.inbox.draining import drain
from calls.inbox.pulling import pull
from calls.models import Call, EventState, InboxEvent, OpenEvent
from calls.platforms.signatures import hmac_of
from tests.calls.inbox.fake_platforms import KEY, LISTED, serving
from tests.calls.inbox.sending import (
    AT,
    EVENTS,
    NOW,
    address,
    clock,
    connect_any,
    drain_all,
    outcome,
    send_any,
)

pytestmark = pytest.mark.django_db

MINUTES = timedelta(minutes=1)


def messages(kind, *, at=NOW - 50 * MINUTES, count=5):
    """The messages about some calls of a platform, one of which nobody answered."""
    events, unanswered = EVENTS[kind]
    return [
        events(
            f"{kind}-{number}",
            at=at + number * MINUTES,
            seconds=20 + 17 * number,
            **({"reason": unanswered} if number == 2 else {}),
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("kind", EVENTS)
def test_calls_are_charged_by_what_the_agent_used(client, professional, kind):
    source = connect_any(professional, kind)
    for told in messages(kind):
        for document in told:
            assert send_any(client, source, document).status_code == 200
    drain_all()
    calls = Call.objects.order_by("call_id")
    assert [(call.status, call.credits) for call in calls] == [
        ("completed", 1),
        ("completed", 2),
        ("no_answer", 0),
        ("completed", 3),
        ("completed", 3),
    ]
    assert {call.usage_type for call in calls if call.credits} == {"outbound"}
    assert not OpenEvent.objects.filter(state=EventState.FAILED).exists()
    kept = json.dumps(list(InboxEvent.objects.values_list("fields", flat=True)))
    assert "Hello" not in kept
    assert "AAAA" not in kept


@pytest.mark.parametrize("kind", EVENTS)
@pytest.mark.parametrize("seed", range(2))
def test_shuffled_repeated_and_found_in_the_list_they_come_to_the_same_end(
    client, professional, base, settings, kind, seed
):
    told = messages(kind)
    theirs = connect_any(base, kind)
    for documents in told:
        for document in documents:
            send_any(client, theirs, document)
    drain_all()
    shuffled = random.Random(seed)
    ours = connect_any(professional, kind, **({"api_key": KEY} if kind in LISTED else {}))
    sends = [partial(send_any, client, ours, one) for documents in told for one in documents] * 2
    with serving() as platform:
        settings.PLATFORM_API_BASES = {kind: platform.base}
        if kind in LISTED:
            answered = [
                one for number, one in enumerate(told) if number != 2 or kind != "elevenlabs"
            ]
            platform.calls = [LISTED[kind](one) for one in answered]
            platform.page_size = 3
            kept = shuffled.sample(sends, len(sends) // 2)
            if kind == "elevenlabs":  # its list has no failed attempts
                kept.append(partial(send_any, client, ours, told[2][0]))
            sends = [*kept, partial(pull, source_id=ours.pk, now=NOW)]
        shuffled.shuffle(sends)
        for send in sends:
            send()
            if shuffled.random() < 0.3:
                drain(clock=clock, batch_size=shuffled.choice([1, 4, 1000]))
        drain_all()
    mine, others = outcome(professional), outcome(base)
    assert [call[:-1] for call in mine[0]] == [call[:-1] for call in others[0]]
    assert [row[3] for row in mine[1]] == [row[3] for row in others[1]]


# ── FreeSWITCH's three forms ──────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("form", ["json", "form", "base64"])
def test_freeswitch_sends_a_record_in_three_ways(client, professional, form):
    source = connect_any(professional, "freeswitch")
    [document] = EVENTS["freeswitch"][0]("f1", at=AT, seconds=65)
    text = json.dumps(document)
    body = {
        "json": text,
        "form": f"cdr={quote(text)}",
        "base64": f"cdr={base64.b64encode(text.encode()).decode()}",
    }[form]
    kind = "application/json" if form == "json" else "application/x-www-form-urlencoded"
    credentials = base64.b64encode(f"freeswitch:{sources.secret_of(source)}".encode()).decode()
    answer = client.post(
        f"{address(source)}?uuid=f1",
        data=body.encode(),
        content_type=kind,
        headers={"Authorization": f"Basic {credentials}"},
    )
    assert answer.status_code == 200
    drain_all()
    call = Call.objects.get()
    assert (call.call_id, call.credits, call.from_number) == ("f1", 3, "+14155550100")


def test_legs_of_freeswitch_that_name_their_call_are_one(client, professional):
    source = connect_any(professional, "freeswitch")
    for leg, seconds in (("f1", 60), ("f2", 40)):
        [document] = EVENTS["freeswitch"][0](leg, at=AT, seconds=seconds)
        document["variables"]["call_uuid"] = "f1"
        send_any(client, source, document)
        drain_all()
    assert Call.objects.get().credits == 2


# ── Telnyx and the envelope ───────────────────────────────────────────────────────────────────
def test_telnyx_without_an_answer_is_corrected_by_its_detail_record(client, professional, settings):
    source = connect_any(professional, "telnyx", api_key=KEY)
    told = EVENTS["telnyx"][0]("t1", at=NOW - 30 * MINUTES, seconds=65)
    for document in (told[0], told[2]):
        send_any(client, source, document)
    drain_all()
    assert Call.objects.get().credits == 0
    with serving() as platform:
        settings.PLATFORM_API_BASES = {"telnyx": platform.base}
        platform.calls = [LISTED["telnyx"](told)]
        pull(source_id=source.pk, now=NOW)
    drain_all()
    assert Call.objects.get().credits == 3


def test_an_envelope_with_other_names_is_read_where_they_stand(client, professional):
    options = {
        "header": "X-Signature",
        "path_event_type": "type",
        "path_call_id": "payload.id",
        "path_ended_at": "payload.finished",
        "path_duration": "payload.talk",
    }
    source = connect_any(professional, "voice-agent", options=options)
    document = {
        "type": "call.completed",
        "payload": {"id": "e1", "finished": AT.isoformat(), "talk": 30.001},
    }
    body = json.dumps(document).encode()
    signature = hmac_of(sources.secret_of(source), body).hex()
    answer = client.post(
        address(source),
        data=body,
        content_type="application/json",
        headers={"X-Signature": f"sha256={signature}"},
    )
    assert answer.status_code == 200
    drain_all()
    assert (Call.objects.get().call_id, Call.objects.get().credits) == ("e1", 2)


@pytest.mark.parametrize(
    ("event", "reason", "status"),
    [
        ("call.failed", "busy", "busy"),
        ("call.failed", "no-answer", "no_answer"),
        ("call.failed", "", "failed"),
        ("call.disallowed", "do not call", "blocked"),
    ],
)
def test_what_the_envelope_did_not_connect(client, professional, event, reason, status):
    source = connect_any(professional, "voice-agent")
    [*_, last] = EVENTS["voice-agent"][0]("e1", at=AT, seconds=9, reason=reason or "x")
    last["event_type"], last["data"]["reason"] = event, reason
    send_any(client, source, last)
    drain_all()
    assert (Call.objects.get().status, Call.objects.get().credits) == (status, 0)


@pytest.mark.parametrize(
    ("first", "later"),
    [
        ("2026-03-10T09:40:00Z", "2026-03-10T09:40:00.500Z"),
        ("2026-03-10T15:40:00+05:30", "2026-03-10T11:40:00+00:00"),
    ],
)
@pytest.mark.parametrize("comes_first", ["first", "later"])
def test_what_the_envelope_sent_later_counts_however_it_writes_times(
    client, professional, first, later, comes_first
):
    source = connect_any(professional, "voice-agent")
    sent = []
    for created_at, seconds in ((first, 30), (later, 65)):
        [*_, last] = EVENTS["voice-agent"][0]("e1", at=AT, seconds=0)
        last["created_at"] = created_at
        last["data"] |= {"ended_at": AT.isoformat(), "duration_seconds": seconds}
        sent.append(last)
    for document in sent if comes_first == "first" else reversed(sent):
        send_any(client, source, document)
        drain_all()
    assert Call.objects.get().credits == 3


def test_the_envelope_gives_no_part_of_a_microsecond_away(client, professional):
    source = connect_any(professional, "voice-agent")
    [*_, last] = EVENTS["voice-agent"][0]("e1", at=AT, seconds=0)
    last["data"] |= {
        "connected_at": "2026-03-10T09:40:00.0000001Z",
        "ended_at": "2026-03-10T09:40:30.0000002Z",
    }
    send_any(client, source, last)
    [*_, last] = EVENTS["voice-agent"][0]("e2", at=AT, seconds=0)
    last["data"] |= {"ended_at": AT.isoformat(), "duration_seconds": 30.0000001}
    send_any(client, source, last)
    drain_all()
    assert [call.credits for call in Call.objects.order_by("call_id")] == [2, 2]

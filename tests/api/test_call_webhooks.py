"""Where call platforms report to: what is believed, what is refused, what is kept."""

import base64
import json
from datetime import timedelta
from urllib.parse import quote, urlencode

import pytest
from django.urls import reverse
from django.utils import timezone

from calls.inbox import sources
from calls.inbox.receiving import BODY_BYTES_MAX
from calls.models import EventState, InboxEvent
from calls.platforms.signatures import hmac_of
from calls.sources.freeswitch.reports import USER
from calls.sources.twilio.signing import signed
from tests.calls.inbox.sending import (
    ACCOUNT_SID,
    TOKEN,
    address,
    callbacks,
    connect,
    report,
    send_callback,
    send_report,
    url_of,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def vapi(account):
    return connect(account)


@pytest.fixture
def twilio(account):
    return connect(account, "twilio")


# ── Believed ──────────────────────────────────────────────────────────────────────────────────
def test_a_message_is_stored_once_with_nothing_but_named_fields(client, vapi):
    answers = [send_report(client, vapi, report()) for _ in range(3)]
    assert [(answer.status_code, answer.json()) for answer in answers] == [
        (200, {"received": "stored"}),
        (200, {"received": "known"}),
        (200, {"received": "known"}),
    ]
    event = InboxEvent.objects.get()
    assert (event.call_id, event.state) == ("v1", EventState.WAITING)
    kept = json.dumps(event.fields)
    assert "message.call.phoneCallProviderId" in kept
    for said in ("4111", "transcript", "recordingUrl", "openai"):
        assert said not in kept


@pytest.mark.parametrize("header", ["Authorization", "X-Vapi-Secret", "hex", "base64", "timed"])
def test_each_way_in_which_vapi_signs_is_believed(client, vapi, header):
    secret = sources.secret_of(vapi)
    body = json.dumps(report()).encode()
    stamp = str(int(timezone.now().timestamp()))
    headers = {
        "Authorization": {"Authorization": f"Bearer {secret}"},
        "X-Vapi-Secret": {"X-Vapi-Secret": secret},
        "hex": {"X-Signature": hmac_of(secret, body).hex()},
        "base64": {"X-Signature": base64.b64encode(hmac_of(secret, body)).decode()},
        "timed": {
            "X-Signature": "sha256=" + hmac_of(secret, f"{stamp}.".encode() + body).hex(),
            "X-Timestamp": stamp,
        },
    }[header]
    assert send_report(client, vapi, body, **headers).status_code == 200


def test_a_signature_of_ten_minutes_ago_is_refused(client, vapi):
    body = json.dumps(report()).encode()
    stamp = str(int((timezone.now() - timedelta(minutes=10)).timestamp()))
    signature = hmac_of(sources.secret_of(vapi), f"{stamp}.".encode() + body).hex()
    headers = {"X-Signature": signature, "X-Timestamp": stamp}
    assert send_report(client, vapi, body, **headers).status_code == 401


def test_authentic_but_irrelevant_is_taken_and_kept_once_an_hour(client, vapi):
    for number in range(3):
        answer = send_report(client, vapi, {"message": {"type": "transcript", "n": number}})
        assert (answer.status_code, answer.json()) == (200, {"received": "irrelevant"})
    event = InboxEvent.objects.get()
    assert (event.state, event.fields) == (EventState.IRRELEVANT, {})
    assert "transcript" in event.open.reason


def test_both_secrets_hold_while_they_are_rotated(client, vapi):
    before = sources.secret_of(vapi)
    now = timezone.now()
    sources.rotate_secret(source=vapi, now=now)
    vapi.refresh_from_db()
    assert send_report(client, vapi, report("v1"), token=before).status_code == 200
    assert send_report(client, vapi, report("v2")).status_code == 200
    sources.end_previous_secret(source=vapi, now=now)
    assert send_report(client, vapi, report("v3"), token=before).status_code == 401


def test_secrets_are_not_readable_in_the_database(vapi, twilio):
    for source in (vapi, twilio):
        source.refresh_from_db()
        assert source.secret.startswith("fernet:")
        assert TOKEN not in source.secret


# ── Twilio's address ──────────────────────────────────────────────────────────────────────────
def test_the_signed_address_is_that_of_the_site_whatever_the_host(client, twilio, settings):
    settings.ALLOWED_HOSTS = ["*"]
    form = callbacks()[0]
    assert send_callback(client, twilio, form, Host="attacker.example").status_code == 200
    assert InboxEvent.objects.count() == 1


def test_a_signature_over_another_host_is_refused(client, twilio, settings):
    settings.ALLOWED_HOSTS = ["*"]
    form = callbacks()[0]
    elsewhere = f"http://attacker.example{address(twilio)}"
    signature = signed(elsewhere, {name: [value] for name, value in form.items()}, TOKEN)
    answer = client.post(
        address(twilio),
        data=form,
        headers={
            "X-Twilio-Signature": base64.b64encode(signature).decode(),
            "Host": "attacker.example",
        },
    )
    assert answer.status_code == 401


def test_the_query_is_part_of_what_twilio_signs(client, twilio):
    assert send_callback(client, twilio, callbacks()[0], query="?a=1&b=%20").status_code == 200


def test_callbacks_of_another_account_of_twilio_are_refused(client, twilio):
    form = callbacks(AccountSid=ACCOUNT_SID[:-1] + "b")[0]
    assert send_callback(client, twilio, form).status_code == 401


def test_an_address_that_lost_its_slash_takes_what_is_signed_for_it(client, vapi, twilio, settings):
    told = client.post(
        address(vapi).rstrip("/"),
        data=json.dumps(report()),
        content_type="application/json",
        headers={"Authorization": f"Bearer {sources.secret_of(vapi)}"},
    )
    form = callbacks()[0]
    cut = address(twilio).rstrip("/")
    signature = signed(
        f"{settings.SITE_URL}{cut}", {name: [value] for name, value in form.items()}, TOKEN
    )
    called_back = client.post(
        cut,
        data=urlencode(form),
        content_type="application/x-www-form-urlencoded",
        headers={"X-Twilio-Signature": base64.b64encode(signature).decode()},
    )
    assert (told.status_code, called_back.status_code) == (200, 200)
    assert InboxEvent.objects.count() == 2


# ── Refused ───────────────────────────────────────────────────────────────────────────────────
BODIES = {
    "empty": b"",
    "no-json": b"{",
    "no-object": b"[]",
    "no-utf-8": b"\xff\xfe",
    "deep": b'{"a":' * 100_000,
    "no-message": b'{"message": "x"}',
    "a-number": b"1e999999",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_what_can_not_be_read_is_refused_also_where_it_is_signed(client, vapi, body):
    assert send_report(client, vapi, body).status_code == 401
    assert not InboxEvent.objects.exists()


def test_a_byte_that_is_no_text_keeps_no_report_away(client, vapi):
    document = report(assistant={"name": "Andr\u00e9"})
    body = json.dumps(document, ensure_ascii=False).encode("latin-1")
    assert send_report(client, vapi, body).status_code == 200
    assert InboxEvent.objects.get().fields["message.assistant.name"] == "Andr\ufffd"


@pytest.mark.parametrize("is_form", [True, False])
def test_nor_does_one_in_the_name_of_a_caller_at_a_switch(client, account, is_form):
    switch = connect(account, "freeswitch")
    variables = {"uuid": "f1", "caller_id_name": "Andr\u00e9", "direction": "inbound"}
    body = json.dumps({"variables": variables}, ensure_ascii=False).encode("latin-1")
    credentials = base64.b64encode(f"{USER}:{sources.secret_of(switch)}".encode()).decode()
    answer = client.generic(
        "POST",
        address(switch),
        b"cdr=" + quote(body).encode() if is_form else body,
        content_type="application/x-www-form-urlencoded" if is_form else "application/json",
        headers={"Authorization": f"Basic {credentials}"},
    )
    assert answer.status_code == 200, answer.content
    assert InboxEvent.objects.get().call_id == "f1"


FORGED = {
    "nothing": {"X-Other": "1"},
    "wrong-token": {"Authorization": "Bearer no"},
    "other-scheme": {"Authorization": "Basic !!!"},
    "no-ascii": {"Authorization": "Bearer \xe9\xff"},
    "empty": {"Authorization": "Bearer "},
    "wrong-signature": {"X-Signature": "\xe9"},
    "odd-time": {"X-Signature": "ab", "X-Timestamp": "９"},
    "endless-time": {"X-Signature": "ab", "X-Timestamp": "9" * 400},
}


@pytest.mark.parametrize("headers", FORGED.values(), ids=FORGED)
def test_what_is_not_of_the_source_is_refused(client, vapi, headers):
    assert send_report(client, vapi, report(), **headers).status_code == 401


FORMS = {
    "no-utf-8": (b"CallSid=\xff\xfe", "application/x-www-form-urlencoded"),
    "escaped-no-utf-8": (b"CallSid=%ff%fe", "application/x-www-form-urlencoded"),
    "too-many": (b"a=1&" * 2_000, "application/x-www-form-urlencoded"),
    "multipart": (b"--x\r\n", "multipart/form-data; boundary=x"),
    "no-type": (b"CallSid=1", ""),
    "odd-type": (b"CallSid=1", "text/plain; charset=nonsense"),
}


@pytest.mark.parametrize(("body", "content_type"), FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("signature", ["", "é", "AAAA"])
def test_forms_that_are_none_are_refused(client, twilio, body, content_type, signature):
    headers = {"X-Twilio-Signature": signature} if signature else {}
    answer = client.generic(
        "POST", address(twilio), body, content_type=content_type, headers=headers
    )
    assert answer.status_code == 401


def test_forms_in_other_character_sets_are_refused_in_json(client, twilio):
    answer = client.post(
        address(twilio),
        data=b"CallSid=1",
        content_type="application/x-www-form-urlencoded; charset=latin1",
    )
    assert (answer.status_code, answer.json()) == (401, {"error": "the signature does not fit"})


def test_a_body_that_is_too_large_is_refused_unread(client, vapi):
    answer = send_report(client, vapi, b" " * (BODY_BYTES_MAX + 1))
    assert (answer.status_code, answer.json()) == (413, {"error": "the body is too large"})


def test_a_body_of_eight_mebibytes_is_taken(client, vapi):
    document = report()
    document["message"]["artifact"]["transcript"] = "x" * (BODY_BYTES_MAX - 2_000)
    assert send_report(client, vapi, document).status_code == 200


def test_an_address_that_does_not_exist_is_not_found(client, vapi, account):
    other = connect(account, "twilio")
    other.kind = "vapi"  # the right ID with the wrong name
    assert send_report(client, other, report()).status_code == 404
    sources.delete(source=vapi, now=timezone.now())
    assert send_report(client, vapi, report(), token="x").status_code == 404


def test_a_source_without_a_secret_believes_nobody(client, account):
    source = sources.connect(
        account=account,
        kind="twilio",
        name="Later",
        by=None,
        now=timezone.now(),
        options={"account_sid": ACCOUNT_SID},
    )
    assert send_callback(client, source, callbacks()[0], token="").status_code == 401


def test_only_posts_are_taken(client, vapi):
    answer = client.get(address(vapi))
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert answer.json() == {"error": "messages are sent by POST"}


def test_what_can_not_be_stored_in_a_text_is_replaced(client, vapi):
    answer = send_report(client, vapi, report("v\u0000\ud800"))
    assert answer.status_code == 200
    assert InboxEvent.objects.get().call_id == "v��"


def test_the_address_can_not_be_guessed_and_is_the_site_s(vapi):
    assert url_of(vapi).endswith(f"/webhooks/calls/vapi/{vapi.public_id}/")


def test_what_is_refused_is_told_on_the_page_of_its_source(client, vapi, owner):
    assert send_report(client, vapi, report(), token="mistyped").status_code == 401
    assert send_report(client, vapi, report(), token="mistyped").status_code == 401
    client.force_login(owner)
    page = client.get(reverse("dashboard:source", args=[vapi.account.slug, vapi.public_id])).text
    assert "2 messages refused, the last at" in page

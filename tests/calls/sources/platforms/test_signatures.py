"""Public vectors of the platforms' signatures, and what is near them and refused.

Vectors: twilio/twilio-python, test_request_validator.py; RetellAI/retell-python-sdk,
test_webhook_auth.py. ElevenLabs, Telnyx and the envelope publish an algorithm and no vector.
"""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.utils.datastructures import CaseInsensitiveMapping

from calls.platforms import Delivery, ForgedError
from calls.platforms.signatures import hmac_of
from calls.sources.registry import platforms
from calls.sources.twilio.signing import is_signed

NOW = datetime.fromtimestamp(1_700_000_000, UTC)
MS = 1_700_000_000_000
SECONDS = timedelta(seconds=1)


def believes(name, body, headers, *secrets, url="https://x/", now=NOW, options=None, kind=""):
    """Whether the platform takes the delivery for one of its own."""
    delivery = Delivery(body, CaseInsensitiveMapping(headers), url, kind)
    try:
        platforms()[name].verify(delivery, secrets=secrets, options=options or {}, now=now)
    except ForgedError:
        return False
    return True


# ── Twilio ────────────────────────────────────────────────────────────────────────────────────
URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
FORM = {
    "CallSid": ["CA1234567890ABCDE"],
    "Digits": ["1234"],
    "From": ["+14158675309"],
    "To": ["+18005551212"],
    "Caller": ["+14158675309"],
}
TWILIO = {
    "plain": (URL, FORM, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
    "same name twice": (
        URL,
        {"Sid": ["CA123"], "SidAccount": ["AC123"], "Digits": ["5678", "1234"]},
        "IK+Dwps556ElfBT0I3Rgjkr1wJU=",
    ),
    "port removed": (
        URL.replace(".com", ".com:1234"),
        FORM,
        "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
    ),
    "port of http": (
        URL.replace(".com", ".com:1234").replace("https", "http"),
        FORM,
        "Zmvh+3yNM1Phv2jhDCwEM3q5ebU=",
    ),
    "port added": (URL, FORM, "kvajT1Ptam85bY51eRf/AJRuM3w="),
    "port added to http": (URL.replace("https", "http"), FORM, "0ZXoZLH/DfblKGATFgpif+LLRf4="),
}


@pytest.mark.parametrize(("url", "form", "signature"), TWILIO.values(), ids=TWILIO)
def test_twilio_s_vectors(url, form, signature):
    assert is_signed(signature, url=url, form=form, tokens=["12345"])
    assert is_signed(signature, url=url, form=form, tokens=["another", "12345"])
    assert not is_signed(signature, url=url, form=form, tokens=["1234"])
    assert not is_signed(signature, url=url + "x", form=form, tokens=["12345"])


def test_twilio_signs_a_body_of_json_by_its_hash():
    body = b'{"property": "value", "boolean": true}'
    digest = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
    url = f"{URL}&bodySHA256={digest}"
    headers = {"X-Twilio-Signature": "a9nBmqA0ju/hNViExpshrM61xv4="}
    assert believes("twilio", body, headers, "12345", url=url)
    assert not believes("twilio", body + b" ", headers, "12345", url=url)


# ── Retell ────────────────────────────────────────────────────────────────────────────────────
BODY = b'{"event":"call_ended"}'
DIGEST = "07024cabe7dd8f6d1c6e4a8324ca92c812e6ad4a7ee506c04f7e462e3321823e"
SIGNED = f"v={MS},d={DIGEST}"


def retell(signature, *, body=BODY, key="test-api-key", now=NOW):
    return believes("retell", body, {"X-Retell-Signature": signature}, key, now=now)


def test_retell_s_vector():
    assert retell(SIGNED)
    assert not retell(SIGNED, body=BODY + b" ")
    assert not retell(SIGNED, key="wrong-api-key")


@pytest.mark.parametrize(
    "signature",
    [
        "",
        f"v={MS}",
        f"d={DIGEST},v={MS}",
        f"prefix-v={MS},d={DIGEST}",
        f"v={MS},d={DIGEST}-suffix",
        f"v={MS},d=not-hex",
        f"v={MS},d={DIGEST[2:]}",
        f"v=-{MS},d={DIGEST}",
        f"v={MS},d={DIGEST},extra=value",
        f"v={'9' * 400},d={DIGEST}",
    ],
)
def test_retell_s_malformed_signatures(signature):
    assert not retell(signature)


@pytest.mark.parametrize(
    ("off", "expected"), [(300_000, True), (300_001, False), (-300_000, True), (-300_001, False)]
)
def test_retell_s_limits_are_five_minutes_both_ways(off, expected):
    assert retell(SIGNED, now=NOW + timedelta(milliseconds=off)) is expected


# ── ElevenLabs ────────────────────────────────────────────────────────────────────────────────
def elevenlabs(header, *, now=NOW, secrets=("wsec_1",)):
    return believes("elevenlabs", b"{}", {"ElevenLabs-Signature": header}, *secrets, now=now)


def v0(secret="wsec_1", stamp="1700000000"):  # noqa: S107  # a test's own
    return hmac_of(secret, f"{stamp}.".encode() + b"{}").hex()


def test_elevenlabs_signs_time_and_body_also_while_secrets_are_rotated():
    assert elevenlabs(f"t=1700000000,v0={v0()}")
    assert elevenlabs(f"t=1700000000,v0={v0('old')},v0={v0()}")
    assert elevenlabs(f"t=1700000000,v0={v0('old')}", secrets=("new", "old"))
    assert elevenlabs(f"t=1700000000,v0={v0()}", now=NOW + timedelta(minutes=30))
    assert not elevenlabs(f"t=1700000000,v0={v0()}", now=NOW + timedelta(minutes=31))
    assert not elevenlabs(f"t=1700000000,v0={v0('other')}")


@pytest.mark.parametrize(
    "header", ["", "t=", "v0=", "t=x,v0=y", "t=1,t=2,v0=a", "t=1700000000", "t=９,v0=é", "v0=,t=1"]
)
def test_elevenlabs_malformed_signatures(header):
    assert not elevenlabs(header)


# ── Telnyx ────────────────────────────────────────────────────────────────────────────────────
PRIVATE = Ed25519PrivateKey.generate()
PUBLIC = base64.b64encode(
    PRIVATE.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
).decode()


def telnyx(signature, *, stamp="1700000000", now=NOW, keys=(PUBLIC,)):
    headers = {"telnyx-signature-ed25519": signature, "telnyx-timestamp": stamp}
    return believes("telnyx", b"{}", headers, *keys, now=now)


def test_telnyx_signs_with_the_key_that_is_shown():
    signature = base64.b64encode(PRIVATE.sign(b"1700000000|{}")).decode()
    assert telnyx(signature)
    assert telnyx(signature, keys=("no key", PUBLIC))
    assert not telnyx(signature, keys=("no key", "AAAA", ""))
    assert not telnyx(signature, stamp="1700000001")
    assert not telnyx(signature, now=NOW + 301 * SECONDS)


@pytest.mark.parametrize("signature", ["", "AAAA", "é", "not base64", "A" * 1_000])
def test_telnyx_malformed_signatures(signature):
    assert not telnyx(signature)


# ── FreeSWITCH and the envelope ───────────────────────────────────────────────────────────────
def basic(text):
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


def test_freeswitch_sends_its_password():
    assert believes("freeswitch", b"", basic("freeswitch:secret"), "secret")
    assert believes("freeswitch", b"", basic("anybody:sec:ret"), "sec:ret")
    for headers in ({}, basic("secret"), basic("a:b"), {"Authorization": "Basic é"}):
        assert not believes("freeswitch", b"", headers, "secret")


@pytest.mark.parametrize("prefix", ["", "sha256="])
def test_the_envelope_is_signed_in_a_header_that_can_be_named(prefix):
    digest = hmac_of("secret", b"{}")
    hexadecimal, encoded = digest.hex(), base64.b64encode(digest).decode()
    assert believes("voice-agent", b"{}", {"X-Husky-Signature": prefix + hexadecimal}, "secret")
    named = {"X-Ours": prefix + encoded}
    assert believes("voice-agent", b"{}", named, "secret", options={"header": "X-Ours"})
    assert not believes("voice-agent", b"{}", named, "secret")
    assert not believes("voice-agent", b"{ }", named, "secret", options={"header": "X-Ours"})


# ── All of them ───────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", platforms())
def test_nothing_is_believed_without_a_signature_or_a_secret(name):
    assert not believes(name, b"{}", {}, "secret")
    assert not believes(name, b"{}", {"Authorization": "Bearer "}, "")


@pytest.mark.parametrize("name", [name for name in platforms() if name != "telnyx"])
def test_a_sample_is_signed_and_tells_a_call_of_42_seconds(name):
    platform = platforms()[name]
    options = {setting.name: setting.default for setting in platform.options}
    sample = platform.sample(
        call_id="sample", secret="secret", url="https://x/", options=options, now=NOW
    )
    assert sample is not None
    headers = CaseInsensitiveMapping(dict(sample.headers))
    delivery = Delivery(sample.body, headers, "https://x/", sample.content_type)
    platform.verify(delivery, secrets=["secret"], options=options, now=NOW)
    assert platform.event(delivery, options=options).call_id == "sample"

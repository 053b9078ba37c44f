"""FreeSWITCH's ``mod_json_cdr``: a record of each leg, sent when it ends.

Source: signalwire/freeswitch, mod_json_cdr.c: a POST with HTTP basic authentication (``cred``), its
body JSON, or a form ``cdr=`` in URL encoding or base64 (``encode``). What is sent and what is read
from a file go through the same reader.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from calls.notations import RawRecord
from calls.notations.values import flattened
from calls.platforms import (
    Delivery,
    Event,
    ForgedError,
    Platform,
    Setting,
    Signed,
    StoredEvent,
    Unfinished,
)
from calls.platforms.payloads import FIELD_LENGTH_MAX, form_of, json_document
from calls.platforms.signatures import basic_credentials, is_one_of
from calls.platforms.times import EPOCH
from calls.records import CallRecord, Rejected
from calls.sources import Ignored
from calls.sources.freeswitch import FreeSwitch
from calls.sources.freeswitch.columns import variables_of

USER: Final = "freeswitch"
FIELDS: Final = (
    "uuid",
    "call_uuid",
    "originating_leg_uuid",
    "direction",
    "user_name",
    "context",
    "caller_id_number",
    "sip_from_user",
    "ani",
    "destination_number",
    "sip_to_user",
    "dialed_user",
    "hangup_cause",
    "start_uepoch",
    "answer_uepoch",
    "end_uepoch",
    "start_epoch",
    "answer_epoch",
    "end_epoch",
    "start_stamp",
    "answer_stamp",
    "end_stamp",
    "billsec",
)
FORM: Final = "application/x-www-form-urlencoded"


class FreeSwitchReports(Platform):
    """Records of ``mod_json_cdr``."""

    name = "freeswitch"
    label = "FreeSWITCH"
    makes_secret = True
    secret = Setting("secret", "Password", "The part of “cred” after the colon, see below.")
    fields = FIELDS
    steps = (
        "In json_cdr.conf.xml set “url” to the address above, and “cred” to freeswitch: followed "
        "by the password above.",
        "Set “encode” to true or to base64, “retries” to 3 or more, “delay” to 5000, and "
        "“err-log-dir” to a directory: what could not be sent is written there, and its files can "
        "be imported.",
        "Leave “log-b-leg” off, unless the legs tell the call that they belong to (call_uuid). Set "
        "“enable-cacert-check” to true: FreeSWITCH does not check certificates otherwise.",
    )
    meanings = (
        "Times are taken in microseconds. A leg was answered where it has an answer; else the "
        "hangup cause tells why not.",
        "A leg that the switch made is outbound; one that it received is inbound, unless a "
        "registered user made it.",
        "All legs of a call count as one: from the first answer to the last end.",
        "FreeSWITCH has no list to ask. What it could not send stands in the files of err-log-dir.",
    )

    def verify(
        self,
        delivery: Delivery,
        *,
        secrets: Sequence[str],
        options: Mapping[str, str],
        now: datetime,
    ) -> None:
        """HTTP basic authentication, with any user."""
        told = basic_credentials(delivery.headers.get("Authorization", ""))
        if told is None or not is_one_of(told[1], secrets):
            raise ForgedError("the password does not fit")

    def event(self, delivery: Delivery, *, options: Mapping[str, str]) -> Event:
        """One leg. Raises ForgedError where the body is in none of the three forms."""
        document = _document(delivery)
        try:
            told = variables_of(flattened(document))
        except RecursionError:
            raise ForgedError("the body is nested too deep") from None
        fields = {
            name: text[:FIELD_LENGTH_MAX]
            for name in FIELDS
            if isinstance(text := told.get(name, ""), str) and text and text.isprintable()
        }
        if not fields.get("uuid"):
            raise ForgedError("the body is no record of json_cdr")
        call_id = next(
            fields[name] for name in ("call_uuid", "originating_leg_uuid", "uuid") if name in fields
        )
        return Event(call_id, fields)

    def record(
        self,
        events: Sequence[StoredEvent],
        *,
        call_id: str,
        account_id: int,
        zone: ZoneInfo,
        options: Mapping[str, str],
        now: datetime,
    ) -> CallRecord | Unfinished:
        """Join the legs, as those of a file are."""
        reader = FreeSwitch(account_id=account_id, zone=zone, now=now)
        ordered = sorted(events, key=lambda event: event.digest)
        raw: list[RawRecord[Any]] = [
            RawRecord(number, "", dict(event.fields)) for number, event in enumerate(ordered, 1)
        ]
        reads = [read.record for read in reader.read(raw)]
        records = [read for read in reads if isinstance(read, CallRecord)]
        if records:
            # Its reach is that of legs in files; here all legs are known.
            call = max(records, key=lambda one: (one.started_at, repr(one.facts)))
            return call._replace(revised_at=None)
        for read in reads:
            if isinstance(read, Rejected):
                raise Rejected(reader.field_name(read.field), read.reason)
            if isinstance(read, Ignored):
                return Unfinished(read.reason)
        return Unfinished("It tells no call.")

    def sample(
        self, *, call_id: str, secret: str, url: str, options: Mapping[str, str], now: datetime
    ) -> Signed:
        """A leg that the switch made, with the password."""

        def since_epoch(time: datetime) -> str:
            return str((time - EPOCH) // timedelta(microseconds=1))

        answered = now - timedelta(seconds=42)
        record = {
            "variables": {
                "uuid": call_id,
                "direction": "outbound",
                "start_uepoch": since_epoch(answered),
                "answer_uepoch": since_epoch(answered),
                "end_uepoch": since_epoch(now),
                "billsec": "42",
                "hangup_cause": "NORMAL_CLEARING",
            },
            "callflow": [
                {
                    "caller_profile": {
                        "caller_id_number": "+14155550100",
                        "destination_number": "+14155550123",
                    }
                }
            ],
        }
        credentials = base64.b64encode(f"{USER}:{secret}".encode()).decode()
        return Signed(
            json.dumps(record).encode(),
            {"Authorization": f"Basic {credentials}"},
            "application/json",
        )


def _document(delivery: Delivery) -> dict[str, Any]:
    if delivery.content_type != FORM:
        return json_document(delivery.body)
    values = form_of(delivery.body, errors="surrogateescape").get("cdr", [])
    if len(values) != 1:
        raise ForgedError("the form has no cdr")
    text = values[0].strip()
    if text.startswith("{"):
        return json_document(text.encode("utf-8", "surrogateescape"))
    try:
        # A plus in base64 is a blank once the form is decoded.
        return json_document(base64.b64decode(text.replace(" ", "+"), validate=True))
    except (binascii.Error, ValueError):
        raise ForgedError("the form's cdr is neither JSON nor base64") from None

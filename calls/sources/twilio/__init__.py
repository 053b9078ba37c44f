"""Twilio: its status callbacks, and its list of calls.

A callback tells one step of a call; they come in any order, each with its ``SequenceNumber``. The
record is made of all that are known: who answered when is told by the callback ``in-progress``
only, and where that never came, by the end and the seconds that the call lasted.

An answered call starts with its answer, as in Twilio's own list, which has no other time: what
rings is not told the same way by both. Child calls are legs of their parent, as in a file of
Twilio's list (`profiles/twilio.json`).
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit
from zoneinfo import ZoneInfo

from calls.platforms import (
    Delivery,
    Event,
    ForgedError,
    Platform,
    PulledPage,
    Setting,
    Signed,
    StoredEvent,
    Unfinished,
)
from calls.platforms.asking import Asker, AskingError, NoEndError
from calls.platforms.payloads import Form, form_of, picked, text_of
from calls.platforms.signatures import same
from calls.records import CallRecord, Rejected
from calls.sources.twilio.legs import UNDER_WAY, record_of, time_of
from calls.sources.twilio.signing import is_signed, signed

PAGE: Final = "500"
DAY: Final = timedelta(days=1)

# Names of a callback, and those of the same things in the list.
OF_CALLBACK: Final = (
    "CallSid",
    "ParentCallSid",
    "CallStatus",
    "Direction",
    "From",
    "To",
    "Timestamp",
    "CallDuration",
    "SequenceNumber",
)
OF_LIST: Final = (
    "sid",
    "parent_call_sid",
    "status",
    "direction",
    "from",
    "to",
    "date_created",
    "start_time",
    "end_time",
    "duration",
)


class Twilio(Platform):
    """Status callbacks of calls."""

    name = "twilio"
    label = "Twilio"
    makes_secret = False
    secret = Setting(
        "secret",
        "Auth token",
        "In Twilio’s console under Account Info. It signs what Twilio sends.",
    )
    options = (
        Setting(
            "account_sid",
            "Account SID",
            "Beside the auth token; it begins with AC. Callbacks of other accounts are refused.",
        ),
    )
    api_key = Setting(
        "api_key",
        "API key for the list of calls",
        "SID and secret of an API key, with a colon between them. Empty: the auth token is used.",
        is_required=False,
    )
    secret_is_api_key = True
    api_base = "https://api.twilio.com"
    fields = OF_CALLBACK + OF_LIST
    steps = (
        "Calls that you make: give the address above as StatusCallback, with the events initiated, "
        "ringing, answered and completed (StatusCallbackEvent).",
        "Calls that you receive: at each phone number, set “Call status changes” to the address "
        "above, HTTP POST.",
        "Callbacks are signed over the very address: do not add anything to it.",
    )
    meanings = (
        "Twilio tells whole seconds: a call of 30.4 s counts as Twilio writes it.",
        "Only the callback “in-progress” (event answered) tells when somebody answered. Without it "
        "the answer is the end less the seconds that Twilio counted.",
        "An answered call starts with its answer, as in Twilio’s own list; ringing is not counted.",
        "A call that is transferred by <Dial> lasts until Twilio ends it; the calls that it made "
        "are legs of it and are not counted again.",
    )

    # ── Signature ─────────────────────────────────────────────────────────────────────────────
    def verify(
        self,
        delivery: Delivery,
        *,
        secrets: Sequence[str],
        options: Mapping[str, str],
        now: datetime,
    ) -> None:
        """Compare X-Twilio-Signature with that over the address and the sorted form.

        A body of JSON is signed by its hash, which is in the query of the address.
        """
        given = delivery.headers.get("X-Twilio-Signature", "")
        query = parse_qs(urlsplit(delivery.url).query)
        hashes = query.get("bodySHA256", [])
        form: Form = {}
        if hashes:
            if not same(hashes[0].lower(), hashlib.sha256(delivery.body).hexdigest()):
                raise ForgedError("the body is not the one that was signed")
        else:
            form = form_of(delivery.body)
        if not given or not is_signed(given, url=delivery.url, form=form, tokens=secrets):
            raise ForgedError("the signature does not fit")

    def event(self, delivery: Delivery, *, options: Mapping[str, str]) -> Event:
        """One step of a call. Raises ForgedError where it is of another account."""
        form = form_of(delivery.body)
        told = {name: values[0] for name, values in form.items()}
        account_sid = options.get("account_sid", "")
        if account_sid and told.get("AccountSid", account_sid) != account_sid:
            raise ForgedError("it is of another account of Twilio")
        fields = picked(told, OF_CALLBACK)
        if not fields.get("CallSid") or not fields.get("CallStatus"):
            return Event(irrelevant="It is no callback about the status of a call.")
        return Event(fields.get("ParentCallSid") or fields["CallSid"], fields)

    # ── Record ────────────────────────────────────────────────────────────────────────────────
    def carrier_id_of(self, call_id: str, events: Sequence[StoredEvent]) -> str:
        """Twilio is the carrier: the ID of the call, not that of one of its legs."""
        return call_id

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
        """Put the steps of each leg together, and the legs that have ended."""
        in_order = sorted(events, key=lambda event: event.digest)
        told = [event.fields for event in in_order]
        return record_of(told, call_id=call_id, account_id=account_id, now=now)

    # ── List ──────────────────────────────────────────────────────────────────────────────────
    def pulled(
        self,
        asker: Asker,
        *,
        api_key: str,
        options: Mapping[str, str],
        since: datetime,
        until: datetime,
    ) -> Iterator[PulledPage]:
        """Ask by days, as Twilio's filter does; calls before ``since`` are left out."""
        account_sid = options.get("account_sid", "")
        user, colon, password = api_key.partition(":")
        auth = (user, password) if colon else (account_sid, api_key)
        path = f"/2010-04-01/Accounts/{account_sid}/Calls.json"
        query: Mapping[str, str] | None = {
            "StartTime>": since.astimezone(UTC).date().isoformat(),
            "StartTime<": (until.astimezone(UTC) + DAY).date().isoformat(),
            "PageSize": PAGE,
        }
        seen: set[str] = set()
        while True:
            seen.add(path)
            answer = asker.get(path, query=query, auth=auth)
            listed = answer.get("calls") if isinstance(answer, dict) else None
            if not isinstance(listed, list):
                raise AskingError("Its answer is no list of calls.")
            yield _page([call for call in listed if isinstance(call, dict)], since)
            following = text_of(answer.get("next_page_uri"))
            if not following:
                return
            if following in seen or not following.startswith("/") or following.startswith("//"):
                raise NoEndError
            path, query = following, None

    def sample(
        self, *, call_id: str, secret: str, url: str, options: Mapping[str, str], now: datetime
    ) -> Signed:
        """The callback of a completed call, signed."""
        form = {
            "CallSid": call_id,
            "AccountSid": options.get("account_sid", ""),
            "CallStatus": "completed",
            "Direction": "outbound-api",
            "From": "+14155550100",
            "To": "+14155550123",
            "CallDuration": "42",
            "Timestamp": format_datetime(now.astimezone(UTC).replace(microsecond=0)),
            "SequenceNumber": "3",
            "CallbackSource": "call-progress-events",
        }
        signature = signed(url, {name: [value] for name, value in form.items()}, secret)
        return Signed(
            urlencode(form).encode(),
            {"X-Twilio-Signature": base64.b64encode(signature).decode()},
            "application/x-www-form-urlencoded",
        )


# ── Of a page of the list ─────────────────────────────────────────────────────────────────────
def _page(calls: Sequence[Mapping[str, Any]], since: datetime) -> PulledPage:
    events, running = [], []
    for call in calls:
        fields = picked(call, OF_LIST)
        try:
            started_at = time_of(
                "start_time", fields.get("start_time") or fields.get("date_created", "")
            )
        except Rejected:
            started_at = None
        if fields.get("status") in UNDER_WAY:
            running.append(started_at or since)
        elif started_at is None or started_at >= since:
            events.append(Event(fields.get("parent_call_sid") or fields.get("sid", ""), fields))
    return PulledPage(events, min(running, default=None))

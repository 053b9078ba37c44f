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
import hmac
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit
from zoneinfo import ZoneInfo

from calls.legs import joined
from calls.models import Status
from calls.platforms import (
    Delivery,
    Event,
    Fields,
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
from calls.platforms.signatures import is_base64_of, same
from calls.platforms.times import earlier
from calls.records import CallRecord, Rejected, validate

STATUSES: Final = {
    "completed": Status.COMPLETED,
    "busy": Status.BUSY,
    "no-answer": Status.NO_ANSWER,
    "canceled": Status.NO_ANSWER,
    "failed": Status.FAILED,
}
UNDER_WAY: Final = ("queued", "initiated", "ringing", "in-progress", "answered")
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
        by_sid: dict[str, list[Fields]] = {}
        for event in sorted(events, key=lambda event: event.digest):
            fields = event.fields
            by_sid.setdefault(fields.get("CallSid") or fields.get("sid", ""), []).append(fields)
        legs = [_leg(told) for _, told in sorted(by_sid.items())]
        own = by_sid.get(call_id)
        if own is not None and _leg(own).status is None:
            return _unfinished(own)
        records = [
            _record(leg, call_id=call_id, account_id=account_id, now=now)
            for leg in legs
            if leg.status is not None
        ]
        if not records:
            return _unfinished([event.fields for event in events])
        return _joined(records)

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


def signed(url: str, form: Form, token: str) -> bytes:
    """Return Twilio's HMAC-SHA1 over ``url`` and the sorted names and values of ``form``."""
    text = url + "".join(name + value for name in sorted(form) for value in sorted(set(form[name])))
    key, message = (part.encode("utf-8", "surrogatepass") for part in (token, text))
    return hmac.new(key, message, hashlib.sha1).digest()


def is_signed(given: str, *, url: str, form: Form, tokens: Iterable[str]) -> bool:
    """Whether one of ``tokens`` signed it: Twilio may or may not count a port to the address."""
    return any(
        is_base64_of(given, signed(address, form, token))
        for token in tokens
        for address in addresses(url)
    )


def addresses(url: str) -> tuple[str, ...]:
    """``url`` as it is, without its port, and with that of its scheme."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition(":")[0] if parts.port is not None else parts.netloc
    port = parts.port or (443 if parts.scheme == "https" else 80)
    without = parts._replace(netloc=host).geturl()
    return tuple(dict.fromkeys((url, without, parts._replace(netloc=f"{host}:{port}").geturl())))


# ── Of one leg ────────────────────────────────────────────────────────────────────────────────
class _Leg(NamedTuple):
    """What is known of one leg. ``status`` is None while it is under way."""

    status: Status | None
    first_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    seconds: int | None = None
    listed_from: datetime | None = None
    direction: str = ""
    from_number: str = ""
    to_number: str = ""


def _leg(told: Sequence[Fields]) -> _Leg:
    callbacks = sorted((one for one in told if "CallSid" in one), key=_order)
    listed = [one for one in told if "sid" in one and one.get("status") in STATUSES]
    ended = [one for one in callbacks if one.get("CallStatus") in STATUSES]
    if not ended and not listed:
        return _Leg(None)
    last = ended[-1] if ended else {}
    in_list: Fields = (
        max(listed, key=lambda one: (one.get("end_time", ""), sorted(one.items())))
        if listed
        else {}
    )
    seconds = in_list.get("duration") or last.get("CallDuration", "")
    everything = [*callbacks, in_list]
    times = [time for one in callbacks if (time := _time("Timestamp", one.get("Timestamp", "")))]
    created_at = _time("date_created", in_list.get("date_created", ""))
    return _Leg(
        status=STATUSES[in_list.get("status") or last["CallStatus"]],
        first_at=min([*times, *([created_at] if created_at else [])], default=None),
        answered_at=min(
            (
                time
                for one in callbacks
                if one.get("CallStatus") in ("in-progress", "answered")
                and (time := _time("Timestamp", one.get("Timestamp", "")))
            ),
            default=None,
        ),
        ended_at=_time("end_time", in_list.get("end_time", ""))
        or _time("Timestamp", last.get("Timestamp", "")),
        seconds=_seconds(seconds),
        listed_from=_time("start_time", in_list.get("start_time", "")),
        direction=_first(everything, "direction", "Direction"),
        from_number=_first(everything, "from", "From"),
        to_number=_first(everything, "to", "To"),
    )


def _unfinished(told: Iterable[Fields]) -> Unfinished:
    """Say that a call is under way. Raises Rejected for a status that may be the end of it."""
    for status in sorted({one.get("CallStatus") or one.get("status", "") for one in told}):
        if status not in UNDER_WAY:
            known = ", ".join((*UNDER_WAY, *STATUSES))
            raise Rejected("CallStatus", f"is “{status[:40]}”; known are: {known}.")
    return Unfinished("The call has not ended yet.")


def _order(fields: Fields) -> tuple[int, str]:
    number = fields.get("SequenceNumber", "")
    known = int(number) if number.isascii() and number.isdigit() and len(number) < 9 else -1
    return known, fields.get("CallStatus", "")


def _record(leg: _Leg, *, call_id: str, account_id: int, now: datetime) -> CallRecord:
    assert leg.status is not None
    connected_at = None
    started_at = leg.listed_from or leg.first_at or leg.ended_at
    if leg.status is Status.COMPLETED:
        connected_at = leg.answered_at or leg.listed_from
        if connected_at is None and leg.ended_at is not None and leg.seconds is not None:
            connected_at = earlier("CallDuration", leg.ended_at, seconds=leg.seconds)
        if connected_at is None:
            missing = "CallDuration" if leg.ended_at is not None else "Timestamp"
            raise Rejected(missing, "is missing, and nothing else tells when it was answered.")
        # Two clocks of Twilio's can differ by a second.
        if connected_at is not None and leg.ended_at is not None:
            connected_at = min(connected_at, leg.ended_at)
        started_at = connected_at
    record = validate(
        account_id=account_id,
        call_id=call_id,
        usage_type=_usage_type(leg.direction),
        status=leg.status,
        started_at=started_at,
        connected_at=connected_at,
        ended_at=leg.ended_at,
        from_number=leg.from_number,
        to_number=leg.to_number,
        now=now,
    )
    return record


def _joined(records: Sequence[CallRecord]) -> CallRecord:
    """Join the legs of a call; one that does not touch the others in time is no part of it."""
    first, *rest = sorted(records, key=lambda record: (record.started_at, record.facts[1:3]))
    whole = first
    for record in rest:
        try:
            whole = joined(whole, record)
        except Rejected:
            continue
    return whole._replace(revised_at=None)


def _usage_type(direction: str) -> str:
    if direction in ("inbound", "trunking-originating"):
        return "inbound"
    if direction.startswith("outbound") or direction == "trunking-terminating":
        return "outbound"
    raise Rejected(
        "Direction", f"is “{direction[:40]}”; known are: inbound, outbound-api, outbound-dial."
    )


def _time(field: str, text: str) -> datetime | None:
    """Read a time as Twilio writes it: RFC 2822, or ISO 8601. Raises Rejected."""
    text = text.strip()
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text) if text[:4].isdigit() else parsedate_to_datetime(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Rejected(field, f"is “{text[:40]}”, which is no time.") from None


def _seconds(text: str) -> int | None:
    text = text.strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 9):
        raise Rejected("CallDuration", f"is “{text[:40]}”, not a number of seconds.")
    return int(text)


def _first(told: Iterable[Fields], *names: str) -> str:
    return next((text for name in names for one in told if (text := one.get(name, ""))), "")


# ── Of a page of the list ─────────────────────────────────────────────────────────────────────
def _page(calls: Sequence[Mapping[str, Any]], since: datetime) -> PulledPage:
    events, running = [], []
    for call in calls:
        fields = picked(call, OF_LIST)
        try:
            started_at = _time(
                "start_time", fields.get("start_time") or fields.get("date_created", "")
            )
        except Rejected:
            started_at = None
        if fields.get("status") in UNDER_WAY:
            running.append(started_at or since)
        elif started_at is None or started_at >= since:
            events.append(Event(fields.get("parent_call_sid") or fields.get("sid", ""), fields))
    return PulledPage(events, min(running, default=None))

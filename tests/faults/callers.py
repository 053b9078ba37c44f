"""Programs and platforms of the fault harness: they send messages until these are accepted."""

import base64
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode
from uuid import uuid4

import requests
from django.utils import timezone

from billing.accounts.api_keys import create_key
from billing.models import Account, Plan, Role, Scope
from billing.plans.subscriptions import subscribe
from calls.inbox import sources
from calls.sources.twilio.signing import signed
from tests.calls.inbox.fake_platforms import KEY
from tests.calls.inbox.sending import ACCOUNT_SID, TOKEN, address
from tests.factories import AccountFactory, MembershipFactory
from tests.faults.told_calls import Message

PATIENCE_SECONDS = 180
REQUEST_SECONDS_MAX = 20
PAUSE_SECONDS = 0.3
WORTH_A_REPEAT = (429, 500, 502, 503)


class Doors(NamedTuple):
    """The addresses and the credentials with which calls of ``account`` are told."""

    account: Account
    key: str
    vapi: str
    vapi_token: str
    twilio: str


def open_doors() -> Doors:
    """An account on Professional, with a key and two sources, the agent platform first."""
    membership = MembershipFactory(account=AccountFactory(), role=Role.SUPERADMIN)
    account, now = membership.account, timezone.now()
    # One instant for all accounts of a run: what they are given does not differ.
    began = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=3)
    subscribe(account=account, plan=Plan.objects.get(name="Professional"), at=began)
    made = create_key(
        membership=membership,
        public_id=uuid4(),
        name="Program",
        scopes=[Scope.CALLS_READ, Scope.CALLS_WRITE],
        expires_at=None,
        now=now,
    )
    connected = {"account": account, "by": None, "now": now}
    vapi = sources.connect(kind="vapi", name="Vapi", api_key=KEY, **connected)
    twilio = sources.connect(
        kind="twilio",
        name="Twilio",
        secret=TOKEN,
        api_key=f"SK:{KEY}",
        options={"account_sid": ACCOUNT_SID},
        **connected,
    )
    return Doors(account, made.secret, address(vapi), sources.secret_of(vapi), address(twilio))


@dataclass
class Accepted:
    """What was answered: the names of calls that are ours to charge, and what was met."""

    calls: set[str] = field(default_factory=set)
    withdrawn: set[str] = field(default_factory=set)
    figures: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    _lock: Any = field(default_factory=Lock)

    def note(self, message: Message) -> None:
        """Note that ``message`` was accepted."""
        with self._lock:
            self.figures[f"accepted by {message.door}"] += 1
            told = self.withdrawn if message.door == "withdrawal" else self.calls
            told.update(message.calls)

    def count(self, what: str) -> None:
        """Add to a figure."""
        with self._lock:
            self.figures[what] += 1


class Caller:
    """Sends messages through the doors of an account, one after the other."""

    def __init__(self, *, site: str, doors: Doors, accepted: Accepted) -> None:
        self._site = site
        self._doors = doors
        self._accepted = accepted
        self._session = requests.Session()

    def send(self, message: Message) -> None:
        """Send ``message`` until it is accepted, or once."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while failed := self._try(message):
            self._accepted.count(failed)
            if message.is_sent_once:
                self._accepted.count("messages that nobody sent again")
                return
            if time.monotonic() > deadline:
                self._accepted.errors.append(f"{message.door} was not accepted: {failed}")
                return
            time.sleep(PAUSE_SECONDS)
        self._accepted.note(message)

    def _try(self, message: Message) -> str:
        """Send it; return what went wrong, "" where it was accepted."""
        path, sent = self._request(message)
        try:
            answer = self._session.post(
                f"{self._site}{path}", timeout=REQUEST_SECONDS_MAX, allow_redirects=False, **sent
            )
        except requests.RequestException:
            return "requests without an answer"
        status = answer.status_code
        if status != 200 and status not in WORTH_A_REPEAT:
            self._accepted.errors.append(
                f"{message.door} was answered {status}: {answer.text[:200]}"
            )
        if message.door == "api" and status == 200:
            self._accepted.errors += [
                f"a record was rejected: {result}"
                for result in answer.json()["results"]
                if result["outcome"] == "rejected"
            ]
        return "" if status == 200 else f"answers of {status}"

    def _request(self, message: Message) -> tuple[str, dict[str, Any]]:
        """The path, and what is sent there."""
        doors, body = self._doors, message.body
        of_program = {"Authorization": f"Bearer {doors.key}"}
        match message.door:
            case "api":
                return "/api/v1/calls/", {"json": body, "headers": of_program}
            case "withdrawal":
                path = f"/api/v1/calls/{quote(body)}/withdraw/"
                return path, {"json": {"reason": "A test"}, "headers": of_program}
            case "vapi":
                headers = {"Authorization": f"Bearer {doors.vapi_token}"}
                return doors.vapi, {"json": body, "headers": headers}
            case _:
                form = {name: [value] for name, value in body.items()}
                signature = base64.b64encode(signed(f"{self._site}{doors.twilio}", form, TOKEN))
                headers = {
                    "X-Twilio-Signature": signature.decode(),
                    "Content-Type": "application/x-www-form-urlencoded",
                }
                return doors.twilio, {"data": urlencode(body), "headers": headers}

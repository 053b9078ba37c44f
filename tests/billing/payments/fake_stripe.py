"""Stripe's API as a small HTTP server on loopback: real requests, real failures, no network.

It keeps what the real one keeps of a Checkout Session, answers in the shapes of the API version
that the SDK asks for, and refuses what the real one refuses. What its customers do is a method
(`pay`, `refund`, …), which returns the event that Stripe would send; `signed` signs it.
Source: https://docs.stripe.com/api and https://docs.stripe.com/webhooks#verify-manually
"""

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

API_KEY = "sk_test_51Secret0000000000000000000000000000"
WEBHOOK_SECRET = "whsec_SecretOfTheEndpoint"
CHECKOUT_ORIGIN = "https://checkout.stripe.com"
HALF_AN_HOUR, A_DAY = 1_800, 86_400
LISTED, LISTED_MAX = 10, 100
OPEN_SESSIONS_ONLY = (
    'Only Checkout Sessions with a status in ["open"] can be expired. '
    "This Checkout Session has a status of `{status}`."
)

Object = dict[str, Any]


class Refusal(Exception):
    """An error as the API answers it."""

    def __init__(self, status: int, kind: str, message: str, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"type": kind, "message": message, "code": code or None}}


@dataclass(frozen=True)
class Request:
    """One request that arrived."""

    method: str
    path: str
    parameters: Object
    headers: dict[str, str]


@dataclass
class FakeStripe:
    """The server's books. ``faults`` are what goes wrong with the next requests, in order:

    ``500`` and ``429`` answer that and do nothing, ``drop`` does what is asked and closes the
    connection without an answer, ``slow`` does it and answers after ``slow_seconds``, ``moved``
    says that the same address is another.
    """

    address: str = ""
    requests: list[Request] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    slow_seconds: float = 1.0
    sessions: dict[str, Object] = field(default_factory=dict)
    intents: dict[str, Object] = field(default_factory=dict)
    charges: dict[str, Object] = field(default_factory=dict)
    refunds: list[Object] = field(default_factory=list)
    disputes: list[Object] = field(default_factory=list)
    refunds_fail: bool = False
    minimum: int = 1
    _answers: dict[str, tuple[Object, int, Object]] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _made: int = 0

    # ── The API ───────────────────────────────────────────────────────────────────────────────
    def answer(self, request: Request) -> tuple[int, Object]:
        """Do what a request asks for."""
        with self._lock:
            self.requests.append(request)
            key = request.headers.get("Idempotency-Key", "")
            if request.method == "POST" and key in self._answers:
                parameters, status, body = self._answers[key]
                if parameters != request.parameters:
                    raise Refusal(
                        400,
                        "idempotency_error",
                        "Keys for idempotent requests can only be used with the same parameters "
                        f"they were first used with. Try using a key other than '{key}'.",
                    )
                return status, body
            # As it is now, whatever happens to it later. A refusal is not kept.
            body = json.loads(json.dumps(self._route(request)))
            if request.method == "POST" and key:
                self._answers[key] = (request.parameters, 200, body)
            return 200, body

    def _route(self, request: Request) -> Object:
        if request.headers.get("Authorization") != f"Bearer {API_KEY}":
            raise Refusal(401, "invalid_request_error", "Invalid API Key provided: sk_test_***0000")
        match request.method, request.path.strip("/").split("/")[1:]:
            case "POST", ["checkout", "sessions"]:
                return self._create_session(request.parameters)
            case "GET", ["checkout", "sessions", session_id]:
                return self._expanded(
                    self._session(session_id), request.parameters.get("expand", [])
                )
            case "POST", ["checkout", "sessions", session_id, "expire"]:
                return self._expire_session(self._session(session_id))
            case "POST", ["refunds"]:
                return self._refund_intent(request.parameters)
            case "GET", ["refunds"]:
                return self._list(self.refunds, request)
            case "GET", ["disputes"]:
                return self._list(self.disputes, request)
        raise Refusal(404, "invalid_request_error", f"Unrecognized request URL ({request.path}).")

    def _list(self, made: list[Object], request: Request) -> Object:
        """One page of what was made of a payment intent, the newest first."""
        asked = request.parameters
        found = [each for each in made[::-1] if each["payment_intent"] == asked["payment_intent"]]
        if after := asked.get("starting_after"):
            found = found[1 + [each["id"] for each in found].index(after) :]
        limit = int(asked.get("limit", LISTED))
        if not 1 <= limit <= LISTED_MAX:
            raise Refusal(400, "invalid_request_error", "This value must be from 1 to 100.")
        has_more = len(found) > limit
        return {
            "object": "list",
            "url": request.path,
            "data": found[:limit],
            "has_more": has_more,
        }

    def _create_session(self, parameters: Object) -> Object:
        item = parameters["line_items"][0]
        amount = int(item["price_data"]["unit_amount"]) * int(item["quantity"])
        expires_at, currency = int(parameters["expires_at"]), item["price_data"]["currency"]
        if not HALF_AN_HOUR <= expires_at - time.time() + 5 <= A_DAY + 10:
            raise Refusal(400, "invalid_request_error", "The `expires_at` timestamp is not valid.")
        if amount < self.minimum:
            message = "The Checkout Session's total amount must convert to at least 50 cents."
            raise Refusal(400, "invalid_request_error", message, "amount_too_small")
        if amount < 1 or currency != currency.lower() or len(currency) != 3:
            raise Refusal(400, "invalid_request_error", "Invalid amount or currency.")
        if parameters.get("customer_email") == "":
            raise Refusal(400, "invalid_request_error", "Invalid email address: ")
        if not parameters["success_url"].startswith("http"):
            raise Refusal(400, "invalid_request_error", "Not a valid URL")
        session_id = self._id("cs_test")
        self.sessions[session_id] = {
            "id": session_id,
            "object": "checkout.session",
            "amount_subtotal": amount,
            "amount_total": amount,
            "cancel_url": parameters["cancel_url"],
            "client_reference_id": parameters["client_reference_id"],
            "created": int(time.time()),
            "currency": currency,
            "customer": None,
            "customer_email": parameters.get("customer_email"),
            "expires_at": expires_at,
            "livemode": False,
            "metadata": parameters["metadata"],
            "mode": parameters["mode"],
            "payment_intent": None,  # there is none before somebody pays
            "payment_status": "unpaid",
            "status": "open",
            "success_url": parameters["success_url"],
            "ui_mode": "hosted_page",
            "url": f"{CHECKOUT_ORIGIN}/c/pay/{session_id}#fid",
        }
        self.intents[session_id] = {"metadata": parameters["payment_intent_data"]["metadata"]}
        return self.sessions[session_id]

    def _session(self, session_id: str) -> Object:
        if session_id not in self.sessions:
            message = f"No such checkout.session: {session_id}"
            raise Refusal(404, "invalid_request_error", message, "resource_missing")
        session = self.sessions[session_id]
        if session["status"] == "open" and session["expires_at"] <= time.time():
            session.update(status="expired", url=None)
        return session

    def _expanded(self, session: Object, expand: list[str]) -> Object:
        intent = self.intents.get(session["payment_intent"])
        if intent is None or "payment_intent.latest_charge" not in expand:
            return session
        charge = self.charges.get(intent["latest_charge"])
        return {**session, "payment_intent": {**intent, "latest_charge": charge}}

    def _expire_session(self, session: Object) -> Object:
        if session["status"] != "open":
            message = OPEN_SESSIONS_ONLY.format(status=session["status"])
            raise Refusal(400, "invalid_request_error", message)
        session.update(status="expired", url=None)
        return session

    def _refund_intent(self, parameters: Object) -> Object:
        intent = self.intents.get(parameters["payment_intent"])
        if intent is None:
            message = f"No such payment_intent: '{parameters['payment_intent']}'"
            raise Refusal(404, "invalid_request_error", message, "resource_missing")
        amount, charge = int(parameters["amount"]), self.charges[intent["latest_charge"]]
        if amount > charge["amount"] - charge["amount_refunded"]:
            message = "Refund amount is greater than unrefunded amount on charge"
            raise Refusal(400, "invalid_request_error", message)
        charge["amount_refunded"] += amount
        charge["refunded"] = charge["amount_refunded"] == charge["amount"]
        refund = {
            "id": self._id("re"),
            "object": "refund",
            "amount": amount,
            "charge": charge["id"],
            "currency": charge["currency"],
            "metadata": parameters.get("metadata", {}),
            "payment_intent": intent["id"],
            "status": "succeeded",
        }
        self.refunds.append(refund)
        if self.refunds_fail:
            self.fail_refund(refund)
        return refund

    # ── What happens there, and the event that tells of it ────────────────────────────────────
    def pay(self, session_id: str) -> Object:
        """The customer pays by card."""
        self._complete(session_id, "succeeded")
        return self.event("checkout.session.completed", self.sessions[session_id])

    def pay_by_bank(self, session_id: str) -> Object:
        """The customer orders a payment that takes days: complete, and not paid."""
        self._complete(session_id, "processing")
        return self.event("checkout.session.completed", self.sessions[session_id])

    def bank_pays(self, session_id: str) -> Object:
        """The money of `pay_by_bank` arrives."""
        self._settle(session_id, "succeeded")
        return self.event("checkout.session.async_payment_succeeded", self.sessions[session_id])

    def bank_refuses(self, session_id: str) -> Object:
        """The money of `pay_by_bank` does not arrive."""
        self._settle(session_id, "requires_payment_method")
        return self.event("checkout.session.async_payment_failed", self.sessions[session_id])

    def expire(self, session_id: str) -> Object:
        """Nobody paid in time."""
        self.sessions[session_id].update(status="expired", url=None)
        return self.event("checkout.session.expired", self.sessions[session_id])

    def refund(self, session_id: str, amount: int) -> Object:
        """Somebody refunds in Stripe's own dashboard."""
        intent_id = self.sessions[session_id]["payment_intent"]
        with self._lock:
            self._refund_intent({"payment_intent": intent_id, "amount": amount})
        return self.event("charge.refunded", self._charge(session_id))

    def fail_refund(self, refund: Object) -> Object:
        """The customer's bank sends the money of a refund back, maybe days later."""
        charge = self.charges[refund["charge"]]
        charge["amount_refunded"] -= refund["amount"]
        charge["refunded"] = False
        refund.update(status="failed", failure_reason="lost_or_stolen_card")
        return self.event("refund.failed", refund)

    def dispute(
        self, session_id: str, status: str = "needs_response", amount: int | None = None
    ) -> Object:
        """The customer has the bank take the money back; ``warning_…`` is only an inquiry."""
        charge = self._charge(session_id)
        charge["disputed"] = True
        dispute = {
            "id": self._id("du"),
            "object": "dispute",
            "amount": amount or charge["amount"],
            "charge": charge["id"],
            "currency": charge["currency"],
            "balance_transactions": [],
            "created": int(time.time()),
            "evidence_details": {"due_by": int(time.time()) + A_DAY * 7},
            "is_charge_refundable": False,
            "metadata": {},
            "payment_intent": charge["payment_intent"],
            "reason": "fraudulent",
            "status": status,
        }
        self.disputes.append(dispute)
        return self.event("charge.dispute.created", dispute)

    def decide_dispute(self, created: Object, status: str, kind: str = "closed") -> Object:
        """The bank decides the dispute of that event: ``won`` is for us, ``lost`` for them."""
        dispute_id = created["data"]["object"]["id"]
        dispute = next(each for each in self.disputes if each["id"] == dispute_id)
        dispute["status"] = status
        return self.event(f"charge.dispute.{kind}", dispute)

    def reinstate(self, created: Object, amount: int, *, withdrawn: int | None = None) -> Object:
        """A part of what was withdrawn comes back, whatever the status of the dispute is."""
        return self.move_funds(created, -(withdrawn or created["data"]["object"]["amount"]), amount)

    def move_funds(self, created: Object, *amounts: int) -> Object:
        """The money of a dispute moves, each time an hour later: negative is withdrawn."""
        dispute_id = created["data"]["object"]["id"]
        dispute = next(each for each in self.disputes if each["id"] == dispute_id)
        dispute["balance_transactions"] = [
            {"amount": amount, "created": dispute["created"] + 3_600 * number, "currency": "usd"}
            for number, amount in enumerate(amounts)
        ]
        kind = "reinstated" if amounts[-1] > 0 else "withdrawn"
        return self.event(f"charge.dispute.funds_{kind}", dispute)

    def event(self, kind: str, about: Object) -> Object:
        """An event of ``kind`` about an object as it is now."""
        return {
            "id": self._id("evt"),
            "object": "event",
            "api_version": "2026-10-28.endive",
            "created": int(time.time()),
            "data": {"object": json.loads(json.dumps(about))},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": kind,
        }

    def _charge(self, session_id: str) -> Object:
        intent = self.intents[self.sessions[session_id]["payment_intent"]]
        return self.charges[intent["latest_charge"]]

    def _complete(self, session_id: str, intent_status: str) -> None:
        session, intent_id = self.sessions[session_id], self._id("pi")
        self.intents[intent_id] = {
            "id": intent_id,
            "object": "payment_intent",
            "amount": session["amount_total"],
            "currency": session["currency"],
            "last_payment_error": None,
            "latest_charge": None,
            **self.intents.pop(session_id),
        }
        session.update(status="complete", url=None, payment_intent=intent_id)
        self._settle(session_id, intent_status)

    def _settle(self, session_id: str, intent_status: str) -> None:
        session = self.sessions[session_id]
        intent = self.intents[session["payment_intent"]]
        intent["status"] = intent_status
        if intent_status == "requires_payment_method":
            intent["last_payment_error"] = {
                "code": "payment_intent_payment_attempt_failed",
                "decline_code": "insufficient_funds",
                "message": "The bank refused the debit.",
            }
        if intent_status == "succeeded":
            session["payment_status"] = "paid"
            charge_id = intent["latest_charge"] = self._id("ch")
            self.charges[charge_id] = {
                "id": charge_id,
                "object": "charge",
                "amount": session["amount_total"],
                "amount_captured": session["amount_total"],
                "amount_refunded": 0,
                "created": int(time.time()),
                "currency": session["currency"],
                "disputed": False,
                "metadata": intent["metadata"],
                "paid": True,
                "payment_intent": intent["id"],
                "refunded": False,
                "status": "succeeded",
            }

    def _id(self, prefix: str) -> str:
        with self._lock:
            self._made += 1
            return f"{prefix}_{self._made:014d}"


def signed(body: bytes, *, at: float | None = None, secret: str = WEBHOOK_SECRET) -> str:
    """The ``Stripe-Signature`` of ``body``, made as the documentation says, not by our code."""
    timestamp = int(time.time() if at is None else at)
    mac = hmac.new(secret.encode(), f"{timestamp}.{body.decode()}".encode(), hashlib.sha256)
    return f"t={timestamp},v1={mac.hexdigest()},v0=ignored"


@contextmanager
def running() -> Iterator[FakeStripe]:
    """A server on a free port of loopback, until the end of the block."""
    stripe = FakeStripe()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body are sent apart: otherwise the body waits 40 ms for the head's receipt.
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._handle(dict_of(parse_qsl(urlsplit(self.path).query)))

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            pairs = parse_qsl(self.rfile.read(length).decode(), keep_blank_values=True)
            self._handle(dict_of(pairs))

        def _handle(self, parameters: Object) -> None:
            fault = stripe.faults.pop(0) if stripe.faults else ""
            path = urlsplit(self.path).path
            status, body = 200, {}
            if fault == "moved":
                self.send_response(307)
                self.send_header("Location", f"{stripe.address}{self.path}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if fault in ("500", "429"):
                status, body = int(fault), Refusal(0, "api_error", "Something went wrong").body
            else:
                request = Request(self.command, path, parameters, dict(self.headers))
                try:
                    status, body = stripe.answer(request)
                except Refusal as refusal:
                    status, body = refusal.status, refusal.body
            if fault == "slow":
                time.sleep(stripe.slow_seconds)
            if fault == "drop":
                self.close_connection = True
                return
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Request-Id", "req_1")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    stripe.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield stripe
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def dict_of(pairs: list[tuple[str, str]]) -> Object:
    """``a[b][0][c]=1``, as Stripe's forms are written, as ``{"a": {"b": [{"c": "1"}]}}``."""
    found: Object = {}
    for name, value in pairs:
        keys = name.replace("]", "").split("[")
        place = found
        for key in keys[:-1]:
            place = place.setdefault(key, {})
        place[keys[-1]] = value
    return {key: _lists(value) for key, value in found.items()}


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {key: _lists(each) for key, each in value.items()}
    if inner and all(key.isdigit() for key in inner):
        return list(inner.values())
    return inner

"""The lists of call platforms as a small HTTP server on loopback: real requests, no network.

Each answers as the real one does: pages, filters by time, 401 for another key, 429 when told to.
"""

import base64
import json
import threading
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

KEY = "the-key"


class FakePlatforms:
    """Books of a server. ``calls`` are those of its list; ``faults`` go wrong first, in order.

    After ``break_after`` further requests it is broken.
    """

    def __init__(self):
        self.calls = []
        self.key = KEY
        self.faults = []
        self.break_after = None
        self.requests = []
        self.page_size = 100
        self.pages_told = None  # where it tells another number than there are
        self.base = ""

    def answer(self, method, path, query, headers, body):
        """Return status, headers and JSON."""
        self.requests.append((method, path, query))
        if self.faults:
            return self.faults.pop(0)
        if self.break_after is not None:
            if not self.break_after:
                return 500, {}, {}
            self.break_after -= 1
        if path == "/call":
            return self._vapi(query, headers)
        if path.startswith("/2010-04-01/"):
            return self._twilio(query, headers)
        if path == "/v2/list-calls":
            return self._retell(json.loads(body), headers)
        if path == "/v1/convai/conversations":
            return self._elevenlabs(query, headers)
        if path == "/v2/detail_records":
            return self._telnyx(query, headers)
        return 404, {}, {}

    def _retell(self, asked, headers):
        if headers.get("Authorization") != f"Bearer {self.key}":
            return 401, {}, {}
        bounds = asked["filter_criteria"]["start_timestamp"]
        calls = [
            call
            for call in sorted(self.calls, key=lambda call: call["start_timestamp"])
            if bounds["lower_threshold"] <= call["start_timestamp"] <= bounds["upper_threshold"]
        ]
        ids = [call["call_id"] for call in calls]
        begin = ids.index(asked["pagination_key"]) + 1 if "pagination_key" in asked else 0
        return 200, {}, calls[begin : begin + asked["limit"]]

    def _elevenlabs(self, query, headers):
        if headers.get("xi-api-key") != self.key:
            return 401, {}, {}
        begin = int(query.get("cursor", ["0"])[0])
        listed = self.calls[begin : begin + self.page_size]
        more = len(self.calls) > begin + self.page_size
        following = str(begin + self.page_size) if more else None
        return 200, {}, {"conversations": listed, "has_more": more, "next_cursor": following}

    def _telnyx(self, query, headers):
        if headers.get("Authorization") != f"Bearer {self.key}":
            return 403, {}, {}
        page = int(query["page[number]"][0])
        listed = self.calls[(page - 1) * self.page_size : page * self.page_size]
        pages = self.pages_told or -(-len(self.calls) // self.page_size)
        meta = {"total_pages": pages, "page_size": self.page_size}
        return 200, {}, {"data": listed, "meta": meta}

    def _vapi(self, query, headers):
        if headers.get("Authorization") != f"Bearer {self.key}":
            return 401, {}, {"message": "Invalid Key"}
        since, until = query["createdAtGe"][0], query["createdAtLe"][0]
        found = [call for call in self.calls if since <= call["createdAt"] <= until]
        found.sort(key=lambda call: call["createdAt"], reverse=True)
        return 200, {}, found[: int(query["limit"][0])]

    def _twilio(self, query, headers):
        kind, _, encoded = headers.get("Authorization", "").partition(" ")
        if kind != "Basic" or base64.b64decode(encoded).decode().partition(":")[2] != self.key:
            return 401, {}, {"code": 20003}
        page = int(query.get("Page", ["0"])[0])
        listed = self.calls[page * self.page_size : (page + 1) * self.page_size]
        more = len(self.calls) > (page + 1) * self.page_size
        following = f"/2010-04-01/Accounts/AC/Calls.json?Page={page + 1}" if more else None
        return 200, {}, {"calls": listed, "next_page_uri": following}


@contextmanager
def serving():
    """Yield the books of a server that runs until the end of the block."""
    books = FakePlatforms()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self):
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            status, headers, answer = books.answer(
                self.command, parts.path, parse_qs(parts.query), self.headers, body
            )
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _do

        def log_message(self, *arguments):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    books.base = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield books
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def listed_by_vapi(document, *, status="ended", created_at=None):
    """A call of the list with the same facts as a report."""
    message = document["message"]
    return {
        **message["call"],
        "orgId": "org",
        "status": status,
        "createdAt": created_at or message["startedAt"],
        "updatedAt": message["endedAt"],
        "startedAt": message["startedAt"],
        "endedAt": message["endedAt"],
        "endedReason": message["endedReason"],
        "assistant": {"name": message["assistant"].get("name", "")},
        "transcript": "AI: Hello",
    }


def listed_by_twilio(forms):
    """A call of the list with the same facts as its callbacks."""
    by_status = {form["CallStatus"]: form for form in forms}
    last = forms[-1]
    answered = by_status.get("in-progress", last)
    return {
        "sid": last["CallSid"],
        "parent_call_sid": last.get("ParentCallSid"),
        "account_sid": last["AccountSid"],
        "status": last["CallStatus"],
        "direction": last["Direction"],
        "from": last["From"],
        "to": last["To"],
        "date_created": forms[0]["Timestamp"],
        "start_time": answered["Timestamp"],
        "end_time": last["Timestamp"],
        "duration": last.get("CallDuration", "0"),
        "price": "-0.013",
    }


def listed_by_retell(events):
    """A call of the list with the same facts as its events."""
    return dict(events[-1]["call"])


def listed_by_elevenlabs(events):
    """A conversation of the list with the same facts as its webhook."""
    data = events[0]["data"]
    return {
        "conversation_id": data["conversation_id"],
        "agent_id": data["agent_id"],
        "agent_name": data["agent_name"],
        "status": data["status"],
        "start_time_unix_secs": data["metadata"]["start_time_unix_secs"],
        "call_duration_secs": data["metadata"]["call_duration_secs"],
        "direction": data["metadata"]["phone_call"]["direction"],
        "transcript_summary": "x",
    }


def listed_by_telnyx(events):
    """A detail record with the same facts as its webhooks."""
    last = events[-1]["data"]
    payload = last["payload"]
    has_answer = any(event["data"]["event_type"] == "call.answered" for event in events)
    start, end = (datetime.fromisoformat(events[n]["data"]["occurred_at"]) for n in (0, -1))
    return {
        "record_type": "call-control",
        "id": f"record-{payload['call_session_id']}",
        "call_session_id": payload["call_session_id"],
        "direction": "outbound",
        "cli": payload["from"],
        "cld": payload["to"],
        "started_at": start.isoformat(),
        "finished_at": end.isoformat(),
        "call_sec": int((end - start).total_seconds()) if has_answer else 0,
        "billed_sec": 60,
        "hangup_cause": payload["hangup_cause"],
    }


LISTED = {
    "retell": listed_by_retell,
    "elevenlabs": listed_by_elevenlabs,
    "telnyx": listed_by_telnyx,
}

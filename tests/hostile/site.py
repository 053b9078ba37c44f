"""The site as `make run` serves it, and what sends requests to it and judges the answers."""

import os
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from threading import Lock, local

from django.conf import settings
from django.db import connection
from django.test import Client

from config.local.state import BASE_DIR
from tests.child import child_environment
from tests.hostile.world import NOBODY, World

SENDERS = 4
PATIENCE_SECONDS = 30
TOKEN = "t" * 32
# What a request may write however little it asks for: the session of whoever sends it.
OF_SESSIONS = {"django_session", "usersessions_usersession"}
READING = ("GET", "HEAD", "OPTIONS", "TRACE")
# Where a form can sign its sender out.
ENDS_SESSIONS = ("/accounts/", "/admin/logout/", "/admin/billing/user/", "/admin/mfa/")
OWN_ADDRESS = {"Host": "localhost"}


@dataclass(frozen=True, slots=True)
class Shot:
    """One request. ``role`` sends it, with a session of its own where it may end that."""

    role: str
    method: str
    path: str
    body: bytes | None = None
    content_type: str = "application/x-www-form-urlencoded"
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def may_end_sessions(self) -> bool:
        """Whether it may sign its sender out, here or everywhere."""
        return self.method not in READING and self.path.startswith(ENDS_SESSIONS)

    def __str__(self) -> str:
        return f"{self.method} {self.path[:150]} by {self.role} {self.headers} {self.body!r:.150}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: bytes
    is_html: bool


@dataclass
class Verdict:
    """What all the answers said. ``faults`` is what must never be."""

    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def judge(self, shot: Shot, answer: Answer | None, secrets: Iterable[str]) -> None:
        """Count an answer; None: there was none."""
        status = answer.status if answer is not None else 0
        self.statuses[status] += 1
        if status == 0 or status >= 500:
            self.faults.append(f"{status}: {shot}")
        if answer is not None:
            for secret in secrets:
                if secret.encode() in answer.body or secret.lower().encode() in answer.body:
                    self.faults.append(f"{secret} told: {shot}")


class Site:
    """A running site with the tests' own database."""

    def __init__(self, port: int, world: World) -> None:
        self.port, self._world = port, world
        self._sessions = {role: self.session_of(role) for role in [NOBODY, *world.people]}
        self._thread = local()
        self._lock = Lock()
        self.verdict = Verdict()

    def session_of(self, role: str) -> str:
        """A new session of a person; empty for nobody."""
        if role == NOBODY:
            return ""
        client = Client()
        client.force_login(self._world.people[role])
        return client.cookies[settings.SESSION_COOKIE_NAME].value

    def fire(self, shots: Iterable[Shot]) -> list[Answer | None]:
        """Send all of ``shots``, some at a time; judge and return the answers.

        Those that may end sessions come last, and everybody signs in anew after them.
        """
        held = list(shots)
        ending = [shot.may_end_sessions for shot in held]
        answers = iter(
            self._volley(shot for shot, ends in zip(held, ending, strict=True) if not ends)
        )
        last = iter(self._volley(shot for shot, ends in zip(held, ending, strict=True) if ends))
        if any(ending):
            self._sessions = {role: self.session_of(role) for role in self._sessions}
        return [next(last if ends else answers) for ends in ending]

    def _volley(self, shots: Iterable[Shot]) -> list[Answer | None]:
        prepared = [(shot, self._cookie(shot)) for shot in shots]
        with ExitStack() as opened, ThreadPoolExecutor(SENDERS) as pool:
            self._opened = opened
            return list(pool.map(lambda one: self._send(*one), prepared))

    def _cookie(self, shot: Shot) -> str:
        own_one = shot.may_end_sessions
        session = self.session_of(shot.role) if own_one else self._sessions[shot.role]
        own = f"; {settings.SESSION_COOKIE_NAME}={session}" if session else ""
        return f"{settings.CSRF_COOKIE_NAME}={TOKEN}{own}"

    def _send(self, shot: Shot, cookie: str) -> Answer | None:
        headers = {
            **OWN_ADDRESS,
            "Cookie": cookie,
            "X-CSRFToken": TOKEN,
            **({"Content-Type": shot.content_type} if shot.body is not None else {}),
            **shot.headers,
        }
        try:
            answer = self._ask(shot, headers)
        except (OSError, HTTPException):
            self._thread.connection.close()
            answer = None
        with self._lock:
            self.verdict.judge(shot, answer, self._world.secret_of_others(shot.role, shot.path))
        return answer

    def _ask(self, shot: Shot, headers: dict[str, str]) -> Answer:
        if not hasattr(self._thread, "connection"):
            opened = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
            self._thread.connection = self._opened.enter_context(closing(opened))
        connection: HTTPConnection = self._thread.connection
        connection.putrequest(shot.method, shot.path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value.encode("latin-1"))
        if shot.body is not None:
            connection.putheader("Content-Length", str(len(shot.body)))
        connection.endheaders(shot.body)
        answer = connection.getresponse()
        body = answer.read()
        kind = answer.headers.get("Content-Type", "")
        if answer.will_close:
            connection.close()
        return Answer(answer.status, body, kind.startswith("text/html"))

    def first_line(self, request: bytes) -> str:
        """The answer to a whole connection of bytes; empty where it is closed without one."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as sender:
            try:
                sender.sendall(request)
                return sender.recv(4096).split(b"\r\n", 1)[0].decode("latin-1")
            except TimeoutError:
                return "waits"
            except OSError:
                return ""

    def signed_in(self) -> set[str]:
        """Who is still signed in: requests of others would prove nothing about them."""
        answers = self.fire(Shot(role, "GET", "/accounts/sessions/") for role in self._sessions)
        asked = zip(self._sessions, answers, strict=True)
        return {role for role, answer in asked if answer is not None and answer.status == 200}

    def is_alive(self) -> bool:
        """Whether it answers a probe."""
        probe = HTTPConnection("127.0.0.1", self.port, timeout=3)
        try:
            probe.request("GET", "/health/")
            return probe.getresponse().status == 200
        finally:
            probe.close()


def contents() -> dict[str, tuple[int, str]]:
    """How many rows each table has, and a digest of them."""
    with connection.cursor() as cursor:
        names = set(connection.introspection.table_names(cursor)) - OF_SESSIONS
        parts = [
            f"SELECT '{name}', count(*), md5(string_agg(row, '' ORDER BY row)) "
            f'FROM (SELECT md5(t::text) AS row FROM "{name}" t) AS "of {name}"'
            for name in sorted(names)
        ]
        cursor.execute(" UNION ALL ".join(parts))
        return {name: (count, digest) for name, count, digest in cursor.fetchall()}


@contextmanager
def served(directory: Path) -> Iterator[int]:
    """Serve the site, as in production but for HTTPS; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    environment = child_environment(
        DEBUG="false",
        SECRET_KEY=settings.SECRET_KEY,
        ALLOWED_HOSTS="localhost",
        SITE_URL="http://localhost",
        EMAIL_URL="dummymail://",
        PAYMENT_GATEWAY="sandbox",
        SANDBOX_PAYMENTS_ALLOWED="true",
        SANDBOX_WEBHOOK_SECRET=settings.SANDBOX_WEBHOOK_SECRET,
        STATIC_ROOT=str(directory / "static"),
        HOST="127.0.0.1",
        PORT=str(port),
        WEB_CONCURRENCY="2",
        LOG_LEVEL="ERROR",
    )
    collect = [sys.executable, "manage.py", "collectstatic", "--no-input", "--verbosity=0"]
    subprocess.run(collect, env=environment, cwd=BASE_DIR, check=True)
    log = directory / "log"
    gunicorn = [sys.executable, "-m", "gunicorn", "--config=python:config.gunicorn"]
    with log.open("wb") as output:
        server = subprocess.Popen(
            [*gunicorn, "--access-logfile=/dev/null", "config.wsgi"],
            env=environment,
            cwd=BASE_DIR,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_it_listens(port, server, log)
        yield port
    finally:
        server.terminate()
        server.wait(30)
        if os.environ.get("HOSTILE_LOG"):
            Path(os.environ["HOSTILE_LOG"]).write_bytes(log.read_bytes())


def _wait_until_it_listens(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        with socket.socket() as caller:
            if caller.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(log.read_text())


# ── What a page takes ─────────────────────────────────────────────────────────────────────────
class _Form(HTMLParser):
    """The named inputs of a page, with what they would send."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: dict[str, str] = {}
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name = given.get("name")
        if not name or tag not in ("input", "select", "textarea", "button"):
            return
        self.names.add(name)
        is_choice = given.get("type") in ("radio", "checkbox")
        if tag != "button" and (not is_choice or "checked" in given):
            self.sent[name] = given.get("value") or ""


def form_of(page: bytes) -> dict[str, str]:
    """The fields of all forms of a page, with the values that they have."""
    form = _Form()
    form.feed(page.decode(errors="replace"))
    fields = dict.fromkeys(sorted(form.names), "") | form.sent
    fields.pop("csrfmiddlewaretoken", None)
    return fields


def parameters_of(page: bytes) -> set[str]:
    """The names that the links and forms of a page put into addresses."""
    linked = re.findall(r"(?:\?|&amp;|&)(\w[\w.-]*)=", page.decode(errors="replace"))
    return set(linked) | set(form_of(page))

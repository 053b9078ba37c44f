"""The webhook while something is wrong: two at once, a database or broker that fails or hangs."""

import json
import socket
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from http.client import HTTPConnection
from threading import Barrier

import psycopg2
import pytest
from django.conf import settings as live_settings
from django.db import connection
from django.test import Client
from django.utils import timezone

from billing.models import PaymentEvent, TopUpState
from billing.payments import tasks
from billing.payments.gateways.signatures import sign
from config.celery import BEAT_SCHEDULE
from tests.api.v1.conftest import key_of
from tests.billing.payments.purchases import balance_of, begin, now, state_of, stored
from tests.calls.inbox.sending import address, connect
from tests.child import child_environment
from tests.dashboard.sandbox.customer import deliver, event, pay

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 6
TOO_LARGE = {"error": "the body is too large"}

# Takes a signed body from standard input in a process of its own, whose broker is another one.
TAKE_WEBHOOK = """
import sys, time
import django
django.setup()
from django.test import Client
began = time.monotonic()
response = Client().post(
    "/webhooks/sandbox/", data=sys.stdin.buffer.read(), content_type="application/json",
    headers={"Sandbox-Signature": sys.argv[1]},
)
print(response.status_code, time.monotonic() - began)
"""


@pytest.fixture
def payment(default_packs, account):
    payment = begin(account)
    pay(payment)
    return payment


@pytest.fixture(scope="module")
def gunicorn():
    """The site as it is served, with one worker; yields its port."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "--config=python:config.gunicorn", "config.wsgi"],
        env=child_environment(HOST="127.0.0.1", PORT=str(port), WEB_CONCURRENCY="1"),
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not _listens(port):
        assert time.monotonic() < deadline, "gunicorn does not listen"
        assert process.poll() is None, "gunicorn ended"
        time.sleep(0.1)
    yield port
    process.terminate()
    process.wait(30)


def _listens(port):
    with closing(socket.socket()) as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


def pieces(number):
    for _ in range(number):
        yield b"x" * 1024 * 1024


@pytest.mark.parametrize("body", [b"x" * 1024 * 1024, pieces(1)], ids=["length", "chunks"])
def test_who_sends_far_too_much_still_gets_an_answer(gunicorn, body):
    with closing(HTTPConnection("127.0.0.1", gunicorn, timeout=30)) as sender:
        sender.request("POST", "/webhooks/sandbox/", body)
        answer = sender.getresponse()
        assert (answer.status, json.loads(answer.read())) == (413, TOO_LARGE)


# ── Bodies of any size ────────────────────────────────────────────────────────────────────────
@pytest.fixture
def key(account):
    return key_of(account, at=timezone.now()).secret


def send(port, address, mebibytes, *, chunked, **headers):
    """Send a body of this size; return the status, the type and the body of the answer."""
    body = pieces(mebibytes) if chunked else b"x" * mebibytes * 1024 * 1024
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as sender:
        sender.request("POST", address, body, headers)
        answer = sender.getresponse()
        return answer.status, answer.headers["Content-Type"].partition(";")[0], answer.read()


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
@pytest.mark.parametrize("mebibytes", [9, 10, 48])
def test_the_api_refuses_a_body_of_any_size_with_a_problem(gunicorn, key, mebibytes, chunked):
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    status, kind, body = send(gunicorn, "/api/v1/calls/", mebibytes, chunked=chunked, **headers)
    assert (status, kind) == (413, "application/problem+json")
    assert json.loads(body)["type"].endswith("#too-large")


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
@pytest.mark.parametrize("mebibytes", [9, 10, 48])
def test_webhooks_refuse_a_body_of_any_size_in_json(gunicorn, account, mebibytes, chunked):
    for path in (address(connect(account)), "/webhooks/sandbox/"):
        status, kind, body = send(gunicorn, path, mebibytes, chunked=chunked)
        assert (status, kind, json.loads(body)) == (413, "application/json", TOO_LARGE)


def test_a_page_refuses_a_body_of_any_size_with_a_page(gunicorn):
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    status, kind, body = send(gunicorn, "/accounts/login/", 48, chunked=False, **form)
    assert (status, kind) == (413, "text/html")
    assert b"At most 1,048,576 bytes" in body


def test_who_asks_before_sending_too_much_is_answered_at_once(gunicorn, key):
    head = (
        "POST /api/v1/calls/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {key}\r\nContent-Length: {10**10}\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", gunicorn), timeout=60) as sender:
        sender.sendall(head.encode())
        told = b""
        while piece := sender.recv(65_536):  # it closes the connection
            told += piece
    assert told.startswith(b"HTTP/1.1 413 ")
    assert b"#too-large" in told


def test_what_follows_a_dropped_body_on_its_connection_is_answered(gunicorn):
    with closing(HTTPConnection("127.0.0.1", gunicorn, timeout=60)) as sender:
        for _ in range(2):
            sender.request("POST", "/webhooks/sandbox/", b"x" * 10 * 1024 * 1024)
            answer = sender.getresponse()
            assert (answer.status, json.loads(answer.read())) == (413, TOO_LARGE)
        sender.request("GET", "/api/v1/openapi.yaml")
        assert sender.getresponse().status == 200


def test_the_same_event_from_all_sides_at_once_is_stored_once(payment):
    again = event(payment, event_id="event_1")
    barrier = Barrier(THREADS)

    def work(_number):
        barrier.wait()
        try:
            return deliver(Client(), again)
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(work, range(THREADS)))
    assert [answer.status_code for answer in answers] == [200] * THREADS
    told = Counter(answer.json()["received"] for answer in answers)
    assert told == {"known": THREADS - 1, "stored": 1}
    assert PaymentEvent.objects.count() == 1


def test_a_database_that_fails_is_answered_with_503_so_that_the_provider_tries_again(payment):
    client, payload = Client(raise_request_exception=False), event(payment)
    parameters = connection.get_connection_params()
    parameters = {key: parameters[key] for key in parameters if "factory" not in key}
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '100ms'")
    try:
        with closing(psycopg2.connect(**parameters)) as other, other.cursor() as cursor:
            cursor.execute("LOCK TABLE billing_paymentevent IN ACCESS EXCLUSIVE MODE")
            assert deliver(client, payload).status_code == 503
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET lock_timeout")
    assert PaymentEvent.objects.count() == 0
    assert deliver(client, payload).status_code == 200


def take_webhook(payload, redis_url):
    """Deliver ``payload`` to a process whose broker is ``redis_url``: its status and seconds."""
    body = json.dumps(payload).encode()
    signature = sign(body=body, secret=live_settings.SANDBOX_WEBHOOK_SECRET, at=now())
    done = subprocess.run(
        [sys.executable, "-c", TAKE_WEBHOOK, signature],
        input=body,
        env=child_environment(REDIS_URL=redis_url),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    status, seconds = done.stdout.split()
    return int(status), float(seconds)


@pytest.mark.parametrize("broker", ["refuses", "is silent"])
def test_without_a_broker_an_event_is_stored_and_answered_soon(payment, broker):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if broker == "is silent":
            listener.listen()
        port = listener.getsockname()[1]
        status, seconds = take_webhook(event(payment), f"redis://127.0.0.1:{port}/0")
    assert status == 200
    assert seconds < 10
    assert stored().processed_at is None


@pytest.mark.broker
def test_what_the_broker_lost_is_processed_by_the_sweeper(payment, account, celery_worker):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        take_webhook(event(payment), f"redis://127.0.0.1:{nobody.getsockname()[1]}/0")
    PaymentEvent.objects.update(received_at=now() - timedelta(seconds=11))
    tasks.sweep_payments.delay()
    celery_worker()
    payment.refresh_from_db()
    assert (state_of(payment), balance_of(account)) == (TopUpState.CREDITED, 500)
    assert stored().processed_at is not None


@pytest.mark.broker
def test_a_webhook_alone_credits_through_the_real_worker(payment, account, celery_worker):
    assert deliver(Client(), event(payment)).status_code == 200
    celery_worker()
    assert balance_of(account) == 500


@pytest.mark.broker
def test_a_payment_whose_webhook_never_came_is_found_by_the_sweeper(
    payment, account, celery_worker
):
    type(payment).objects.update(next_check_at=now())
    tasks.sweep_payments.delay()
    celery_worker()
    assert balance_of(account) == 500


def test_what_beat_sends_while_no_worker_runs_does_not_pile_up():
    often = [each for each in BEAT_SCHEDULE.values() if isinstance(each["schedule"], int)]
    assert len(often) > 3
    assert all(each["options"] == {"expires": each["schedule"]} for each in often)

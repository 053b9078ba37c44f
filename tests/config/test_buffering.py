"""The real web server, and clients that are slow, broken or greedy."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from config.local.state import BASE_DIR

HALF_A_REQUEST = b"POST /accounts/login/ HTTP/1.1\r\nHost: localhost\r\nContent-Le"
LARGE_FILE = "/static/drf_spectacular_sidecar/redoc/bundles/redoc.standalone.js"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a site of its own, with two processes of four threads."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    log = Path(tmp_path_factory.mktemp("web")) / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--config=python:config.gunicorn", "config.wsgi"],
            env={**os.environ, "HOST": "127.0.0.1", "PORT": str(port), "WEB_CONCURRENCY": "2"},
            cwd=BASE_DIR,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            for _ in range(300):
                try:
                    if is_alive(port):
                        break
                except OSError:
                    time.sleep(0.1)
            else:
                pytest.fail(log.read_text())
            yield port
        finally:
            server.terminate()
            server.wait(30)


def is_alive(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=3)
    try:
        connection.request("GET", "/health/live/")
        return connection.getresponse().status == 200
    finally:
        connection.close()


def first_line(port: int, request: bytes) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(request)
        return connection.recv(4096).split(b"\r\n", 1)[0].decode()


def test_sixty_four_requests_that_never_end_keep_nobody_waiting(port: int) -> None:
    with ExitStack() as open_sockets:
        for _ in range(64):
            client = open_sockets.enter_context(socket.create_connection(("127.0.0.1", port)))
            client.sendall(HALF_A_REQUEST)
        assert is_alive(port)


def test_thirty_two_bodies_that_never_end_keep_nobody_waiting(port: int) -> None:
    whole_head = (
        b"POST /webhooks/sandbox/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"
    )
    with ExitStack() as open_sockets:
        for _ in range(32):
            client = open_sockets.enter_context(socket.create_connection(("127.0.0.1", port)))
            client.sendall(whole_head)
        assert is_alive(port)


def test_thirty_two_clients_that_read_nothing_keep_nobody_waiting(port: int) -> None:
    download = f"GET {LARGE_FILE} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    clients: list[socket.socket] = []
    with ExitStack() as open_sockets:
        for _ in range(32):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            open_sockets.enter_context(client)
            client.settimeout(10)
            client.connect(("127.0.0.1", port))
            client.sendall(download)
            clients.append(client)
        for client in clients:
            assert client.recv(1, socket.MSG_PEEK)  # the server has begun to answer each of them
        assert is_alive(port)


def test_a_slow_reader_gets_all_of_its_answer(port: int) -> None:
    with closing(HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", LARGE_FILE)
        answer = connection.getresponse()
        length = int(answer.headers["Content-Length"])
        time.sleep(0.5)  # it is slow: the server has to keep what is not read meanwhile
        assert length > 500_000
        assert len(answer.read()) == length


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"Content-Length: 200000000\r\n\r\n", 413),
        (b"Content-Length: -1\r\n\r\n", 400),
        (b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n", 400),
        (b"Transfer-Encoding: gzip\r\n\r\n", 400),
        (b"X-Long: " + b"x" * 40_000 + b"\r\n\r\n", 431),
        (b"Stripe-Signature: \xe9\r\nContent-Length: 2\r\n\r\n{}", 400),
        (b"Sandbox-Signature: t=\xe9,v1=\xe9\r\nContent-Length: 2\r\n\r\n{}", 400),
    ],
)
def test_what_is_malformed_is_refused(port: int, head: bytes, status: int) -> None:
    request = b"POST /webhooks/sandbox/ HTTP/1.1\r\nHost: localhost\r\n" + head
    assert re.match(rf"HTTP/1\.[01] {status} ", first_line(port, request))


def test_a_body_in_chunks_is_read(port: int) -> None:
    request = (
        b"POST /webhooks/sandbox/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
        b"\r\n2\r\n{}\r\n0\r\n\r\n"
    )
    assert " 400 " in first_line(port, request)  # its signature is missing

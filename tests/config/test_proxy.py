"""The proxy of docker-compose.yml, with the real program, before a real server."""

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CADDY = shutil.which("caddy")

pytestmark = pytest.mark.skipif(CADDY is None, reason="caddy: not installed")


class Site(BaseHTTPRequestHandler):
    """Tells what a proxy says about a visitor."""

    def do_POST(self) -> None:
        """Answer with the headers that the site's settings believe."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        told = [self.headers.get(name, "") for name in ("X-Forwarded-For", "X-Forwarded-Proto")]
        body = "|".join(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a proxy before a site on loopback; without TLS, which needs a public name."""
    site = HTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    port, home = free_port(), str(tmp_path_factory.mktemp("caddy"))
    configuration = Path(home) / "Caddyfile"
    text = (ROOT / "config" / "Caddyfile").read_text()
    configuration.write_text(text.replace("{\n\tservers", "{\n\tadmin off\n\tservers", 1))
    assert CADDY is not None
    proxy = subprocess.Popen(
        [CADDY, "run", "--config", str(configuration), "--adapter", "caddyfile"],
        env={
            "HOME": home,
            "PATH": os.environ["PATH"],
            "SITE_URL": f"http://127.0.0.1:{port}",
            "SITE_UPSTREAM": f"127.0.0.1:{site.server_port}",
        },
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(100):
            with socket.socket() as caller:
                if caller.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        else:
            pytest.fail("the proxy does not listen")
        yield port
    finally:
        proxy.terminate()
        proxy.wait(10)
        site.shutdown()
        site.server_close()


def post(port: int, size: int, headers: dict[str, str] | None = None) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", "/", b"x" * size, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_the_site_is_told_who_asks_and_forgeries_are_dropped(port: int) -> None:
    forged = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    assert post(port, 0, forged) == (200, "127.0.0.1|http")


def test_the_largest_part_of_a_file_passes(port: int) -> None:
    assert post(port, 8 * 1024 * 1024)[0] == 200


def test_a_body_that_is_too_large_reaches_the_site_which_refuses_it_in_its_words(
    port: int,
) -> None:
    assert post(port, 20_000_000)[0] == 200


def test_it_is_valid_for_a_site_with_tls() -> None:
    assert CADDY is not None
    done = subprocess.run(
        [CADDY, "validate", "--config", "config/Caddyfile", "--adapter", "caddyfile"],
        env={"HOME": os.devnull, "PATH": os.environ["PATH"], "SITE_URL": "https://a.example.com"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr

"""The real web server, and people who download a large export over slow lines."""

import gzip
import os
import socket
import stat
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import timedelta
from functools import partial
from http.client import HTTPConnection
from pathlib import Path

import psutil
import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from billing.models import Account, User
from calls.models import Export, ExportPart, ExportState
from config.local.state import BASE_DIR
from tests.child import child_environment

pytestmark = pytest.mark.django_db(transaction=True)

READERS = 8
PARTS = 24
PART_BYTES = 1024 * 1024
# A page takes some hundredths; the machine may be busy with other tests.
SECONDS_MAX = 5
# What all answers may take besides what the processes take anyway: half of what they hold.
MEMORY_BYTES_MAX = READERS * PARTS * PART_BYTES // 2


@pytest.fixture
def export(account: Account, member: User) -> Export:
    """A file of 24 MB that nothing compresses."""
    now = timezone.now()
    export = Export.objects.create(
        account=account,
        asked_by=member,
        first_day=now.date(),
        last_day=now.date(),
        time_zone="UTC",
        last_seq=1,
        rows_expected=1,
        state=ExportState.READY,
        created_at=now,
        moved_at=now,
        ended_at=now,
        expires_at=now + timedelta(days=1),
        pieces=PARTS,
    )
    for number in range(PARTS):
        text = os.urandom(PART_BYTES)
        packer = zlib.compressobj(0, zlib.DEFLATED, -zlib.MAX_WBITS)
        content = packer.compress(text) + packer.flush(zlib.Z_SYNC_FLUSH)
        ExportPart.objects.create(export=export, number=number, content=content)
        export.size += len(text)
        export.stored_size += len(content)
        export.crc32 = zlib.crc32(text, export.crc32)
    export.save()
    return export


@pytest.fixture
def site(export: Export, tmp_path: Path) -> Iterator[tuple[int, psutil.Process]]:
    """A site of its own, with two processes of four threads: its port and first process."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    log = tmp_path / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--config=python:config.gunicorn", "config.wsgi"],
            env=child_environment(HOST="127.0.0.1", PORT=str(port), WEB_CONCURRENCY="2"),
            cwd=BASE_DIR,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            deadline = time.monotonic() + 60
            while not is_up(port):
                if server.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(log.read_text())
                time.sleep(0.1)
            yield port, psutil.Process(server.pid)
        finally:
            server.terminate()
            server.wait(30)


def is_up(port: int) -> bool:
    try:
        seconds_for(port, "/health/live/")
    except OSError:
        return False
    return True


def warm_up(port: int, process: psutil.Process) -> None:
    """Ask for pages until every process has served some and none grows any more."""
    deadline = time.monotonic() + 60
    before: list[tuple[float, int]] = []
    quiet = 0
    while quiet < 3:
        assert time.monotonic() < deadline
        with ThreadPoolExecutor(READERS) as pool:
            list(pool.map(partial(seconds_for, port), ("/health/", "/accounts/login/") * READERS))
        after = [(child.cpu_times().user, child.memory_info().rss) for child in process.children()]
        pairs = list(zip(before, after, strict=True)) if before else []
        is_quiet = bool(pairs) and all(
            now[0] > then[0] and now[1] - then[1] < 1024 * 1024 for then, now in pairs
        )
        quiet = quiet + 1 if is_quiet else 0
        before = after


def seconds_for(port: int, path: str) -> float:
    """How long the site takes to answer."""
    begun = time.monotonic()
    with closing(HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
    return time.monotonic() - begun


def request_for(export: Export, user: User, *, gzipped: bool) -> bytes:
    client = Client()
    client.force_login(user)
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    path = f"/a/{export.account.slug}/billing/usage/exports/{export.public_id}/file.csv"
    return (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Cookie: {settings.SESSION_COOKIE_NAME}={session}\r\n"
        f"{'Accept-Encoding: gzip' if gzipped else 'X-Nothing: 1'}\r\n\r\n"
    ).encode()


def memory_of(process: psutil.Process) -> int:
    return sum(each.memory_info().rss for each in process.children(recursive=True))


def on_disk(process: psutil.Process) -> int:
    """How large the temporary files are that the site's processes hold open."""
    sizes = 0
    for each in process.children(recursive=True):
        for descriptor in Path(f"/proc/{each.pid}/fd").iterdir():
            found = descriptor.stat()
            if stat.S_ISREG(found.st_mode) and found.st_nlink == 0:
                sizes += found.st_size
    return sizes


def test_eight_slow_downloads_keep_nobody_waiting_and_take_little_memory(
    site: tuple[int, psutil.Process], export: Export, member: User
) -> None:
    port, process = site
    warm_up(port, process)
    before = memory_of(process)
    with ExitStack() as open_sockets:
        readers = []
        for number in range(READERS):
            reader = socket.socket()
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
            open_sockets.enter_context(reader)
            reader.settimeout(30)
            reader.connect(("127.0.0.1", port))
            reader.sendall(request_for(export, member, gzipped=number % 2 == 0))
            readers.append(reader)
        received = [bytearray(reader.recv(65_536)) for reader in readers]
        for head in received:
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        took = [seconds_for(port, path) for path in ("/health/", "/accounts/login/") * 4]
        assert max(took) < SECONDS_MAX, took
        assert memory_of(process) - before < MEMORY_BYTES_MAX
        # What went to the system's own buffers, some megabytes a socket, has passed through a file.
        assert on_disk(process) < READERS * PARTS * PART_BYTES / 3
        # Whoever goes on gets all of it, from whichever thread.
        for reader, content in zip(readers[:2], received[:2], strict=True):
            while some := reader.recv(256 * 1024):
                content += some
    packed, plain = (bytes(content).split(b"\r\n\r\n", 1) for content in received[:2])
    text = gzip.decompress(packed[1])
    assert len(text) == export.size
    assert zlib.crc32(text) == export.crc32
    assert plain[1] == text
    assert seconds_for(port, "/health/") < SECONDS_MAX


def test_whoever_goes_away_in_the_middle_leaves_nothing_behind(
    site: tuple[int, psutil.Process], export: Export, member: User
) -> None:
    port, process = site
    for _ in range(2 * READERS):
        with socket.create_connection(("127.0.0.1", port), timeout=30) as reader:
            reader.sendall(request_for(export, member, gzipped=True))
            assert reader.recv(4_096).startswith(b"HTTP/1.1 200 OK\r\n")
    deadline = time.monotonic() + 20
    while any(
        connection.status == psutil.CONN_ESTABLISHED and connection.laddr.port == port
        for each in process.children()
        for connection in each.net_connections("tcp")
    ):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert seconds_for(port, "/accounts/login/") < SECONDS_MAX

"""gunicorn's processes, with waitress between them and the network.

A thread gets a request once all of it has arrived, and is free as soon as its answer is written
here. So neither clients that send half a request nor those that read slowly keep a thread: they
cost a socket and some room in the temporary directory. gunicorn starts the processes, replaces the
ones that end, and logs the requests.
"""

import os
import time
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from gunicorn.workers.base import Worker
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import create_server
from waitress.task import WSGITask

CONNECTIONS_MAX = 1_000
HEADER_BYTES_MAX = 32 * 1024
# The largest body that any page or webhook takes; each of them has a smaller limit of its own.
BODY_BYTES_MAX = 9 * 1024 * 1024
IDLE_SECONDS_MAX = 30
# How long a request may take to arrive, however slowly its bytes drip.
RECEIVING_SECONDS_MAX = 120
# What a slow reader has not taken yet, in memory and then on disk. An answer that is longer waits.
UNREAD_BYTES_MAX = 512 * 1024 * 1024
TICK_SECONDS = 1


class LoggedTask(WSGITask):
    """Answers one request, and writes the line of the access log."""

    def service(self) -> None:
        """Answer, then log how it went and how long it took."""
        begun = time.monotonic()
        try:
            super().service()
        finally:
            worker = self.channel.server.adj.worker
            took = timedelta(seconds=time.monotonic() - begun)
            environ = self.get_environment()
            environ.setdefault("RAW_URI", environ["PATH_INFO"])
            answer = SimpleNamespace(
                status=self.status,
                sent=self.content_bytes_written,
                headers=self.response_headers,
            )
            worker.log.access(answer, SimpleNamespace(headers=[]), environ, took)
            worker.count_request()


class TimedChannel(HTTPChannel):
    """A connection that knows since when the request on it has been arriving."""

    task_class = LoggedTask
    receiving_since: float | None = None

    def received(self, data: bytes) -> Any:
        """Take what has arrived."""
        if self.receiving_since is None:
            self.receiving_since = time.monotonic()
        taken = super().received(data)
        if self.request is None:
            self.receiving_since = None
        return taken

    def is_overdue(self, now: float) -> bool:
        """Whether its request has been arriving for too long."""
        since = self.receiving_since
        return since is not None and now - since > RECEIVING_SECONDS_MAX


class BufferingWorker(Worker):
    """One process of gunicorn: waitress on gunicorn's sockets, until it is told to stop."""

    alive: bool

    def run(self) -> None:
        """Serve, and tell gunicorn each second that the process lives."""
        sockets: dict[int, Any] = {}
        server = create_server(
            self.wsgi,
            map=sockets,
            sockets=[listener.sock for listener in self.sockets],
            threads=self.cfg.threads,
            connection_limit=CONNECTIONS_MAX,
            max_request_header_size=HEADER_BYTES_MAX,
            max_request_body_size=BODY_BYTES_MAX,
            channel_timeout=IDLE_SECONDS_MAX,
            cleanup_interval=TICK_SECONDS,
            outbuf_high_watermark=UNREAD_BYTES_MAX,
            asyncore_use_poll=True,
            log_socket_errors=False,
            # What a proxy says is judged by Django's settings.
            clear_untrusted_proxy_headers=False,
            ident=None,
        )
        server.adj.worker = self
        listeners = [one for one in sockets.values() if getattr(one, "accepting", False)]
        for listener in listeners:
            listener.channel_class = TimedChannel
        while self.alive:
            self._turn(sockets)
            for channel in self._channels(sockets):
                if channel.is_overdue(time.monotonic()):
                    channel.handle_close()
            if self.ppid != os.getppid():  # gunicorn itself is gone
                self.alive = False
        for listener in listeners:
            listener.accepting = False
            listener.del_channel()
        until = time.monotonic() + self.cfg.graceful_timeout
        while time.monotonic() < until and self._is_busy(sockets):
            self._turn(sockets)
        server.task_dispatcher.shutdown(timeout=1)

    def count_request(self) -> None:
        """End the process after as many requests as gunicorn's settings allow; another follows."""
        self.nr += 1
        if self.nr >= self.max_requests:
            self.alive = False

    def _turn(self, sockets: dict[int, Any]) -> None:
        self.notify()
        wasyncore.loop(timeout=TICK_SECONDS, use_poll=True, map=sockets, count=1)

    @staticmethod
    def _channels(sockets: dict[int, Any]) -> list[TimedChannel]:
        return [one for one in list(sockets.values()) if isinstance(one, TimedChannel)]

    def _is_busy(self, sockets: dict[int, Any]) -> bool:
        return any(
            channel.requests or channel.request or channel.total_outbufs_len
            for channel in self._channels(sockets)
        )

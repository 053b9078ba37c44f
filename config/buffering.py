"""gunicorn's processes, with waitress between them and the network.

A thread gets a request once all of it has arrived, and is free as soon as its answer is written
here. An answer that is made in pieces is left alone while its client has enough to read, and goes
on in any thread when there is room again. So neither clients that send half a request nor those
that read slowly keep a thread: they cost a socket and a megabyte. A body that is too large is
dropped as it arrives, and its request answered by the application, which sees its length alone.
gunicorn starts the processes, replaces the ones that end, and logs the requests.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from io import BytesIO
from types import SimpleNamespace
from typing import Any

from gunicorn.workers.base import Worker
from waitress import wasyncore
from waitress.buffers import ReadOnlyFileBasedBuffer
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import create_server
from waitress.task import WSGITask
from waitress.utilities import BadRequest, RequestEntityTooLarge, ServerNotImplemented

CONNECTIONS_MAX = 1_000
HEADER_BYTES_MAX = 32 * 1024
# The largest body that any page or webhook gets; each of them has a smaller limit of its own.
BODY_BYTES_MAX = 9 * 1024 * 1024
IDLE_SECONDS_MAX = 30
# How long a request may take to arrive, however slowly its bytes drip.
RECEIVING_SECONDS_MAX = 120
# What a slow reader has not taken yet of an answer in one piece, in memory and then on disk.
UNREAD_BYTES_MAX = 512 * 1024 * 1024
# An answer in pieces is left when its reader has more than this before it, and taken up below that.
PAUSE_ABOVE_BYTES = 512 * 1024
GO_ON_BELOW_BYTES = 128 * 1024
TICK_SECONDS = 1


class Paused(BaseException):
    """An answer is left until its reader has taken more. No error: nobody may handle it as one."""

    def __init__(self, pieces: "Pieces") -> None:
        super().__init__()
        self.pieces = pieces
        self.task: LoggedTask | None = None


class Pieces:
    """What the application answers, piece by piece, as far as the channel has room for it."""

    def __init__(self, answer: Iterable[bytes], channel: "TimedChannel") -> None:
        self._answer = answer
        self._rest = iter(answer)
        self._channel = channel
        self._is_left = False

    def __iter__(self) -> Iterator[bytes]:
        self._is_left = False
        return self

    def __next__(self) -> bytes:
        """Return the next piece. Raises Paused while the reader has enough."""
        if self._channel.total_outbufs_len > PAUSE_ABOVE_BYTES:
            self._is_left = True
            raise Paused(self)
        return next(self._rest)

    def close(self) -> None:
        """End the answer, unless it is only left for a while."""
        if not self._is_left:
            self.abandon()

    def abandon(self) -> None:
        """End the answer, whether all of it was sent or not."""
        close = getattr(self._answer, "close", None)
        if close is not None:
            close()


def in_pieces(application: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """Make an ``application`` whose answers can be left and taken up again.

    Those that waitress reads from a file as it sends them stay as they are.
    """

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        channel = environ.pop(CHANNEL)
        made = application(environ, start_response)
        return made if isinstance(made, ReadOnlyFileBasedBuffer) else Pieces(made, channel)

    return answer


CHANNEL = "config.buffering.channel"  # a key of the environment


class Nothing:
    """In place of a buffer: what is put in is gone."""

    def append(self, data: bytes) -> None:
        """Drop it."""

    def __len__(self) -> int:
        return 0

    def getfile(self) -> BytesIO:
        """Give what is in it."""
        return BytesIO()

    def close(self) -> None:
        """There is nothing to close."""


class DroppingParser(HTTPRequestParser):
    """Gives a request whose body is too large to the application all the same, without the body.

    Whoever sends it may read no answer before all of it is sent. So it is dropped as it arrives:
    ``left`` bytes after the request is complete; one in chunks, whose length nobody knows, before.
    """

    expect_continue: bool
    error: Any
    left = 0

    def received(self, data: bytes) -> int:
        """Take what has arrived; return how much of it belongs to this request."""
        taken: int = super().received(data)
        if isinstance(self.error, RequestEntityTooLarge):
            taken += self._drop(data[taken:])
        if isinstance(self.error, ServerNotImplemented):
            # A transfer coding that nobody knows is a mistake of the client's, and an answer of 5xx
            # would have the site looked after. RFC 9112, 6.1, leaves it open.
            self.error = BadRequest(self.error.body)
        return taken

    def _drop(self, rest: bytes) -> int:
        body = self.body_rcv
        body.getbuf().close()
        body.buf = Nothing()
        self.error = body.error
        if self.chunked:
            self.completed = body.completed or body.error is not None
            self.headers["CONTENT_LENGTH"] = str(self.body_bytes_received)
            return 0
        if self.expect_continue:
            # It waits to be asked for the body and is not: it can't be told from what follows.
            self.expect_continue, self.headers["CONNECTION"] = False, "close"
            return 0
        here: int = min(len(rest), self.content_length)
        self.left = self.content_length - here
        return here


class LoggedTask(WSGITask):
    """Answers one request, and writes the line of the access log."""

    begun: float | None = None
    left: Pieces | None = None

    def service(self) -> None:
        """Answer, or go on answering; then log how it went and how long it took."""
        self.begun = self.begun or time.monotonic()
        try:
            super().service()
        except Paused as paused:
            self.left, paused.task = paused.pieces, self
            raise
        except BaseException:
            self._log()
            raise
        self._log()

    def execute(self) -> None:
        """Answer from the beginning, or from where the answer was left."""
        if self.left is None:
            self.get_environment()[CHANNEL] = self.channel
            super().execute()
            return
        pieces, self.left = self.left, None
        try:
            for piece in pieces:
                if piece:
                    self.write(piece)
            if self.content_length not in (None, self.content_bytes_written):
                self.set_close_on_finish()
        finally:
            pieces.close()

    def abandon(self) -> None:
        """End an answer that was left, because its reader has gone."""
        if self.left is not None:
            self.left.abandon()
        self._log()

    def _log(self) -> None:
        worker = self.channel.server.adj.worker
        took = timedelta(seconds=time.monotonic() - (self.begun or 0))
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
    """A connection that knows since when the request on it has been arriving, and whether its
    answer was left until its reader has taken more of it."""

    receiving_since: float | None = None
    parser: DroppingParser | None = None
    left: LoggedTask | None = None
    # Whether somebody has to see to it that the answer goes on.
    waits: bool = False

    def parser_class(self, adjustments: Any) -> DroppingParser:
        """What reads a request."""
        self.parser = DroppingParser(adjustments)
        return self.parser

    def task_class(self, channel: "TimedChannel", request: Any) -> LoggedTask:
        """What answers ``request``: where it was left, what has begun to."""
        left, self.left = self.left, None
        return left or LoggedTask(channel, request)

    def service(self) -> None:
        """Answer a request, or go on answering it, in a thread."""
        if self.left is not None and not self.connected:
            left, self.left = self.left, None
            left.abandon()
            return
        try:
            super().service()
        except Paused as paused:
            with self.outbuf_lock:
                self.left, self.waits = paused.task, True
                self.go_on_if_there_is_room()
            self.server.pull_trigger()

    def handle_write(self) -> None:
        """Send more of what waits, and make room so."""
        super().handle_write()
        if self.waits:
            with self.outbuf_lock:
                self.go_on_if_there_is_room()

    def handle_close(self) -> None:
        """Close the connection; a thread ends the answer that was left."""
        super().handle_close()
        with self.outbuf_lock:
            self.go_on_if_there_is_room()

    def go_on_if_there_is_room(self) -> None:
        """Have the answer go on if its reader has little left. Needs the lock of the buffers."""
        if self.waits and self.total_outbufs_len < GO_ON_BELOW_BYTES:
            self.waits = False
            self.server.add_task(self)

    def is_stuck(self, now: float) -> bool:
        """Whether the reader of an answer that was left takes nothing; ``now`` is `time.time`."""
        return self.waits and now - self.last_activity > IDLE_SECONDS_MAX

    def received(self, data: bytes) -> Any:
        """Take what has arrived."""
        if self.receiving_since is None:
            self.receiving_since = time.monotonic()
        if self.parser is not None and self.parser.left:  # of a body that is too large
            dropped = min(len(data), self.parser.left)
            self.parser.left -= dropped
            data = data[dropped:]
        taken = super().received(data)
        if self.request is None and not (self.parser and self.parser.left):
            self.receiving_since = self.parser = None
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
            in_pieces(self.wsgi),
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
                if channel.is_overdue(time.monotonic()) or channel.is_stuck(time.time()):
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

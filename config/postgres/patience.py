"""Ends the wait for a database that hangs: what no time-out of its own can do, since it is silent.

A statement that runs too long is ended by the server (`statement_timeout`). A server that answers
nothing at all, because it was stopped or its disk hangs, keeps the sockets open and ends nothing.
So each wait has a deadline, and one thread closes the socket of a wait that is past it: the wait
then ends as if the server were gone.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg2

LOOK_SECONDS = 0.25
CLOSED_SECONDS = 2


class Gate:
    """Where connections are opened. It closes for a moment when the server does not answer; then
    one attempt finds out whether it is back, and all others are told at once, so that waiting for
    it costs no more than one thread."""

    def __init__(self) -> None:
        self._closed_until = 0.0
        self._is_open = True
        self._trial = threading.Lock()

    def close(self) -> None:
        """Note that the server does not answer."""
        self._closed_until = time.monotonic() + CLOSED_SECONDS
        self._is_open = False

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Open one connection in this block. Raises OperationalError while the gate is closed."""
        if self._is_open:
            with self._noting():
                yield
            return
        if time.monotonic() < self._closed_until or not self._trial.acquire(blocking=False):
            raise psycopg2.OperationalError("the server did not answer a moment ago")
        try:
            with self._noting():
                yield
        finally:
            self._trial.release()

    @contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except psycopg2.OperationalError:
            self.close()
            raise
        self._is_open = True


class Patience:
    """Waits of one process, and the thread that ends those that take too long.

    ``on_hang_up`` is called when one is ended.
    """

    def __init__(self) -> None:
        self.on_hang_up: Callable[[], None] = lambda: None
        self._lock = threading.Lock()
        self._deadlines: dict[object, tuple[float, int]] = {}  # with the file descriptor
        self._pid = 0  # of the process whose thread looks: a fork has no threads

    @contextmanager
    def limited(self, descriptor: int, seconds: float) -> Iterator[None]:
        """Close the connection behind ``descriptor`` if the block takes longer than ``seconds``."""
        wait = object()
        with self._lock:
            self._deadlines[wait] = (time.monotonic() + seconds, descriptor)
        if self._pid != os.getpid():
            self._start()
        try:
            yield
        finally:
            with self._lock:
                del self._deadlines[wait]

    def _start(self) -> None:
        with self._lock:
            if self._pid == os.getpid():
                return
            self._pid = os.getpid()
        threading.Thread(target=self._look, name="database patience", daemon=True).start()

    def _look(self) -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            now = time.monotonic()
            # Under the lock, so that a wait that ends now can't leave its number to another file.
            with self._lock:
                for deadline, descriptor in self._deadlines.values():
                    if deadline < now:
                        _hang_up(descriptor)
                        self.on_hang_up()


def _hang_up(descriptor: int) -> None:
    try:
        with socket.socket(fileno=os.dup(descriptor)) as connection:
            connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # closed already


patience = Patience()

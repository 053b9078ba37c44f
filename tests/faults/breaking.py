"""The faults of the harness, and who causes them when: each kind once, then by chance."""

import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager

from config.postgres.patience import CLOSED_SECONDS
from tests.faults.stack import Stack

DOWN_SECONDS_MAX = 1.5
# A page that waits for a database that hangs says so within 5 s; the rest is this machine's.
ANSWER_SECONDS_MAX = 9
SLOW_CLIENTS = 64


class Breaker:
    """Breaks one thing of a stack after the other, and starts it again."""

    def __init__(
        self, *, stack: Stack, chance: random.Random, hanging_seconds: float, table: str
    ) -> None:
        """``table`` is one that is locked at times."""
        self.errors: list[str] = []
        self._hanging_seconds = hanging_seconds
        self.done: Counter[str] = Counter()
        self._stack = stack
        self._chance = chance
        self._kinds: dict[str, Callable[[], None]] = {
            "kill -9 of the worker": lambda: self._kill("worker"),
            "kill -9 of a worker's child": lambda: self._stack.kill_child("worker", chance),
            "kill -9 of beat": lambda: self._kill("beat"),
            "kill -9 of web": lambda: self._kill("web"),
            "kill -9 of a web child": lambda: self._stack.kill_child("web", chance),
            "broker flushed": self._flush_broker,
            "broker killed and started": lambda: self._kill("valkey"),
            "PostgreSQL crashed and recovered": lambda: self._restart_database(crash=True),
            "PostgreSQL restarted": lambda: self._restart_database(crash=False),
            "all of ours killed, broker flushed": self._break_everything,
            "PostgreSQL hangs": lambda: self._during(stack.hanging("postgres"), answers=(503,)),
            f"{table} locked": lambda: self._during(stack.locked_table(table)),
            "broker hangs": lambda: self._during(stack.hanging("valkey")),
            "broker full": lambda: self._during(stack.full_broker()),
            "disk full": self._fill_disk,
            f"{2 * SLOW_CLIENTS} slow clients": lambda: self._during(
                stack.slow_clients(SLOW_CLIENTS), answers=(404,)
            ),
        }
        self._first = list(self._kinds)
        chance.shuffle(self._first)

    @property
    def has_done_all(self) -> bool:
        """Whether each kind has happened."""
        return not self._first

    def break_something(self) -> None:
        """Cause one fault, wait a moment, and start again what it stopped."""
        self.supervise()
        kind = self._first.pop() if self._first else self._chance.choice(list(self._kinds))
        self._kinds[kind]()
        self.done[kind] += 1

    def mend(self) -> None:
        """Return once the site is healthy, with all that ended by itself started again."""
        self.supervise()
        self._stack.wait_until_healthy()
        while self._stack.dead():
            self.supervise()
            self._stack.wait_until_healthy()

    def supervise(self) -> None:
        """Start again what ended by itself, as any supervisor does in production.

        Celery's worker does so when the broker goes away under a task that is running.
        """
        for name in self._stack.dead():
            self._stack.start(name)
            self.done[f"{name} ended by itself, started again"] += 1

    def _during(
        self, broken: AbstractContextManager[None], *, answers: tuple[int, ...] = ()
    ) -> None:
        """Keep something broken for a while. The process must say meanwhile that it lives, and a
        page that needs the database be answered by one of ``answers``, where some are given."""
        self.mend()
        until = time.monotonic() + self._chance.uniform(0.5, 1) * self._hanging_seconds
        with broken:
            self._expect("/health/live/", (200,))
            if answers:
                self._expect("/sandbox/checkout/none/", answers)
            time.sleep(max(0.0, until - time.monotonic()))

    def _expect(self, path: str, statuses: tuple[int, ...]) -> None:
        # A process that found the database away a moment ago says so for as long as its gate is
        # closed, though another one has found it back.
        until = time.monotonic() + 2 * CLOSED_SECONDS
        status, took = self._stack.answer(path, seconds=ANSWER_SECONDS_MAX)
        while status == 503 and status not in statuses and time.monotonic() < until:
            time.sleep(0.2)
            status, took = self._stack.answer(path, seconds=ANSWER_SECONDS_MAX)
        if status not in statuses:
            self.errors.append(f"{path} was answered {status or 'not'} after {took:.1f} s")

    def _fill_disk(self) -> None:
        with self._stack.full_disk():
            time.sleep(self._chance.uniform(0.5, 1) * self._hanging_seconds)

    def _flush_broker(self) -> None:
        self.mend()  # a full disk may have ended it a moment ago
        self._stack.flush_broker()

    def _kill(self, name: str) -> None:
        self._stack.kill(name)
        self._start_again(name)

    def _restart_database(self, *, crash: bool) -> None:
        self._stack.stop_database(crash=crash)
        self._start_again("postgres")

    def _break_everything(self) -> None:
        self.mend()
        names = ["worker", "beat", "web"]
        for name in names:
            self._stack.kill(name)
        self._stack.flush_broker()
        self._start_again(*names)

    def _start_again(self, *names: str) -> None:
        time.sleep(self._chance.uniform(0, DOWN_SECONDS_MAX))
        for name in names:
            self._stack.start(name)

"""The faults of the harness, and who causes them when: each kind once, then by chance."""

import random
import time
from collections import Counter
from collections.abc import Callable

from tests.faults.stack import Stack

DOWN_SECONDS_MAX = 1.5


class Breaker:
    """Breaks one thing of a stack after the other, and starts it again."""

    def __init__(self, *, stack: Stack, chance: random.Random) -> None:
        self.done: Counter[str] = Counter()
        self._stack = stack
        self._chance = chance
        self._kinds: dict[str, Callable[[], None]] = {
            "kill -9 of the worker": lambda: self._kill("worker"),
            "kill -9 of a worker's child": lambda: self._stack.kill_child("worker", chance),
            "kill -9 of beat": lambda: self._kill("beat"),
            "kill -9 of web": lambda: self._kill("web"),
            "kill -9 of a web child": lambda: self._stack.kill_child("web", chance),
            "broker flushed": self._stack.flush_broker,
            "broker killed and started": lambda: self._kill("valkey"),
            "PostgreSQL crashed and recovered": lambda: self._restart_database(crash=True),
            "PostgreSQL restarted": lambda: self._restart_database(crash=False),
            "all of ours killed, broker flushed": self._break_everything,
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

    def supervise(self) -> None:
        """Start again what ended by itself, as any supervisor does in production.

        Celery's worker does so when the broker goes away under a task that is running.
        """
        for name in self._stack.dead():
            self._stack.start(name)
            self.done[f"{name} ended by itself, started again"] += 1

    def _kill(self, name: str) -> None:
        self._stack.kill(name)
        self._start_again(name)

    def _restart_database(self, *, crash: bool) -> None:
        self._stack.stop_database(crash=crash)
        self._start_again("postgres")

    def _break_everything(self) -> None:
        names = ["worker", "beat", "web"]
        for name in names:
            self._stack.kill(name)
        self._stack.flush_broker()
        self._start_again(*names)

    def _start_again(self, *names: str) -> None:
        time.sleep(self._chance.uniform(0, DOWN_SECONDS_MAX))
        for name in names:
            self._stack.start(name)

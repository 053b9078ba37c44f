"""Calls come by API, webhook and list while things break; then the same is told in peace."""

import random
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from django.db import Error, close_old_connections
from django.utils import timezone

from calls.tasks import pull_due_sources
from tests.calls.inbox.fake_platforms import FakePlatforms
from tests.faults import call_outcome
from tests.faults.breaking import Breaker
from tests.faults.callers import Accepted, Caller, Doors, open_doors
from tests.faults.stack import Stack
from tests.faults.told_calls import Message, tell

TELLING_SECONDS_MAX = 1_500
SETTLING_SECONDS_MAX = 240
ASKING_SECONDS = 10
SENDING_PAUSE_SECONDS_MAX = 0.4
MENDED_FIRST = 0.75
TABLE = "calls_inboxevent"


class CallScenario:
    """One run of the harness on a stack that is up."""

    def __init__(
        self,
        *,
        stack: Stack,
        platforms: Mapping[str, FakePlatforms],
        seed: int,
        pause_seconds: float,
        hanging_seconds: float,
    ) -> None:
        self._stack = stack
        self._platforms = platforms
        self._seed = seed
        self._pause_seconds = pause_seconds
        self._breaker = Breaker(
            stack=stack,
            chance=random.Random(f"{seed} faults"),
            hanging_seconds=hanging_seconds,
            table=TABLE,
        )
        self._accepted = Accepted()
        self._over = threading.Event()
        self._wrong: list[str] = []

    def run(self, *, calls: int) -> int:
        """Carry it out and print it; return the exit status."""
        self._told = tell(calls=calls, seed=self._seed, now=timezone.now())
        for kind, listed in self._told.in_lists.items():
            self._platforms[kind].calls = listed
        ours = open_doors()
        began = time.monotonic()
        with ThreadPoolExecutor(len(self._told.senders)) as pool:
            sending = [
                pool.submit(self._send, number, messages, ours)
                for number, messages in enumerate(self._told.senders)
            ]
            try:
                self._break_until_told(until=began + TELLING_SECONDS_MAX)
            finally:
                self._over.set()
            for each in sending:
                each.result()
        settled_from = time.monotonic()
        self._settle(ours)
        settling = time.monotonic() - settled_from
        theirs = self._tell_in_peace()
        self._wrong += [
            *call_outcome.violations(self._told, self._accepted, ours.account),
            *call_outcome.differences(ours.account, theirs.account),
            *self._breaker.errors,
        ]
        return self._report(ours, telling=settled_from - began, settling=settling)

    # ── While things break ────────────────────────────────────────────────────────────────────
    def _send(self, number: int, messages: list[Message], doors: Doors) -> None:
        """Send ``messages``, and then any of them again for as long as things break."""
        chance = random.Random(f"{self._seed} sender {number}")
        caller = Caller(site=self._stack.address, doors=doors, accepted=self._accepted)
        for message in messages:
            caller.send(message)
            time.sleep(chance.uniform(0, SENDING_PAUSE_SECONDS_MAX))
        self._accepted.count("senders that were done")
        again = self._told.repeatable()
        while not self._over.wait(chance.uniform(0, 2 * SENDING_PAUSE_SECONDS_MAX)):
            caller.send(chance.choice(again))

    def _break_until_told(self, *, until: float) -> None:
        """Break things until everything is told, and each kind of fault has happened."""
        chance = random.Random(f"{self._seed} pauses")
        figures = self._accepted.figures
        while not self._breaker.has_done_all or (
            figures["senders that were done"] < len(self._told.senders)
        ):
            if time.monotonic() > until:
                self._wrong.append("telling took too long")
                return
            if chance.random() < MENDED_FIRST:
                self._breaker.mend()
            time.sleep(chance.uniform(0, 2 * self._pause_seconds))
            with suppress(Error):  # recovering
                close_old_connections()
                call_outcome.ask_lists(now=timezone.now())
            self._breaker.break_something()
        self._breaker.mend()

    # ── When nothing breaks any more ──────────────────────────────────────────────────────────
    def _settle(self, doors: Doors) -> None:
        """Wait until nothing is on its way; say what still is, when patience ends."""
        since = timezone.now()
        deadline = time.monotonic() + SETTLING_SECONDS_MAX
        left, asked_at = "everything", 0.0
        while left and time.monotonic() < deadline:
            self._breaker.supervise()
            with suppress(Error):  # recovering
                close_old_connections()
                if time.monotonic() - asked_at > ASKING_SECONDS:
                    call_outcome.ask_lists(now=timezone.now())
                    pull_due_sources.delay()  # beat does so each minute
                    asked_at = time.monotonic()
                left = call_outcome.unsettled(doors.account, since=since)
            time.sleep(0.5)
        if left:
            self._wrong.append(f"{doors.account.slug} did not settle: {left}")

    def _tell_in_peace(self) -> Doors:
        """Tell the same to another account, each message once, by one sender."""
        doors = open_doors()
        accepted = Accepted()
        caller = Caller(site=self._stack.address, doors=doors, accepted=accepted)
        for messages in self._told.senders:
            for message in messages:
                caller.send(message)
        self._wrong += accepted.errors
        self._settle(doors)
        return doors

    def _report(self, doors: Doors, *, telling: float, settling: float) -> int:
        audit = self._stack.manage("audit_ledger")
        if audit.returncode:
            self._wrong.append(f"audit_ledger: {audit.stdout}{audit.stderr}".strip())
        rows = call_outcome.figures(self._told, self._accepted, doors.account)
        rows["audit_ledger"] = "clean" if not audit.returncode else "breaches"
        rows["seconds of telling and breaking, of settling"] = f"{telling:.0f}, {settling:.0f}"
        print(f"\nFaults while calls come, seed {self._seed}\n")
        for title, figures in (
            ("Outcome", rows),
            ("Faults", dict(sorted(self._breaker.done.items()))),
            ("Met on the way", dict(sorted(self._accepted.figures.items()))),
        ):
            print(f"| {title} | |\n|---|---|")
            print("".join(f"| {name} | {figure} |\n" for name, figure in figures.items()))
        for each in self._wrong:
            print(f"VIOLATION: {each}")
        print("FAILED" if self._wrong else "No violation.", flush=True)
        return 1 if self._wrong else 0

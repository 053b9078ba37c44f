"""The run itself: people buy, things break, all settles, books are compared."""

import random
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

from django.db import Error, close_old_connections
from django.utils import timezone

from billing.models import Role
from tests.factories import PASSWORD, AccountFactory, MembershipFactory
from tests.faults import outcome
from tests.faults.breaking import Breaker
from tests.faults.buyers import Buyer, Diary, OutOfPatienceError
from tests.faults.provider import UnrulyProvider
from tests.faults.stack import Stack

BUYERS_MAX = 8
BUYING_SECONDS_MAX = 1_500
SETTLING_SECONDS_MAX = 240
# While all settles, what is asked about again in hours or days is asked about this often.
ASKING_SECONDS = 20
PROVIDER_PAUSE_SECONDS_MAX = 0.6
MENDED_FIRST = 0.75
# Each person's purchases differ in credits, so that none can hide behind another.
CREDITS_MIN = 10


class Scenario:
    """One run of the harness on a stack that is up."""

    def __init__(
        self, *, stack: Stack, seed: int, pause_seconds: float, hanging_seconds: float
    ) -> None:
        self._stack = stack
        self._seed = seed
        self._pause_seconds = pause_seconds
        self._diary = Diary()
        self._breaker = Breaker(
            stack=stack,
            chance=random.Random(f"{seed} faults"),
            hanging_seconds=hanging_seconds,
            table="billing_payment",
        )
        self._over = threading.Event()

    def run(self, *, top_ups: int) -> int:
        """Carry it out and print it; return the exit status."""
        buyers = self._open_accounts(min(BUYERS_MAX, top_ups))
        began = time.monotonic()
        provider = threading.Thread(target=self._provide)
        provider.start()
        try:
            with ThreadPoolExecutor(len(buyers)) as pool:
                shopping = [
                    pool.submit(self._shop, number, buyer, range(number, top_ups, len(buyers)))
                    for number, buyer in enumerate(buyers)
                ]
                self._break_while(shopping, until=began + BUYING_SECONDS_MAX)
        finally:
            self._over.set()
            provider.join()
        settled_from = time.monotonic()
        left = self._settle()
        settling = time.monotonic() - settled_from
        return self._report(left, buying=settled_from - began, settling=settling)

    def _open_accounts(self, number: int) -> list[Buyer]:
        buyers = []
        for _ in range(number):
            membership = MembershipFactory(account=AccountFactory(), role=Role.SUPERADMIN)
            buyers.append(
                Buyer(
                    site=self._stack.address,
                    email=membership.user.email,
                    password=PASSWORD,
                    slug=membership.account.slug,
                    diary=self._diary,
                )
            )
        return buyers

    def _shop(self, number: int, buyer: Buyer, purchases: range) -> None:
        chance = random.Random(f"{self._seed} buyer {number}")
        for turn in range(len(purchases)):
            if self._over.is_set():
                return
            try:
                buyer.buy(credits=CREDITS_MIN + turn, chance=chance)
            except OutOfPatienceError as error:
                self._diary.errors.append(str(error))

    def _provide(self) -> None:
        chance = random.Random(f"{self._seed} provider")
        provider = UnrulyProvider(site=self._stack.address, diary=self._diary, chance=chance)
        while not self._over.wait(chance.uniform(0, PROVIDER_PAUSE_SECONDS_MAX)):
            provider.report()
        close_old_connections()

    def _break_while(self, shopping: list[Future[None]], *, until: float) -> None:
        """Break things until everybody has bought, and each kind of fault has happened."""
        chance = random.Random(f"{self._seed} pauses")
        while not (all(each.done() for each in shopping) and self._breaker.has_done_all):
            if time.monotonic() > until:
                self._diary.errors.append("buying took too long")
                self._over.set()
                return
            # Mostly the site has come up again before the next fault, or nobody would ever buy.
            if chance.random() < MENDED_FIRST:
                self._breaker.mend()
            time.sleep(chance.uniform(0, 2 * self._pause_seconds))
            self._breaker.break_something()
        for each in shopping:
            each.result()

    def _settle(self) -> str:
        """Wait until nothing is on its way; return what still is, when patience ends."""
        deadline = time.monotonic() + SETTLING_SECONDS_MAX
        left = "everything"
        asked_at = 0.0
        while left and time.monotonic() < deadline:
            time.sleep(1)
            self._breaker.supervise()
            try:
                close_old_connections()
                if time.monotonic() - asked_at > ASKING_SECONDS:
                    outcome.ask_about_all(now=timezone.now())
                    asked_at = time.monotonic()
                left = outcome.unsettled()
            except Error:  # recovering
                continue
        return left

    def _report(self, left: str, *, buying: float, settling: float) -> int:
        audit = self._stack.manage("audit_ledger")
        wrong = [*outcome.violations(self._diary), *self._breaker.errors]
        if left:
            wrong.append(f"not settled after {settling:.0f} s: {left}")
        if audit.returncode:
            wrong.append(f"audit_ledger: {audit.stdout}{audit.stderr}".strip())
        rows = outcome.figures(self._diary)
        rows["audit_ledger"] = "clean" if not audit.returncode else "breaches"
        rows["seconds of buying and breaking, of settling"] = f"{buying:.0f}, {settling:.0f}"
        print(f"\nFaults, seed {self._seed}\n")
        for title, figures in (
            ("Outcome", rows),
            ("Faults", dict(sorted(self._breaker.done.items()))),
            ("Met on the way", dict(sorted(self._diary.figures.items()))),
        ):
            print(f"| {title} | |\n|---|---|")
            print("".join(f"| {name} | {figure} |\n" for name, figure in figures.items()))
        for each in wrong:
            print(f"VIOLATION: {each}")
        print("FAILED" if wrong else "No violation.", flush=True)
        return 1 if wrong else 0

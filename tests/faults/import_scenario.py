"""What happens to imports of files while worker, web and database are killed in each step."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import Error, connection
from django.utils import timezone

from billing.models import Balance, Plan
from billing.models.account import Role
from billing.plans.subscriptions import subscribe
from calls.imports import machine, selectors, steps, uploads
from calls.models import Call, FileImport, ImportState
from tests.factories import PASSWORD, AccountFactory, MembershipFactory
from tests.faults.buyers import Buyer, Diary
from tests.faults.stack import Stack

CALLS = 3_200
CREDITS_A_CALL = 3  # of 65 s on Professional
STEP_SECONDS_MAX = 150
LOOK_SECONDS = 0.01
READY = (ImportState.READY, ImportState.TRIED)
VICTIMS = ("worker", "postgres", "web")


def file_of(prefix: str) -> bytes:
    """A file of CALLS calls of yesterday, and a line that is none."""
    began = timezone.now().replace(microsecond=0) - timedelta(days=1)
    end = began + timedelta(seconds=65)
    times = f"{began.isoformat()},{began.isoformat()},{end.isoformat()}"
    remarks = "called back about the delivery that came late " * 5  # several parts of an upload
    rows = [f"{prefix}-{n:06d},outbound,completed,{times},{remarks}{n:x}" for n in range(CALLS)]
    header = "call_id,usage_type,status,started_at,connected_at,ended_at,remarks"
    return "\n".join([header, *rows, "torn", ""]).encode()


def is_in(*args: Any) -> bool:
    """Whether an import, the last argument, is in one of the states before it."""
    *states, found = args
    return found.state in states


def has_begun(moving: str, found: Any) -> bool:
    """Whether something of what it is doing is done, or all."""
    return bool(found.state != moving or found.cursor > 0 or found.withdrawal.get("withdrawn"))


class Run:
    """One account, its owner's session, and what breaks."""

    def __init__(self, stack: Stack) -> None:

        self.stack = stack
        membership = MembershipFactory(account=AccountFactory(), role=Role.SUPERADMIN)
        self.account, self.owner = membership.account, membership.user
        ago = timezone.now() - timedelta(days=3)
        subscribe(account=self.account, plan=Plan.objects.get(name="Professional"), at=ago)
        self.site = Buyer(
            site=stack.address,
            email=self.owner.email,
            password=PASSWORD,
            slug=self.account.slug,
            diary=Diary(),
        )
        self.before = self.balance()

    # ── What is seen ──────────────────────────────────────────────────────────────────────────
    def balance(self) -> int:
        """The account's credits."""

        return int(self.asked(lambda: Balance.objects.get(account=self.account).credits))

    def now_of(self, pk: int) -> Any:
        """The import as it is now."""

        return self.asked(lambda: FileImport.objects.get(pk=pk))

    def asked(self, ask: Callable[[], Any]) -> Any:
        """What ``ask`` returns, as soon as the database is there."""

        deadline = time.monotonic() + STEP_SECONDS_MAX
        while True:
            try:
                return ask()
            except Error:
                connection.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(LOOK_SECONDS)

    def wait_until(self, pk: int, happened: Callable[[Any], object]) -> Any:
        """Wait for a state of an import."""
        deadline = time.monotonic() + STEP_SECONDS_MAX
        while not happened(found := self.now_of(pk)):
            if time.monotonic() > deadline:
                raise AssertionError(f"stuck: {found.state} {found.cursor} {found.said}")
            time.sleep(LOOK_SECONDS)
        return found

    # ── What is done ──────────────────────────────────────────────────────────────────────────
    def break_and_mend(self, victim: str) -> None:
        """Kill one process of the stack, and start it again."""
        if victim == "postgres":
            self.stack.stop_database(crash=True)
        else:
            self.stack.kill(victim)
        self.stack.start(victim)
        for name in self.stack.dead():  # as whatever supervises them does
            self.stack.start(name)
        # As the sweeper does once nothing has moved for a minute, which is too long to wait for.
        later = timezone.now() + machine.STALLED_AFTER + timedelta(seconds=1)
        self.asked(lambda: machine.requeue(now=later))

    def uploaded(self, content: bytes, victim: str | None) -> int:
        """Upload a file in parts; the ``victim`` dies after the first."""

        size = uploads.PART_BYTES
        every = [content[at : at + size] for at in range(0, len(content), size)]
        assert len(every) > 2
        begun = self.site.send(
            "POST",
            f"/a/{self.account.slug}/calls/imports/begin/",
            data={"name": "calls.csv", "size": str(len(content))},
        ).json()
        self.site.send("PUT", f"{begun['parts']}0/", data=every[0])
        if victim:
            self.break_and_mend(victim)
        have = self.site.send("GET", begun["parts"]).json()["have"]
        for number, part in enumerate(every):
            if str(number) not in have:
                self.site.send("PUT", f"{begun['parts']}{number}/", data=part)
        told = {"parts": str(len(every)), "size": str(len(content))}
        public_id = begun["page"].rstrip("/").rpartition("/")[2]
        found = self.asked(lambda: FileImport.objects.get(public_id=public_id))
        self.site.send("POST", begun["finish"], data=told)
        return int(found.pk)

    def through(self, victim: str) -> Iterator[str]:
        """Take a file through all steps, the ``victim`` dying in each; name the steps."""
        pk = self.uploaded(file_of(victim), victim)
        yield "uploading"
        if victim == "web":  # of what comes then, nothing is its work
            return
        self.break_and_mend(victim)
        found = self.wait_until(pk, partial(is_in, ImportState.READY))
        yield "looking at it"
        for name, begin, moving, ended in (
            ("trying", steps.start_trial, ImportState.TRYING, ImportState.TRIED),
            ("importing", steps.start, ImportState.IMPORTING, ImportState.DONE),
            ("taking it back", steps.withdraw, ImportState.WITHDRAWING, ImportState.WITHDRAWN),
        ):
            self.asked(partial(begin, file_import=found, by=self.owner, now=timezone.now()))
            self.wait_until(pk, partial(has_begun, moving))
            self.break_and_mend(victim)
            found = self.wait_until(pk, partial(is_in, ended))
            if ended == ImportState.DONE:
                summary = selectors.summary_of(found)
                assert (summary.created, summary.rejected) == (CALLS, 1), summary
                assert self.balance() == self.before - CREDITS_A_CALL * CALLS
            yield name
        assert self.balance() == self.before
        of_file = Call.objects.filter(call_id__startswith=f"{victim}-")
        assert self.asked(of_file.count) == CALLS
        assert self.asked(of_file.filter(withdrawn_at=None).count) == 0

    def twice_at_once(self) -> None:
        """The same file twice at the same time, by workers that are killed: charged once."""
        content = file_of("twice")
        both = [self.uploaded(content, None) for _ in range(2)]
        for begin, ended in (
            (steps.start_trial, ImportState.TRIED),
            (steps.start, ImportState.DONE),
        ):
            for pk in both:
                found = self.wait_until(pk, partial(is_in, *READY))
                begin(file_import=found, by=self.owner, now=timezone.now())
            self.break_and_mend("worker")
            done = [self.wait_until(pk, partial(is_in, ended)) for pk in both]
        counted = sorted(
            (summary.created, summary.unchanged) for summary in map(selectors.summary_of, done)
        )
        assert counted == [(0, CALLS), (CALLS, 0)], counted
        assert self.balance() == self.before - CREDITS_A_CALL * CALLS

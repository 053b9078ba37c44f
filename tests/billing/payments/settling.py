"""One of several processes that settle the same top-ups at once; `test_races` starts them.

Reads a job a line (JSON), waits for the moment it names, does its part, answers with a line, until
its input ends. A job may take guards away, to show that the test would notice.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import django

django.setup()

# Django's set-up comes first.
from billing import ledger  # noqa: E402
from billing.ledger import NewGrant, Posting, references  # noqa: E402
from billing.models import Account, GrantSource, Kind, Payment  # noqa: E402
from billing.payments import events, settling  # noqa: E402

Job = dict[str, Any]


def return_page(job: Job) -> object:
    """What the page does that the customer comes back to."""
    return settling.reconcile(payment_pk=job["payment"], now=datetime.now(UTC)).status


def first_webhook(job: Job) -> object:
    """What the task of a webhook does."""
    return events.process(event_id=job["events"][0], now=datetime.now(UTC))


def second_webhook(job: Job) -> object:
    """The same, for another event about the same payment."""
    return events.process(event_id=job["events"][1], now=datetime.now(UTC))


def sweeper(job: Job) -> object:
    """What the sweeper's tasks do that find all of it."""
    for event_id in reversed(job["events"]):
        events.process(event_id=event_id, now=datetime.now(UTC))
    return return_page(job)


PARTS: dict[str, Callable[[Job], object]] = {
    part.__name__: part for part in (return_page, first_webhook, second_webhook, sweeper)
}


def find_unlocked(payment_pk: int) -> Payment:
    """Instead of `settling.locked`: no lock, and as slow as a busy machine may be."""
    found = Payment.objects.select_related("top_up__account").get(pk=payment_pk)
    time.sleep(0.03)  # the others are processes that wait for nothing which could be observed
    return found


def credit_under_any_reference(
    *, account: Account, credits: int, top_up_id: int, paid_at: datetime, now: datetime
) -> bool:
    """Instead of `settling.credit_top_up`: each time another reference."""
    posting = Posting(
        account_id=account.pk,
        kind=Kind.TOP_UP,
        credits=credits,
        reference=f"{references.of_top_up(top_up_id)}-{uuid4()}",
        occurred_at=paid_at,
        top_up_id=top_up_id,
        grant=NewGrant(GrantSource.TOP_UP, None),
    )
    return ledger.post_one(posting=posting, posted_at=now)


GUARDS: dict[str, tuple[str, Callable[..., Any]]] = {
    "lock": ("locked", find_unlocked),
    "reference": ("credit_top_up", credit_under_any_reference),
}


@contextmanager
def without(guards: list[str]) -> Iterator[None]:
    """Take away the lock on the top-up, or the one reference of its credits, or both."""
    kept = {name: getattr(settling, name) for name, _ in GUARDS.values()}
    for guard in guards:
        setattr(settling, *GUARDS[guard])
    try:
        yield
    finally:
        for name, function in kept.items():
            setattr(settling, name, function)


if __name__ == "__main__":
    part = PARTS[sys.argv[1]]
    Payment.objects.exists()  # connects
    print("ready", flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        time.sleep(max(0, job["at"] - time.time()))
        with without(job["without"]):
            try:
                print(f"did {part(job)}", flush=True)
            except Exception as error:
                print(f"failed {type(error).__name__}: {error}".replace("\n", " "), flush=True)

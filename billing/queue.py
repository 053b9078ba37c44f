"""How work is put on the broker's queue: after the commit, and attempted again when it fails.

Whatever the broker loses, a sweeper finds again in the database: no state lives in the broker.
"""

import logging
from collections.abc import Callable
from typing import Any

from django.db import DatabaseError, transaction

from billing.models import Account

logger = logging.getLogger(__name__)

# Attempts again at once, for what fails for a moment. What fails longer is left to a sweeper, which
# finds in the database when the next attempt is due (`billing.backoff`).
RETRYING: dict[str, Any] = {
    "autoretry_for": (DatabaseError, OSError),
    "retry_backoff": 2,
    "retry_jitter": True,
    "max_retries": 3,
}


def enqueue(task: Any, *ids: object) -> None:
    """Send ``task`` after the transaction commits. A broker that is down costs a log line only."""

    def send() -> None:  # no partial: Django asks what failed for its __qualname__
        task.delay(*ids)

    transaction.on_commit(send, robust=True)


def for_each_account(account_ids: list[int], work: Callable[[Account], object]) -> None:
    """Do ``work`` for each account; one that fails is logged and does not stop the others."""
    for account in Account.objects.filter(pk__in=account_ids).order_by("pk"):
        try:
            work(account)
        except Exception:
            logger.exception("Account %s was left out", account.slug)

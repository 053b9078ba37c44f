"""When nobody is warned: in the middle of an import, whose balances are not the account's own yet.

An import notes that it is under way, and that it moves. Warnings look when it is done, or ten
minutes after it last moved: then it was killed, or waits for something.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

from django.db import Error
from django.db.models import QuerySet

from billing.models import Account, ImportUnderWay

STALLED_AFTER = timedelta(minutes=10)


@contextmanager
def import_under_way(
    *, account_id: int, clock: Callable[[], datetime]
) -> Iterator[Callable[[], None]]:
    """Keep warnings of the account back until the end of the block.

    Yields what the import calls each time it has moved on. ``clock`` tells the time.
    """
    noted = keep_quiet(account_id=account_id, noted=None, now=clock())

    def moved() -> None:
        nonlocal noted
        noted = keep_quiet(account_id=account_id, noted=noted, now=clock())

    try:
        yield moved
    finally:
        # Where the database has failed, that is what the import has to tell. The row goes stale.
        with suppress(Error):
            end_quiet(noted=noted)


def keep_quiet(*, account_id: int, noted: int | None, now: datetime) -> int:
    """Note that an import moves, and return what it has to give the next time as ``noted``.

    For an import that goes on in several processes; None the first time.
    """
    if noted is not None and ImportUnderWay.objects.filter(pk=noted).update(moved_at=now):
        return noted
    return ImportUnderWay.objects.create(account_id=account_id, moved_at=now).pk


def end_quiet(*, noted: int) -> None:
    """Note that an import has ended: from now on warnings look at the account again."""
    ImportUnderWay.objects.filter(pk=noted).delete()


def importing(*, now: datetime) -> QuerySet[Account]:
    """The accounts of which nobody is warned ``now``."""
    moving = ImportUnderWay.objects.filter(moved_at__gt=now - STALLED_AFTER)
    return Account.objects.filter(pk__in=moving.values("account_id"))


def is_importing(*, account_id: int, now: datetime) -> bool:
    """Whether nobody is warned of the account ``now``. One query."""
    return importing(now=now).filter(pk=account_id).exists()

"""Exports as a person asks for them and a worker makes them."""

from datetime import datetime
from typing import Any

from billing.models import Account, User
from calls.exports import asking, files, making
from calls.models import Export
from calls.usage.filters import UsageFilters
from tests.calls.usage.test_report import WEEK
from tests.dashboard.conftest import NOW


def asked(
    account: Account,
    by: User,
    *,
    last_seq: int | None = None,
    now: datetime = NOW,
    filters: UsageFilters | None = None,
    **columns: Any,
) -> Export:
    """A file of this week that was asked for, narrowed by ``filters`` or to ``columns``."""
    return asking.ask(
        account=account,
        by=by,
        period=WEEK,
        filters=filters or UsageFilters(**columns),
        last_seq=last_seq,
        now=now,
    )


def worked(export: Export, *, now: datetime = NOW) -> Export:
    """Do what a worker does, until there is nothing more to do."""
    while making.work(clock=lambda: now):
        pass
    return now_of(export)


def now_of(export: Export) -> Export:
    """The export as it is now."""
    return Export.objects.select_related("account", "asked_by").get(pk=export.pk)


def text_of(export: Export) -> str:
    """What the file says."""
    return b"".join(files.as_text(export)).decode()

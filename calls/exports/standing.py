"""How an export stands: its state, and every change of it.

Each change happens on the locked row. Parts count for as long as the row says how many there are;
those that it does not know any more are removed by workers, because that takes time.
"""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from celery import signature
from django.db.models import Exists, OuterRef, Q

from billing.models import Membership
from billing.queue import enqueue
from calls.exports.limits import KEPT_FOR
from calls.models import Export, ExportState
from calls.models.export import SAID_LENGTH_MAX
from calls.usage.export import Selection
from calls.usage.filters import UsageFilters
from calls.usage.periods import Period, Preset
from calls.usage.places import Place

TASK = "calls.tasks.make_exports"
TIDYING_TASK = "calls.tasks.delete_old_exports"

# What takes the room of a file.
OPEN = (ExportState.MAKING, ExportState.READY)
# What somebody waits to hear of.
NEWS = (ExportState.READY, ExportState.FAILED)

NOTHING_STORED: dict[str, Any] = {
    "pieces": 0,
    "rows": 0,
    "cursor_at": None,
    "cursor_id": None,
    "size": 0,
    "stored_size": 0,
    "crc32": 0,
}


def selection_of(export: Export) -> Selection:
    """The rows that the file has."""
    zone = ZoneInfo(export.time_zone)
    return Selection(
        account=export.account,
        period=Period(Preset.CUSTOM, export.first_day, export.last_day, zone),
        filters=filters_of(export),
        last_seq=export.last_seq,
    )


def filters_of(export: Export) -> UsageFilters:
    """What the rows were narrowed to."""
    return UsageFilters(
        usage_type=export.usage_type,
        kind=export.kind,
        agent=export.agent,
        import_id=export.import_id,
    )


def place_of(export: Export) -> Place | None:
    """The place of the last row that is stored."""
    if export.cursor_at is None or export.cursor_id is None:
        return None
    return Place(export.cursor_at, export.cursor_id)


def lock(export: Export) -> Export:
    """Return the export as it is now, locked until the end of the transaction.

    Raises Export.DoesNotExist where it was deleted.
    """
    rows = Export.objects.select_related("account").select_for_update(of=("self",))
    return rows.get(pk=export.pk)


def of_members() -> Q:
    """Those exports whose person is still a member of their account, and may sign in."""
    place = Membership.objects.filter(
        account=OuterRef("account_id"), user=OuterRef("asked_by_id"), user__is_active=True
    )
    return Q(Exists(place))


def move(locked: Export, to: ExportState, *, now: datetime, said: str = "") -> Export:
    """Put the ``locked`` export into the state ``to``; only one that is ready keeps its file.

    What is left of a file is removed by workers, which are told with the commit.
    """
    # What a file was that has expired is still told.
    if to not in (ExportState.READY, ExportState.EXPIRED):
        _set(locked, NOTHING_STORED)
    is_making = to == ExportState.MAKING
    _set(
        locked,
        {
            "state": to,
            "said": said[:SAID_LENGTH_MAX],
            "moved_at": now,
            "failures": 0,
            "ended_at": None if is_making else now,
            "expires_at": now + KEPT_FOR if to == ExportState.READY else None,
        },
    )
    if is_making:
        _set(locked, {"seen_at": None, "mailed_at": None, "mail_tried_at": None})
        queue()
    elif to != ExportState.READY:
        tidy_up()
    locked.save()
    return locked


def disown(export: Export) -> None:
    """Take the export from its person at once; workers then delete it with its parts."""
    Export.objects.filter(pk=export.pk).update(asked_by=None)
    tidy_up()


def queue() -> None:
    """Queue the task that makes exports, once the transaction commits."""
    enqueue(signature(TASK))


def tidy_up() -> None:
    """Queue the task that removes what is left of files, once the transaction commits."""
    enqueue(signature(TIDYING_TASK))


def _set(export: Export, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(export, name, value)

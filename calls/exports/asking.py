"""What people do with exports: ask for a file, cancel it, have it made again, delete it."""

from datetime import datetime

from django.db import connection, transaction
from django.db.models import Q

from billing.activity import ActivityKind, note
from billing.ledger.balances import balance_of
from billing.models import Account, User
from billing.refusals import Refusal
from calls.exports import standing
from calls.exports.limits import OPEN_OF_ACCOUNT_MAX, OPEN_OF_PERSON_MAX
from calls.models import Export, ExportState
from calls.usage.counts import NEW_ENTRIES_MAX, rows_in
from calls.usage.filters import UsageFilters
from calls.usage.periods import Period

MAKE_ROOM = "Wait until one is done, or delete one that you do not need any more."
OF_OTHERS = "They are deleted a day after they were made."


def ask(
    *,
    account: Account,
    by: User,
    period: Period,
    filters: UsageFilters,
    last_seq: int | None,
    now: datetime,
) -> Export:
    """Have a file made of the rows of ``period`` that pass ``filters``, for ``by`` alone.

    ``last_seq`` is that of the page on which it was asked for, whose rows it will have; None, or
    one that the account has not reached: as it is now. Asked for twice, it is made once. Raises
    Refusal where there are too many files already, or nothing to be seen.
    """
    latest = balance_of(account).last_seq
    seen = latest if last_seq is None or not 0 < last_seq <= latest else last_seq
    asked = Export(
        account=account,
        asked_by=by,
        first_day=period.first_day,
        last_day=period.last_day,
        time_zone=period.zone.key,
        usage_type=filters.usage_type,
        kind=filters.kind,
        agent=filters.agent,
        import_id=filters.import_id,
        last_seq=seen,
        rows_expected=_rows(account, period, filters, seen, latest),
        created_at=now,
        moved_at=now,
    )
    if not asked.rows_expected:
        raise Refusal("There are no rows for these days and filters.")
    with transaction.atomic():
        _one_at_a_time(account)
        known = _same_as(asked)
        if known is not None:
            return known
        _require_room(asked)
        asked.save(force_insert=True)
        standing.queue()
    return asked


def cancel(*, export: Export, now: datetime) -> Export:
    """Stop making the file, and forget what there is of it. Changes nothing once it has ended."""
    with transaction.atomic():
        found = standing.lock(export)
        if found.state == ExportState.MAKING:
            standing.move(found, ExportState.CANCELLED, now=now)
    return found


def make_again(*, export: Export, now: datetime) -> Export:
    """Have the same file made once more: with the same rows, whatever was booked since.

    Changes nothing while it is being made, or can be downloaded. Raises Refusal where there are
    too many files already.
    """
    with transaction.atomic():
        _one_at_a_time(export.account)
        found = standing.lock(export)
        if found.state not in standing.OPEN:
            _require_room(found)
            standing.move(found, ExportState.MAKING, now=now)
    return found


def make_anew(*, export: Export, now: datetime) -> Export:
    """Have the file made from its beginning, whatever there is of it. For operators."""
    with transaction.atomic():
        _one_at_a_time(export.account)
        found = standing.lock(export)
        if found.asked_by_id is None:
            raise Refusal("The person who asked for this file does not exist any more.")
        if found.state not in standing.OPEN:
            _require_room(found)
        _note(ActivityKind.DOWNLOAD_MADE_AGAIN, found)
        return standing.move(found, ExportState.MAKING, now=now)


def delete(*, export: Export) -> None:
    """Delete the file, and that there was one."""
    with transaction.atomic():
        _note(ActivityKind.DOWNLOAD_DELETED, export)
        standing.disown(export)


def note_seen(*, export: Export, now: datetime) -> None:
    """Note that the person knows how it ended, and need not be told any more."""
    Export.objects.filter(pk=export.pk, seen_at=None).exclude(state=ExportState.MAKING).update(
        seen_at=now
    )


def _rows(account: Account, period: Period, filters: UsageFilters, seen: int, latest: int) -> int:
    """How many rows there were, exactly where few entries were booked since, else about."""
    rows = rows_in(account=account, period=period, filters=filters)
    if not rows or seen == latest or latest - seen > NEW_ENTRIES_MAX:
        return rows
    newer = filters.entries(account).filter(
        seq__gt=seen, occurred_at__gte=period.starts_at, occurred_at__lt=period.ends_at
    )
    return rows - newer.count()


def _same_as(asked: Export) -> Export | None:
    same = {
        name: getattr(asked, name)
        for name in (
            "account",
            "asked_by",
            "first_day",
            "last_day",
            "time_zone",
            "usage_type",
            "kind",
            "agent",
            "import_id",
            "last_seq",
        )
    }
    return Export.objects.filter(state__in=standing.OPEN, **same).first()


def _one_at_a_time(account: Account) -> None:
    """Two that ask at once must not both take the last place, nor get two of the same file."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
            [f"exports of account {account.pk}"],
        )


def _require_room(asked: Export) -> None:
    """Raise Refusal where person or account have as many files as they may."""
    of_account = Export.objects.filter(account=asked.account, state__in=standing.OPEN)
    open_ones = of_account.exclude(Q(pk=asked.pk) | Q(asked_by=None))
    if open_ones.filter(asked_by=asked.asked_by).count() >= OPEN_OF_PERSON_MAX:
        raise Refusal(f"You have {OPEN_OF_PERSON_MAX} files here already. {MAKE_ROOM}")
    if open_ones.count() >= OPEN_OF_ACCOUNT_MAX:
        raise Refusal(
            f"{asked.account} has {OPEN_OF_ACCOUNT_MAX} files already, of all its people. "
            f"{OF_OTHERS}"
        )


def _note(kind: ActivityKind, export: Export) -> None:
    days = f"{export.first_day.isoformat()} to {export.last_day.isoformat()}"
    note(kind, account=export.account_id, subject=days)

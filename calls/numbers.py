"""Deleting the numbers of both sides of a call once it is old: the setting NUMBERS_KEPT_DAYS.

Charges, counts and all else that is known of a call stay. What comes of such a call later neither
brings its numbers back nor is a change for the sake of them (`calls.merging`). Files of imports and
what sources have sent are deleted by their own age (`kept_for`).

An account is walked along its log, a bounded number of entries at a time: first what was booked
since at a time that was passed already, then what has become old.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q

from billing.bulk import among
from billing.ledger.forgetting import forget_values
from billing.models import Balance, LedgerEntry
from calls import reports, stored
from calls.changes import NUMBERS
from calls.limits import FIRST_INSTANT
from calls.models import Call, CallReport, NumbersProgress
from calls.stored import StoredCall

ENTRIES_AT_ONCE = 2_000
WORKED_FOR = timedelta(seconds=20)
ACCOUNTS_AT_ONCE = 500
# Accounts are visited so often for what becomes old; days are what is promised.
VISITED_EVERY = timedelta(hours=1)

NO_NUMBERS = Q(from_number="", to_number="")
DELETED = {"from_number": "", "to_number": "", "numbers_deleted": True}


def kept_for(longest: timedelta) -> timedelta:
    """How long something is kept that has numbers in it, and would be kept for ``longest``."""
    days = settings.NUMBERS_KEPT_DAYS
    return min(longest, timedelta(days=days)) if days else longest


def delete_old_numbers(*, clock: Callable[[], datetime]) -> bool:
    """Delete numbers of calls that are older than is promised, for 20 seconds at most.

    Returns whether there is more to do. Does nothing where they are kept for ever.
    """
    if not settings.NUMBERS_KEPT_DAYS:
        return False
    began_at = clock()
    before = began_at - timedelta(days=settings.NUMBERS_KEPT_DAYS)
    accounts = _due(before)
    for account_id in accounts:
        while step(account_id=account_id, before=before):
            if clock() - began_at >= WORKED_FOR:
                return True
        if clock() - began_at >= WORKED_FOR:
            return True
    return len(accounts) == ACCOUNTS_AT_ONCE


def step(*, account_id: int, before: datetime) -> bool:
    """Delete the numbers of some calls of the account that started ``before`` an instant.

    Returns whether more are left. One transaction.
    """
    with transaction.atomic():
        progress = _locked(account_id)
        progress.until = min(progress.until, before)  # where they are kept for longer now
        late, is_late_over = _late(progress)
        call_ids = set(late)
        is_over = is_late_over
        if is_late_over:
            old, is_over = _old(progress, before)
            call_ids |= set(old)
        _delete(account_id, sorted(call_ids), before)
        progress.save()
    return not is_over


def _due(before: datetime) -> list[int]:
    """The accounts in which there may be numbers to delete."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT balance.account_id
              FROM billing_balance balance
              LEFT JOIN calls_numbersprogress progress USING (account_id)
             WHERE balance.last_seq > 0
               AND (progress.account_id IS NULL OR progress.seq < balance.last_seq
                    OR progress.until < %s)
             ORDER BY progress.until NULLS FIRST, balance.account_id LIMIT %s
            """,
            [before - VISITED_EVERY, ACCOUNTS_AT_ONCE],
        )
        return [account_id for (account_id,) in cursor.fetchall()]


def _locked(account_id: int) -> NumbersProgress:
    """How far the account is: one worker at a time works on it."""
    last_seq = Balance.objects.values_list("last_seq", flat=True).get(account=account_id)
    NumbersProgress.objects.get_or_create(
        account_id=account_id,
        # Nothing is passed yet, so nothing is late.
        defaults={"until": FIRST_INSTANT, "until_id": 0, "seq": last_seq},
    )
    return NumbersProgress.objects.select_for_update().get(account=account_id)


def _late(progress: NumbersProgress) -> tuple[list[str], bool]:
    """Calls of entries that were booked since at times that are passed, and whether these are all.

    Entries of one account are numbered as they are committed, one after the other.
    """
    entries = LedgerEntry.objects.filter(account=progress.account_id, seq__gt=progress.seq)
    found = list(
        entries.order_by("seq").values_list("seq", "occurred_at", "call_id")[:ENTRIES_AT_ONCE]
    )
    if found:
        progress.seq = found[-1][0]
    late = [call_id for _, at, call_id in found if call_id and at <= progress.until]
    return late, len(found) < ENTRIES_AT_ONCE


def _old(progress: NumbersProgress, before: datetime) -> tuple[list[str], bool]:
    """Calls of entries that have become old, and whether these are all."""
    entries = LedgerEntry.objects.filter(
        Q(occurred_at__gt=progress.until) | Q(occurred_at=progress.until, id__gt=progress.until_id),
        account=progress.account_id,
        occurred_at__gte=progress.until,
        occurred_at__lt=before,
    )
    found = list(
        entries.order_by("occurred_at", "id").values_list("occurred_at", "id", "call_id")[
            :ENTRIES_AT_ONCE
        ]
    )
    is_over = len(found) < ENTRIES_AT_ONCE
    progress.until, progress.until_id = (before, 0) if is_over else found[-1][:2]
    return [call_id for *_, call_id in found if call_id], is_over


def _delete(account_id: int, call_ids: Sequence[str], before: datetime) -> None:
    """Delete what is known of the numbers of those of the calls that started ``before``."""
    if not call_ids:
        return
    reports.lock_accounts([account_id])
    known = stored.lock([(account_id, call_id) for call_id in call_ids])
    calls = [call for call in known if call.record.started_at < before]
    told = _told_by_several(account_id, calls)
    gone = [
        call
        for call in calls
        if call.record.from_number or call.record.to_number or call.record.call_id in told
    ]
    gone_ids = [call.record.call_id for call in gone]
    Call.objects.filter(pk__in=among(call.id for call in gone)).update(**DELETED)
    of_calls = CallReport.objects.filter(account=account_id, linked_call_id__in=gone_ids)
    of_calls.update(**DELETED)
    corrected = [call.record.call_id for call in calls if call.corrections]
    forget_values(account_id=account_id, call_ids=corrected, names=NUMBERS)


def _told_by_several(account_id: int, calls: Sequence[StoredCall]) -> set[str]:
    """The IDs of those of ``calls`` of which another reporter has told a number."""
    linked = [call.record.call_id for call in calls if call.has_reports]
    told = CallReport.objects.filter(account=account_id, linked_call_id__in=linked)
    return set(told.exclude(NO_NUMBERS).values_list("linked_call_id", flat=True))

"""Warnings: what people are owed to know about an account's credits, found by looking.

Owns the making of Notices; what becomes of a notice is `billing.notices.due`.

Low credits: nothing is noticed at the moment it happens. A look compares the balance with the
thresholds and with what each person was told (`billing.notices.owed`). So however long nobody
looked, and however long no mail could be sent, who is owed a warning is told, and once.
"""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from itertools import groupby
from operator import attrgetter
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Q

from billing.ledger.balances import balance_of, mark_watched, unwatched
from billing.models import (
    Account,
    CreditGrant,
    CreditLook,
    CreditWatch,
    GrantSource,
    Notice,
    NoticeKind,
)
from billing.notices import references
from billing.notices.low_credits import told_to
from billing.notices.making import WAITING, notify, receivers
from billing.notices.owed import Reachable, owed
from billing.notices.quiet import importing, is_importing
from billing.notices.thresholds import keep_thresholds, note_levels

EXPIRY_WARNINGS_DAYS = (30, 7, 1)
# The longest day there is: the one on which clocks go back.
A_DAY_AT_MOST = timedelta(hours=25)


def to_watch(*, now: datetime) -> list[int]:
    """The accounts about which somebody may have to be warned: something moved since the last look.

    None into which an import is under way. Three queries, each by an index.
    """
    moved = set(unwatched())
    moved.update(CreditLook.objects.filter(_due(now)).values_list("account_id", flat=True))
    return sorted(moved.difference(importing(now=now).values_list("pk", flat=True)))


def watch(*, account: Account, now: datetime) -> list[int]:
    """Find who has to be warned of low credits; return the ids of the notices made.

    First bring the account up to ``now`` (`billing.plans.movements.bring_up_to_date`), so that
    nobody is warned between the old credits' end and the new ones' grant.
    Nobody is warned of a closed account: it can't be topped up.
    Of several thresholds only the lowest is told. A dip that is over is not: there is nothing to
    do about it. Nor is anybody warned while an import is under way.
    """
    if is_importing(account_id=account.pk, now=now):
        return []
    with transaction.atomic():
        keep_thresholds(account=account)
        CreditWatch.objects.select_for_update(no_key=True).get(account=account)
        # Before anything is read: what asks for another look from here on is not deleted.
        CreditLook.objects.filter(_due(now), account=account).delete()
        balance = balance_of(account)
        if not balance.last_seq:
            return []
        thresholds = note_levels(account=account, balance=balance, at=now)
        made = []
        # An account whose calls are all history has never had credits that could run low.
        has_had_any = balance.credits != 0 or account.grants.exists()
        if account.closed_at is None and has_had_any:
            made = _warn_of_low_credits(account, balance.credits, thresholds, now)
        mark_watched(balance=balance)
    return [notice.pk for notice in made]


def _due(now: datetime) -> Q:
    return Q(look_at__isnull=True) | Q(look_at__lte=now)


def _warn_of_low_credits(
    account: Account, credits: int, thresholds: Sequence[Reachable], now: datetime
) -> list[Notice]:
    """Make a notice for each person who has to be warned and for whom none is waiting."""
    reached = [threshold for threshold in thresholds if credits <= threshold.level]
    if not reached:
        return []
    people = receivers(account)
    told = told_to(account=account, people=people, thresholds=reached)
    waiting = set(
        Notice.objects.filter(WAITING, account=account, kind=NoticeKind.LOW_CREDITS).values_list(
            "user_id", "context__level"
        )
    )
    made = []
    for person in people:
        lowest = owed(thresholds=reached, told=told[person.pk], balance=credits)
        if lowest is not None and (person.pk, lowest.level) not in waiting:
            notice = _low_credits(account, lowest, now)
            made += notify(notice=notice, people=[person])
    return made


def _low_credits(account: Account, threshold: Reachable, now: datetime) -> Notice:
    return Notice(
        account=account,
        kind=NoticeKind.LOW_CREDITS,
        reference=references.of_low_credits(threshold.level, threshold.above_seq),
        context={"threshold": threshold.words, "level": threshold.level},
        created_at=now,
    )


def notice_expiring(*, now: datetime) -> list[int]:
    """Notice what expires within 30, 7 or 1 days, once for each grant and warning.

    Returns the id of one notice for each mail that is now due: it takes the others with it. When
    a warning is due for one grant of an account, it is given for every grant for which it would be
    due later on the same day, so that one mail a day says it all. What an import may be using is
    noticed when it is done.
    """
    soon = CreditGrant.objects.select_related("account").exclude(account__in=importing(now=now))
    soon = soon.filter(
        is_open=True,
        expires_at__gt=now,
        expires_at__lte=now + timedelta(days=max(EXPIRY_WARNINGS_DAYS)) + A_DAY_AT_MOST,
    )
    mails: dict[tuple[int, int | None, int | None], int] = {}
    for _, grants in groupby(
        soon.order_by("account_id", "expires_at", "id"), key=attrgetter("account_id")
    ):
        for notice in _notice_expiring(list(grants), now):
            message = (notice.account_id, notice.user_id, notice.days_before)
            mails.setdefault(message, notice.pk)
    return list(mails.values())


def _notice_expiring(grants: Sequence[CreditGrant], now: datetime) -> list[Notice]:
    """The new notices of the ``grants`` of one account."""
    tonight = _next_midnight(now, grants[0].account.zone)
    made = [
        notice for grant in grants for notice in _warn(grant, warning_due(grant=grant, at=now), now)
    ]
    given_now = {notice.days_before for notice in made}
    for grant in grants:
        days = warning_due(grant=grant, at=tonight)
        if days in given_now:
            made += _warn(grant, days, now)
    return made


def warning_due(*, grant: CreditGrant, at: datetime) -> int | None:
    """Which warning is the latest that is due by ``at``, in days before the credits expire.

    A grant that lasts hardly longer than the warning comes early (plan credits, 30 days) is only
    warned of by the later ones; by the last one, whatever lasts.
    """
    assert grant.expires_at is not None
    left = grant.expires_at - at
    days = min((days for days in EXPIRY_WARNINGS_DAYS if left <= timedelta(days=days)), default=0)
    is_short = grant.expires_at - grant.granted_at <= timedelta(days=days + 1)
    is_last = days == min(EXPIRY_WARNINGS_DAYS)
    return None if not days or (is_short and not is_last) else days


def _warn(grant: CreditGrant, days: int | None, now: datetime) -> list[Notice]:
    if days is None:
        return []
    assert grant.expires_at is not None
    return notify(
        people=receivers(grant.account),
        notice=Notice(
            account=grant.account,
            kind=NoticeKind.EXPIRING,
            reference=references.of_expiring(grant.seq, days),
            grant=grant,
            days_before=days,
            context={
                "credits": grant.remaining,
                "source": GrantSource(grant.source).label,
                "expires_at": grant.expires_at.isoformat(),
            },
            created_at=now,
        ),
    )


def _next_midnight(now: datetime, zone: ZoneInfo) -> datetime:
    tomorrow = now.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time.min, zone)

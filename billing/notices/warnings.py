"""Warnings: what the owners of an account are owed to know about its credits, noticed once each.

Owns CreditWatch, CreditThreshold and the making of Notices; what becomes of a notice is
`billing.notices.due`.

Low credits: an entry that takes the balance from above a threshold to it or below is a crossing.
Entries are read in the order of posting from where the last look ended, so no crossing is missed
or noticed twice, however long nobody looked, and rising above the threshold arms it again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from itertools import groupby
from operator import attrgetter
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.db.models import F, Q

from billing.ledger.balances import balance_of
from billing.models import (
    Account,
    Balance,
    CreditGrant,
    CreditThreshold,
    CreditWatch,
    GrantSource,
    Membership,
    Notice,
    NoticeKind,
)
from billing.notices import references
from billing.notices.levels import default_thresholds, level_of, thresholds_of
from billing.plans.tariffs import NoTariffError, agreement_at
from billing.refusals import Refusal

EXPIRY_WARNINGS_DAYS = (30, 7, 1)
# The longest day there is: the one on which clocks go back.
A_DAY_AT_MOST = timedelta(hours=25)
THRESHOLDS_MAX = 10


class ThresholdError(Refusal):
    """A threshold that can't be added."""


@dataclass(frozen=True, slots=True)
class _Crossing:
    threshold: CreditThreshold
    level: int
    seq: int


def to_watch() -> list[int]:
    """The accounts with entries that nobody has looked at for crossings."""
    unread = Balance.objects.filter(last_seq__gt=0).filter(
        Q(account__credit_watch__isnull=True) | Q(last_seq__gt=F("account__credit_watch__last_seq"))
    )
    return list(unread.order_by("account_id").values_list("account_id", flat=True))


def watch(*, account: Account, now: datetime) -> list[int]:
    """Look at the account's new entries; return the ids of the notices made of a crossing.

    First bring the account up to ``now`` (`billing.plans.movements.bring_up_to_date`), so that
    nobody is warned between the old credits' end and the new ones' grant.
    Of several thresholds crossed at once only the lowest is noticed. A dip that is over is not:
    there is nothing to do about it. The first look at an account takes what came before as above
    every threshold, and only its present balance into account.
    """
    with transaction.atomic():
        created = _start_watching(account)
        seen = CreditWatch.objects.select_for_update(no_key=True).get(account=account)
        balance = balance_of(account)
        if balance.last_seq <= seen.last_seq:
            return []
        limits = levels(account=account, at=now)
        since = balance.last_seq if created else seen.last_seq
        crossings = [
            _Crossing(threshold, level, seq)
            for threshold, level in limits
            if balance.credits <= level
            and (seq := _last_crossing(account, level, since, seen.last_seq, balance.last_seq))
        ]
        seen.last_seq = balance.last_seq
        seen.save(update_fields=["last_seq"])
        if not crossings:
            return []
        lowest = min(crossings, key=lambda crossing: crossing.level)
        notice = Notice(
            kind=NoticeKind.LOW_CREDITS,
            reference=references.of_low_credits(lowest.level, lowest.seq),
            context={"threshold": str(lowest.threshold), "level": lowest.level},
            created_at=now,
        )
        return [made.pk for made in _notify(account=account, notice=notice)]


def levels(*, account: Account, at: datetime) -> list[tuple[CreditThreshold, int]]:
    """The account's thresholds with the balance at or below which each is crossed.

    Shares of a plan without credits are left out.
    """
    try:
        per_cycle = agreement_at(account=account, at=at).terms.credits_per_cycle or 0
    except NoTariffError:
        per_cycle = 0
    found = []
    for threshold in thresholds_of(account):
        level = level_of(threshold, credits_per_cycle=per_cycle)
        if level is not None:
            found.append((threshold, level))
    return found


def add_threshold(*, account: Account, threshold: CreditThreshold) -> None:
    """Warn ``account`` by a further ``threshold``. Raises ThresholdError."""
    with transaction.atomic():
        kept = _kept_thresholds(account)
        if len(kept) >= THRESHOLDS_MAX:
            raise ThresholdError(
                f"{THRESHOLDS_MAX} are enough. Remove one first.", field="threshold"
            )
        wanted = (threshold.percent_of_plan, threshold.credits)
        if wanted in {(each.percent_of_plan, each.credits) for each in kept}:
            raise ThresholdError("You are warned at this one already.", field="threshold")
        threshold.account = account
        threshold.save()


def remove_threshold(*, account: Account, percent_of_plan: int | None, credits: int | None) -> None:
    """Stop warning ``account`` by a threshold; nothing where it has none such."""
    with transaction.atomic():
        for threshold in _kept_thresholds(account):
            if (threshold.percent_of_plan, threshold.credits) == (percent_of_plan, credits):
                threshold.delete()


def _kept_thresholds(account: Account) -> list[CreditThreshold]:
    """The thresholds as rows, under the account's lock. Whoever edits them has seen the balance, so
    an account that nobody watched yet is watched from here on."""
    Account.objects.select_for_update(no_key=True).get(pk=account.pk)
    if _start_watching(account):
        last_seq = balance_of(account).last_seq
        CreditWatch.objects.filter(account=account).update(last_seq=last_seq)
    return list(CreditThreshold.objects.filter(account=account))


def notice_expiring(*, now: datetime) -> list[int]:
    """Notice what expires within 30, 7 or 1 days, once for each grant, its end and warning.

    Returns the id of one notice for each mail that is now due: it takes the others with it. When
    a warning is due for one grant of an account, it is given for every grant for which it would be
    due later on the same day, so that one mail a day says it all.
    """
    soon = CreditGrant.objects.select_related("account").filter(
        is_open=True,
        expires_at__gt=now,
        expires_at__lte=now + timedelta(days=max(EXPIRY_WARNINGS_DAYS)) + A_DAY_AT_MOST,
    )
    mails: dict[tuple[int, int | None], int] = {}
    for _, grants in groupby(
        soon.order_by("account_id", "expires_at", "id"), key=attrgetter("account_id")
    ):
        for notice in _notice_expiring(list(grants), now):
            mails.setdefault((notice.membership_id, notice.days_before), notice.pk)
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
    return _notify(
        account=grant.account,
        notice=Notice(
            kind=NoticeKind.EXPIRING,
            reference=references.of_expiring(grant.reference, grant.expires_at, days),
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


def _start_watching(account: Account) -> bool:
    """Start watching the account, with the default thresholds; return whether it is new."""
    _, created = CreditWatch.objects.get_or_create(account=account)
    if created and not CreditThreshold.objects.filter(account=account).exists():
        CreditThreshold.objects.bulk_create(default_thresholds(account))
    return created


def _last_crossing(account: Account, level: int, since: int, after: int, until: int) -> int | None:
    """The last entry from after ``after`` to ``until`` that crossed ``level`` downwards, where
    the entries are read from ``since`` on."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT max(seq)
              FROM (SELECT seq, balance_after, lag(balance_after) OVER (ORDER BY seq) AS before
                      FROM billing_ledgerentry
                     WHERE account_id = %s AND seq BETWEEN %s AND %s) posted
             WHERE seq > %s AND balance_after <= %s AND (before IS NULL OR before > %s)
            """,
            [account.pk, since, until, after, level, level],
        )
        row: Sequence[int | None] = cursor.fetchone()
    return row[0]


def _notify(*, account: Account, notice: Notice) -> list[Notice]:
    """Make the ``notice`` for every owner who wants it and has not got it; return the new ones."""
    made = []
    for owner in Membership.objects.filter(account=account).select_related("user"):
        if not owner.receives_credit_mails:
            continue
        stored, created = Notice.objects.get_or_create(
            membership=owner,
            reference=notice.reference,
            defaults={
                "kind": notice.kind,
                "grant": notice.grant,
                "days_before": notice.days_before,
                "context": notice.context,
                "created_at": notice.created_at,
                "due_at": notice.created_at,
            },
        )
        if created:
            made.append(stored)
    return made

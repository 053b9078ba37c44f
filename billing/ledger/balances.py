"""What an account has now (zero, unsaved, where nothing was ever posted), had then, and who has
seen it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Q, QuerySet, Sum

from billing.models import Account, Balance, CreditGrant, GrantSource, GrantUse, LedgerEntry
from billing.prepared import Parameter

# Clocks of several machines: an entry may say that it was booked a little before its predecessor.
CLOCKS_APART_MAX = timedelta(minutes=15)
# What may be read to know the grants of the past; see `balance_at`.
ENTRIES_READ_MAX = 200_000


@dataclass(frozen=True, slots=True)
class GrantLeft:
    """What a grant has left at an instant."""

    seq: int
    source: str
    credits: int
    remaining: int
    granted_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class BalanceThen:
    """What an account had, as it was booked by an instant.

    ``credits`` are negative where it owed some. ``grants`` are in the order in which they are used;
    None where too much was booked since to tell.
    """

    credits: int
    grants: Sequence[GrantLeft] | None

    @property
    def debt(self) -> int:
        """Credits owed."""
        return max(0, -self.credits)


def balance_of(account: Account) -> Balance:
    """Read the account's balance now. One query."""
    return Balance.objects.filter(account=account).first() or Balance(account=account)


def balance_read_with(account: Account) -> Balance:
    """The balance that was selected together with ``account``, as it was then.

    No query, unless it was not selected.
    """
    return getattr(account, "balance", None) or Balance(account=account)


def unwatched() -> list[int]:
    """The ids of the accounts with entries that nobody has looked at for warnings. One query."""
    found = Balance.objects.filter(is_unwatched=True).order_by("account_id")
    return list(found.values_list("account_id", flat=True))


def mark_watched(*, balance: Balance) -> None:
    """Note that the account was looked at for warnings when it had ``balance``."""
    Balance.objects.filter(account=balance.account_id).update(watched_seq=balance.last_seq)


def grants_left(*, account: Account, now: datetime) -> list[CreditGrant]:
    """What ``account`` has, in the order of expiry; one query."""
    return list(_unexpired(now=now).filter(account=account, is_open=True))


def grants_standing(*, account: Account, now: datetime) -> list[CreditGrant]:
    """What `standing` says of ``account``; one query."""
    return list(standing(now=now).filter(account=account))


def standing(*, now: datetime | Parameter) -> QuerySet[CreditGrant]:
    """What accounts have, and plan credits until their end even when all are used.

    So that a page can say "0 of 1,500". In the order of expiry.
    """
    return _unexpired(now=now).filter(Q(is_open=True) | Q(source=GrantSource.PLAN))


def _unexpired(*, now: datetime | Parameter) -> QuerySet[CreditGrant]:
    return CreditGrant.objects.exclude(expires_at__lte=now)


def balance_at(*, account: Account, at: datetime) -> BalanceThen:
    """What ``account`` had by what was booked until ``at``; at most five queries.

    Grants are what they have now and what was used since. So it takes longer the longer ago it was;
    beyond `ENTRIES_READ_MAX` entries only the sum is told.
    """
    seq = last_seq_by(account=account, at=at)
    entries = LedgerEntry.objects.filter(account=account)
    credits = entries.filter(seq=seq).values_list("balance_after", flat=True).first() or 0
    if balance_of(account).last_seq - seq > ENTRIES_READ_MAX:
        return BalanceThen(credits, None)
    uses = GrantUse.objects.filter(account=account, seq__gt=seq, into_new_grant=False)
    used = dict(uses.values_list("grant_seq").annotate(credits=Sum("credits")).order_by())
    grants = CreditGrant.objects.filter(account=account, seq__lte=seq)
    left = [
        GrantLeft(
            seq=grant.seq,
            source=grant.source,
            credits=grant.credits,
            remaining=grant.remaining + int(used.get(grant.seq, 0)),
            granted_at=grant.granted_at,
            expires_at=grant.expires_at,
        )
        for grant in grants.filter(Q(is_open=True) | Q(seq__in=list(used)))
    ]
    return BalanceThen(credits, [grant for grant in left if grant.remaining])


def last_seq_by(*, account: Account, at: datetime) -> int:
    """The number of the last entry of ``account`` that was booked by ``at``, 0 where none was.

    Halves the numbers until it is found: as many look-ups in an index as the count has digits in
    base 2, in one query. Where clocks differ it may be off by what was booked meanwhile.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH RECURSIVE search (low, high) AS (
                SELECT 0::bigint, coalesce(max(last_seq), 0)
                  FROM billing_balance WHERE account_id = %(account)s
                UNION ALL
                SELECT CASE WHEN entry.posted_at <= %(at)s THEN entry.seq ELSE low END,
                       CASE WHEN entry.posted_at <= %(at)s THEN high ELSE entry.seq - 1 END
                  FROM search
                  JOIN billing_ledgerentry entry
                    ON entry.account_id = %(account)s AND entry.seq = (low + high + 1) / 2
                 WHERE low < high
            )
            SELECT max(low) FROM search WHERE low = high
            """,
            {"account": account.pk, "at": at},
        )
        (found,) = cursor.fetchone()
        return int(found or 0)

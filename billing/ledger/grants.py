"""What an account has, as it is stored: the lock on its balance, its grants, and when they end.

Only `billing.ledger.posting` stores through this module; others lock accounts and move ends.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from billing.bulk import among, arrays_of, as_array, copy_rows, read_rows
from billing.ledger import references
from billing.ledger.flow import Grant, LockedAccount
from billing.models import Account, Balance, CreditGrant

GRANT_COLUMNS = (
    "account_id",
    "reference",
    "source",
    "credits",
    "remaining",
    "granted_at",
    "expires_at",
    "last_used_seq",
)

# A machine whose clock runs ahead may already have booked an expiry. It must be booked once.
_EXPIRY_IS_BOOKED = f"""
    EXISTS (
        SELECT FROM billing_ledgerentry entry
         WHERE entry.account_id = granted.account_id
           AND entry.reference = {references.of_expiry_sql("granted.reference")}
        )
"""


class _Held(NamedTuple):
    """One grant of a locked account, beside what the account has; one without grants has None."""

    account_id: int
    balance: int
    last_seq: int
    time_zone: str
    id: int | None
    reference: str
    source: str
    credits: int
    remaining: int
    granted_at: datetime
    expires_at: datetime | None
    last_used_seq: int | None


def lock_accounts(account_ids: Sequence[int]) -> None:
    """Hold the balances of the accounts until the transaction ends: nothing else is posted to them.

    In order of their ids, so that no two processes wait for each other. Makes a balance where an
    account has none.
    """
    balances = Balance.objects.filter(account_id__in=among(account_ids)).order_by("account_id")
    balances = balances.select_for_update(of=("self",), no_key=True)
    missing = set(account_ids).difference(balances.values_list("account_id", flat=True))
    if missing:
        made = [Balance(account_id=account_id) for account_id in sorted(missing)]
        Balance.objects.bulk_create(made, ignore_conflicts=True)
        lock_accounts(account_ids)


def read_locked(
    account_ids: Sequence[int], *, returning: Sequence[int], at: datetime
) -> list[LockedAccount]:
    """Read what the accounts, which are locked, and their grants have left.

    Of accounts that are ``returning`` credits to their grants, also the live grants that have
    nothing left.
    """
    with connection.cursor() as cursor:
        # By a query of its own: rows joined to the lock's would be as they were before the wait
        # for it, and the account may have moved to another time zone meanwhile.
        cursor.execute(
            f"""
            SELECT balance.account_id, balance.credits AS balance, balance.last_seq,
                   account.time_zone, held.id, held.reference, held.source, held.credits,
                   held.remaining, held.granted_at, held.expires_at, held.last_used_seq
              FROM billing_balance balance
              JOIN billing_account account ON account.id = balance.account_id
              LEFT JOIN LATERAL (
                   SELECT * FROM billing_creditgrant
                    WHERE account_id = balance.account_id AND is_open
                    UNION ALL
                   SELECT * FROM billing_creditgrant granted
                    WHERE account_id = balance.account_id AND NOT is_open
                      AND account_id = ANY(%s::bigint[])
                      AND (expires_at IS NULL OR expires_at > %s)
                      AND NOT {_EXPIRY_IS_BOOKED}
                   ) AS held ON true
             WHERE balance.account_id = ANY(%s::bigint[])
             ORDER BY balance.account_id
            """,
            [as_array(returning), at, as_array(account_ids)],
        )
        rows = read_rows(cursor, _Held)
    accounts: dict[int, _Held] = {}
    grants: dict[int, list[Grant]] = defaultdict(list)
    for row in rows:
        accounts[row.account_id] = row
        if row.id is not None:
            grants[row.account_id].append(
                Grant(
                    id=row.id,
                    account_id=row.account_id,
                    reference=row.reference,
                    source=row.source,
                    credits=row.credits,
                    remaining=row.remaining,
                    granted_at=row.granted_at,
                    expires_at=row.expires_at,
                    last_used_seq=row.last_used_seq,
                )
            )
    return [
        LockedAccount(
            account_id=account_id,
            credits=row.balance,
            last_seq=row.last_seq,
            zone=ZoneInfo(row.time_zone),
            grants=grants[account_id],
        )
        for account_id, row in accounts.items()
    ]


def store(accounts: Sequence[LockedAccount]) -> None:
    """Store what the accounts, which are locked, and their grants have now."""
    if not accounts:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE billing_balance SET credits = new.credits, last_seq = new.last_seq
              FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[])
                   AS new (account_id, credits, last_seq)
             WHERE billing_balance.account_id = new.account_id
            """,
            arrays_of(accounts, "account_id", "credits", "last_seq"),
        )
    touched = [grant for account in accounts for grant in account.touched_grants()]
    _update([grant for grant in touched if grant.id is not None])
    opened = [grant for grant in touched if grant.id is None]
    copy_rows(CreditGrant, GRANT_COLUMNS, map(attrgetter(*GRANT_COLUMNS), opened))


def _update(grants: Sequence[Grant]) -> None:
    if not grants:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE billing_creditgrant
               SET remaining = new.remaining, last_used_seq = new.last_used_seq
              FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[])
                   AS new (id, remaining, last_used_seq)
             WHERE billing_creditgrant.id = new.id
            """,
            arrays_of(grants, "id", "remaining", "last_used_seq"),
        )


def end_grants(*, account: Account, ends: Mapping[str, datetime]) -> None:
    """Let the account's grants, named by their references, end when ``ends`` says.

    A grant whose expiry is booked stays as it is. What is left of the others expires with the next
    posting after their end; what a correction returns after that does not go to them.
    """
    with transaction.atomic():
        lock_accounts([account.pk])
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                UPDATE billing_creditgrant granted SET expires_at = new.expires_at
                  FROM unnest(%s::text[], %s::timestamptz[]) AS new (reference, expires_at)
                 WHERE granted.account_id = %s
                   AND granted.reference = new.reference
                   AND granted.expires_at IS DISTINCT FROM new.expires_at
                   AND NOT {_EXPIRY_IS_BOOKED}
                """,
                [as_array(ends), as_array(ends.values()), account.pk],
            )


def grants_due(*, at: datetime) -> list[int]:
    """The ids of the accounts with credits that should have expired by ``at``."""
    due = CreditGrant.objects.filter(is_open=True, expires_at__lte=at)
    return list(due.order_by("account_id").values_list("account_id", flat=True).distinct())

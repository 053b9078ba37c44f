"""What an account has, as it is stored: the lock on its balance, its grants and its debts.

Only `billing.ledger.posting` stores through this module; others lock accounts.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import Model

from billing.bulk import Statement, arrays_of, as_array, as_arrays, copy_rows, read_rows
from billing.kept_plans import kept
from billing.ledger.flow import TAKEN_BACK_FOR, LockedAccount
from billing.ledger.postings import CallUses, Debt, Grant, Paid, Share
from billing.models import Balance, CreditGrant, GrantShare
from billing.models import Debt as StoredDebt

_GRANT = (
    "account_id",
    "seq",
    "source",
    "credits",
    "remaining",
    "expired",
    "granted_at",
    "expires_at",
)
_CHANGED = ("account_id", "seq", "remaining", "expired")
_DEBT = ("account_id", "seq", "credits")

_values_of_debt = attrgetter(*_DEBT)


class _Held(NamedTuple):
    """One grant of a locked account, beside what the account has; one without grants has None."""

    account_id: int
    balance: int
    last_seq: int
    time_zone: str
    opened_at: datetime
    seq: int | None
    source: str
    credits: int
    remaining: int
    expired: int | None
    granted_at: datetime
    expires_at: datetime | None


class _Owed(NamedTuple):
    account_id: int
    seq: int
    credits: int


class _Use(NamedTuple):
    """An entry of a call that gives credits back, and one use of a grant by it, if any."""

    account_id: int
    call_id: str
    entry_seq: int
    grant_seq: int | None
    credits: int


def lock_accounts(account_ids: Sequence[int]) -> None:
    """Hold the balances of the accounts until the transaction ends: nothing else is posted to them.

    In order of their ids, so that no two processes wait for each other. Makes a balance where an
    account has none.
    """
    with connection.cursor() as cursor:
        # A bare statement, as in `billing.plans.tariffs`: every posting asks this.
        cursor.execute(
            "SELECT account_id FROM billing_balance WHERE account_id = ANY(%s::bigint[])"
            " ORDER BY account_id FOR NO KEY UPDATE",
            [as_array(account_ids)],
        )
        missing = set(account_ids).difference(found for (found,) in cursor.fetchall())
    if missing:
        made = [Balance(account_id=account_id) for account_id in sorted(missing)]
        Balance.objects.bulk_create(made, ignore_conflicts=True)
        lock_accounts(account_ids)


_HELD = kept(
    """
    SELECT balance.account_id, balance.credits AS balance, balance.last_seq,
           account.time_zone, account.created_at AS opened_at, held.seq, held.source,
           held.credits, held.remaining, held.expired, held.granted_at, held.expires_at
      FROM unnest(%s::bigint[], %s::timestamptz[]) AS asked (account_id, earliest)
      JOIN billing_balance balance ON balance.account_id = asked.account_id
      JOIN billing_account account ON account.id = balance.account_id
      LEFT JOIN LATERAL (
           SELECT * FROM billing_creditgrant
            WHERE account_id = balance.account_id AND is_open
            UNION ALL
           SELECT * FROM billing_creditgrant
            WHERE account_id = balance.account_id AND NOT is_open AND can_be_taken_back
              AND expires_at > asked.earliest
              AND (expires_at >= %s OR account.created_at >= %s)
            UNION ALL
           SELECT * FROM billing_creditgrant
            WHERE account_id = balance.account_id AND NOT is_open
              AND seq = ANY(%s::bigint[]) AND account_id = ANY(%s::bigint[])
           ) AS held ON true
     ORDER BY balance.account_id
    """
)


def read_locked(
    account_ids: Sequence[int],
    *,
    earliest: dict[int, datetime],
    returning: Collection[tuple[int, str]],
    gaining: Mapping[int, int],
    at: datetime,
) -> list[LockedAccount]:
    """Read what the accounts, which are locked, and their grants have left.

    ``earliest`` says, by account, when the first of its calls to be posted started: grants that
    have expired since are read too, as far as their expiry can be taken back. ``returning`` are the
    calls (account and call ID) that give credits back: the grants that paid them are read too.
    What is owed is read for the accounts that are ``gaining`` credits, in or back: as much of it as
    these can pay.
    """
    uses = _uses_of(returning)
    calls = _calls_by_account(returning, uses)
    held: dict[int, list[_Held]] = defaultdict(list)
    paid_by = {(use.account_id, use.grant_seq) for use in uses if use.grant_seq is not None}
    with connection.cursor() as cursor:
        # By a query of its own: rows joined to the lock's would be as they were before the wait
        # for it, and the account may have moved to another time zone meanwhile.
        cursor.execute(
            _HELD,
            [
                as_array(account_ids),
                as_array(earliest.get(account_id) for account_id in account_ids),
                at - TAKEN_BACK_FOR,
                at - TAKEN_BACK_FOR,
                as_array({seq for _, seq in paid_by}),
                as_array({account_id for account_id, _ in paid_by}),
            ],
        )
        for row in read_rows(cursor, _Held):
            held[row.account_id].append(row)
    debts = _debts_of({one: gaining[one] for one in gaining if held[one][0].balance < 0}, uses)
    return [
        LockedAccount(
            account_id=account_id,
            credits=rows[0].balance,
            last_seq=rows[0].last_seq,
            zone=ZoneInfo(rows[0].time_zone),
            opened_at=rows[0].opened_at,
            grants=_grants_in(rows),
            debts=debts.get(account_id, ()),
            calls=calls.get(account_id),
        )
        for account_id, rows in held.items()
    ]


def _grants_in(rows: Sequence[_Held]) -> list[Grant]:
    """The grants among the rows of one account, each once."""
    found = {
        row.seq: Grant(
            account_id=row.account_id,
            seq=row.seq,
            source=row.source,
            credits=row.credits,
            remaining=row.remaining,
            expired=row.expired,
            granted_at=row.granted_at,
            expires_at=row.expires_at,
        )
        for row in rows
        if row.seq is not None
    }
    return list(found.values())


def _uses_of(calls: Collection[tuple[int, str]]) -> list[_Use]:
    """The entries of the ``calls`` (account and call ID) with their uses, in order of posting."""
    if not calls:
        return []
    accounts, call_ids = zip(*calls, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT entry.account_id, entry.call_id, entry.seq AS entry_seq,
                   use.grant_seq, use.credits
              FROM unnest(%s::bigint[], %s::text[]) AS asked (account_id, call_id)
              JOIN billing_ledgerentry entry
                ON entry.account_id = asked.account_id
               AND upper(entry.call_id) = upper(asked.call_id COLLATE "C") -- as the index has it
               AND entry.call_id = asked.call_id AND entry.call_id <> ''
              LEFT JOIN billing_grantuse use
                ON use.account_id = entry.account_id AND use.use_seq = entry.seq
             ORDER BY entry.account_id, entry.call_id, use.seq, use.position
            """,
            [as_array(accounts), as_array(call_ids)],
        )
        return read_rows(cursor, _Use)


def _calls_by_account(
    returning: Collection[tuple[int, str]], uses: Sequence[_Use]
) -> dict[int, dict[str, CallUses]]:
    """By account and call ID, the entries and payments of the calls that give credits back."""
    calls: dict[int, dict[str, CallUses]] = defaultdict(dict)
    for account_id, call_id in returning:
        calls[account_id][call_id] = CallUses(entries=[], payments=[])
    for use in uses:
        call = calls[use.account_id][use.call_id]
        call.entries.append(use.entry_seq)
        if use.grant_seq is not None:
            call.add(Paid(use.grant_seq, use.credits))
    for own in calls.values():
        for call in own.values():
            call.entries = sorted(set(call.entries))
    return calls


def _debts_of(gaining: Mapping[int, int], uses: Sequence[_Use]) -> dict[int, list[Debt]]:
    """By account, what nobody has paid yet, oldest first.

    Of an account that is ``gaining`` so many credits, that many of its oldest debts, as each is of
    one credit at least; and those of the calls that give credits back, whose ``uses`` are known.
    """
    debts: dict[int, list[Debt]] = defaultdict(list)
    if gaining:
        own = [use for use in uses if use.account_id in gaining]
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT oldest.account_id, oldest.seq, oldest.credits
                  FROM unnest(%s::bigint[], %s::bigint[]) AS asked (account_id, gained)
                 CROSS JOIN LATERAL (
                       SELECT * FROM billing_debt debt
                        WHERE debt.account_id = asked.account_id ORDER BY seq LIMIT asked.gained
                       ) oldest
                 UNION
                SELECT account_id, seq, credits
                  FROM unnest(%s::bigint[], %s::bigint[]) AS own (account_id, seq)
                  JOIN billing_debt USING (account_id, seq)
                 ORDER BY account_id, seq
                """,
                [*as_arrays(gaining.items()), *arrays_of(own, "account_id", "entry_seq")],
            )
            for owed in read_rows(cursor, _Owed):
                debts[owed.account_id].append(Debt(*owed, stored=owed.credits))
    return debts


def store(accounts: Sequence[LockedAccount]) -> list[Statement]:
    """Store what is new of the accounts, which are locked: grants, shares and debts.

    Returns what stores the rest, for `execute_as_one`: balances, and grants that have changed.
    """
    if not accounts:
        return []
    changed = [grant for account in accounts for grant in account.changed_grants()]
    _copy(CreditGrant, _GRANT, [grant for grant in changed if grant.is_new])
    _copy(GrantShare, Share._fields, [share for one in accounts for share in one.shares])
    _store_debts([debt for account in accounts for debt in account.changed_debts()])
    known = [grant for grant in changed if not grant.is_new]
    return [
        Statement(_BALANCES, arrays_of(accounts, "account_id", "credits", "last_seq")),
        *([Statement(_GRANTS, arrays_of(known, *_CHANGED))] if known else []),
    ]


_BALANCES = """
    UPDATE billing_balance SET credits = new.credits, last_seq = new.last_seq
      FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS new (account_id, credits, last_seq)
     WHERE billing_balance.account_id = new.account_id
"""
_GRANTS = """
    UPDATE billing_creditgrant granted SET remaining = new.remaining, expired = new.expired
      FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])
           AS new (account_id, seq, remaining, expired)
     WHERE granted.account_id = new.account_id AND granted.seq = new.seq
"""


def _copy(model: type[Model], columns: Sequence[str], rows: Sequence[object]) -> None:
    copy_rows(model, columns, map(attrgetter(*columns), rows))


def _store_debts(debts: Sequence[Debt]) -> None:
    copy_rows(StoredDebt, _DEBT, (_values_of_debt(debt) for debt in debts if not debt.stored))
    changed = [debt for debt in debts if debt.stored]
    if not changed:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH new AS (
                 SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[])
                            AS new (account_id, seq, credits)),
                 paid AS (
                 DELETE FROM billing_debt debt USING new
                  WHERE new.credits = 0
                    AND debt.account_id = new.account_id AND debt.seq = new.seq)
            UPDATE billing_debt debt SET credits = new.credits FROM new
             WHERE new.credits > 0
               AND debt.account_id = new.account_id AND debt.seq = new.seq
            """,
            arrays_of(changed, *_DEBT),
        )


def grants_due(*, at: datetime) -> list[int]:
    """The ids of the accounts with credits that should have expired by ``at``."""
    due = CreditGrant.objects.filter(is_open=True, expires_at__lte=at)
    return list(due.order_by("account_id").values_list("account_id", flat=True).distinct())

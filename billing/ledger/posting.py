"""Posting: the only writer of entries, and with them of balances, grants and daily usage.

`post` is the one way in. It refuses nothing that has happened: a charge is booked even below zero,
because a completed call is a fact. What must never be is said by the constraints of the tables.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from operator import attrgetter

from django.db import connection, transaction

from billing import bulk
from billing.bulk import arrays_of, copy_rows
from billing.ledger import grants
from billing.ledger.flow import LockedAccount
from billing.ledger.postings import Posted, Posting
from billing.ledger.rollup import DailyTotals
from billing.models import LedgerEntry

# The columns of an entry, by where they come from.
_OF_POSTING = (
    "account_id",
    "kind",
    "credits",
    "reference",
    "occurred_at",
    "remarks",
    "call_id",
    "usage_type",
    "agent",
    "billed_seconds",
    "billable_us",
    "increment_seconds",
    "call_status",
    "changes",
    "plan_name",
    "top_up_id",
    "import_id",
)
_OF_POSTED = ("seq", "balance_after", "paid_by")
ENTRY_COLUMNS = (*_OF_POSTING, *_OF_POSTED, "posted_at")

_values_of_posting = attrgetter(*_OF_POSTING)
_values_of_posted = attrgetter(*_OF_POSTED)


def post(
    *, postings: Sequence[Posting], posted_at: datetime, references_are_new: bool = False
) -> list[Posted]:
    """Book ``postings`` in the order given, at ``posted_at``; return what was booked.

    One transaction. The accounts' balances are locked once, in order of their ids, and held until
    the caller's transaction ends: call it last. A posting whose reference the account already has
    is left out. Grants of these accounts that are due at ``posted_at`` are expired first, and their
    expiries are among what is returned.

    ``references_are_new`` spares the search for references that the account already has, where
    the caller has made sure that there are none.

    Raises IntegrityError where a posting breaks a constraint; then nothing is booked, and a
    transaction around it can't go on.
    """
    if not postings:
        return []
    by_account: dict[int, list[Posting]] = defaultdict(list)
    for posting in postings:
        by_account[posting.account_id].append(posting)
    with transaction.atomic(savepoint=False):
        grants.lock_accounts(sorted(by_account))
        new = by_account if references_are_new else _without_booked(postings)
        return _book({account_id: new.get(account_id, ()) for account_id in by_account}, posted_at)


def post_one(*, posting: Posting, posted_at: datetime) -> bool:
    """Book one posting as `post` does; return whether it was new."""
    booked = post(postings=[posting], posted_at=posted_at)
    return any(posted.posting is posting for posted in booked)


def expire(*, account_ids: Collection[int], at: datetime) -> list[Posted]:
    """Book the expiry of what the accounts have left of grants that are due at ``at``; return it.

    One transaction, which holds the accounts' balances as `post` does.
    """
    if not account_ids:
        return []
    with transaction.atomic(savepoint=False):
        grants.lock_accounts(sorted(account_ids))
        return _book(dict.fromkeys(account_ids, ()), at)


def _without_booked(postings: Sequence[Posting]) -> dict[int, list[Posting]]:
    """Leave out what the ledger has already. Needs the lock, or the answer may change."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT account_id, reference
              FROM unnest(%s::bigint[], %s::text[]) AS asked (account_id, reference)
             WHERE EXISTS (
                   SELECT FROM billing_ledgerentry entry
                    WHERE entry.account_id = asked.account_id
                      AND entry.reference = asked.reference
                    OFFSET 0 -- each is looked up in the index; else the table may be read
                   )
            """,
            arrays_of(postings, "account_id", "reference"),
        )
        booked = set(cursor.fetchall())
    new: dict[int, list[Posting]] = defaultdict(list)
    for posting in postings:
        key = (posting.account_id, posting.reference)
        if key not in booked:
            booked.add(key)
            new[posting.account_id].append(posting)
    return new


def _book(by_account: Mapping[int, Sequence[Posting]], posted_at: datetime) -> list[Posted]:
    """Expire what is due, then book the postings of each account. The accounts are locked."""
    postings = [posting for own in by_account.values() for posting in own]
    accounts = grants.read_locked(
        sorted(by_account),
        earliest={
            account_id: min(posting.occurred_at for posting in own)
            for account_id, own in by_account.items()
            if own
        },
        returning={
            (posting.account_id, posting.call_id)
            for posting in postings
            if posting.credits > 0 and posting.grant is None
        },
        gaining=_gained(postings),
        at=posted_at,
    )
    totals = DailyTotals()
    copy_rows(LedgerEntry, ENTRY_COLUMNS, _entries(accounts, by_account, posted_at, totals))
    changed = [account for account in accounts if account.posted]
    bulk.execute_as_one([*grants.store(changed), *totals.store()])
    return [posted for account in changed for posted in account.posted]


def _gained(postings: Sequence[Posting]) -> dict[int, int]:
    """How many credits come in or back, by account."""
    gained: dict[int, int] = defaultdict(int)
    for posting in postings:
        if posting.credits > 0:
            gained[posting.account_id] += posting.credits
    return gained


def _entries(
    accounts: Sequence[LockedAccount],
    by_account: Mapping[int, Sequence[Posting]],
    posted_at: datetime,
    totals: DailyTotals,
) -> Iterator[tuple[bulk.Value, ...]]:
    """Post to each account and count it in ``totals``; give ENTRY_COLUMNS of each entry."""
    posted_at_text = str(posted_at)  # once for all rows
    for account in accounts:
        account.expire(posted_at)
        for posting in by_account[account.account_id]:
            account.post(posting, posted_at)
        for posted in account.posted:
            totals.add(posted.posting, account.zone)
            yield (*_values_of_posting(posted.posting), *_values_of_posted(posted), posted_at_text)

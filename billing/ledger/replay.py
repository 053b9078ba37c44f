"""Replays the consumption of every account from its entries, and compares it with what is stored.

Reads the entries in the order of posting, has `billing.ledger.consumption` decide which grant
should have paid what, and yields the first difference of each account: what comes after it follows
from it.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any

from django.db import connection, transaction

from billing.ledger.consumption import NEVER, Difference, Entry, Owed, Part, ReplayedAccount

ROWS_AT_ONCE = 20_000

# Of a call the ID is told only where it gives credits back: what paid all others is not asked for.
_ENTRIES = f"""
    SELECT entry.account_id, entry.seq, entry.kind, entry.credits,
           entry.occurred_at::text AS started, entry.posted_at::text AS posted, entry.paid_by,
           returning_call.call_id, entry.top_up_id, entry.changes IS NOT NULL AS has_changes,
           granted.credits AS granted_credits, granted.granted_at::text AS begins,
           CASE WHEN granted.id IS NOT NULL
                THEN coalesce(granted.expires_at::text, '{NEVER}') END AS ends
      FROM billing_ledgerentry entry
      LEFT JOIN billing_creditgrant granted
             ON granted.account_id = entry.account_id AND granted.seq = entry.seq
      LEFT JOIN (SELECT DISTINCT account_id, call_id FROM billing_ledgerentry
                  WHERE kind IN ('correction', 'withdrawal') AND credits > 0) returning_call
             ON returning_call.account_id = entry.account_id
            AND returning_call.call_id = entry.call_id
     ORDER BY entry.account_id, entry.seq
"""
_SHARES = """
    SELECT account_id, seq, use_seq, grant_seq, credits, into_new_grant
      FROM billing_grantshare ORDER BY account_id, seq, position
"""


def differences() -> Iterator[tuple[int, str, str]]:
    """Account id, subject and message of the first difference of each account."""
    with transaction.atomic(), connection.cursor() as cursor:
        # All rows are read, so a plan that is quick with the first ones is none. Before the
        # statistics know of a large withdrawal, comparing each entry with each call that gives
        # credits back looks cheap too.
        cursor.execute(
            "SET LOCAL TIME ZONE 'UTC'; SET LOCAL jit = off;"
            " SET LOCAL cursor_tuple_fraction = 1; SET LOCAL enable_nestloop = off"
        )
        cursor.execute("SELECT id, created_at::text FROM billing_account")
        opened_at = dict(cursor.fetchall())
        cursor.execute(
            "SELECT account_id, seq, remaining, expired, credits FROM billing_creditgrant"
        )
        holdings: dict[int, dict[int, tuple[int, int | None, int]]] = defaultdict(dict)
        for account_id, seq, *held in cursor.fetchall():
            holdings[account_id][seq] = tuple(held)
        cursor.execute("SELECT account_id, seq, credits FROM billing_debt")
        debts: dict[int, dict[int, int]] = defaultdict(dict)
        for account_id, seq, credits in cursor.fetchall():
            debts[account_id][seq] = credits
        stored = _Stored(_stream("shares", _SHARES))
        for account_id, own in groupby(_stream("entries", _ENTRIES), key=itemgetter(0)):
            account = ReplayedAccount(opened_at.get(account_id))
            difference = (
                _first_difference(account, own, stored)
                or _unlike("grant", holdings.pop(account_id, {}), account.holdings)
                or _unlike("debt of entry", debts.pop(account_id, {}), account.debts)
            )
            if difference:
                yield account_id, *difference
        for account_id in holdings.keys() | debts.keys():
            yield account_id, "grants and debts", "are there, though nothing was ever posted"


def _unlike(
    what: str, stored: Mapping[int, object], proved: Mapping[int, object]
) -> tuple[str, str] | None:
    """Subject and message of the first that is not as it should be."""
    if stored == proved:
        return None
    seq = min(key for key in stored.keys() | proved.keys() if stored.get(key) != proved.get(key))
    return f"{what} {seq}", f"should have {proved.get(seq)}, has {stored.get(seq)}"


def _stream(name: str, sql: str) -> Iterator[tuple[Any, ...]]:
    """The rows of ``sql`` as they are needed, through a cursor of the server."""
    with connection.connection.cursor(name=f"replay_{name}") as cursor:
        cursor.itersize = ROWS_AT_ONCE
        cursor.execute(sql)
        yield from cursor


class _Stored:
    """The stored shares, in the order of the entries."""

    def __init__(self, shares: Iterator[tuple[Any, ...]]) -> None:
        self._shares = shares
        self.account_id = self.seq = 0
        self._advance()

    def _advance(self) -> None:
        self._next = next(self._shares, None)
        self.account_id, self.seq = self._next[:2] if self._next else (0, 0)

    def of(self, account_id: int, seq: int) -> list[Part]:
        """The shares of an entry. Those of entries before it, which do not exist, are left out."""
        found = []
        while self._next and (self.account_id, self.seq) <= (account_id, seq):
            if (self.account_id, self.seq) == (account_id, seq):
                found.append(Part(*self._next[2:]))
            self._advance()
        return found


def _first_difference(
    account: ReplayedAccount, rows: Iterator[tuple[Any, ...]], stored: _Stored
) -> tuple[str, str] | None:
    """Replay the entries of one account; subject and message of the first that differs."""
    for row in rows:
        account_id, seq, kind, credits, started, posted, paid_by, call_id, _, _, _, _, _ = row
        if kind == "call" and call_id is None and started >= account.lapsed_until:
            # Nearly always: the grant that is next pays all of it, or nobody does.
            first = account.first
            has_share = stored.seq == seq and stored.account_id == account_id
            if first is None:
                if paid_by is None and not has_share and not account.taken_back:
                    if credits:
                        account.owed.append(Owed(seq, -credits, None))
                    continue
            elif (
                first.left + credits > 0
                and (paid_by == first.seq or not credits)
                and first.begins <= started < first.ends
                and posted < first.ends
                and not has_share
                and not account.taken_back
            ):
                first.left += credits
                continue
        entry = Entry(*row)
        try:
            expected = account.replay(entry)
        except Difference as difference:
            return f"entry {seq}", str(difference)
        found = stored.of(account_id, seq)
        if paid_by is not None:
            found.insert(0, Part(seq, paid_by, -credits))
        if found != expected:
            return f"entry {seq}", f"should be {_words(expected)}, is {_words(found)}"
    return None


def _words(parts: list[Part]) -> str:
    """Who paid what, as text."""
    said = []
    for part in parts:
        by = "nobody" if part.grant_seq is None else f"grant {part.grant_seq}"
        said.append(f"{part.credits} of entry {part.use_seq} by {by}")
    return ", ".join(said) or "paid by nobody"

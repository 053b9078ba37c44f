"""What must always be true of the ledger, proved from the stored rows: one function an invariant.

Each function reads with set-based SQL, so that a million entries take seconds, and yields a
`Breach` for every account or entry that breaks it. Nothing here writes or repairs.

Rule: "The ledger": balance = sum(entries) = sum(remaining of live grants) - debt.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import connection, transaction

from billing.bulk import among, read_rows
from billing.ledger.replay import differences
from billing.ledger.rollup import ROLLUP_KEY, ROLLUP_SUMS, daily_usage_of_entries
from billing.models import Account
from billing.zones import is_known


@dataclass(frozen=True, slots=True)
class Breach:
    """One thing that should not be: which rule, whose, where, and what was found."""

    invariant: str
    account: str
    subject: str
    message: str

    def __str__(self) -> str:
        return f"{self.invariant}: account {self.account}: {self.subject}: {self.message}"


class _Found(NamedTuple):
    account: str
    subject: str
    message: str


Invariant = Callable[[], Iterator[Breach]]

# All rows of one table meet all of another. A planner that does not know yet how many there are
# (after an import, say) finds ways that take hours for a million; hashing never does. What is off
# counts as endlessly dear where nothing else will do, and PostgreSQL compiles what is dear, which
# took many times as long as the reading of a small ledger. Tables of more than 8 MB are read by
# several of its processes: nothing else is done meanwhile.
PLANNED_FOR_ALL_ROWS = (
    "SET LOCAL enable_nestloop = off; SET LOCAL enable_mergejoin = off; SET LOCAL jit = off; "
    "SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0.001"
)


class Statement(Iterator[Breach]):
    """The breaches that one SQL statement finds: it runs when the first of them is asked for.

    Until then ``sql`` and ``parameters`` can be run in another way; see `breaches_of`.
    """

    def __init__(self, invariant: str, sql: str, parameters: Sequence[Any] | None) -> None:
        self.invariant = invariant
        self.sql = sql
        self.parameters = parameters
        self._found: Iterator[_Found] | None = None

    def __next__(self) -> Breach:
        if self._found is None:
            self._found = iter(self._run())
        return Breach(self.invariant, *next(self._found))

    def _run(self) -> list[_Found]:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(PLANNED_FOR_ALL_ROWS)
            cursor.execute(
                f"""
                SELECT coalesce(account.slug, 'id ' || found.account_id) AS account,
                       found.subject, found.message
                  FROM ({self.sql}) AS found (account_id, subject, message)
                  LEFT JOIN billing_account account ON account.id = found.account_id
                 ORDER BY found.account_id, found.subject
                """,
                self.parameters,
            )
            return read_rows(cursor, _Found)


def breaches_of(invariant: str, sql: str, parameters: Sequence[Any] | None = None) -> Statement:
    """What ``sql`` finds, which selects (account id, subject, message) of each breach.

    With ``parameters``, a ``%`` of its own is written ``%%``.
    """
    return Statement(invariant, sql, parameters)


def breaches_among(invariant: str, found: Iterable[tuple[int, str, str]]) -> Iterator[Breach]:
    """The breaches of ``invariant`` that were found, each as account id, subject and message."""
    found = list(found)
    account_ids = among({account_id for account_id, _, _ in found})
    slugs = dict(Account.objects.filter(pk__in=account_ids).values_list("pk", "slug"))
    for account_id, subject, message in found:
        yield Breach(invariant, slugs.get(account_id, f"id {account_id}"), subject, message)


def balance_is_sum_of_entries() -> Iterator[Breach]:
    """The balance is what all entries of the account add up to."""
    return breaches_of(
        "balance",
        """
        SELECT account_id, 'balance',
               format('is %s, but its entries add up to %s', balance.credits, entries.credits)
          FROM (SELECT account_id, credits FROM billing_balance) balance
          FULL JOIN (SELECT account_id, sum(credits) AS credits
                       FROM billing_ledgerentry GROUP BY account_id) entries USING (account_id)
         WHERE coalesce(balance.credits, 0) <> coalesce(entries.credits, 0)
        """,
    )


def entries_form_a_chain() -> Iterator[Breach]:
    """Entries are numbered 1, 2, 3, … and each balance is the one before plus the entry."""
    return breaches_of(
        "chain",
        """
        SELECT account_id, format('entry %s (%s)', seq, reference),
               format('follows entry %s with balance %s, so with %s credits it must be entry %s '
                      'with balance %s, not %s',
                      seq_before, balance_before, credits, seq_before + 1,
                      balance_before + credits, balance_after)
          FROM (SELECT account_id, seq, reference, credits, balance_after,
                       lag(seq, 1, 0::bigint) OVER posting AS seq_before,
                       lag(balance_after, 1, 0::bigint) OVER posting AS balance_before
                  FROM billing_ledgerentry
                WINDOW posting AS (PARTITION BY account_id ORDER BY seq)) chained
         WHERE seq <> seq_before + 1 OR balance_after <> balance_before + credits
        """,
    )


def balance_knows_the_last_entry() -> Iterator[Breach]:
    """The number that the next entry counts on from is that of the last one."""
    return breaches_of(
        "last entry",
        """
        SELECT account_id, 'balance',
               format('says the last entry is %s, it is %s', balance.last_seq, entries.last_seq)
          FROM (SELECT account_id, last_seq FROM billing_balance) balance
          FULL JOIN (SELECT account_id, max(seq) AS last_seq
                       FROM billing_ledgerentry GROUP BY account_id) entries USING (account_id)
         WHERE coalesce(balance.last_seq, 0) <> coalesce(entries.last_seq, 0)
        """,
    )


def grants_hold_the_balance() -> Iterator[Breach]:
    """What grants have left is the balance; while there is debt they have nothing left."""
    return breaches_of(
        "grants",
        """
        SELECT account_id, 'grants',
               format('have %s credits left, the balance is %s', left_over, credits)
          FROM (SELECT account_id, credits FROM billing_balance) balance
          FULL JOIN (SELECT account_id, sum(remaining) AS left_over
                       FROM billing_creditgrant GROUP BY account_id) grants USING (account_id)
         WHERE coalesce(left_over, 0) <> greatest(0, coalesce(credits, 0))
        """,
    )


def grants_have_their_entry() -> Iterator[Breach]:
    """Every grant was opened by an entry of its kind and credits, and the other way round.

    What a call gives back goes to grants that still run: only the rest opens one.
    """
    return breaches_of(
        "grant entries",
        """
        SELECT account_id, format('grant %s', seq),
               CASE WHEN entry.credits IS NULL THEN 'has no ledger entry'
                    WHEN entry.kind <> granted.kind
                    THEN format('is of source "%s", but its entry is "%s"',
                                granted.source, entry.kind)
                    ELSE format('of %s credits, but its entry added %s',
                                granted.credits, entry.credits) END
          FROM (SELECT *, CASE source WHEN 'plan' THEN 'plan_credits'
                                      WHEN 'return' THEN 'correction' ELSE source END AS kind
                  FROM billing_creditgrant) granted
          LEFT JOIN billing_ledgerentry entry USING (account_id, seq)
         WHERE entry.credits IS NULL
            OR (entry.kind <> granted.kind
                AND NOT (granted.source = 'return' AND entry.kind = 'withdrawal'))
            -- What withdrawals that were booked together return is one grant: see `replay`.
            OR (granted.source = 'return' AND entry.kind <> 'withdrawal'
                AND granted.credits > entry.credits)
            OR (granted.source <> 'return' AND granted.credits <> entry.credits)
         UNION ALL
        SELECT account_id, format('entry %s (%s)', seq, entry.reference), 'has no grant'
          FROM billing_ledgerentry entry
          LEFT JOIN billing_creditgrant granted USING (account_id, seq)
         WHERE entry.credits > 0 AND entry.kind NOT IN ('correction', 'withdrawal', 'expiry')
           AND granted.id IS NULL
        """,
    )


def expiries_name_their_grant() -> Iterator[Breach]:
    """An expiry names a grant of the account, which ended then and has nothing left."""
    return breaches_of(
        "expiries",
        """
        SELECT entry.account_id, format('entry %s (%s)', entry.seq, entry.reference),
               CASE WHEN granted.id IS NULL THEN 'names no grant of the account'
                    WHEN granted.remaining = 0
                    THEN format('is of %s, but its grant ended at %s',
                                entry.occurred_at, granted.expires_at)
                    ELSE format('its grant still has %s credits', granted.remaining) END
          FROM billing_ledgerentry entry
          LEFT JOIN billing_creditgrant granted
                 ON granted.account_id = entry.account_id AND granted.seq = entry.paid_by
         WHERE entry.kind = 'expiry'
           AND (granted.id IS NULL OR granted.remaining <> 0
                OR granted.expires_at IS DISTINCT FROM entry.occurred_at)
        """,
    )


def rollups_are_sums_of_entries() -> Iterator[Breach]:
    """Each day of the rollup is what the entries of that day, in the account's zone, add up to.

    Where nobody knows the zone, nobody can tell: `accounts_have_a_known_time_zone` reports that.
    """
    missing = {"entries_by_hour": "'{}'"}  # the others are numbers
    stored, proved = (
        ", ".join(f"coalesce({side}.{one}, {missing.get(one, 0)})" for one in ROLLUP_SUMS)
        for side in ("stored", "proved")
    )
    unknown = _unknown_time_zones()
    daily_usage, parameters = daily_usage_of_entries(
        accounts=Account.objects.exclude(time_zone__in=unknown)
    )
    return breaches_of(
        "daily usage",
        f"""
        SELECT account_id, concat_ws(' ', day, kind, usage_type, agent),
               format('({", ".join(ROLLUP_SUMS)}) is %%s, its entries make %%s',
                      row({stored})::text, row({proved})::text)
          FROM billing_dailyusage stored
          FULL JOIN ({daily_usage}) proved
               USING ({", ".join(ROLLUP_KEY)})
         WHERE ({stored}) IS DISTINCT FROM ({proved})
           AND account_id NOT IN (SELECT id FROM billing_account WHERE time_zone = ANY(%s))
        """,
        [*parameters, unknown],
    )


def accounts_have_a_known_time_zone() -> Iterator[Breach]:
    """Each account's zone is one that Python knows here."""
    return breaches_of(
        "time zone",
        """
        SELECT id, format('zone “%%s”', time_zone),
               'is not known here, so its days can''t be proved and nothing can be posted'
          FROM billing_account WHERE time_zone = ANY(%s)
        """,
        [_unknown_time_zones()],
    )


def _unknown_time_zones() -> list[str]:
    names = Account.objects.order_by("time_zone").values_list("time_zone", flat=True).distinct()
    return [name for name in names if not is_known(name)]


def entries_have_an_account() -> Iterator[Breach]:
    """Entries, rollups, shares and debts belong to an account: the database does not check that."""
    return breaches_of(
        "account",
        """
        SELECT account_id, found, 'belongs to no account'
          FROM (SELECT DISTINCT account_id, 'ledger entries' AS found FROM billing_ledgerentry
                 UNION SELECT DISTINCT account_id, 'daily usage' FROM billing_dailyusage
                 UNION SELECT DISTINCT account_id, 'shares' FROM billing_grantshare
                 UNION SELECT DISTINCT account_id, 'debts' FROM billing_debt) owned
         WHERE NOT EXISTS (SELECT FROM billing_account account WHERE account.id = account_id)
        """,
    )


def no_grant_is_overdue() -> Iterator[Breach]:
    """What is left of a grant is live: the last entry was booked before it should have expired.

    The last by number: a machine whose clock was ahead may have booked an earlier one.
    """
    return breaches_of(
        "overdue",
        """
        SELECT account_id, format('grant %s', seq),
               format('has %s credits left, but expired at %s, and the account''s last entry is '
                      'of %s', remaining, expires_at, posted_at)
          FROM billing_creditgrant
          JOIN (SELECT balance.account_id, posted_at
                  FROM billing_balance balance
                  JOIN billing_ledgerentry entry
                    ON entry.account_id = balance.account_id AND entry.seq = balance.last_seq
               ) last_entry USING (account_id)
         WHERE is_open AND expires_at <= posted_at
        """,
    )


def consumption_follows_the_rules() -> Iterator[Breach]:
    """Each entry was paid by the grants that the rules say, and gave back to those it should: so
    grants have left what was not used, and what nobody has paid is owed. See `replay`.
    """
    yield from breaches_among("consumption", differences())


# The longest first: the others are proved beside it.
INVARIANTS: tuple[Invariant, ...] = (
    consumption_follows_the_rules,
    balance_is_sum_of_entries,
    entries_form_a_chain,
    balance_knows_the_last_entry,
    grants_hold_the_balance,
    grants_have_their_entry,
    expiries_name_their_grant,
    rollups_are_sums_of_entries,
    accounts_have_a_known_time_zone,
    entries_have_an_account,
    no_grant_is_overdue,
)

"""The ledger: the only writer of entries, balances, grants and daily usage.

`post` is the one way in. It refuses nothing that has happened: a charge is booked even below zero,
because a completed call is a fact. What must never be is said by the constraints of the tables.

How credits flow (rules: "Where credits come from", "How credits are consumed"):

- Credits leave the grant that expires soonest; ties go to the oldest. When no grant has anything
  left, the balance goes below zero: that is debt.
- Credits that come in pay the debt first; only the rest can be consumed.
- Credits that a correction gives back return to the grants consumed last, that is, in the
  opposite order. What fits in none of them (theirs have expired) becomes a grant of its own.
- A grant that is past its expiry is expired, visibly, before anything else is posted.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from operator import attrgetter
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from billing.bulk import Value, among, as_array, as_arrays, copy_rows
from billing.models import Account, Balance, CreditGrant, DailyUsage, GrantSource, Kind, LedgerEntry
from billing.models.ledger import USAGE_KINDS

# Credits given back after their grant is gone are as good as bought ones.
RETURNED_CREDITS_VALID_FOR = timedelta(days=365)

NEVER = datetime.max.replace(tzinfo=UTC)

ROLLUP_COLUMNS = (
    "day",
    "kind",
    "usage_type",
    "agent",
    "entries",
    "calls",
    "credits_used",
    "credits_added",
    "billed_seconds",
    "entries_by_hour",
)

HOURS = range(24)

ENTRY_COLUMNS = (
    "account_id",
    "seq",
    "kind",
    "credits",
    "balance_after",
    "reference",
    "occurred_at",
    "posted_at",
    "remarks",
    "call_id",
    "usage_type",
    "agent",
    "billed_seconds",
)

GRANT_COLUMNS = (
    "account_id",
    "reference",
    "source",
    "credits",
    "remaining",
    "granted_at",
    "expires_at",
)

# The rollup as a function of the entries, for rebuilding and proving it. `_Days` computes the same
# in Python, for what is added. Summed by hours first: those are few rows, so counting each apart
# costs nothing.
DAILY_USAGE_OF_ENTRIES = f"""
    SELECT account_id, day, kind, usage_type, agent,
           sum(entries) AS entries,
           coalesce(sum(entries) FILTER (WHERE kind = 'call'), 0) AS calls,
           coalesce(-sum(credits) FILTER (WHERE usage_type <> ''), 0) AS credits_used,
           coalesce(sum(credits) FILTER (WHERE usage_type = ''), 0) AS credits_added,
           sum(billed_seconds) AS billed_seconds,
           ARRAY[{
    ", ".join(f"coalesce(sum(entries) FILTER (WHERE hour = {hour}), 0)" for hour in HOURS)
}]::integer[] AS entries_by_hour
      FROM (SELECT entry.account_id, local.day, local.hour,
                   entry.kind, entry.usage_type, entry.agent,
                   count(*) AS entries,
                   sum(entry.credits) AS credits,
                   sum(entry.billed_seconds) AS billed_seconds
              FROM billing_ledgerentry entry
              JOIN billing_account account ON account.id = entry.account_id
             CROSS JOIN LATERAL (
                   SELECT time::date AS day, extract(hour FROM time) AS hour
                     FROM (SELECT entry.occurred_at AT TIME ZONE account.time_zone AS time) AS one
                   ) AS local
             GROUP BY 1, 2, 3, 4, 5, 6) AS hourly
     GROUP BY 1, 2, 3, 4, 5
"""


@dataclass(frozen=True, slots=True)
class NewGrant:
    """Makes the credits of a posting consumable until ``expires_at`` (None: for ever)."""

    source: GrantSource
    expires_at: datetime | None


class Posting(NamedTuple):
    """One movement of credits to be booked: negative ``credits`` are used, positive added.

    ``reference`` is unique within the account and names the cause. ``grant`` goes with credits
    added, except those that a correction gives back. ``grant_reference`` names the grant to take
    credits from before any other. (A named tuple, because a batch makes thousands.)
    """

    account_id: int
    kind: Kind
    credits: int
    reference: str
    occurred_at: datetime
    remarks: str = ""
    call_id: str = ""
    usage_type: str = ""
    agent: str = ""
    billed_seconds: int = 0
    grant: NewGrant | None = None
    grant_reference: str | None = None


class Posted(NamedTuple):
    """A posting as it was booked."""

    posting: Posting
    seq: int
    balance_after: int


@dataclass(slots=True)
class _Grant:
    """A grant while its account is locked. ``key`` is its place in the order of consumption."""

    id: int | None  # None: not stored yet
    account_id: int
    reference: str
    source: str
    credits: int
    remaining: int
    granted_at: datetime
    expires_at: datetime | None
    touched: bool = False

    @property
    def key(self) -> tuple[datetime, datetime, float]:
        return (
            self.expires_at or NEVER,
            self.granted_at,
            float("inf") if self.id is None else self.id,
        )

    def change(self, credits: int) -> None:
        self.remaining += credits
        self.touched = True


class _LockedBalance(NamedTuple):
    """What a balance row says while it is locked, and the zone of its account."""

    account_id: int
    credits: int
    last_seq: int
    time_zone: str


class _LockedAccount:
    """One account while its balance row is locked: books postings in memory, in order."""

    def __init__(self, balance: _LockedBalance, grants: list[_Grant]) -> None:
        self.account_id, self.credits, self.last_seq, time_zone = balance
        self.zone = ZoneInfo(time_zone)
        self.grants = grants  # in the order of consumption
        self.expired: list[_Grant] = []
        self.posted: list[Posted] = []

    def expire(self, at: datetime) -> None:
        """Book the expiry of what is left of every grant that is due at ``at``."""
        due = [g for g in self.grants if g.remaining and g.expires_at and g.expires_at <= at]
        for grant in due:
            assert grant.expires_at is not None
            left = grant.remaining
            grant.change(-left)
            self._append(
                Posting(
                    account_id=self.account_id,
                    kind=Kind.EXPIRY,
                    credits=-left,
                    reference=f"expiry:{grant.reference}",
                    occurred_at=grant.expires_at,
                    remarks=f"{GrantSource(grant.source).label}: {left:,} of {grant.credits:,} "
                    "credits were not used and expired",
                )
            )
        if due:
            self.expired = due
            self.grants = [grant for grant in self.grants if grant not in due]

    def book(self, posting: Posting, posted_at: datetime) -> None:
        """Move the credits of ``posting`` into or out of the grants, and append its entry."""
        if posting.credits < 0:
            self._consume(-posting.credits, posting.grant_reference)
        elif posting.credits > 0:
            spendable = max(0, posting.credits - max(0, -self.credits))
            if posting.grant is not None:
                self._open(posting, posting.grant, spendable, posted_at)
            else:
                self._give_back(posting, spendable, posted_at)
        self._append(posting)

    def touched_grants(self) -> list[_Grant]:
        """The grants to store."""
        return [grant for grant in (*self.grants, *self.expired) if grant.touched]

    def _append(self, posting: Posting) -> None:
        self.last_seq += 1
        self.credits += posting.credits
        self.posted.append(Posted(posting, self.last_seq, self.credits))

    def _consume(self, credits: int, first: str | None) -> None:
        grants = self.grants
        if first is not None:
            grants = sorted(grants, key=lambda grant: grant.reference != first)
        for grant in grants:
            if not credits:
                return
            if grant.remaining:
                part = min(credits, grant.remaining)
                grant.change(-part)
                credits -= part

    def _open(self, posting: Posting, grant: NewGrant, spendable: int, posted_at: datetime) -> None:
        opened = _Grant(
            id=None,
            account_id=self.account_id,
            reference=posting.reference,
            source=grant.source,
            credits=posting.credits,
            remaining=spendable,
            granted_at=min(posting.occurred_at, posted_at),
            expires_at=grant.expires_at,
            touched=True,
        )
        self.grants.append(opened)
        self.grants.sort(key=attrgetter("key"))

    def _give_back(self, posting: Posting, credits: int, posted_at: datetime) -> None:
        for grant in reversed(self.grants):
            if not credits:
                return
            part = min(credits, grant.credits - grant.remaining)
            if part:
                grant.change(part)
                credits -= part
        if credits:
            returned = posting._replace(credits=credits, occurred_at=posted_at)
            until = posted_at + RETURNED_CREDITS_VALID_FOR
            self._open(returned, NewGrant(GrantSource.RETURN, until), credits, posted_at)


def post(
    *,
    postings: Sequence[Posting],
    posted_at: datetime,
    accounts: Iterable[int] = (),
    references_are_new: bool = False,
) -> list[Posted]:
    """Book ``postings`` in the order given, at ``posted_at``; return what was booked.

    One transaction. The accounts' balances are locked once, in order of their ids, and held until
    the caller's transaction ends: call it last. A posting whose reference the account already has
    is left out. Grants due at ``posted_at`` are expired first, in the ``accounts`` named and in
    those of the postings, and are among what is returned; ``post(postings=[], accounts=…)`` just
    expires.

    ``references_are_new`` spares the search for references that the account already has, where
    the caller has made sure that there are none.

    Raises IntegrityError where a posting breaks a constraint; then nothing is booked.
    """
    account_ids = sorted({posting.account_id for posting in postings} | set(accounts))
    if not account_ids:
        return []
    by_account: dict[int, list[Posting]] = defaultdict(list)
    for posting in postings:
        by_account[posting.account_id].append(posting)
    with transaction.atomic():
        giving_back = [
            account_id
            for account_id, own in by_account.items()
            if any(p.credits > 0 and p.grant is None for p in own)
        ]
        locked = _lock(account_ids, giving_back=giving_back, at=posted_at)
        if not references_are_new:
            by_account = _without_booked(by_account)
        days = _Days()
        copy_rows(LedgerEntry, ENTRY_COLUMNS, _book(locked, by_account, posted_at, days))
        changed = [account for account in locked if account.posted]
        _write_balances(changed)
        _write_grants([grant for account in changed for grant in account.touched_grants()])
        _add_to_daily_usage(days)
    return [posted for account in changed for posted in account.posted]


def post_one(*, posting: Posting, posted_at: datetime) -> bool:
    """Book one posting as `post` does; return whether it was new."""
    booked = post(postings=[posting], posted_at=posted_at)
    return any(posted.posting is posting for posted in booked)


def end_grants(*, account: Account, references: str, at: datetime) -> None:
    """Let the grants whose reference begins with ``references`` end at ``at``, if not before.

    What is left of them expires with the next posting after ``at``.
    """
    with transaction.atomic():
        _locked_balances([account.pk])
        CreditGrant.objects.filter(
            account=account, reference__startswith=references, remaining__gt=0, granted_at__lt=at
        ).filter(Q(expires_at__gt=at) | Q(expires_at__isnull=True)).update(expires_at=at)


def grants_due(*, at: datetime) -> list[int]:
    """The ids of the accounts with credits that should have expired by ``at``."""
    due = CreditGrant.objects.filter(remaining__gt=0, expires_at__lte=at)
    return list(due.order_by("account_id").values_list("account_id", flat=True).distinct())


def rebuild_daily_usage(*, account: Account) -> None:
    """Sum the account's entries into days again, after its time zone has changed.

    One transaction, under the account's lock, so that no posting falls between the two zones.
    """
    with transaction.atomic():
        _locked_balances([account.pk])
        DailyUsage.objects.filter(account=account).delete()
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                INSERT INTO billing_dailyusage (account_id, {", ".join(ROLLUP_COLUMNS)})
                SELECT * FROM ({DAILY_USAGE_OF_ENTRIES}) AS daily WHERE account_id = %s
                """,
                [account.pk],
            )


def _lock(
    account_ids: Sequence[int], *, giving_back: Sequence[int], at: datetime
) -> list[_LockedAccount]:
    """Lock the balances of the accounts in order, and read what their grants have left."""
    balances = _locked_balances(account_ids)
    if len(balances) < len(account_ids):
        missing = set(account_ids) - {balance.account_id for balance in balances}
        Balance.objects.bulk_create(
            [Balance(account_id=account_id) for account_id in sorted(missing)],
            ignore_conflicts=True,
        )
        balances = _locked_balances(account_ids)
    grants: dict[int, list[_Grant]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT id, account_id, reference, source, credits, remaining, granted_at, expires_at
              FROM billing_creditgrant
             WHERE account_id = ANY(%s::bigint[]) AND remaining > 0
             UNION ALL
            SELECT id, account_id, reference, source, credits, remaining, granted_at, expires_at
              FROM billing_creditgrant
             WHERE account_id = ANY(%s::bigint[]) AND remaining = 0
               AND (expires_at IS NULL OR expires_at > %s)
            """,
            [as_array(account_ids), as_array(giving_back), at],
        )
        for row in cursor.fetchall():
            grants[row[1]].append(_Grant(*row))
    return [
        _LockedAccount(balance, sorted(grants[balance.account_id], key=attrgetter("key")))
        for balance in balances
    ]


def _locked_balances(account_ids: Sequence[int]) -> list[_LockedBalance]:
    return _balances(
        Balance.objects.filter(account_id__in=among(account_ids))
        .select_for_update(of=("self",), no_key=True)
        .order_by("account_id")
    )


def _balances(balances: QuerySet[Balance]) -> list[_LockedBalance]:
    rows = list(balances.values_list("account_id", "credits", "last_seq"))
    # By a query of its own: a row joined to the lock's would be as it was before the wait for it,
    # and the account may have moved to another time zone meanwhile.
    accounts = Account.objects.filter(pk__in=among(account_id for account_id, *_ in rows))
    zones = dict(accounts.values_list("pk", "time_zone"))
    return [_LockedBalance(*row, zones[row[0]]) for row in rows]


def _without_booked(by_account: Mapping[int, list[Posting]]) -> dict[int, list[Posting]]:
    """Leave out what the ledger has already. Needs the lock, or the answer may change."""
    postings = [posting for own in by_account.values() for posting in own]
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
            [as_array(p.account_id for p in postings), as_array(p.reference for p in postings)],
        )
        booked = set(cursor.fetchall())
    new: dict[int, list[Posting]] = defaultdict(list)
    for posting in postings:
        key = (posting.account_id, posting.reference)
        if key not in booked:
            booked.add(key)
            new[posting.account_id].append(posting)
    return new


class _Days:
    """What entries add to the rollup of their days."""

    def __init__(self) -> None:
        self._totals: dict[tuple[int, date, Kind, str, str], tuple[list[int], list[int]]] = {}

    def add(self, posting: Posting, zone: ZoneInfo) -> None:
        """Count an entry of an account in ``zone``."""
        local = posting.occurred_at.astimezone(zone)
        key = (
            posting.account_id,
            local.date(),
            posting.kind,
            posting.usage_type,
            posting.agent,
        )
        found = self._totals.get(key)
        if found is None:
            found = self._totals[key] = ([0] * 5, [0] * len(HOURS))
        total, by_hour = found
        total[0] += 1
        total[1] += posting.kind is Kind.CALL
        if posting.kind in USAGE_KINDS:
            total[2] -= posting.credits
        else:
            total[3] += posting.credits
        total[4] += posting.billed_seconds
        by_hour[local.hour] += 1

    def rows(self) -> list[tuple[Value, ...]]:
        """The account, then the values of ROLLUP_COLUMNS."""
        return [(*key, *total, as_array(by_hour)) for key, (total, by_hour) in self._totals.items()]


def _book(
    accounts: Iterable[_LockedAccount],
    postings: Mapping[int, Sequence[Posting]],
    posted_at: datetime,
    days: _Days,
) -> Iterator[tuple[Value, ...]]:
    """Book the postings of each account; give the values of ENTRY_COLUMNS of each entry."""
    posted_at_text = str(posted_at)  # once for all rows
    for account in accounts:
        account.expire(posted_at)
        for posting in postings.get(account.account_id, ()):
            account.book(posting, posted_at)
        for p, seq, balance_after in account.posted:
            days.add(p, account.zone)
            yield (
                p.account_id,
                seq,
                p.kind,
                p.credits,
                balance_after,
                p.reference,
                p.occurred_at,
                posted_at_text,
                p.remarks,
                p.call_id,
                p.usage_type,
                p.agent,
                p.billed_seconds,
            )


def _write_balances(accounts: Sequence[_LockedAccount]) -> None:
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
            as_arrays([(a.account_id, a.credits, a.last_seq) for a in accounts]),
        )


def _write_grants(grants: Sequence[_Grant]) -> None:
    stored = [(grant.id, grant.remaining) for grant in grants if grant.id is not None]
    if stored:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                UPDATE billing_creditgrant SET remaining = new.remaining
                  FROM unnest(%s::bigint[], %s::bigint[]) AS new (id, remaining)
                 WHERE billing_creditgrant.id = new.id
                """,
                as_arrays(stored),
            )
    opened = [grant for grant in grants if grant.id is None]
    if opened:
        copy_rows(
            CreditGrant,
            GRANT_COLUMNS,
            [[getattr(grant, column) for column in GRANT_COLUMNS] for grant in opened],
        )


_SUMS_BY_HOUR = ", ".join(
    f"daily.entries_by_hour[{hour + 1}] + excluded.entries_by_hour[{hour + 1}]" for hour in HOURS
)


def _add_to_daily_usage(days: _Days) -> None:
    rows = days.rows()
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO billing_dailyusage AS daily (account_id, {", ".join(ROLLUP_COLUMNS)})
            SELECT account_id, {", ".join(ROLLUP_COLUMNS[:-1])}, entries_by_hour::integer[]
              FROM unnest(
                   %s::bigint[], %s::date[], %s::text[], %s::text[], %s::text[],
                   %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::text[]
                   ) AS new (account_id, {", ".join(ROLLUP_COLUMNS)})
            ON CONFLICT (account_id, day, kind, usage_type, agent) DO UPDATE
               SET entries = daily.entries + excluded.entries,
                   calls = daily.calls + excluded.calls,
                   credits_used = daily.credits_used + excluded.credits_used,
                   credits_added = daily.credits_added + excluded.credits_added,
                   billed_seconds = daily.billed_seconds + excluded.billed_seconds,
                   entries_by_hour = ARRAY[{_SUMS_BY_HOUR}]
            """,
            as_arrays(rows),
        )

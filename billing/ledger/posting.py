"""The ledger: the only writer of entries, balances, grants and daily usage.

`post` is the one way in. It refuses nothing that has happened: a charge is booked even below zero,
because a completed call is a fact. What must never be is said by the constraints of the tables.
What postings do to an account's credits is `billing.ledger.postings`.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.db.models import Max, Min, OuterRef, QuerySet, Subquery

from billing import bulk
from billing.bulk import among, as_array, as_arrays, copy_rows
from billing.ledger.postings import Grant, LockedAccount, Posted, Posting
from billing.models import Account, Balance, CreditGrant, DailyUsage, Kind, LedgerEntry
from billing.models.ledger import USAGE_KINDS
from billing.zones import offsets_between

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

# What the posting says but for its grants, then what booking it adds.
ENTRY_COLUMNS = (*Posting._fields[:-2], "seq", "balance_after", "posted_at")

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

# The rollup as a function of the entries, for rebuilding and proving it; `_Days` computes the same
# in Python, for what is added. Summed by hours first: those are few rows, so counting each apart
# costs nothing.
_DAILY_USAGE_OF_ENTRIES = f"""
    WITH zone AS MATERIALIZED (
         SELECT name, changes::timestamptz[] AS changes, offsets::interval[] AS offsets
           FROM unnest(%s::text[], %s::text[], %s::text[]) AS given (name, changes, offsets))
    SELECT account_id, day, kind, usage_type, agent,
           sum(entries) AS entries,
           coalesce(sum(entries) FILTER (WHERE kind = 'call'), 0) AS calls,
           coalesce(-sum(credits) FILTER (WHERE usage_type <> ''), 0) AS credits_used,
           coalesce(sum(credits) FILTER (WHERE usage_type = ''), 0) AS credits_added,
           sum(billed_seconds) AS billed_seconds,
           ARRAY[{
    ", ".join(f"coalesce(sum(entries) FILTER (WHERE hour = {hour}), 0)" for hour in HOURS)
}]::integer[] AS entries_by_hour
      FROM (SELECT account_id, hour::date AS day, extract(hour FROM hour) AS hour,
                   kind, usage_type, agent, entries, credits, billed_seconds
              FROM (SELECT entry.account_id,
                           date_trunc('hour', entry.occurred_at AT TIME ZONE 'UTC' + zone.offsets[
                               width_bucket(entry.occurred_at, zone.changes) + 1]) AS hour,
                           entry.kind, entry.usage_type, entry.agent,
                           count(*) AS entries,
                           sum(entry.credits) AS credits,
                           sum(entry.billed_seconds) AS billed_seconds
                      FROM billing_ledgerentry entry
                      JOIN billing_account account ON account.id = entry.account_id
                      JOIN zone ON zone.name = account.time_zone
                     GROUP BY 1, 2, 3, 4, 5) AS by_hour) AS hourly
     GROUP BY 1, 2, 3, 4, 5
"""


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
        lock_accounts(account_ids)
        locked = _locked(account_ids, giving_back=giving_back, at=posted_at)
        if not references_are_new:
            by_account = _without_booked(by_account)
        days = _Days()
        copy_rows(LedgerEntry, ENTRY_COLUMNS, _book(locked, by_account, posted_at, days))
        changed = [account for account in locked if account.posted]
        _write_balances(changed)
        _write_grants([grant for account in changed for grant in account.touched_grants()])
        _add_to_daily_usage(days)
    return [posted for account in changed for posted in account.posted]


def lock_accounts(account_ids: Sequence[int]) -> None:
    """Hold the balances of the accounts until the transaction ends: nothing else is posted to them.

    In order of their ids, so that no two processes wait for each other. One that an account lacks
    is made.
    """
    balances = Balance.objects.filter(account_id__in=among(account_ids)).order_by("account_id")
    balances = balances.select_for_update(of=("self",), no_key=True)
    missing = set(account_ids).difference(balances.values_list("account_id", flat=True))
    if missing:
        made = [Balance(account_id=account_id) for account_id in sorted(missing)]
        Balance.objects.bulk_create(made, ignore_conflicts=True)
        lock_accounts(account_ids)


def post_one(*, posting: Posting, posted_at: datetime) -> bool:
    """Book one posting as `post` does; return whether it was new."""
    booked = post(postings=[posting], posted_at=posted_at)
    return any(posted.posting is posting for posted in booked)


def end_grants(*, account: Account, ends: Mapping[str, datetime]) -> None:
    """Let the account's grants, named by their references, end when ``ends`` says.

    One whose expiry is booked stays as it is: that happens once. What is left of the others expires
    with the next posting after their end; what a correction gives back then does not return to
    them.
    """
    with transaction.atomic():
        lock_accounts([account.pk])
        with connection.cursor() as cursor:
            cursor.execute(
                """
                UPDATE billing_creditgrant granted SET expires_at = new.expires_at
                  FROM unnest(%s::text[], %s::timestamptz[]) AS new (reference, expires_at)
                 WHERE granted.account_id = %s
                   AND granted.reference = new.reference
                   AND granted.expires_at IS DISTINCT FROM new.expires_at
                   AND NOT EXISTS (
                       SELECT FROM billing_ledgerentry entry
                        WHERE entry.account_id = granted.account_id
                          AND entry.reference = 'expiry:' || granted.reference
                       )
                """,
                [as_array(ends), as_array(ends.values()), account.pk],
            )


def grants_due(*, at: datetime) -> list[int]:
    """The ids of the accounts with credits that should have expired by ``at``."""
    due = CreditGrant.objects.filter(is_open=True, expires_at__lte=at)
    return list(due.order_by("account_id").values_list("account_id", flat=True).distinct())


def rebuild_daily_usage(*, account: Account) -> None:
    """Sum the account's entries into days again, after its time zone has changed.

    One transaction, under the account's lock, so that no posting falls between the two zones.
    """
    with transaction.atomic():
        lock_accounts([account.pk])
        DailyUsage.objects.filter(account=account).delete()
        daily_usage, parameters = daily_usage_of_entries(
            accounts=Account.objects.filter(pk=account.pk)
        )
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                INSERT INTO billing_dailyusage (account_id, {", ".join(ROLLUP_COLUMNS)})
                SELECT * FROM ({daily_usage}) AS daily WHERE account_id = %s
                """,
                [*parameters, account.pk],
            )


def daily_usage_of_entries(*, accounts: QuerySet[Account]) -> tuple[str, list[str]]:
    """SQL, with its parameters, that makes the rollup of ``accounts`` (and of others in the same
    zones) out of their entries: the account's id, then ROLLUP_COLUMNS.

    What the clock of a zone showed, Python alone says: see `billing.zones`. Raises
    ZoneInfoNotFoundError where it does not know one.
    """
    instants = LedgerEntry.objects.filter(account=OuterRef("pk")).values("occurred_at")
    spans = (
        accounts.order_by("time_zone")
        .values_list("time_zone")
        .annotate(
            first=Min(Subquery(instants.order_by("occurred_at")[:1])),
            last=Max(Subquery(instants.order_by("-occurred_at")[:1])),
        )
    )
    zones = []
    for name, first, last in spans:
        if first is None:  # none of its accounts has an entry
            continue
        changes, offsets = offsets_between(ZoneInfo(name), first, last)
        seconds = (f"{offset.total_seconds()} s" for offset in offsets)
        zones.append((name, as_array(changes), as_array(seconds)))
    return _DAILY_USAGE_OF_ENTRIES, as_arrays(zones) if zones else ["{}"] * 3


def _locked(
    account_ids: Sequence[int], *, giving_back: Sequence[int], at: datetime
) -> list[LockedAccount]:
    """Read what the accounts, which are locked, and their grants have left.

    Of accounts that are ``giving_back`` credits, also the live grants that have nothing left.
    """
    balances = {}
    grants: dict[int, list[Grant]] = defaultdict(list)
    with connection.cursor() as cursor:
        # By a query of its own: rows joined to the lock's would be as they were before the wait
        # for it, and the account may have moved to another time zone meanwhile.
        cursor.execute(
            """
            SELECT balance.account_id, balance.credits, balance.last_seq, account.time_zone,
                   held.id, balance.account_id, held.reference, held.source, held.credits,
                   held.remaining, held.granted_at, held.expires_at, held.last_used_seq
              FROM billing_balance balance
              JOIN billing_account account ON account.id = balance.account_id
              LEFT JOIN LATERAL (
                   SELECT * FROM billing_creditgrant
                    WHERE account_id = balance.account_id AND is_open
                    UNION ALL
                   SELECT * FROM billing_creditgrant
                    WHERE account_id = balance.account_id AND NOT is_open
                      AND account_id = ANY(%s::bigint[])
                      AND (expires_at IS NULL OR expires_at > %s)
                      -- Whose clock is ahead may have booked its expiry: that happens once.
                      AND NOT EXISTS (
                          SELECT FROM billing_ledgerentry entry
                           WHERE entry.account_id = balance.account_id
                             AND entry.reference = 'expiry:' || billing_creditgrant.reference
                          )
                   ) AS held ON true
             WHERE balance.account_id = ANY(%s::bigint[])
             ORDER BY balance.account_id
            """,
            [as_array(giving_back), at, as_array(account_ids)],
        )
        for account_id, credits, last_seq, time_zone, *grant in cursor.fetchall():
            balances[account_id] = (credits, last_seq, time_zone)
            if grant[0] is not None:
                grants[account_id].append(Grant(*grant))
    return [
        LockedAccount(
            account_id=account_id,
            credits=credits,
            last_seq=last_seq,
            zone=ZoneInfo(time_zone),
            grants=grants[account_id],
        )
        for account_id, (credits, last_seq, time_zone) in balances.items()
    ]


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

    def rows(self) -> list[tuple[bulk.Value, ...]]:
        """The account, then the values of ROLLUP_COLUMNS."""
        return [
            (*key, *total, _hours_as_array(tuple(by_hour)))
            for key, (total, by_hour) in self._totals.items()
        ]


# Where a batch is spread over many accounts, most days have one entry.
_hours_as_array = lru_cache(maxsize=1024)(as_array)


def _book(
    accounts: Iterable[LockedAccount],
    postings: Mapping[int, Sequence[Posting]],
    posted_at: datetime,
    days: _Days,
) -> Iterator[tuple[bulk.Value, ...]]:
    """Book the postings of each account; give the values of ENTRY_COLUMNS of each entry."""
    posted_at_text = str(posted_at)  # once for all rows
    for account in accounts:
        account.expire(posted_at)
        for posting in postings.get(account.account_id, ()):
            account.book(posting, posted_at)
        for posting, seq, balance_after in account.posted:
            days.add(posting, account.zone)
            yield (*posting[:-2], seq, balance_after, posted_at_text)


def _write_balances(accounts: Sequence[LockedAccount]) -> None:
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


def _write_grants(grants: Sequence[Grant]) -> None:
    stored = [
        (grant.id, grant.remaining, grant.last_used_seq) for grant in grants if grant.id is not None
    ]
    if stored:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                UPDATE billing_creditgrant
                   SET remaining = new.remaining, last_used_seq = new.last_used_seq
                  FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[])
                       AS new (id, remaining, last_used_seq)
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

"""How fast calls are recorded, against the limit of this database and against the plain ORM.

`make bench`. All ways are measured in turn on one
database, repeated, and the medians printed, because machines are noisy and ratios are not.

- raw COPY: the same rows of calls and ledger entries, computed beforehand as text, into the same
  tables with the same indexes, constraints and triggers, a transaction a batch. Nothing is computed
  and no balance, grant or rollup is kept: a limit, not a rival.
- record_calls: validated records in, everything rated, posted and frozen.
- one by one: the same, a call at a time.
- naive: one transaction a call with Django's ORM. It is frozen: of the product it uses the tables
  and the rating, so that a product that becomes faster, or slower, does not change the measure.

"Hot" is one account; "spread" is 1,000 accounts in any order, whose calls are sharded among the
writers by account. Calls arrive in order of time.

What four writers gain depends on the cores there are for them and their four processes of the
server. ``--half-cores`` makes two cores stand for four slower ones.
"""

import argparse
import gc
import io
import multiprocessing
import os
import random
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from threading import BrokenBarrierError

from tests.benchmarks.database import own_database  # isort: split

from django.db import connection, transaction
from django.db.models import F

from billing.ledger.posting import ENTRY_COLUMNS
from billing.models import (
    Account,
    Balance,
    DailyUsage,
    Kind,
    LedgerEntry,
    Plan,
    PlanTerms,
    Subscription,
)
from billing.plans.rating import rate
from billing.plans.subscriptions import subscribe
from calls.charging import record_calls
from calls.models import Call
from calls.records import STORED, CallRecord, validate
from calls.stored import NEW_COLUMNS
from tests.benchmarks.cores import CPU, can_hold, half_a_core

BATCH_SIZE = 1_000
ACCOUNTS = 1_000
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
TABLES = {  # with the columns written: all but the id, which the database gives
    "calls_call": ", ".join(NEW_COLUMNS),
    "billing_ledgerentry": ", ".join(ENTRY_COLUMNS),
}
AGENTS = ("Asha", "Ravi", "Mei")

Batches = list[list[CallRecord]]
Work = Callable[[], object]


def make_accounts(number: int) -> list[Account]:
    """Accounts on a plan since ten days."""
    plan = Plan.objects.get(name="Professional")
    accounts = [
        Account.objects.create(name=f"Account {n}", slug=f"a{n}", time_zone="Asia/Kolkata")
        for n in range(number)
    ]
    for account in accounts:
        subscribe(account=account, plan=plan, at=NOW - timedelta(days=10))
    return accounts


def make_batches(calls: int, accounts: Sequence[int], seed: int) -> Batches:
    """Calls in order of time, in random accounts: a mix of types, lengths, agents and failures."""
    chance = random.Random(seed)
    started_at = NOW - timedelta(days=2)
    records = []
    for number in range(calls):
        started_at += timedelta(seconds=2 * 86_400 / calls * chance.random())
        answered = chance.random() < 0.8
        connected_at = started_at + timedelta(seconds=chance.randint(2, 30))
        ended_at = connected_at + timedelta(milliseconds=chance.randint(0, 400_000))
        records.append(
            validate(
                account_id=chance.choice(accounts),
                call_id=f"{chance.getrandbits(64):016x}-{number:08d}",
                usage_type=chance.choice(["outbound", "outbound", "inbound"]),
                status="completed" if answered else chance.choice(["no_answer", "busy"]),
                started_at=started_at,
                connected_at=connected_at if answered else None,
                ended_at=ended_at if answered else connected_at,
                agent=chance.choice(AGENTS),
                from_number=f"+9180{chance.randint(10_000_000, 99_999_999)}",
                to_number=f"+9198{chance.randint(10_000_000, 99_999_999)}",
                now=NOW,
            )
        )
    return [records[start : start + BATCH_SIZE] for start in range(0, calls, BATCH_SIZE)]


# ── The three ways ────────────────────────────────────────────────────────────────────────────
def record(batches: Batches) -> None:
    """The product's way."""
    for batch in batches:
        record_calls(records=batch, now=NOW)


def record_one_by_one(records: Sequence[CallRecord]) -> None:
    """The product's way, for calls that come by themselves."""
    for record in records:
        record_calls(records=[record], now=NOW)


def copy_raw(texts: Sequence[Sequence[str]]) -> None:
    """The limit: the rows of both tables, as they are."""
    for batch in texts:
        with transaction.atomic(), connection.cursor() as cursor:
            for (table, columns), text in zip(TABLES.items(), batch, strict=True):
                cursor.copy_expert(f"COPY {table} ({columns}) FROM STDIN", io.StringIO(text))


def record_naively(records: Sequence[CallRecord]) -> None:
    """What one would write first: one transaction a call, every row by the ORM."""
    for record in records:
        with transaction.atomic():
            account = Account.objects.get(pk=record.account_id)
            subscription = (
                Subscription.objects.filter(account=account, effective_from__lte=record.started_at)
                .select_related("plan")
                .latest("effective_from")
            )
            terms = PlanTerms.objects.filter(
                plan=subscription.plan, effective_from__lte=record.started_at
            ).latest("effective_from")
            tariff = terms.tariff
            charge = rate(
                tariff=tariff,
                usage_type=record.usage_type,
                started_at=record.started_at,
                connected_at=record.connected_at,
                ended_at=record.ended_at,
            )
            facts = {name: getattr(record, name) for name in STORED}
            _, created = Call.objects.get_or_create(
                account=account,
                call_id=facts.pop("call_id"),
                defaults={
                    **facts,
                    "plan_name": subscription.plan.name,
                    "increment_seconds": tariff.increment_seconds,
                    "credits_per_increment": tariff.credits_per_increment,
                    "billable_seconds": charge.billable_seconds,
                    "billed_seconds": charge.billed_seconds,
                    "increments": charge.increments,
                    "credits": charge.credits,
                    "recorded_at": NOW,
                },
            )
            if not created:
                continue
            balance = Balance.objects.select_for_update().get(account=account)
            balance.credits -= charge.credits
            balance.last_seq += 1
            LedgerEntry.objects.create(
                account=account,
                seq=balance.last_seq,
                kind=Kind.CALL,
                credits=-charge.credits,
                balance_after=balance.credits,
                reference=f"call:{record.call_id}",
                occurred_at=record.started_at,
                posted_at=NOW,
                call_id=record.call_id,
                usage_type=record.usage_type,
                agent=record.agent,
                billed_seconds=charge.billed_seconds,
            )
            balance.save()
            day, _ = DailyUsage.objects.get_or_create(
                account=account,
                day=record.started_at.astimezone(account.zone).date(),
                kind=Kind.CALL,
                usage_type=record.usage_type,
                agent=record.agent,
                defaults={"entries": 1, "calls": 1, "entries_by_hour": [0] * 24},
            )
            DailyUsage.objects.filter(pk=day.pk).update(
                entries=F("entries") + 1,
                calls=F("calls") + 1,
                credits_used=F("credits_used") + charge.credits,
                billed_seconds=F("billed_seconds") + charge.billed_seconds,
            )


# ── Measuring ─────────────────────────────────────────────────────────────────────────────────
def empty() -> None:
    """Forget all calls, as if none had been made."""
    with connection.cursor() as cursor:
        cursor.execute(
            "TRUNCATE calls_call, billing_ledgerentry, billing_grantshare, billing_debt,"
            " billing_dailyusage"
        )
        cursor.execute("UPDATE billing_creditgrant SET remaining = credits, expired = NULL")
        cursor.execute("UPDATE billing_balance SET last_seq = 0")
        cursor.execute(
            "UPDATE billing_balance SET credits = coalesce((SELECT sum(remaining)"
            " FROM billing_creditgrant g WHERE g.account_id = billing_balance.account_id), 0)"
        )
        cursor.execute(
            "VACUUM billing_balance, billing_creditgrant, billing_debt, billing_dailyusage"
        )


def seconds_of(works: Sequence[Work], *, half_cores: bool = False) -> float:
    """Run each work in a process of its own, all at once; return the seconds until all are done.

    With ``half_cores`` each of them, and its process of the server, has no more than half a core.
    """
    connection.close()
    # What was prepared for all ways must not be walked through by each way's garbage collection.
    gc.collect()
    gc.freeze()
    fork = multiprocessing.get_context("fork")
    ready, done = (fork.Barrier(len(works) + 1) for _ in range(2))

    def run(work: Work) -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                (server,) = cursor.fetchone()
            with ExitStack() as held:
                if half_cores:
                    held.enter_context(half_a_core(os.getpid(), program="python"))
                    held.enter_context(half_a_core(server, program="postgres"))
                ready.wait()
                work()
                done.wait()
        except BaseException:
            ready.abort()
            done.abort()
            raise

    processes = [fork.Process(target=run, args=(work,)) for work in works]
    for process in processes:
        process.start()
    try:
        ready.wait()
        began = time.perf_counter()
        done.wait()
        return time.perf_counter() - began
    except BrokenBarrierError:
        raise SystemExit("A writer failed; see above.") from None
    finally:
        for process in processes:
            process.join()


def rows_as_text(batches: Batches) -> list[list[str]]:
    """The stored rows of each batch, as COPY reads them: call rows, then entries."""
    texts = []
    with connection.cursor() as cursor:
        for batch in batches:
            cursor.execute("DROP TABLE IF EXISTS asked")
            cursor.execute(
                "CREATE TEMPORARY TABLE asked AS"
                " SELECT * FROM unnest(%s::bigint[], %s::text[]) AS asked (account_id, call_id)",
                ([record.account_id for record in batch], [record.call_id for record in batch]),
            )
            text = []
            for table, columns in TABLES.items():
                rows = io.StringIO()
                cursor.copy_expert(
                    f"COPY (SELECT {columns} FROM {table} JOIN asked USING (account_id, call_id)"
                    " ORDER BY id) TO STDOUT",
                    rows,
                )
                text.append(rows.getvalue())
            texts.append(text)
    return texts


def measure(
    calls: int, naive_calls: int, repeats: int, *, half_cores: bool
) -> dict[str, list[float]]:
    """Calls per second of each way, one figure a repeat, the ways taking turns."""
    accounts = make_accounts(ACCOUNTS)
    keys = [account.pk for account in accounts]
    shards = {1: [keys], 4: [keys[writer::4] for writer in range(4)]}
    workloads = {
        ("hot", 1): [make_batches(calls, keys[:1], 1)],
        ("hot", 4): [make_batches(calls // 4, keys[:1], 2 + writer) for writer in range(4)],
        ("spread", 1): [make_batches(calls, shards[1][0], 6)],
        ("spread", 4): [
            make_batches(calls // 4, shard, 7 + writer) for writer, shard in enumerate(shards[4])
        ],
    }
    naive = make_batches(naive_calls, keys[:1], 11)[0]
    figures: dict[str, list[float]] = {}

    def note(name: str, calls: int, works: Sequence[Work]) -> None:
        figures.setdefault(name, []).append(calls / seconds_of(works, half_cores=half_cores))

    for _ in range(repeats):
        for (where, writers), batches in workloads.items():
            empty()
            note(
                f"record_calls, {where}, {writers}",
                calls,
                [lambda own=own: record(own) for own in batches],  # type: ignore[misc]
            )
            texts = [rows_as_text(own) for own in batches]
            empty()
            note(
                f"raw COPY, {where}, {writers}",
                calls,
                [lambda own=own: copy_raw(own) for own in texts],  # type: ignore[misc]
            )
        empty()
        note("one by one, hot, 1", naive_calls, [lambda: record_one_by_one(naive)])
        empty()
        note("naive, hot, 1", naive_calls, [lambda: record_naively(naive)])
    return figures


def print_table(figures: dict[str, list[float]]) -> None:
    """Print medians, their spread, and what matters: the ratios."""
    medians = {name: statistics.median(runs) for name, runs in figures.items()}
    print(f"{'way, accounts, writers':<28}{'calls/s':>10}{'lowest':>10}{'highest':>10}{'/ raw':>8}")
    for where in ("hot", "spread"):
        for writers in (1, 4):
            raw = medians[f"raw COPY, {where}, {writers}"]
            for way in ("raw COPY", "record_calls", "one by one", "naive"):
                name = f"{way}, {where}, {writers}"
                if name in medians:
                    runs = figures[name]
                    print(
                        f"{name:<28}{medians[name]:>10,.0f}{min(runs):>10,.0f}{max(runs):>10,.0f}"
                        f"{medians[name] / raw:>8.3f}"
                    )
    recorded = {
        (where, writers): medians[f"record_calls, {where}, {writers}"]
        for where in ("hot", "spread")
        for writers in (1, 4)
    }
    for what, ratio in (
        (
            "1 writer, hot / raw COPY, 1 writer, hot",
            recorded["hot", 1] / medians["raw COPY, hot, 1"],
        ),
        ("1 writer, hot / naive", recorded["hot", 1] / medians["naive, hot, 1"]),
        (
            "one call at a time, 1 writer, hot / naive",
            medians["one by one, hot, 1"] / medians["naive, hot, 1"],
        ),
        (
            "4 writers, spread / raw COPY, 1 writer, spread",
            recorded["spread", 4] / medians["raw COPY, spread, 1"],
        ),
        ("4 writers, spread / 1 writer, spread", recorded["spread", 4] / recorded["spread", 1]),
        ("4 writers, spread / 1 writer, hot", recorded["spread", 4] / recorded["hot", 1]),
    ):
        print(f"record_calls: {what:<50}{ratio:>7.2f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure how fast calls are recorded.")
    parser.add_argument("--calls", type=int, default=100_000, help="per run (100000)")
    parser.add_argument("--naive-calls", type=int, default=500, help="per naive run (500)")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--half-cores",
        action="store_true",
        help="hold each writer, and its process of the server, to half a core",
    )
    options = parser.parse_args()
    if options.half_cores and not can_hold():
        parser.error(f"--half-cores needs root, and Linux's control groups, version 1, at {CPU}")
    with own_database():
        print_table(
            measure(
                options.calls, options.naive_calls, options.repeats, half_cores=options.half_cores
            )
        )


if __name__ == "__main__":
    main()

"""How long `audit_ledger` takes right after so many calls were recorded.

`make bench BENCH=audit_ledger BENCH_ARGS="--calls 1000000"`.
"""

from tests.benchmarks.database import own_database  # isort: split

import argparse
import time

from django.core.management import call_command

from billing.models import LedgerEntry
from tests.benchmarks.record_calls import make_accounts, make_batches, record

CALLS_AT_ONCE = 100_000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure how long an audit takes.")
    parser.add_argument("--calls", type=int, default=1_000_000, help="recorded before (1000000)")
    parser.add_argument("--accounts", type=int, default=20, help="that they belong to (20)")
    options = parser.parse_args()
    with own_database():
        accounts = [account.pk for account in make_accounts(options.accounts)]
        for seed in range(0, options.calls, CALLS_AT_ONCE):
            record(make_batches(min(CALLS_AT_ONCE, options.calls - seed), accounts, seed))
        began = time.perf_counter()
        call_command("audit_ledger")
        seconds = time.perf_counter() - began
        print(
            f"{LedgerEntry.objects.count():,} entries, {options.accounts} accounts: {seconds:.1f} s"
        )


if __name__ == "__main__":
    main()

"""How long a page of the log takes, anywhere among millions of calls, against the first page.

`make bench BENCH=read_pages BENCH_ARGS="--calls 10000000"`. One account, its calls spread evenly
over ``--days``; each page is read as the site does, with tiles and graph, and without rendering.
"""

from tests.benchmarks.database import own_database  # isort: split

import argparse
import statistics
import time
from datetime import UTC, datetime, timedelta

from django.db import connection

from billing.models import Account
from calls.usage.filters import UsageFilters
from calls.usage.periods import DAY, Period, Preset
from calls.usage.report import usage_report
from tests.dashboard.bulk import insert_calls

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
FILTERS = {
    "all rows": UsageFilters(),
    "inbound": UsageFilters(usage_type="inbound"),
    "one agent": UsageFilters(agent="Asha"),
    "calls": UsageFilters(kind="call"),
}
PLACES = (0, 0.1, 0.25, 0.5, 0.77, 1)


def measure(account: Account, period: Period, repeats: int) -> None:
    """Print the median of each place in the log, and how many times the first page's it is."""
    print(f"{'filter':<12}{'page':>12}{'rows':>14}{'ms':>9}{'/ page 1':>10}")
    for name, filters in FILTERS.items():
        first = 0.0
        last_number = usage_report(
            account=account, period=period, filters=filters
        ).rows.paginator.num_pages
        for place in PLACES:
            number = max(1, int(last_number * place))
            took = []
            for _ in range(repeats):
                began = time.perf_counter()
                page = usage_report(
                    account=account, period=period, filters=filters, page_number=str(number)
                )
                took.append((time.perf_counter() - began) * 1_000)
            median = statistics.median(took)
            first = first or median
            print(
                f"{name:<12}{number:>12,}{page.rows.paginator.count:>14,}{median:>9.1f}"
                f"{median / first:>10.2f}",
                flush=True,
            )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure how long pages of the log take.")
    parser.add_argument("--calls", type=int, default=1_000_000, help="in the account (1000000)")
    parser.add_argument("--days", type=int, default=7, help="over which they are spread (7)")
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    with own_database():
        account = Account.objects.create(name="A", slug="a", time_zone="Asia/Kolkata")
        insert_calls(account, options.calls, last_at=NOW, days=options.days)
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE billing_ledgerentry, billing_dailyusage")
        today = NOW.astimezone(account.zone).date()
        first_day = (NOW - timedelta(days=options.days)).astimezone(account.zone).date()
        period = Period(Preset.CUSTOM, first_day, today + DAY, account.zone)
        measure(account, period, options.repeats)


if __name__ == "__main__":
    main()

"""What pages cost, against a plain page in the same process: `make bench BENCH=pages`.

The *plain page* (`tests.benchmarks.plain_page`) is what one would write first: session, user, five
queries that an index answers, ten rows. One person and one account, requests in this process
through everything that a request passes. Pages take turns in each repeat, and medians are compared,
because machines are noisy and ratios are not.

The account has all that a usage page can show: a plan with planned terms, credits that expire soon,
days of high usage, several agents, corrections, a second account to change to. A second row of each
page has few credits and news of a download too, which are told around every page.
"""

from tests.benchmarks.database import own_database  # isort: split

import argparse
import gc
import statistics
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.accounts.opening import open_account
from billing.ledger.balances import balance_of
from billing.models import Account, Plan, User
from billing.plans.movements import adjust
from billing.plans.rating import UsageType
from calls.charging import record_calls
from calls.exports import asking, making
from calls.usage.filters import UsageFilters
from calls.usage.periods import last_30_days
from config import urls as site_urls
from dashboard.demo.traffic import Agent, Traffic, calls_of_day
from tests.benchmarks import plain_page

ZONE = ZoneInfo("Asia/Kolkata")
TRAFFIC = Traffic(
    code="call_",
    zone=ZONE,
    agents=(
        Agent("Asha (bookings)", UsageType.OUTBOUND, 38),
        Agent("Reminder line", UsageType.OUTBOUND, 22),
        Agent("Kiran (support)", UsageType.INBOUND, 30),
        Agent("Interpreter", UsageType.TRANSLATION, 10),
    ),
    calls_a_working_day=(60, 90),
    weekend_percent=15,
    own_number="+12025550142",
    numbers=("+141555501{:02d}", "+121255501{:02d}", "+131255501{:02d}"),
)
DAYS = 40
BUSY_DAYS_AGO = 2
BUSIER = 3.0


class Page(NamedTuple):
    """A page of the product, and how many times the plain page it may cost."""

    name: str
    address: str
    ratio_max: float


PAGES = (
    Page("usage page", "/a/acme/billing/usage/", 2.2),
    Page("dashboard", "/a/acme/", 1.5),
    Page("help page", "/a/acme/help/troubleshooting/", 0.7),
    Page("reference of the API", "/help/api/", 0.8),
)
SELECTS_MAX = 4


class Visitor:
    """Somebody who is signed in."""

    def __init__(self, user: User) -> None:
        self.client = Client()
        self.client.force_login(user)

    def get(self, address: str) -> None:
        """Ask for a page that is there."""
        response = self.client.get(address)
        assert response.status_code == 200, f"{address}: {response.status_code}"

    def selects(self, address: str) -> int:
        """How many SELECTs a page takes, once the first visit has noted what it notes."""
        self.get(address)
        with CaptureQueriesContext(connection) as captured:
            self.get(address)
        reading = ("SELECT", "EXECUTE")  # the latter of one whose plan is kept
        return sum(query["sql"].startswith(reading) for query in captured)


class Cost(NamedTuple):
    """Milliseconds of a page: until it is answered, and of those the ones of this process."""

    wall: float
    own: float


def costs_of(visitor: Visitor, addresses: Sequence[str], repeats: int) -> list[Cost]:
    """The median cost of each page; they take turns."""
    took: list[list[tuple[float, float]]] = [[] for _ in addresses]
    for address in [*addresses] * 3:
        visitor.get(address)  # what the first visits fill are caches
    gc.collect()
    gc.freeze()
    for _ in range(repeats):
        for address, costs in zip(addresses, took, strict=True):
            wall, own = time.perf_counter(), time.process_time()
            visitor.get(address)
            costs.append((time.perf_counter() - wall, time.process_time() - own))
    return [
        Cost(*(1_000 * statistics.median(one) for one in zip(*costs, strict=True)))
        for costs in took
    ]


# ── The world ─────────────────────────────────────────────────────────────────────────────────
def make_account(owner: User, now: datetime) -> Account:
    """An account with all that a usage page can show."""
    account = open_account(
        account=Account(name="Acme Voice", slug="acme", time_zone=ZONE.key),
        plan=Plan.objects.get(name="Professional"),
        owner=owner,
        now=now - timedelta(days=DAYS),
    )
    open_account(
        account=Account(name="Other Company", slug="other", time_zone="Europe/London"),
        plan=Plan.objects.get(name="Base"),
        owner=owner,
        now=now - timedelta(days=1),
    )
    for number, days in enumerate((12, 25, 300)):
        adjust(
            account=account,
            credits=9_000,
            reason="Goodwill",
            reference=f"goodwill-{number}",
            at=now - timedelta(days=DAYS - 1),
            expires_at=now + timedelta(days=days),
        )
    for days_ago in range(DAYS - 2, -1, -1):
        at = now - timedelta(days=days_ago)
        records = calls_of_day(
            traffic=TRAFFIC,
            account_id=account.pk,
            day=at.astimezone(ZONE).date(),
            until=at,
            busier=BUSIER if days_ago == BUSY_DAYS_AGO else 1,
        )
        record_calls(records=records, now=at)
    return account


def run_low(account: Account, owner: User, now: datetime) -> None:
    """Leave few credits, and news of a download."""
    asking.ask(
        account=account,
        by=owner,
        period=last_30_days(today=now.astimezone(ZONE).date(), zone=ZONE),
        filters=UsageFilters(),
        last_seq=None,
        now=now,
    )
    while making.work(clock=timezone.now):
        pass
    adjust(
        account=account,
        credits=50 - balance_of(account).credits,
        reason="Corrected",
        reference="down",
        at=now,
    )


# ── Measuring ─────────────────────────────────────────────────────────────────────────────────
def print_ratios(visitor: Visitor, repeats: int) -> None:
    """Print what each page costs against the plain one, and against what is expected."""
    addresses = [plain_page.ADDRESS, *(page.address for page in PAGES)]
    plain, *costs = costs_of(visitor, addresses, repeats)
    print(f"{'plain page':<40}{'':>10}{plain.wall:>9.1f} ms, of them {plain.own:.1f} here")
    for page, cost in zip(PAGES, costs, strict=True):
        ratio = cost.wall / plain.wall
        sign = "" if ratio <= page.ratio_max else "  ← more than expected"
        print(
            f"{page.name + ' / plain page':<40}{'≤ ' + str(page.ratio_max):>10}{ratio:>9.2f}"
            f" ({cost.wall:.1f} ms; here alone {cost.own / plain.own:.2f}){sign}",
            flush=True,
        )


def print_selects(visitor: Visitor, when: str) -> None:
    """Print how many SELECTs stand around a page: the help page has none of its own."""
    found = visitor.selects("/a/acme/help/troubleshooting/")
    sign = "" if found <= SELECTS_MAX else "  ← more than expected"
    print(f"{'SELECTs around a page' + when:<40}{f'≤ {SELECTS_MAX}':>10}{found:>9}{sign}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure what pages cost.")
    parser.add_argument("--repeats", type=int, default=200)
    options = parser.parse_args()
    settings.ALLOWED_HOSTS = ["*"]
    site_urls.urlpatterns[:0] = plain_page.urlpatterns
    with own_database():
        now = timezone.now()
        owner = User.objects.create_user("owner@example.com")
        account = make_account(owner, now)
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
        visitor = Visitor(owner)
        print(f"{'what':<40}{'expected':>10}{'measured':>9}")
        print_ratios(visitor, options.repeats)
        print_selects(visitor, "")
        run_low(account, owner, now)
        print_selects(visitor, ", low credits, news")
        print_ratios(visitor, options.repeats)


if __name__ == "__main__":
    main()

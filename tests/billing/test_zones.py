"""Python alone says what the clock of a zone shows: PostgreSQL's own zones are never asked."""

from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command

from billing import ledger
from billing.ledger.audit import rollups_are_sums_of_entries
from billing.models import Account, DailyUsage, Plan
from billing.models.account import validate_time_zone
from billing.plans.subscriptions import subscribe
from billing.zones import is_known, offsets_between, place_names
from tests.audit import LEDGER, breaches
from tests.billing.postings import NOW, call
from tests.factories import AccountFactory

pytestmark = pytest.mark.ledger_alone

FIRST, LAST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2037, 12, 31, tzinfo=UTC)
# Of each zone another one: all of the years of all of the zones would take too long.
SPAN = timedelta(days=4 * 365)
INSTANTS = 10
SECOND = timedelta(seconds=1)


def test_offsets_are_those_before_between_and_after_the_changes() -> None:
    year = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 12, 31, tzinfo=UTC)
    winter, summer = timedelta(hours=1), timedelta(hours=2)
    assert offsets_between(ZoneInfo("CET"), *year) == (
        [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)],
        [winter, summer, winter],
    )
    kolkata = timedelta(hours=5, minutes=30)
    assert offsets_between(ZoneInfo("Asia/Kolkata"), *year) == ([], [kolkata])
    change = datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert offsets_between(ZoneInfo("CET"), change, change) == ([], [summer])


def test_days_are_the_same_added_up_and_summed_again_in_every_zone(db: None) -> None:
    chance = Random(2026)
    names = sorted(place_names())
    accounts = Account.objects.bulk_create(
        Account(name=name, slug=f"zone-{n}", time_zone=name) for n, name in enumerate(names)
    )
    postings = []
    for account in accounts:
        first = FIRST + (LAST - SPAN - FIRST) * chance.random()
        changes, _ = offsets_between(account.zone, first, first + SPAN)
        instants = [first + SPAN * chance.random() for _ in range(INSTANTS)]
        for change in changes:
            instants += [change - SECOND, change]
        postings += [call(account, f"{n}", 1, at=at) for n, at in enumerate(instants)]
    ledger.post(postings=postings, posted_at=NOW)
    assert [str(breach) for breach in rollups_are_sums_of_entries()] == []


def test_days_of_central_european_summer_end_when_its_clocks_say_so(account: Account) -> None:
    Account.objects.update(time_zone="CET")
    at = datetime(2026, 7, 9, 22, 30, tzinfo=UTC)  # 00:30 on the 10th
    ledger.post(postings=[call(account, "summer", 1, at=at)], posted_at=NOW)
    assert breaches(LEDGER) == []
    account.refresh_from_db()
    ledger.rebuild_daily_usage(account=account)
    assert DailyUsage.objects.get().day.isoformat() == "2026-07-10"


@pytest.mark.parametrize("name", ["localtime", "Factory", "Mars/Olympus", "", "../etc/passwd"])
def test_a_name_that_is_no_place_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="is not a time zone"):
        validate_time_zone(name)


@pytest.mark.broken_ledger
@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd", "zone.tab", "America"])
def test_a_zone_that_nobody_knows_is_one_breach_and_others_are_still_proved(
    account: Account, name: str
) -> None:
    lost = AccountFactory(name="Lost", slug="lost")
    ledger.post(postings=[call(lost, "a", 1), call(account, "a", 1)], posted_at=NOW)
    Account.objects.filter(pk=lost.pk).update(time_zone=name)
    (breach,) = breaches(LEDGER)
    assert breach.startswith(f"time zone: account lost: zone “{name}”: is not known here")
    DailyUsage.objects.update(calls=0)
    assert [breach.account for breach in rollups_are_sums_of_entries()] == [account.slug]


@pytest.mark.broken_ledger
def test_a_zone_that_nobody_knows_does_not_end_the_command(account: Account) -> None:
    subscribe(account=account, plan=Plan.objects.get(name="Base"), at=NOW)
    Account.objects.update(time_zone="Mars/Olympus")
    with pytest.raises(CommandError, match="1 breach found"):
        call_command("audit_ledger")


@pytest.mark.skipif(not is_known("localtime"), reason="this machine has no such zone")
def test_a_zone_that_only_python_knows_is_no_breach(account: Account) -> None:
    Account.objects.update(time_zone="localtime")
    account.refresh_from_db()
    ledger.post(postings=[call(account, "a", 1)], posted_at=NOW)
    ledger.rebuild_daily_usage(account=account)
    assert breaches(LEDGER) == []

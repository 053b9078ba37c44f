"""Billing cycles as beat lives through them: on time, twice, late, after weeks; in three zones."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from billing.models import (
    Balance,
    CreditGrant,
    CustomTerms,
    DailyUsage,
    Kind,
    LedgerEntry,
    Plan,
    PlanTerms,
    Subscription,
)
from billing.plans import subscriptions, tasks
from billing.plans.terms import agree_terms, amend_terms, change_terms, withdraw_terms
from tests.clock import local
from tests.factories import AccountFactory
from tests.movements import call, post

pytestmark = pytest.mark.django_db

ZONES = ["Asia/Kolkata", "Europe/London", "America/New_York"]
MOMENT = timedelta(microseconds=1)
DAY = timedelta(days=1)


def company(zone="Asia/Kolkata", plan="Base", *, since):
    """An account in ``zone``, on ``plan`` since that time there."""
    account = AccountFactory(time_zone=zone)
    at = local(since, zone)
    subscriptions.subscribe(account=account, plan=Plan.objects.get(name=plan), at=at)
    return account


def cycles_of(account):
    """When each cycle's credits were granted and expire, on the account's own clock."""
    grants = CreditGrant.objects.filter(account=account, source="plan").order_by("granted_at")
    return [
        (f"{g.granted_at.astimezone(account.zone):%Y-%m-%d %H:%M}", g.expires_at) for g in grants
    ]


def starts(account):
    return [start for start, _ in cycles_of(account)]


def movements(account):
    entries = LedgerEntry.objects.filter(account=account).order_by("seq")
    return [(entry.kind, entry.credits) for entry in entries]


def balance_of(account):
    return Balance.objects.get(account=account).credits


@pytest.mark.parametrize("zone", ZONES)
def test_cycles_from_the_31st_return_to_it_after_shorter_months(zone, clock):
    account = company(zone, since=(2027, 10, 31, 9, 30))
    for _ in range(6):
        clock.at = cycles_of(account)[-1][1]
        tasks.renew_subscriptions()
    assert starts(account) == [
        "2027-10-31 09:30",
        "2027-11-30 09:30",
        "2027-12-31 09:30",
        "2028-01-31 09:30",
        "2028-02-29 09:30",
        "2028-03-31 09:30",
        "2028-04-30 09:30",
    ]
    assert movements(account) == [("plan_credits", 100)] + 6 * [
        ("expiry", -100),
        ("plan_credits", 100),
    ]


@pytest.mark.parametrize("zone", ZONES)
def test_a_cycle_that_began_on_a_leap_day_ends_on_the_29th(zone, clock):
    account = company(zone, since=(2028, 2, 29, 0, 0))
    clock.at = datetime(2028, 3, 29, tzinfo=ZoneInfo(zone))
    tasks.renew_subscriptions()
    assert starts(account) == ["2028-02-29 00:00", "2028-03-29 00:00"]


def due_at(now):
    return subscriptions.due_for_renewal(now=now)


def test_a_plan_that_grants_no_credits_is_never_due(clock):
    company(plan="Enterprise", since=(2026, 1, 31, 0, 0))
    clock.at = datetime(2026, 7, 1, tzinfo=UTC)
    assert due_at(clock.at) == []


def test_a_planned_change_to_a_plan_without_credits_is_due_until_it_has_begun(clock):
    account = company(since=(2026, 1, 31, 0, 0))
    change = local((2026, 2, 10, 0, 0), "Asia/Kolkata")
    enterprise = Plan.objects.get(name="Enterprise")
    subscriptions.subscribe(account=account, plan=enterprise, at=change, now=change - DAY)
    assert due_at(change - MOMENT) == []
    assert due_at(change) == [account.pk]
    clock.at = change
    tasks.renew_subscriptions()
    assert due_at(change + 300 * DAY) == []
    assert movements(account) == [("plan_credits", 100)]


def test_a_cycle_missed_before_a_change_to_a_plan_without_credits_is_granted(clock):
    account = company(since=(2026, 1, 31, 0, 0))
    change = local((2026, 3, 10, 0, 0), "Asia/Kolkata")
    enterprise = Plan.objects.get(name="Enterprise")
    subscriptions.subscribe(
        account=account, plan=enterprise, at=change, now=local((2026, 2, 1, 0, 0), "Asia/Kolkata")
    )
    clock.at = change + DAY
    tasks.renew_subscriptions()
    assert starts(account) == ["2026-01-31 00:00", "2026-02-28 00:00"]
    assert movements(account)[-1] == ("plan_credits", 100)


def test_terms_lowered_to_no_credits_are_looked_at_once_and_not_again(clock):
    account = company(since=(2026, 1, 31, 0, 0))
    lowered = datetime(2026, 2, 10, tzinfo=UTC)
    change_terms(plan=base(), terms=terms(credits=0), effective_from=lowered, now=lowered - DAY)
    assert due_at(lowered - MOMENT) == []
    assert due_at(lowered) == [account.pk]
    clock.at = lowered
    tasks.renew_subscriptions()
    later = datetime(2026, 3, 20, tzinfo=UTC)
    assert due_at(later) == []
    assert subscriptions.renew(account=account, now=later) == 0


def base():
    return Plan.objects.get(name="Base")


def terms(credits, cls=PlanTerms):
    return cls(increment_seconds=60, credits_per_increment=2, credits_per_cycle=credits)


def test_terms_that_are_planned_withdrawn_and_moved_are_looked_at_when_they_would_begin(clock):
    account = company(since=(2026, 1, 31, 0, 0))
    now = datetime(2026, 2, 1, tzinfo=UTC)
    none = change_terms(plan=base(), terms=terms(0), effective_from=now + 20 * DAY, now=now)
    subscriptions.renew(account=account, now=now)  # nothing is to come any more
    assert due_at(now + 300 * DAY) == []
    amend_terms(terms=none, effective_from=now + 50 * DAY, now=now)
    clock.at = now + 40 * DAY
    tasks.renew_subscriptions()
    assert len(starts(account)) == 2
    withdraw_terms(terms=none, now=clock.at)
    clock.at = now + 60 * DAY
    tasks.renew_subscriptions()
    assert len(starts(account)) == 3


def test_own_terms_agreed_for_later_are_looked_at_when_they_begin(clock):
    account = company(plan="Enterprise", since=(2026, 1, 31, 0, 0))
    now = datetime(2026, 2, 1, tzinfo=UTC)
    own = agree_terms(
        subscription=account.subscriptions.get(),
        terms=terms(700, CustomTerms),
        effective_from=now + 5 * DAY,
        now=now,
    )
    assert due_at(now + 5 * DAY - MOMENT) == []
    assert due_at(now + 5 * DAY) == [account.pk]
    withdraw_terms(terms=own, now=now)
    clock.at = now + 6 * DAY
    tasks.renew_subscriptions()
    assert due_at(now + 300 * DAY) == []
    assert starts(account) == []


@pytest.mark.parametrize("accounts", [1, 12])
def test_what_is_due_is_found_by_one_query_among_any_number_of_accounts(
    accounts, django_assert_num_queries
):
    for _ in range(accounts):
        company(since=(2026, 1, 31, 0, 0))
    with django_assert_num_queries(1):
        assert due_at(datetime(2026, 2, 10, tzinfo=UTC)) == []
    with django_assert_num_queries(1):
        assert len(due_at(datetime(2026, 3, 10, tzinfo=UTC))) == accounts


def test_what_is_due_is_found_by_its_index():
    company(since=(2026, 1, 31, 0, 0))
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")  # a table of one row would be read whole
    due = Subscription.objects.filter(due_at__lte=datetime(2026, 3, 10, tzinfo=UTC))
    assert "subscription_due" in due.explain()


@pytest.mark.parametrize("zone", ZONES)
def test_a_cycle_begins_at_its_moment_and_not_one_before(zone, clock):
    account = company(zone, since=(2026, 1, 31, 0, 0))
    boundary = datetime(2026, 2, 28, tzinfo=ZoneInfo(zone))
    clock.at = boundary - MOMENT
    assert due_at(clock.at) == []
    tasks.renew_subscriptions()
    assert len(starts(account)) == 1
    clock.at = boundary
    assert due_at(clock.at) == [account.pk]
    tasks.renew_subscriptions()
    assert starts(account) == ["2026-01-31 00:00", "2026-02-28 00:00"]


@pytest.mark.parametrize(
    ("zone", "since", "expected"),
    [
        # Clocks forward: 01:30 on 29 March is not there, the cycle begins an hour later by the
        # clock, which is the same instant; the next ones are at 01:30 again.
        (
            "Europe/London",
            (2026, 1, 29, 1, 30),
            ["2026-02-28T01:30", "2026-03-29T01:30", "2026-04-29T00:30"],
        ),
        # Clocks back: 01:30 on 25 October is there twice, the first one counts.
        (
            "Europe/London",
            (2026, 8, 25, 1, 30),
            ["2026-09-25T00:30", "2026-10-25T00:30", "2026-11-25T01:30"],
        ),
        (
            "America/New_York",
            (2026, 1, 8, 2, 30),
            ["2026-02-08T07:30", "2026-03-08T07:30", "2026-04-08T06:30"],
        ),
        (
            "America/New_York",
            (2026, 9, 1, 1, 30),
            ["2026-10-01T05:30", "2026-11-01T05:30", "2026-12-01T06:30"],
        ),
        # No change of clocks.
        (
            "Asia/Kolkata",
            (2026, 2, 28, 2, 0),
            ["2026-03-27T20:30", "2026-04-27T20:30", "2026-05-27T20:30"],
        ),
    ],
)
def test_cycles_keep_their_time_of_day_across_a_change_of_clocks(zone, since, expected, clock):
    account = company(zone, since=since)
    clock.at = datetime.fromisoformat(expected[-1]).replace(tzinfo=UTC)
    tasks.renew_subscriptions()
    granted = CreditGrant.objects.filter(account=account).order_by("granted_at")[1:]
    assert [f"{grant.granted_at:%Y-%m-%dT%H:%M}" for grant in granted] == expected


@pytest.mark.parametrize("zone", ZONES)
def test_the_credits_of_a_cycle_are_added_on_the_accounts_own_day(zone, clock):
    account = company(zone, since=(2026, 2, 1, 0, 0))
    clock.at = datetime(2026, 3, 1, tzinfo=ZoneInfo(zone))
    tasks.renew_subscriptions()
    days = DailyUsage.objects.filter(account=account, kind=Kind.PLAN_CREDITS).order_by("day")
    assert [f"{each.day} {each.credits_added}" for each in days] == [
        "2026-02-01 100",
        "2026-03-01 100",
    ]


def test_beat_running_twice_renews_once(clock):
    account = company(since=(2026, 2, 1, 0, 0))
    clock.at = datetime(2026, 3, 1, tzinfo=UTC)
    for _ in range(3):
        tasks.renew_subscriptions()
        tasks.expire_credits()
    assert movements(account) == [("plan_credits", 100), ("expiry", -100), ("plan_credits", 100)]


def test_a_renewal_ten_days_late_is_of_its_own_time(clock):
    account = company(since=(2026, 2, 1, 0, 0))
    clock.at = datetime(2026, 3, 11, tzinfo=UTC)
    tasks.renew_subscriptions()
    latest = LedgerEntry.objects.filter(account=account).latest("seq")
    assert latest.occurred_at == datetime(2026, 2, 28, 18, 30, tzinfo=UTC)
    assert latest.posted_at == clock.at
    assert starts(account)[-1] == "2026-03-01 00:00"
    assert cycles_of(account)[-1][1] == datetime(2026, 3, 31, 18, 30, tzinfo=UTC)


def test_three_cycles_missed_are_each_granted_and_expired_in_order(clock):
    account = company(since=(2026, 1, 31, 0, 0))
    during = datetime(2026, 2, 2, tzinfo=UTC)
    post(call(account, "a", 30, at=during), at=during)
    clock.at = datetime(2026, 5, 2, tzinfo=UTC)
    tasks.renew_subscriptions()
    assert movements(account) == [
        ("plan_credits", 100),
        ("call", -30),
        ("expiry", -70),
        ("plan_credits", 100),
        ("expiry", -100),
        ("plan_credits", 100),
        ("expiry", -100),
        ("plan_credits", 100),
    ]
    assert balance_of(account) == 100


def test_whichever_task_comes_first_the_credits_of_a_new_cycle_come_with_the_end_of_the_old(clock):
    account = company(since=(2026, 2, 1, 0, 0))
    clock.at = datetime(2026, 3, 1, tzinfo=UTC)
    tasks.expire_credits()
    assert movements(account) == [("plan_credits", 100), ("expiry", -100), ("plan_credits", 100)]


def test_a_call_between_the_end_of_a_cycle_and_its_renewal_is_paid_by_the_new_credits(clock):
    account = company(since=(2026, 2, 1, 0, 0))
    clock.at = datetime(2026, 3, 1, tzinfo=UTC)
    post(call(account, "a", 10, at=clock.at), at=clock.at)
    assert balance_of(account) == 90
    tasks.renew_subscriptions()
    assert balance_of(account) == 90


def test_a_plan_without_credits_is_looked_at_and_grants_nothing(clock):
    account = company(plan="Enterprise", since=(2026, 2, 1, 0, 0))
    clock.at = datetime(2026, 6, 1, tzinfo=UTC)
    tasks.renew_subscriptions()
    assert movements(account) == []


def test_a_planned_change_of_plan_begins_its_cycle_when_its_time_comes(clock):
    account = company(since=(2026, 2, 1, 0, 0))
    change = datetime(2026, 2, 15, tzinfo=UTC)
    subscriptions.subscribe(
        account=account,
        plan=Plan.objects.get(name="Professional"),
        at=change,
        now=datetime(2026, 2, 2, tzinfo=UTC),
    )
    clock.at = change - MOMENT
    tasks.renew_subscriptions()
    assert balance_of(account) == 100
    clock.at = change
    tasks.renew_subscriptions()
    assert balance_of(account) == 1_600


def test_a_cycle_that_was_missed_before_a_change_of_plan_has_its_own_end():
    account = company(since=(2026, 2, 1, 0, 0))
    change = datetime(2026, 3, 15, tzinfo=UTC)
    subscriptions.subscribe(account=account, plan=Plan.objects.get(name="Professional"), at=change)
    assert movements(account) == [
        ("plan_credits", 100),
        ("expiry", -100),
        ("plan_credits", 100),
        ("plan_credits", 1_500),
    ]


def test_an_account_that_can_not_be_renewed_does_not_stop_the_others(clock, caplog):
    broken, account = (company(since=(2026, 2, 1, 0, 0)) for _ in range(2))
    type(broken).objects.filter(pk=broken.pk).update(time_zone="Nowhere/AtAll")
    clock.at = datetime(2026, 3, 2, tzinfo=UTC)
    tasks.renew_subscriptions()
    assert len(starts(account)) == 2
    assert f"Account {broken.slug} was left out" in caplog.text
    type(broken).objects.filter(pk=broken.pk).update(time_zone="Asia/Kolkata")


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_renew_once(default_plans):
    account = company(since=(2026, 2, 1, 0, 0))
    barrier = Barrier(4)

    def renew(_number):
        try:
            barrier.wait()
            return subscriptions.renew(account=account, now=datetime(2026, 5, 2, tzinfo=UTC))
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        granted = list(pool.map(renew, range(4)))
    assert sum(granted) == 3
    assert balance_of(account) == 100

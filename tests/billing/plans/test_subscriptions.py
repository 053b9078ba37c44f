"""Plans over time: which tariff holds when, and the plan credits of each cycle."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event

import pytest
from django.db import connection, transaction

from billing import ledger
from billing.accounts.opening import change_time_zone
from billing.models import Balance, CustomTerms, Kind, LedgerEntry, Plan, PlanTerms
from billing.plans import cycles, granting, subscriptions, tariffs
from billing.plans.rating import Tariff
from billing.plans.terms import agree_terms
from tests.billing.waiting import WAIT_SECONDS, until_somebody_waits_for_a_lock
from tests.movements import call, correction, post

pytestmark = pytest.mark.django_db

START = datetime(2026, 1, 31, 4, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def plan(name):
    return Plan.objects.get(name=name)


def movements(account, kind):
    return list(
        LedgerEntry.objects.filter(account=account, kind=kind)
        .order_by("seq")
        .values_list("credits", "occurred_at")
    )


def balance_of(account):
    return Balance.objects.get(account=account).credits


@pytest.mark.parametrize(
    ("name", "credits", "increment", "per_increment", "prices", "concurrent"),
    [
        ("Base", 100, 60, 2, {"INR": 199_900}, 1),
        ("Professional", 1_500, 30, 1, {"INR": 999_900}, 4),
        ("Enterprise", None, 30, 1, {}, None),
    ],
)
def test_a_new_installation_has_the_three_plans(
    name, credits, increment, per_increment, prices, concurrent
):
    terms = plan(name).terms.get()
    assert terms.credits_per_cycle == credits
    assert terms.tariff == Tariff(increment, per_increment)
    assert (terms.prices, terms.concurrent_calls) == (prices, concurrent)


def test_subscribing_grants_the_credits_of_the_first_cycle(account):
    subscriptions.subscribe(account=account, plan=plan("Base"), at=START)
    assert balance_of(account) == 100


def test_the_plan_in_force_at_an_instant_decides_the_tariff(account):
    subscriptions.subscribe(account=account, plan=plan("Base"), at=START)
    subscriptions.subscribe(account=account, plan=plan("Professional"), at=START + 10 * DAY)
    book = tariffs.TariffBook([account.pk])
    moment = timedelta(microseconds=1)
    change = START + 10 * DAY
    assert book.at(account.pk, change - moment).terms.tariff == Tariff(60, 2)
    assert book.at(account.pk, change).terms.tariff == Tariff(30, 1)


def test_new_terms_of_a_plan_hold_from_their_date(account):
    subscriptions.subscribe(account=account, plan=plan("Base"), at=START)
    PlanTerms.objects.create(
        plan=plan("Base"),
        effective_from=START + 5 * DAY,
        increment_seconds=15,
        credits_per_increment=3,
    )
    book = tariffs.TariffBook([account.pk])
    assert book.at(account.pk, START + 4 * DAY).terms.tariff == Tariff(60, 2)
    assert book.at(account.pk, START + 5 * DAY).terms.tariff == Tariff(15, 3)


def test_custom_terms_come_before_the_plans_own_and_end_with_the_subscription(account):
    subscriptions.subscribe(
        account=account,
        plan=plan("Enterprise"),
        at=START,
        custom_terms=CustomTerms(
            increment_seconds=6, credits_per_increment=1, credits_per_cycle=5_000
        ),
    )
    subscriptions.subscribe(account=account, plan=plan("Base"), at=START + 10 * DAY)
    book = tariffs.TariffBook([account.pk])
    assert book.at(account.pk, START).terms.tariff == Tariff(6, 1)
    assert book.at(account.pk, START + 10 * DAY).terms.tariff == Tariff(60, 2)
    assert movements(account, Kind.PLAN_CREDITS)[0] == (5_000, START)


def test_before_its_first_plan_an_account_is_rated_by_that_plan(account):
    subscriptions.subscribe(account=account, plan=plan("Base"), at=START)
    past = datetime(1999, 1, 1, tzinfo=UTC)
    assert tariffs.agreement_at(account=account, at=past).terms.tariff == Tariff(60, 2)


def test_an_account_that_never_had_a_plan_has_no_tariff(account):
    with pytest.raises(tariffs.NoTariffError, match="no plan"):
        tariffs.agreement_at(account=account, at=START)


def test_at_the_end_of_a_cycle_unused_plan_credits_expire_and_new_ones_come(account):
    subscriptions.subscribe(account=account, plan=plan("Base"), at=START)
    post(call(account, "a", 30, at=START + DAY), at=START + DAY)
    end = datetime(2026, 2, 28, 4, 0, tzinfo=UTC)
    assert subscriptions.renew(account=account, now=end) == 1
    assert movements(account, Kind.EXPIRY) == [(-70, end)]
    assert movements(account, Kind.PLAN_CREDITS) == [(100, START), (100, end)]
    assert balance_of(account) == 100


def test_renewing_twice_changes_nothing(account):
    subscriptions.subscribe(account=account, plan=plan("Base"), at=START)
    later = START + 40 * DAY
    assert subscriptions.renew(account=account, now=later) == 1
    assert subscriptions.renew(account=account, now=later) == 0
    assert balance_of(account) == 100


def test_cycles_missed_are_each_granted_and_expired_once(account):
    subscriptions.subscribe(account=account, plan=plan("Base"), at=START)
    assert subscriptions.renew(account=account, now=datetime(2026, 5, 2, tzinfo=UTC)) == 3
    boundaries = [
        datetime(2026, 2, 28, 4, tzinfo=UTC),
        datetime(2026, 3, 31, 4, tzinfo=UTC),
        datetime(2026, 4, 30, 4, tzinfo=UTC),
    ]
    assert movements(account, Kind.PLAN_CREDITS) == [
        (100, START),
        *[(100, boundary) for boundary in boundaries],
    ]
    assert movements(account, Kind.EXPIRY) == [(-100, boundary) for boundary in boundaries]
    assert balance_of(account) == 100


def test_a_call_made_while_renewal_was_down_is_paid_by_the_missed_cycle(account):
    subscriptions.subscribe(account=account, plan=plan("Base"), at=START)
    during = datetime(2026, 3, 5, tzinfo=UTC)
    post(call(account, "a", 150, at=during), at=during)
    assert subscriptions.renew(account=account, now=datetime(2026, 3, 6, tzinfo=UTC)) == 0
    assert balance_of(account) == -50


def test_changing_the_plan_starts_a_cycle_beside_the_credits_that_are_left(account):
    subscriptions.subscribe(account=account, plan=plan("Base"), at=START)
    change = START + 10 * DAY
    subscriptions.subscribe(account=account, plan=plan("Professional"), at=change)
    assert balance_of(account) == 1_600
    assert movements(account, Kind.EXPIRY) == []
    cycle = granting.current_cycle(account=account, at=change + DAY)
    assert cycle is not None
    assert (cycle.number, cycle.starts_at) == (0, change)
    end = datetime(2026, 2, 28, 4, tzinfo=UTC)
    subscriptions.renew(account=account, now=end)
    assert movements(account, Kind.EXPIRY) == [(-100, end)]


def test_a_change_before_the_latest_one_is_refused(account):
    subscriptions.subscribe(account=account, plan=plan("Base"), at=START)
    with pytest.raises(subscriptions.SubscriptionError, match="rewrite its history"):
        subscriptions.subscribe(account=account, plan=plan("Professional"), at=START - DAY)


def test_a_change_before_a_cycle_that_has_granted_its_credits_is_refused(account):
    subscriptions.subscribe(account=account, plan=plan("Base"), at=START)
    later = START + 45 * DAY
    subscriptions.renew(account=account, now=later)
    with pytest.raises(subscriptions.SubscriptionError, match="rewrite history"):
        subscriptions.subscribe(
            account=account, plan=plan("Professional"), at=START + DAY, now=later
        )


def test_a_planned_change_that_has_begun_by_a_clock_ahead_can_not_be_cancelled(account):
    subscriptions.subscribe(account=account, plan=plan("Base"), at=START)
    change = START + 10 * DAY
    planned = subscriptions.subscribe(
        account=account, plan=plan("Professional"), at=change, now=START
    )
    subscriptions.renew(account=account, now=change)
    with pytest.raises(subscriptions.SubscriptionError, match="change its plan instead"):
        subscriptions.cancel_planned_change(subscription=planned, now=change - DAY)


@pytest.mark.django_db(transaction=True)
def test_cancelling_a_change_waits_for_who_begins_it_at_the_same_time(account, default_plans):
    subscriptions.subscribe(account=account, plan=plan("Base"), at=START)
    change = START + 10 * DAY
    planned = subscriptions.subscribe(
        account=account, plan=plan("Professional"), at=change, now=START
    )
    begun = Event()

    def begin():
        with transaction.atomic():
            subscriptions.renew(account=account, now=change)
            begun.set()
            until_somebody_waits_for_a_lock()
        connection.close()

    def cancel():
        assert begun.wait(WAIT_SECONDS)
        try:
            subscriptions.cancel_planned_change(subscription=planned, now=change - DAY)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        begins, cancels = pool.submit(begin), pool.submit(cancel)
        begins.result()
        with pytest.raises(subscriptions.SubscriptionError, match="change its plan instead"):
            cancels.result()
    assert balance_of(account) == 1_600


@pytest.mark.parametrize("used", [99, 100])
def test_what_a_correction_gives_back_after_a_change_of_plan_stays(account, used):
    subscriptions.subscribe(account=account, plan=plan("Base"), at=START)
    post(call(account, "a", used, at=START), at=START + DAY)
    change = START + 5 * DAY
    subscriptions.subscribe(account=account, plan=plan("Professional"), at=change)
    post(correction(account, "a", -60), at=change + DAY)
    ledger.expire(account_ids=[account.pk], at=change + 2 * DAY)
    assert balance_of(account) == 1_560


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/New_York", "Pacific/Apia"])
def test_cycles_keep_to_their_clock_when_the_account_moves(account, zone):
    at = datetime(2026, 2, 28, 20, tzinfo=UTC)
    change_time_zone(account=account, time_zone="UTC")
    subscriptions.subscribe(account=account, plan=plan("Professional"), at=at)
    subscriptions.renew(account=account, now=datetime(2026, 4, 10, tzinfo=UTC))
    change_time_zone(account=account, time_zone=zone)
    subscriptions.renew(account=account, now=datetime(2026, 6, 1, tzinfo=UTC))
    assert [occurred_at for _, occurred_at in movements(account, Kind.PLAN_CREDITS)] == [
        datetime(2026, month, 28, 20, tzinfo=UTC) for month in (2, 3, 4, 5)
    ]
    assert balance_of(account) == 1_500


def test_a_custom_plan_whose_terms_come_later_grants_once_they_are_there(account):
    subscription = subscriptions.subscribe(account=account, plan=plan("Enterprise"), at=START)
    assert subscriptions.renew(account=account, now=START + DAY) == 0
    CustomTerms.objects.create(
        subscription=subscription,
        effective_from=START + DAY,
        increment_seconds=6,
        credits_per_increment=1,
        credits_per_cycle=9_000,
    )
    assert subscriptions.renew(account=account, now=START + 2 * DAY) == 1
    assert balance_of(account) == 9_000


def test_changing_the_plan_to_and_fro_never_adds_up_its_credits(account):
    subscriptions.subscribe(account=account, plan=plan("Base"), at=START)
    for hours, name in enumerate(("Professional", "Base", "Professional", "Base"), start=1):
        at = START + timedelta(hours=hours)
        subscriptions.subscribe(account=account, plan=plan(name), at=at)
    assert movements(account, Kind.PLAN_CREDITS) == [
        (100, START),
        (1_500, START + timedelta(hours=1)),
    ]
    subscriptions.renew(account=account, now=START + 27 * DAY)
    assert balance_of(account) == 1_600


@pytest.mark.parametrize(
    ("back_on", "granted"),
    [
        # By the account's calendar, in Kolkata: Base granted on 10 January at 09:30 there.
        (datetime(2026, 2, 10, 3, 59, 59, tzinfo=UTC), 0),
        (datetime(2026, 2, 10, 4, tzinfo=UTC), 100),
        (datetime(2026, 2, 28, 4, tzinfo=UTC), 100),
    ],
)
def test_going_back_to_a_plan_grants_its_credits_where_none_came_for_a_month(
    account, back_on, granted
):
    subscriptions.subscribe(
        account=account, plan=plan("Base"), at=datetime(2026, 1, 10, 4, tzinfo=UTC)
    )
    subscriptions.subscribe(
        account=account, plan=plan("Professional"), at=datetime(2026, 1, 20, 4, tzinfo=UTC)
    )
    subscriptions.subscribe(account=account, plan=plan("Base"), at=back_on)
    of_base = [credits for credits, _ in movements(account, Kind.PLAN_CREDITS) if credits == 100]
    assert sum(of_base) == 100 + granted
    next_cycle = cycles.add_months(back_on, 1, account.zone)
    assert subscriptions.renew(account=account, now=next_cycle) == 1


def test_terms_agreed_after_going_back_to_a_plan_grant_with_its_next_cycle(account):
    own = {"increment_seconds": 6, "credits_per_increment": 1, "credits_per_cycle": 700}
    subscriptions.subscribe(
        account=account, plan=plan("Enterprise"), at=START, custom_terms=CustomTerms(**own)
    )
    subscriptions.subscribe(account=account, plan=plan("Base"), at=START + DAY)
    back = subscriptions.subscribe(account=account, plan=plan("Enterprise"), at=START + 2 * DAY)
    agree_terms(
        subscription=back,
        terms=CustomTerms(**own),
        effective_from=START + 3 * DAY,
        now=START + 3 * DAY,
    )
    assert balance_of(account) == 800
    end = back.cycle_at(back.effective_from).ends_at
    subscriptions.renew(account=account, now=end)
    assert movements(account, Kind.PLAN_CREDITS)[-1] == (700, end)


def test_going_back_within_a_month_of_credits_that_terms_gave_late_grants_nothing(account):
    first = subscriptions.subscribe(account=account, plan=plan("Enterprise"), at=START)
    agreed_at = START + 20 * DAY
    own = {"increment_seconds": 6, "credits_per_increment": 1, "credits_per_cycle": 700}
    agree_terms(
        subscription=first,
        terms=CustomTerms(**own),
        effective_from=agreed_at,
        now=agreed_at,
    )
    subscriptions.subscribe(account=account, plan=plan("Base"), at=agreed_at + DAY)
    subscriptions.subscribe(
        account=account,
        plan=plan("Enterprise"),
        at=agreed_at + 12 * DAY,
        custom_terms=CustomTerms(**own),
    )
    assert [credits for credits, _ in movements(account, Kind.PLAN_CREDITS)] == [700, 100]


def test_a_planned_change_leaves_the_credits_before_it_their_time(account):
    subscriptions.subscribe(account=account, plan=plan("Base"), at=START)
    change = START + 10 * DAY
    subscriptions.subscribe(account=account, plan=plan("Professional"), at=change, now=START + DAY)
    assert balance_of(account) == 100
    subscriptions.renew(account=account, now=change + DAY)
    assert balance_of(account) == 1_600
    assert movements(account, Kind.EXPIRY) == []


def test_terms_that_gave_credits_for_a_while_grant_them_however_late_renewing_is(account):
    subscription = subscriptions.subscribe(account=account, plan=plan("Enterprise"), at=START)
    for days, credits in ((2, 9_000), (4, 0)):
        CustomTerms.objects.create(
            subscription=subscription,
            effective_from=START + days * DAY,
            increment_seconds=6,
            credits_per_increment=1,
            credits_per_cycle=credits,
        )
    subscriptions.renew(account=account, now=START + 6 * DAY)
    assert balance_of(account) == 9_000

"""Calls from before the first subscription are history: shown, told what they would cost, free."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from billing.accounts.opening import open_account
from billing.models import Account, CustomTerms, LedgerEntry, Plan
from billing.notices import warnings
from billing.plans.subscriptions import SubscriptionError, cancel_planned_change, subscribe
from calls.charging import Result, record_calls
from calls.models import Call
from calls.usage import words
from calls.usage.entries import Entry
from calls.usage.log import log_rows
from tests.calls.calling import record, record_one
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

OPENED = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOW = OPENED + 2 * HOUR


def opened(starts_at=None, plan="Enterprise", **terms):
    """An account, opened on ``plan`` with terms of its own if any are given."""
    return open_account(
        account=Account(name="Acme", slug="acme", time_zone="UTC", currency="INR"),
        plan=Plan.objects.get(name=plan),
        owner=UserFactory(),
        now=OPENED,
        starts_at=starts_at,
        custom_terms=CustomTerms(**terms) if terms else None,
    )


def three_calls(account, starts=(OPENED - 2 * HOUR, OPENED - 30 * DAY, OPENED + HOUR)):
    return [
        record(account, f"c{number}", seconds=20, started_at=at)
        for number, at in enumerate(starts, start=1)
    ]


def charged():
    calls = Call.objects.order_by("call_id")
    return list(calls.values_list("credits", "is_history"))


@pytest.mark.parametrize(
    ("starts_at", "expected"),
    [
        (None, [(0, True), (0, True), (4, False)]),
        (OPENED - 31 * DAY, [(4, False), (4, False), (4, False)]),
        (OPENED - DAY, [(4, False), (0, True), (4, False)]),
    ],
)
def test_own_terms_count_from_the_beginning_of_their_subscription(starts_at, expected):
    account = opened(starts_at, increment_seconds=6, credits_per_increment=1)
    outcomes = record_calls(records=three_calls(account), now=NOW)
    assert [outcome.result for outcome in outcomes] == [Result.CREATED] * 3
    assert charged() == expected
    assert [outcome.credits for outcome in outcomes] == [credits for credits, _ in expected]


def test_history_is_told_with_the_tariff_that_the_first_subscription_began_with():
    account = opened(increment_seconds=6, credits_per_increment=1)
    record_one(record(account, seconds=65, started_at=OPENED - HOUR), now=NOW)
    call = Call.objects.get()
    assert (call.plan_name, call.increment_seconds, call.increments) == ("Enterprise", 6, 11)
    assert words.in_full(call, zone=UTC) == (
        "65 s, before your subscription began, not charged. "
        "It would have been 11 × 6 s at 1 credit = 11 credits, plan Enterprise."
    )
    entry = LedgerEntry.objects.get(call_id=call.call_id)
    assert (entry.credits, entry.balance_after) == (0, 0)
    (shown,) = log_rows(
        account=account, entries=Entry.read(LedgerEntry.objects.filter(pk=entry.pk))
    )
    assert shown.words.endswith("before your subscription began, not charged")


def test_years_of_history_are_no_debt():
    account = opened(plan="Base")
    record_calls(records=three_calls(account, [OPENED - n * 30 * DAY for n in (1, 6, 11)]), now=NOW)
    assert account.balance.credits == 100
    assert Call.objects.filter(is_history=True).count() == 3
    assert warnings.watch(account=account, now=NOW) == []


def test_an_unanswered_call_is_said_to_be_what_it_is():
    account = opened(plan="Base")
    record_one(
        record(account, status="busy", connected_at=None, started_at=OPENED - HOUR),
        now=NOW,
    )
    assert words.in_full(Call.objects.get(), zone=UTC).startswith(
        "Busy: the call was never connected"
    )


@pytest.mark.parametrize(
    ("first", "then", "expected"),
    [
        (OPENED - HOUR, OPENED + HOUR, [0, -4]),  # charged
        (OPENED + HOUR, OPENED - HOUR, [-4, 4]),  # freed
        (OPENED - HOUR, OPENED - 2 * HOUR, [0, 0]),
    ],
)
def test_a_correction_that_moves_a_call_across_the_beginning_charges_or_frees_it(
    first, then, expected
):
    account = opened(increment_seconds=6, credits_per_increment=1)
    for at in (first, then):
        record_one(record(account, seconds=20, started_at=at), now=NOW)
    entries = LedgerEntry.objects.filter(account=account).order_by("seq")
    assert [entry.credits for entry in entries] == expected
    assert charged() == [(-sum(expected), then < OPENED)]


def test_a_correction_of_history_costs_nothing_however_long_the_call_becomes():
    account = opened(increment_seconds=6, credits_per_increment=1)
    for seconds in (20, 3_600):
        record_one(record(account, seconds=seconds, started_at=OPENED - 2 * HOUR), now=NOW)
    assert charged() == [(0, True)]
    assert Call.objects.get().increments == 600


def test_own_terms_agreed_later_count_from_their_date_and_between_the_plans_do(professional):
    subscription = professional.subscriptions.get()
    CustomTerms.objects.create(
        subscription=subscription,
        effective_from=OPENED,
        increment_seconds=6,
        credits_per_increment=1,
    )
    begins_at = subscription.effective_from
    record_calls(
        records=three_calls(professional, [begins_at - HOUR, begins_at + HOUR, OPENED + HOUR]),
        now=NOW,
    )
    assert charged() == [(0, True), (1, False), (4, False)]


def test_an_account_whose_first_plan_is_planned_takes_history(account, default_plans):
    base = Plan.objects.get(name="Base")
    planned = subscribe(account=account, plan=base, at=OPENED + DAY, now=OPENED)
    record_one(record(account, started_at=OPENED), now=NOW)
    assert charged() == [(0, True)]
    cancel_planned_change(subscription=planned, now=NOW)
    with pytest.raises(SubscriptionError, match="a beginning before them would rewrite history"):
        subscribe(account=account, plan=base, at=OPENED - HOUR, now=NOW)


def test_a_charge_that_is_neither_of_history_nor_right_can_not_be_stored(professional):
    record_one(record(professional, started_at=OPENED), now=NOW)
    for wrong in ({"credits": 0}, {"is_history": True}):
        with pytest.raises(IntegrityError, match="call_charge_adds_up"), transaction.atomic():
            Call.objects.update(**wrong)

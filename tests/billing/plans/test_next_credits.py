"""What is said to be granted next is what renewing grants, whatever is decided meanwhile."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from billing.models import CustomTerms, Kind, LedgerEntry, Plan, PlanTerms
from billing.plans.granting import next_credits
from billing.plans.subscriptions import (
    SubscriptionError,
    cancel_planned_change,
    renew,
    subscribe,
)
from billing.plans.tariffs import TariffBook
from billing.plans.terms import TermsError, agree_terms, change_terms
from tests.factories import AccountFactory
from tests.properties import examples

START = datetime(2026, 1, 31, 4, tzinfo=UTC)
DAY = timedelta(days=1)
MOMENT = timedelta(microseconds=1)


def foreseen(account, now):
    """What comes next, as (days after START, credits)."""
    found = next_credits(book=TariffBook([account.pk]), account_id=account.pk, now=now)
    return None if found is None else ((found.at - START) / DAY, found.credits)


def granted(account):
    entries = LedgerEntry.objects.filter(account=account, kind=Kind.PLAN_CREDITS).order_by("seq")
    return list(entries.values_list("credits", flat=True))


def assert_renewing_grants_what_is_foreseen(account, now):
    found = next_credits(book=TariffBook([account.pk]), account_id=account.pk, now=now)
    renew(account=account, now=now)  # what is due by now counts as granted
    before = granted(account)
    with transaction.atomic():
        if found is None:
            renew(account=account, now=now + 300 * DAY)
            assert granted(account) == before
        else:
            assert found.at > now
            renew(account=account, now=found.at - MOMENT)
            assert granted(account) == before
            renew(account=account, now=found.at)
            assert granted(account) == [*before, found.credits]
        transaction.set_rollback(True)


def do(account, what, name, at, credits, now):
    """Decide something ``at`` a time; nothing where that can't be."""
    numbers = {
        "increment_seconds": 30,
        "credits_per_increment": 1,
        "credits_per_cycle": credits,
    }
    plan = Plan.objects.get(name=name)
    latest = account.subscriptions.first()
    try:
        if what == "plan":
            custom = CustomTerms(**numbers) if credits else None
            subscribe(account=account, plan=plan, at=at, now=now, custom_terms=custom)
        elif what == "terms":
            change_terms(plan=plan, terms=PlanTerms(**numbers), effective_from=at, now=now)
        elif latest is not None and what == "custom":
            custom = CustomTerms(**numbers)
            agree_terms(subscription=latest, terms=custom, effective_from=at, now=now)
        elif latest is not None:
            cancel_planned_change(subscription=latest, now=now)
    except (SubscriptionError, TermsError):
        return


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("decided", "expected"),
    [
        # what, plan, days after START, credits; then (days after START, credits)
        ([], (28, 1_500)),
        ([("plan", "Base", 5, None)], (5, 100)),
        ([("plan", "Base", 28, None)], (28, 100)),
        ([("plan", "Base", 40, None)], (28, 1_500)),
        ([("plan", "Enterprise", 5, None)], None),
        ([("plan", "Enterprise", 5, 9_000)], (5, 9_000)),
        ([("plan", "Enterprise", 5, None), ("plan", "Base", 70, None)], (70, 100)),
        ([("plan", "Enterprise", 5, None), ("custom", "", 12, 700)], (12, 700)),
        ([("plan", "Enterprise", 5, None), ("terms", "Enterprise", 200, 40)], (200, 40)),
        ([("terms", "Professional", 2, 1_000)], (28, 1_000)),
        ([("terms", "Professional", 28, 1_000)], (28, 1_000)),
        ([("terms", "Professional", 29, 1_000)], (28, 1_500)),
        ([("terms", "Professional", 2, 0)], None),
        ([("terms", "Professional", 2, 0), ("terms", "Professional", 31, 300)], (31, 300)),
        ([("custom", "", 2, 2_000)], (28, 2_000)),
        ([("plan", "Base", 5, None), ("cancel", "Base", 0, None)], (28, 1_500)),
    ],
)
def test_what_is_granted_next_follows_what_is_decided(account, decided, expected):
    subscribe(account=account, plan=Plan.objects.get(name="Professional"), at=START)
    now = START + DAY
    for what, name, days, credits in decided:
        do(account, what, name or "Base", START + days * DAY, credits, now)
    assert foreseen(account, now) == expected
    assert_renewing_grants_what_is_foreseen(account, now)


@pytest.mark.django_db
def test_the_first_plan_grants_when_it_begins(account):
    base = Plan.objects.get(name="Base")
    assert foreseen(account, START) is None
    subscribe(account=account, plan=base, at=START + 3 * DAY, now=START)
    assert foreseen(account, START) == (3, 100)
    assert_renewing_grants_what_is_foreseen(account, START)


names = st.sampled_from(["Base", "Professional", "Enterprise"])
amounts = st.sampled_from([None, 0, 7, 500])
decisions = st.lists(
    st.tuples(
        st.sampled_from(["plan", "plan", "terms", "custom", "cancel"]),
        names,
        st.integers(0, 70),  # days from then
        amounts,
        st.integers(0, 20),  # days until the next decision
    ),
    max_size=7,
)


class RenewingGrantsWhatIsForeseen(TestCase):
    """After every decision of any history."""

    @given(first=names, history=decisions)
    @examples(15)
    def test_random_history(self, first, history):
        account = AccountFactory()
        subscribe(account=account, plan=Plan.objects.get(name=first), at=START)
        now = START
        for what, name, days, credits, pause in history:
            do(account, what, name, now + days * DAY, credits, now)
            assert_renewing_grants_what_is_foreseen(account, now)
            now += pause * DAY + timedelta(hours=5)
            assert_renewing_grants_what_is_foreseen(account, now)

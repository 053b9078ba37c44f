"""A planned change of plan: it moves no end, and can be cancelled until it begins."""

from datetime import UTC, datetime, timedelta

import pytest

from billing.models import (
    CreditGrant,
    CustomTerms,
    Kind,
    LedgerEntry,
    Notice,
    Plan,
    Subscription,
)
from billing.notices import warnings
from billing.plans import movements, subscriptions
from billing.plans.subscriptions import SubscriptionError, cancel_planned_change, renew
from billing.plans.terms import TermsError, agree_terms, withdraw_terms
from tests.movements import call, post

pytestmark = pytest.mark.django_db

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def march(day, hour=0):
    """A time in March 2026, on whose 1st the account was put on Professional."""
    return datetime(2026, 3, 1, hour, tzinfo=UTC) + (day - 1) * DAY


APRIL = datetime(2026, 4, 1, tzinfo=UTC)


@pytest.fixture
def account(account, owner):
    """On Professional since 1 March 2026, in UTC."""
    type(account).objects.filter(pk=account.pk).update(time_zone="UTC")
    account.refresh_from_db()
    plan = Plan.objects.get(name="Professional")
    subscriptions.subscribe(account=account, plan=plan, at=march(1))
    return account


def plan_change(account, to="Base", *, at, now):
    return subscriptions.subscribe(account=account, plan=Plan.objects.get(name=to), at=at, now=now)


def ends(account):
    """When the credits of each cycle end."""
    grants = CreditGrant.objects.filter(account=account, source="plan").order_by("granted_at")
    return [grant.expires_at for grant in grants]


def look_hourly(start, end):
    """Look for what expires every hour; return when it was noticed, and which end was told."""
    told = []
    for hours in range((end - start) // HOUR):
        now = start + hours * HOUR
        for notice_id in warnings.notice_expiring(now=now):
            notice = Notice.objects.get(pk=notice_id)
            told.append((now, datetime.fromisoformat(notice.context["expires_at"])))
    return told


def test_a_planned_change_moves_no_end(account):
    plan_change(account, at=march(20), now=march(5))
    assert ends(account) == [APRIL]
    renew(account=account, now=march(20))
    assert ends(account) == [APRIL, march(20) + 31 * DAY]
    renew(account=account, now=APRIL)
    expiry = LedgerEntry.objects.get(account=account, kind=Kind.EXPIRY)
    assert (expiry.credits, expiry.occurred_at) == (-1_500, APRIL)


def test_a_change_in_a_later_cycle_leaves_the_credits_of_that_cycle_to_its_end(account):
    plan_change(account, at=APRIL + 5 * DAY, now=march(5))
    renew(account=account, now=APRIL)
    assert ends(account) == [APRIL, APRIL + 30 * DAY]


def test_a_change_at_the_end_of_the_cycle_begins_when_its_credits_expire(account):
    plan_change(account, at=APRIL, now=march(5))
    renew(account=account, now=APRIL)
    assert ends(account) == [APRIL, APRIL + 30 * DAY]


def test_cycles_missed_with_a_change_planned_end_each_at_its_own_time(account):
    plan_change(account, at=APRIL + 35 * DAY, now=march(5))
    renew(account=account, now=APRIL + 36 * DAY)
    assert ends(account) == [APRIL, APRIL + 30 * DAY, APRIL + 61 * DAY, APRIL + 66 * DAY]


def test_a_change_that_is_cancelled_grants_nothing(account):
    planned = plan_change(account, at=march(20), now=march(5))
    cancel_planned_change(subscription=planned, now=march(6))
    renew(account=account, now=march(21))
    assert ends(account) == [APRIL]
    renew(account=account, now=APRIL)
    assert ends(account) == [APRIL, APRIL + 30 * DAY]


def test_a_change_that_another_one_takes_back_is_cancelled_after_that_one(account):
    to_base = plan_change(account, to="Base", at=march(20), now=march(5))
    back = plan_change(account, to="Professional", at=march(25), now=march(5))
    with pytest.raises(SubscriptionError, match="cancel that first"):
        cancel_planned_change(subscription=to_base, now=march(6))
    cancel_planned_change(subscription=back, now=march(6))
    cancel_planned_change(subscription=to_base, now=march(6))
    assert [one.plan.name for one in account.subscriptions.all()] == ["Professional"]


def test_what_was_cancelled_meanwhile_takes_no_terms_and_is_not_cancelled_twice(account):
    planned = plan_change(account, at=march(20), now=march(5))
    terms = agree_terms(subscription=planned, terms=own(), effective_from=None, now=march(5))
    cancel_planned_change(subscription=Subscription.objects.get(pk=planned.pk), now=march(6))
    with pytest.raises(SubscriptionError, match="not planned any more"):
        cancel_planned_change(subscription=planned, now=march(6))
    with pytest.raises(TermsError, match="not planned any more"):
        agree_terms(subscription=planned, terms=own(), effective_from=None, now=march(6))
    with pytest.raises(TermsError, match="not planned any more"):
        withdraw_terms(terms=terms, now=march(6))


def own():
    return CustomTerms(increment_seconds=6, credits_per_increment=1)


def test_the_credits_that_end_first_are_used_first_whatever_change_is_planned(account):
    movements.adjust(
        account=account,
        credits=50,
        reason="Goodwill",
        reference="1",
        at=march(2),
        expires_at=march(26),
    )
    plan_change(account, at=march(20), now=march(5))
    post(call(account, "a", 30, at=march(6)), at=march(6))
    left = CreditGrant.objects.filter(account=account).values_list("source", "remaining")
    assert dict(left) == {"plan": 1_500, "adjustment": 20}


def test_warnings_tell_the_end_that_the_credits_had_from_the_first(account):
    plan_change(account, at=march(20), now=march(5))
    assert look_hourly(march(5), march(27)) == [(march(25), APRIL)]

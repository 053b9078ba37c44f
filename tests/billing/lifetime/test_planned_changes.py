"""A planned change of plan: until when the credits before it last, and what is told of it."""

from datetime import UTC, datetime, timedelta

import pytest

from billing import ledger
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
from dashboard.mail.sending import send
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


# ── When credits end ──────────────────────────────────────────────────────────────────────────
def test_the_credits_of_the_running_cycle_end_with_the_change_from_when_it_is_planned(account):
    assert ends(account) == [APRIL]
    plan_change(account, at=march(20), now=march(5))
    assert ends(account) == [march(20)]
    renew(account=account, now=march(20))
    expiry = LedgerEntry.objects.get(account=account, kind=Kind.EXPIRY)
    assert (expiry.credits, expiry.occurred_at) == (-1_500, march(20))


def test_a_change_in_a_later_cycle_leaves_the_running_one(account):
    plan_change(account, at=APRIL + 5 * DAY, now=march(5))
    assert ends(account) == [APRIL]


def test_a_change_at_the_end_of_the_cycle_leaves_its_credits(account):
    plan_change(account, at=APRIL, now=march(5))
    assert ends(account) == [APRIL]
    renew(account=account, now=APRIL)
    assert ends(account) == [APRIL, APRIL + 30 * DAY]


def test_a_renewal_before_a_planned_change_grants_until_the_change(account):
    plan_change(account, at=APRIL + 5 * DAY, now=march(5))
    renew(account=account, now=APRIL)
    assert ends(account) == [APRIL, APRIL + 5 * DAY]


def test_cycles_missed_with_a_change_planned_end_each_at_its_own_time(account):
    plan_change(account, at=APRIL + 35 * DAY, now=march(5))
    renew(account=account, now=APRIL + 33 * DAY)
    assert ends(account) == [APRIL, APRIL + 30 * DAY, APRIL + 35 * DAY]


def test_a_change_that_is_cancelled_gives_the_credits_their_time_back(account):
    planned = plan_change(account, at=march(20), now=march(5))
    cancel_planned_change(subscription=planned, now=march(6))
    assert ends(account) == [APRIL]
    renew(account=account, now=march(21))
    assert not LedgerEntry.objects.filter(account=account, kind=Kind.EXPIRY).exists()


def test_a_change_that_is_replaced_ends_them_at_the_new_time(account):
    planned = plan_change(account, at=march(20), now=march(5))
    cancel_planned_change(subscription=planned, now=march(6))
    plan_change(account, to="Enterprise", at=march(25), now=march(6))
    assert ends(account) == [march(25)]


@pytest.mark.parametrize(("cancelled", "end"), [(0, 25), (1, 20)])
def test_of_several_changes_the_first_one_that_is_left_ends_them(account, cancelled, end):
    planned = [
        plan_change(account, to="Base", at=march(20), now=march(5)),
        plan_change(account, to="Enterprise", at=march(25), now=march(5)),
    ]
    assert ends(account) == [march(20)]
    cancel_planned_change(subscription=planned[cancelled], now=march(6))
    assert ends(account) == [march(end)]


def test_a_change_that_another_one_takes_back_is_cancelled_after_that_one(account):
    to_base = plan_change(account, to="Base", at=march(20), now=march(5))
    back = plan_change(account, to="Professional", at=march(25), now=march(5))
    with pytest.raises(SubscriptionError, match="cancel that first"):
        cancel_planned_change(subscription=to_base, now=march(6))
    cancel_planned_change(subscription=back, now=march(6))
    cancel_planned_change(subscription=to_base, now=march(6))
    assert ends(account) == [APRIL]


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


def test_credits_that_came_before_are_left_alone(account):
    renew(account=account, now=APRIL)
    plan_change(account, at=APRIL + 9 * DAY, now=APRIL + DAY)
    assert ends(account) == [APRIL, APRIL + 9 * DAY]
    movements.adjust(
        account=account, credits=5, reason="Goodwill", reference="1", at=APRIL + 2 * DAY
    )
    assert CreditGrant.objects.get(source="adjustment").expires_at is None


def test_a_change_for_which_a_clock_ahead_has_expired_credits_is_not_cancelled(account):
    planned = plan_change(account, at=march(20), now=march(5))
    ledger.expire(account_ids=[account.pk], at=march(20))
    with pytest.raises(SubscriptionError, match="change its plan instead"):
        cancel_planned_change(subscription=planned, now=march(20) - HOUR)
    renew(account=account, now=march(20))


def test_credits_that_end_with_the_change_are_used_before_others_that_last_longer(account):
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
    assert dict(left) == {"plan": 1_470, "adjustment": 50}


# ── What is told ──────────────────────────────────────────────────────────────────────────────
def test_the_owner_is_warned_before_the_change(account):
    plan_change(account, at=march(20), now=march(5))
    assert look_hourly(march(5), march(20)) == [(march(13), march(20)), (march(19), march(20))]


def test_who_was_warned_of_a_change_that_is_cancelled_is_warned_of_the_cycles_end(account):
    planned = plan_change(account, at=march(20), now=march(5))
    look_hourly(march(5), march(19, hour=12))
    cancel_planned_change(subscription=planned, now=march(19, hour=12))
    week_before = APRIL - 7 * DAY
    assert look_hourly(march(19, hour=12), week_before + HOUR) == [(week_before, APRIL)]
    assert send(notice_id=Notice.objects.latest("pk").pk, now=week_before)
    assert look_hourly(week_before + HOUR, APRIL) == [(APRIL - DAY, APRIL)]


def test_who_was_warned_of_the_cycles_end_is_told_that_a_change_comes_before(account):
    look_hourly(march(5), march(27))
    plan_change(account, at=march(29), now=march(27))
    assert look_hourly(march(27), march(29)) == [(march(27), march(29)), (march(28), march(29))]


def test_the_same_change_planned_again_is_not_told_again(account):
    planned = plan_change(account, at=march(20), now=march(5))
    assert len(look_hourly(march(5), march(14))) == 1
    cancel_planned_change(subscription=planned, now=march(14))
    plan_change(account, at=march(20), now=march(14))
    assert look_hourly(march(14), march(15)) == []


def test_a_mail_that_waits_does_not_tell_an_end_that_is_cancelled(account):
    planned = plan_change(account, at=march(20), now=march(5))
    [notice_id] = warnings.notice_expiring(now=march(13))
    cancel_planned_change(subscription=planned, now=march(13))
    assert not send(notice_id=notice_id, now=march(13))
    suppressed = Notice.objects.get(pk=notice_id).suppressed
    assert suppressed == "the credits expire at another time now"


def test_credits_granted_a_day_before_the_change_are_warned_of_too(account):
    plan_change(account, at=march(2), now=march(1))
    assert look_hourly(march(1), march(2)) == [(march(1), march(2))]

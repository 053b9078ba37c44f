"""Warnings before credits expire: 30, 7 and 1 days, once each, even if beat was away."""

from datetime import UTC, datetime, timedelta

import pytest

from billing.models import CreditGrant, Notice, Plan
from billing.notices import warnings
from billing.plans import movements, subscriptions
from dashboard.mail import tasks
from tests.movements import call, post, top_up

pytestmark = pytest.mark.django_db

PAID = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def grant(account, owner):
    """500 credits that were bought, and expire a year later."""
    post(top_up(account, 500), at=PAID)
    return CreditGrant.objects.get()


def days_noticed():
    """Which of the warnings were made, in order, by the number of days they are for."""
    references = Notice.objects.order_by("pk").values_list("reference", flat=True)
    return [int(reference.rpartition(":")[2]) for reference in references]


def look(grant, *, before):
    return warnings.notice_expiring(now=grant.expires_at - before)


def test_hour_after_hour_there_are_three_warnings_each_at_its_time(grant):
    made = {}
    for hours in range(32 * 24, -6, -2):
        for notice_id in look(grant, before=hours * HOUR):
            made[notice_id] = hours
    assert list(made.values()) == [30 * 24, 7 * 24, 24]
    assert days_noticed() == [30, 7, 1]


@pytest.mark.parametrize("days", [30, 7, 1])
def test_a_warning_comes_at_its_moment_and_not_one_before(grant, days):
    for earlier in (each for each in (30, 7) if each > days):
        look(grant, before=earlier * DAY)
    assert look(grant, before=days * DAY + timedelta(microseconds=1)) == []
    assert len(look(grant, before=days * DAY)) == 1


def test_looking_twice_warns_once(grant):
    assert [len(look(grant, before=30 * DAY)) for _ in range(3)] == [1, 0, 0]


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        ((29, 6, 0.5), [30, 7, 1]),  # late each time
        ((35, 6, 1), [7, 1]),  # away over the first boundary
        ((35, 0.5), [1]),  # away over the first two
        ((30, 0), [30]),  # away until it was over
        ((35, -1), []),
    ],
)
def test_a_beat_that_was_away_warns_once_of_what_is_left(grant, looks, expected):
    for days in looks:
        look(grant, before=timedelta(days=days))
        look(grant, before=timedelta(days=days) - HOUR / 2)
    assert days_noticed() == expected


def test_the_warning_says_how_much_of_what_and_when(grant, account):
    post(call(account, "a", 120, at=PAID), at=PAID + HOUR)
    look(grant, before=7 * DAY)
    assert Notice.objects.get().context == {
        "credits": 380,
        "source": "Top-up",
        "expires_at": "2027-03-10T12:00:00+00:00",
    }


def test_credits_that_are_used_up_are_not_warned_of(grant, account):
    post(call(account, "a", 500, at=PAID), at=PAID + HOUR)
    assert look(grant, before=DAY) == []


def test_credits_that_never_expire_are_not_warned_of(account, owner):
    movements.adjust(account=account, credits=50, reason="Welcome", reference="1", at=PAID)
    assert warnings.notice_expiring(now=PAID + 3_650 * DAY) == []


def test_each_top_up_is_warned_of_by_itself(grant, account):
    post(top_up(account, 9), at=PAID + DAY)
    assert len(look(grant, before=30 * DAY)) == 1
    assert len(look(grant, before=29 * DAY)) == 1


@pytest.mark.parametrize("month", range(1, 13))
def test_plan_credits_are_warned_of_7_and_1_days_before_in_every_month(account, owner, month):
    began = datetime(2026, month, 1, tzinfo=UTC)
    subscriptions.subscribe(account=account, plan=Plan.objects.get(name="Base"), at=began)
    grant = CreditGrant.objects.get()
    for hours in range(31 * 24, 0, -6):
        look(grant, before=hours * HOUR)
    assert days_noticed() == [7, 1]


def test_who_does_not_want_mails_gets_none(grant, owner):
    owner.memberships.update(wants_credit_mails=False)
    assert look(grant, before=DAY) == []


def test_who_may_not_pay_gets_none(grant, admin, member):
    look(grant, before=DAY)
    assert Notice.objects.get().address == "owner@example.com"


def test_the_mail_goes_out_by_itself(grant, clock, tasks_run_here, mailoutbox):
    clock.at = grant.expires_at - 7 * DAY
    for _ in range(3):
        tasks.notice_expiring_credits()
    assert [mail.to for mail in mailoutbox] == [["owner@example.com"]]

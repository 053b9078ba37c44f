"""Opening an account and moving it to another time zone."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from threading import Event

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction

from billing.accounts.opening import change_time_zone, open_account
from billing.models import Account, DailyUsage, Plan, Role
from tests.billing.waiting import WAIT_SECONDS, until_somebody_waits_for_a_lock
from tests.factories import UserFactory
from tests.movements import NOW, call, post

# In Kolkata this is the next day already.
EVENING = datetime(2026, 3, 9, 20, 0, tzinfo=UTC)


def test_a_new_account_has_plan_credits_and_owner(db: None) -> None:
    owner = UserFactory()
    account = open_account(
        account=Account(name="Acme", slug="acme", time_zone="Europe/London", currency="GBP"),
        plan=Plan.objects.get(name="Professional"),
        owner=owner,
        at=NOW,
    )
    assert account.balance.credits == 1_500
    assert [(m.user, m.role) for m in account.memberships.all()] == [(owner, Role.SUPERADMIN)]


def test_an_account_with_a_wrong_zone_is_not_opened(db: None) -> None:
    with pytest.raises(ValidationError, match="is not a time zone"):
        open_account(
            account=Account(name="Acme", slug="acme", time_zone="Mars"),
            plan=Plan.objects.get(name="Base"),
            owner=UserFactory(),
            at=NOW,
        )
    assert not Account.objects.exists()


def test_days_are_summed_again_in_the_new_zone(account: Account) -> None:
    post(call(account, "c", 3, at=EVENING), at=NOW)
    assert DailyUsage.objects.get().day == date(2026, 3, 10)
    change_time_zone(account=account, time_zone="America/New_York")
    account.refresh_from_db()
    assert (account.time_zone, DailyUsage.objects.get().day) == (
        "America/New_York",
        date(2026, 3, 9),
    )


def test_a_wrong_zone_changes_nothing(account: Account) -> None:
    with pytest.raises(ValidationError):
        change_time_zone(account=account, time_zone="Mars")
    account.refresh_from_db()
    assert account.time_zone == "Asia/Kolkata"


@pytest.mark.django_db(transaction=True)
def test_a_posting_that_waits_for_the_move_is_summed_in_the_new_zone(
    account: Account, default_plans: None
) -> None:
    post(call(account, "before", 1, at=EVENING), at=NOW)
    moved = Event()

    def move() -> None:
        with transaction.atomic():
            change_time_zone(account=account, time_zone="America/New_York")
            moved.set()
            until_somebody_waits_for_a_lock()
        connection.close()

    def record() -> None:
        assert moved.wait(WAIT_SECONDS)
        post(call(account, "after", 1, at=EVENING), at=NOW)
        connection.close()

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(move), pool.submit(record)]:
            done.result()
    assert [(row.day, row.calls) for row in DailyUsage.objects.all()] == [(date(2026, 3, 9), 2)]

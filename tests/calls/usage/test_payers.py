"""Which grants paid a call, in words: several of them, debts paid later, corrections, returns."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from billing.models import Account, LedgerEntry, Plan
from billing.plans.subscriptions import subscribe
from calls.usage import payers
from tests.factories import AccountFactory
from tests.movements import call, correction, goodwill, post, top_up

KOLKATA = ZoneInfo("Asia/Kolkata")
NOW = datetime(2026, 11, 14, 12, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def account(db: None) -> Account:
    """An account in India without credits: a credit for each 30 s begun."""
    account: Account = AccountFactory()
    subscribe(account=account, plan=Plan.objects.get(name="Enterprise"), at=NOW - 60 * DAY)
    return account


def paid_with(account: Account, call_id: str = "a") -> str:
    """What the page of a call says."""
    entries = LedgerEntry.objects.filter(account=account, call_id=call_id)
    paid = payers.payments_of(list(entries.values_list("account_id", "seq")))
    return payers.in_words(payers.net(paid), year=2026, zone=KOLKATA)


def said_of(account: Account, **which: object) -> str:
    """What is said of one entry alone."""
    entry = LedgerEntry.objects.get(account=account, **which)
    paid = payers.payments_of([(account.pk, entry.seq)])
    return payers.in_words(paid, year=2026, zone=KOLKATA)


def test_one_grant_that_paid_all(account: Account) -> None:
    post(top_up(account, 10, NOW - 2 * DAY), call(account, "a", 3, NOW), at=NOW)
    assert paid_with(account) == "3 from the top-up of 12 Nov"


def test_plan_credits_go_first_and_the_top_up_pays_the_rest(db: None) -> None:
    account: Account = AccountFactory()
    subscribe(account=account, plan=Plan.objects.get(name="Professional"), at=NOW - 3 * DAY)
    post(
        top_up(account, 10, NOW - 2 * DAY),
        call(account, "before", 1_499, NOW - DAY),
        call(account, "a", 3, NOW),
        at=NOW,
    )
    assert paid_with(account) == "1 from plan credits, 2 from the top-up of 12 Nov"


def test_plan_credits_of_two_cycles_are_told_apart(db: None) -> None:
    account: Account = AccountFactory()
    subscribe(account=account, plan=Plan.objects.get(name="Base"), at=NOW - 40 * DAY)
    post(call(account, "a", 150, NOW - 10 * DAY), at=NOW)
    assert paid_with(account) == "100 from plan credits of 5 Oct, 50 from plan credits of 5 Nov"


def test_what_nobody_has_paid_is_said(account: Account) -> None:
    post(goodwill(account, 2), call(account, "a", 5, NOW), at=NOW)
    assert paid_with(account) == "2 from the adjustment of 14 Nov, 3 not paid yet"


def test_a_debt_that_is_paid_later_says_by_what_and_when(account: Account) -> None:
    post(goodwill(account, 2), call(account, "a", 5, NOW), at=NOW)
    post(top_up(account, 1, NOW + 3 * DAY), at=NOW + 3 * DAY)
    post(top_up(account, 10, NOW + 50 * DAY), at=NOW + 50 * DAY)
    assert paid_with(account) == (
        "2 from the adjustment of 14 Nov, 1 from the top-up of 17 Nov (owed until 17 Nov), "
        "2 from the top-up of 3 Jan 2027 (owed until 3 Jan 2027)"
    )


def test_a_call_and_its_correction_are_told_together(account: Account) -> None:
    post(top_up(account, 10, NOW - 2 * DAY), call(account, "a", 3, NOW), at=NOW)
    post(correction(account, "a", 2), at=NOW + HOUR)
    assert paid_with(account) == "5 from the top-up of 12 Nov"


def test_what_a_correction_gives_back_is_taken_off_last_paid_first(account: Account) -> None:
    post(
        goodwill(account, 2, expires_at=NOW + 30 * DAY),
        top_up(account, 10, NOW),
        call(account, "a", 5, NOW),
        at=NOW,
    )
    post(correction(account, "a", -2), at=NOW + HOUR)
    assert paid_with(account) == "2 from the adjustment of 14 Nov, 1 from the top-up of 14 Nov"
    assert said_of(account, kind="correction") == "2 returned to the top-up of 14 Nov"


def test_a_call_that_costs_nothing_any_more_was_paid_by_nobody(account: Account) -> None:
    post(top_up(account, 10, NOW), call(account, "a", 5, NOW), at=NOW)
    post(correction(account, "a", -5), at=NOW + HOUR)
    assert paid_with(account) == ""


def test_what_returns_after_its_grant_has_ended_is_taken_off_too(account: Account) -> None:
    post(goodwill(account, 5, expires_at=NOW + DAY), call(account, "a", 5, NOW), at=NOW)
    post(correction(account, "a", -2), at=NOW + 2 * DAY)
    assert paid_with(account) == "3 from the adjustment of 14 Nov"
    assert said_of(account, kind="correction") == (
        "2 returned, which the adjustment of 14 Nov had paid"
    )


def test_credits_that_returned_pay_under_their_own_name(account: Account) -> None:
    post(goodwill(account, 5, expires_at=NOW + DAY), call(account, "a", 5, NOW), at=NOW)
    post(correction(account, "a", -2), at=NOW + 2 * DAY)
    post(call(account, "b", 2, NOW + 3 * DAY), at=NOW + 3 * DAY)
    assert paid_with(account, "b") == "2 from returned credits of 16 Nov"


@pytest.mark.parametrize("number", [1, 20])
def test_any_number_of_entries_takes_one_query(
    account: Account, number: int, django_assert_num_queries
) -> None:
    post(goodwill(account, 7), *(call(account, f"{n}", 2, NOW) for n in range(number)), at=NOW)
    keys = list(LedgerEntry.objects.values_list("account_id", "seq"))
    with django_assert_num_queries(1):
        paid = payers.payments_of(keys)
    assert sum(payment.credits for payment in paid) == 2 * number


def test_no_entries_take_no_query(db: None, django_assert_num_queries) -> None:
    with django_assert_num_queries(0):
        assert payers.payments_of([]) == []


def test_an_account_is_told_nothing_of_another(account: Account) -> None:
    other: Account = AccountFactory()
    post(goodwill(account, 7), call(account, "a", 2, NOW), at=NOW)
    post(top_up(other, 7, NOW), call(other, "a", 3, NOW), at=NOW)
    assert paid_with(account) == "2 from the adjustment of 14 Nov"
    assert paid_with(other) == "3 from the top-up of 14 Nov"

"""Which grant paid which entry: late records, debts, and what calls give back."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from billing import ledger
from billing.ledger import NewGrant, Posting, references
from billing.models import (
    Account,
    Balance,
    CreditGrant,
    Debt,
    GrantSource,
    GrantUse,
    Kind,
    LedgerEntry,
)
from tests.billing.postings import call, correction

pytestmark = [pytest.mark.django_db, pytest.mark.ledger_alone]

CYCLE_ENDS = datetime(2026, 3, 10, 10, tzinfo=UTC)
OPENED = CYCLE_ENDS - timedelta(days=200)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def opened(account):
    Account.objects.filter(pk=account.pk).update(created_at=OPENED)


def grant(account, credits, name, *, at, until, source=GrantSource.PLAN):
    kind = Kind.PLAN_CREDITS if source == GrantSource.PLAN else Kind.TOP_UP
    return Posting(
        account_id=account.pk,
        kind=kind,
        credits=credits,
        reference=name,
        occurred_at=at,
        grant=NewGrant(source, until),
    )


def cycle(account, name, *, number=0, credits=100):
    """The plan credits of the cycle that ends ``number`` months of 30 days after CYCLE_ENDS."""
    until = CYCLE_ENDS + number * 30 * DAY
    return grant(account, credits, name, at=until - 30 * DAY, until=until)


def bought(account, credits, name, *, at):
    return grant(account, credits, name, at=at, until=at + 365 * DAY, source=GrantSource.TOP_UP)


def post(*postings, at):
    return ledger.post(postings=postings, posted_at=at)


def balance(account):
    return Balance.objects.get(account=account).credits


def left(account):
    entries = dict(LedgerEntry.objects.filter(account=account).values_list("seq", "reference"))
    return {entries[g.seq]: g.remaining for g in CreditGrant.objects.filter(account=account)}


def paid(account, reference):
    """What paid an entry, or got credits back from it, by the reference of the grant's entry."""
    entries = dict(LedgerEntry.objects.filter(account=account).values_list("seq", "reference"))
    entry = LedgerEntry.objects.get(account=account, reference=reference)
    uses = GrantUse.objects.filter(account=account, use_seq=entry.seq).order_by("seq", "position")
    return [(entries[use.grant_seq], use.credits) for use in uses]


def kinds(account):
    entries = LedgerEntry.objects.filter(account=account).order_by("seq")
    return [(entry.kind, entry.credits) for entry in entries]


def test_a_late_record_uses_the_credits_that_were_valid_when_its_call_started(account):
    post(cycle(account, "old"), at=CYCLE_ENDS - 29 * DAY)
    post(cycle(account, "new", number=1), at=CYCLE_ENDS)
    assert balance(account) == 100
    post(call(account, "a", 30, at=CYCLE_ENDS - HOUR), at=CYCLE_ENDS + HOUR / 6)
    assert balance(account) == 100
    assert kinds(account)[1:] == [
        ("expiry", -100),
        ("plan_credits", 100),
        ("expiry", 30),
        ("call", -30),
    ]
    assert paid(account, "call:a") == [("old", 30)]
    assert CreditGrant.objects.get(account=account, seq=1).expired == 70


def test_no_more_is_taken_back_than_expired(account):
    post(cycle(account, "old"), call(account, "a", 90, at=CYCLE_ENDS - DAY), at=CYCLE_ENDS - HOUR)
    post(cycle(account, "new", number=1), at=CYCLE_ENDS)
    post(call(account, "late", 30, at=CYCLE_ENDS - HOUR), at=CYCLE_ENDS + HOUR)
    assert paid(account, "call:late") == [("old", 10), ("new", 20)]
    assert left(account) == {"old": 0, "new": 80}


@pytest.mark.parametrize(
    ("late", "uses"), [(timedelta(0), "old"), (timedelta(microseconds=1), "new")]
)
def test_an_expiry_is_taken_back_for_35_days(account, late, uses):
    post(cycle(account, "old"), at=CYCLE_ENDS - DAY)
    post(cycle(account, "new", number=2), at=CYCLE_ENDS + 31 * DAY)
    post(call(account, "a", 3, at=CYCLE_ENDS - HOUR), at=CYCLE_ENDS + 35 * DAY + late)
    assert paid(account, "call:a") == [(uses, 3)]


def test_an_account_opened_with_a_start_in_the_past_has_35_days_from_its_opening(account):
    opened_at = CYCLE_ENDS + 300 * DAY
    Account.objects.filter(pk=account.pk).update(created_at=opened_at)
    months = [cycle(account, f"cycle {n}", number=n) for n in range(10)]
    post(*months, at=opened_at)
    for number in (0, 4, 9):
        started_at = CYCLE_ENDS + number * 30 * DAY - HOUR
        post(call(account, f"{number}", 7, at=started_at), at=opened_at + 35 * DAY)
        assert paid(account, f"call:{number}") == [(f"cycle {number}", 7)]


def test_a_call_under_way_when_credits_expire_uses_them(account):
    post(cycle(account, "old"), bought(account, 50, "bought", at=OPENED), at=CYCLE_ENDS - DAY)
    post(call(account, "a", 5, at=CYCLE_ENDS - HOUR / 60), at=CYCLE_ENDS + HOUR)
    assert paid(account, "call:a") == [("old", 5)]


def test_a_top_up_between_start_and_record_pays_only_what_older_credits_do_not(account):
    post(cycle(account, "old", number=1, credits=10), at=CYCLE_ENDS)
    post(bought(account, 50, "bought", at=CYCLE_ENDS + 2 * HOUR), at=CYCLE_ENDS + 2 * HOUR)
    post(call(account, "a", 12, at=CYCLE_ENDS + HOUR), at=CYCLE_ENDS + 3 * HOUR)
    assert paid(account, "call:a") == [("old", 10), ("bought", 2)]


def test_taking_back_an_expiry_pays_no_older_debt(account):
    post(cycle(account, "old"), at=CYCLE_ENDS - DAY)
    post(call(account, "debt", 40, at=CYCLE_ENDS + HOUR), at=CYCLE_ENDS + HOUR)
    assert balance(account) == -40
    post(call(account, "late", 30, at=CYCLE_ENDS - HOUR), at=CYCLE_ENDS + 2 * HOUR)
    assert balance(account) == -40
    assert paid(account, "call:late") == [("old", 30)]
    assert list(Debt.objects.values_list("credits", flat=True)) == [40]


def test_a_correction_upwards_uses_what_was_valid_when_the_call_started(account):
    post(
        cycle(account, "old"),
        call(account, "a", 10, at=CYCLE_ENDS - HOUR),
        at=CYCLE_ENDS - DAY / 48,
    )
    post(cycle(account, "new", number=1), at=CYCLE_ENDS)
    post(correction(account, "a", -4, at=CYCLE_ENDS - HOUR), at=CYCLE_ENDS + DAY)
    assert paid(account, "correction:1:a") == [("old", 4)]
    assert left(account)["new"] == 100


def test_debts_are_paid_oldest_first_and_by_the_grant_that_comes_in(account):
    now = CYCLE_ENDS
    post(call(account, "first", 5, at=now), call(account, "second", 9, at=now), at=now)
    post(bought(account, 8, "bought", at=now + HOUR), at=now + HOUR)
    assert paid(account, "call:first") == [("bought", 5)]
    assert paid(account, "call:second") == [("bought", 3)]
    assert list(Debt.objects.values_list("credits", flat=True)) == [6]
    post(bought(account, 10, "more", at=now + DAY), at=now + DAY)
    assert paid(account, "call:second") == [("bought", 3), ("more", 6)]
    assert (balance(account), Debt.objects.count()) == (4, 0)


def test_what_a_call_gives_back_undoes_its_own_uses_last_paid_first(account):
    now = CYCLE_ENDS - DAY
    post(
        cycle(account, "plan", credits=2),
        bought(account, 50, "bought", at=OPENED),
        call(account, "a", 5, at=now),
        call(account, "b", 7, at=now),
        at=now,
    )
    assert paid(account, "call:a") == [("plan", 2), ("bought", 3)]
    post(correction(account, "a", +4, at=now), at=now + HOUR)
    assert paid(account, "correction:1:a") == [("bought", -3), ("plan", -1)]
    assert left(account) == {"plan": 1, "bought": 43}


def test_what_a_call_still_owes_is_cancelled_before_anything_returns(account):
    now = CYCLE_ENDS
    post(bought(account, 4, "bought", at=now), call(account, "a", 10, at=now), at=now)
    post(correction(account, "a", +8, at=now), at=now + HOUR)
    assert paid(account, "correction:1:a") == [("bought", -2)]
    assert (balance(account), Debt.objects.count(), left(account)) == (2, 0, {"bought": 2})


def test_what_returns_pays_what_other_calls_owe(account):
    now = CYCLE_ENDS
    post(bought(account, 10, "bought", at=now), at=now)
    post(call(account, "a", 10, at=now), call(account, "b", 6, at=now), at=now)
    post(correction(account, "a", +4, at=now), at=now + HOUR)
    assert paid(account, "call:b") == [("bought", 4)]
    assert (balance(account), left(account)) == (-2, {"bought": 0})


def test_what_would_return_to_a_grant_that_ended_becomes_one_for_twelve_months(account):
    post(
        cycle(account, "old"),
        bought(account, 50, "bought", at=OPENED),
        call(account, "a", 103, at=CYCLE_ENDS - DAY),
        at=CYCLE_ENDS - DAY,
    )
    now = CYCLE_ENDS + DAY
    post(correction(account, "a", +10, at=CYCLE_ENDS - DAY), at=now)
    returned = CreditGrant.objects.get(account=account, source=GrantSource.RETURN)
    assert (returned.credits, returned.remaining) == (7, 7)
    assert returned.expires_at == now.replace(year=2027)
    assert left(account) == {"old": 0, "bought": 50, "correction:1:a": 7}
    # What comes after it undoes what is still paid, and nothing twice.
    post(correction(account, "a", +93, number=2, at=CYCLE_ENDS - DAY), at=now)
    assert balance(account) == 150


def test_more_than_a_call_has_used_is_never_given_back(account):
    post(bought(account, 10, "bought", at=OPENED), call(account, "a", 3), at=CYCLE_ENDS)
    with pytest.raises(ValueError, match="gives back more"), transaction.atomic():
        post(correction(account, "a", +4), at=CYCLE_ENDS)


def test_a_refund_uses_the_credits_of_its_own_top_up_first(account):
    post(
        bought(account, 20, "first", at=OPENED),
        bought(account, 20, "second", at=OPENED + DAY)._replace(top_up_id=7),
        at=OPENED + DAY,
    )
    refund = Posting(
        account_id=account.pk,
        kind=Kind.REFUND,
        credits=-25,
        reference=references.of_refund(7, 1, 1),
        occurred_at=CYCLE_ENDS,
        top_up_id=7,
        takes_from=2,
    )
    post(refund, at=CYCLE_ENDS)
    assert left(account) == {"first": 15, "second": 0}


def test_a_clock_that_runs_ahead_leaves_nothing_that_expires_twice(account):
    post(cycle(account, "old"), call(account, "a", 10, at=CYCLE_ENDS - DAY), at=CYCLE_ENDS - DAY)
    ledger.expire(account_ids=[account.pk], at=CYCLE_ENDS + HOUR)  # the clock that is ahead
    post(correction(account, "a", +4, at=CYCLE_ENDS - DAY), at=CYCLE_ENDS - HOUR)
    ledger.expire(account_ids=[account.pk], at=CYCLE_ENDS + 2 * HOUR)
    assert balance(account) == 4


def test_what_a_batch_has_paid_it_can_give_back(account):
    now = CYCLE_ENDS
    post(call(account, "a", 10, at=now), at=now)
    post(bought(account, 50, "bought", at=now), correction(account, "a", +4, at=now), at=now + HOUR)
    assert paid(account, "correction:1:a") == [("bought", -4)]
    assert left(account) == {"bought": 44}


def test_what_one_call_gives_back_and_another_owed_can_be_given_back_again(account):
    now = CYCLE_ENDS
    post(bought(account, 10, "bought", at=now), call(account, "a", 10, at=now), at=now)
    post(call(account, "b", 6, at=now), at=now)
    post(correction(account, "a", +4, at=now), correction(account, "b", +5, at=now), at=now + HOUR)
    assert paid(account, "call:b") == [("bought", 4)]
    assert paid(account, "correction:1:b") == [("bought", -3)]
    assert (balance(account), left(account)) == (3, {"bought": 3})


def test_a_cycle_that_is_over_when_it_is_granted_expires_at_once(account):
    now = CYCLE_ENDS + 40 * DAY
    post(cycle(account, "over"), call(account, "now", 5, at=now), at=now)
    assert kinds(account) == [("plan_credits", 100), ("expiry", -100), ("call", -5)]
    assert (left(account), balance(account)) == ({"over": 0}, -5)


def test_credits_without_a_grant_come_back_from_a_call_only(account):
    given = Posting(account.pk, Kind.ADJUSTMENT, 5, "adjustment:1", CYCLE_ENDS, remarks="Why")
    with pytest.raises(ValueError, match="without a grant"), transaction.atomic():
        post(given, at=CYCLE_ENDS)


def test_what_is_owed_is_read_only_where_credits_come_in(account):
    post(*[call(account, f"{n}", 1, at=CYCLE_ENDS) for n in range(3)], at=CYCLE_ENDS)
    with CaptureQueriesContext(connection) as queries:
        post(call(account, "more", 1, at=CYCLE_ENDS), at=CYCLE_ENDS)
    assert not any("FROM billing_debt WHERE" in query["sql"] for query in queries)

"""The ledger, one behaviour a test: how credits flow, and what is refused."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.db import DatabaseError, IntegrityError, connection, transaction

from billing import ledger
from billing.models import (
    AppendOnlyError,
    Balance,
    CreditGrant,
    DailyUsage,
    GrantSource,
    Kind,
    LedgerEntry,
)
from billing.plans.movements import adjust, top_up_valid_until
from tests.billing.postings import call, correction, refund, top_up

pytestmark = [pytest.mark.django_db, pytest.mark.ledger_alone]

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def post(*postings, at=NOW):
    return ledger.post(postings=postings, posted_at=at)


def balance_of(account):
    return Balance.objects.get(account=account).credits


def left(account):
    """What each grant has left, by the reference of its entry, in the order of consumption."""
    entries = dict(LedgerEntry.objects.filter(account=account).values_list("seq", "reference"))
    return {
        entries[grant.seq]: grant.remaining for grant in CreditGrant.objects.filter(account=account)
    }


def test_an_entry_explains_itself(account):
    post(top_up(account, 500, "top-up:1", at=NOW - DAY), call(account, "a", 3, at=NOW - 2 * DAY))
    first, second = LedgerEntry.objects.filter(account=account).order_by("seq")
    assert (first.seq, first.credits, first.balance_after) == (1, 500, 500)
    assert (second.seq, second.credits, second.balance_after) == (2, -3, 497)
    assert (second.occurred_at, second.posted_at) == (NOW - 2 * DAY, NOW)


def test_the_grant_that_expires_soonest_is_consumed_first(account):
    post(
        top_up(account, 10, "never", expires_at=None),
        top_up(account, 10, "late", expires_at=NOW + 20 * DAY),
        top_up(account, 10, "soon", expires_at=NOW + 10 * DAY),
        call(account, "a", 13),
    )
    assert left(account) == {"soon": 0, "late": 7, "never": 10}


def test_of_grants_that_expire_together_the_oldest_is_consumed_first(account):
    until = NOW + 10 * DAY
    post(
        top_up(account, 10, "younger", at=NOW - DAY, expires_at=until),
        top_up(account, 10, "older", at=NOW - 2 * DAY, expires_at=until),
        call(account, "a", 4),
    )
    assert left(account) == {"older": 6, "younger": 10}


def test_a_charge_goes_below_zero_and_the_next_grant_pays_the_debt_first(account):
    post(top_up(account, 2, "first"), call(account, "a", 9))
    assert balance_of(account) == -7
    post(top_up(account, 10, "second"))
    assert balance_of(account) == 3
    assert left(account) == {"first": 0, "second": 3}


def test_a_grant_smaller_than_the_debt_leaves_nothing_to_consume(account):
    post(call(account, "a", 9), top_up(account, 4, "small"))
    assert balance_of(account) == -5
    assert left(account) == {"small": 0}


def test_a_grant_that_is_due_expires_before_anything_else_is_posted(account):
    post(top_up(account, 10, "old", expires_at=NOW + DAY), top_up(account, 10, "new"))
    post(call(account, "a", 4, at=NOW + DAY), at=NOW + DAY)
    expiry = LedgerEntry.objects.get(account=account, kind=Kind.EXPIRY)
    assert (expiry.credits, expiry.occurred_at, expiry.posted_at) == (-10, NOW + DAY, NOW + DAY)
    assert left(account) == {"old": 0, "new": 6}


def test_credits_do_not_expire_a_moment_too_early(account):
    post(top_up(account, 10, "old", expires_at=NOW + DAY))
    almost = NOW + DAY - timedelta(microseconds=1)
    assert ledger.grants_due(at=almost) == []
    ledger.expire(account_ids=[account.pk], at=almost)
    assert balance_of(account) == 10


def test_expiring_twice_posts_one_entry(account):
    post(top_up(account, 10, "old", expires_at=NOW + DAY))
    assert ledger.grants_due(at=NOW + DAY) == [account.pk]
    for _ in range(2):
        ledger.expire(account_ids=[account.pk], at=NOW + DAY)
    assert LedgerEntry.objects.filter(account=account, kind=Kind.EXPIRY).count() == 1
    assert balance_of(account) == 0


def test_a_correction_gives_credits_back_to_the_grant_consumed_last(account):
    post(
        top_up(account, 10, "soon", expires_at=NOW + 10 * DAY),
        top_up(account, 10, "late", expires_at=NOW + 20 * DAY),
        call(account, "a", 13),
    )
    post(correction(account, "a", +5))
    assert left(account) == {"soon": 2, "late": 10}


def test_credits_come_back_to_the_grant_that_paid_that_call_and_to_no_other(account):
    post(
        top_up(account, 10, "first cycle", expires_at=NOW + DAY),
        top_up(account, 50, "bought"),
        call(account, "a", 20),
    )
    post(top_up(account, 10, "second cycle", expires_at=NOW + 9 * DAY), at=NOW + 2 * DAY)
    post(call(account, "b", 4, at=NOW + 3 * DAY), at=NOW + 3 * DAY)
    post(correction(account, "b", +3, at=NOW + 3 * DAY), at=NOW + 4 * DAY)
    assert left(account) == {"first cycle": 0, "bought": 40, "second cycle": 9}
    post(correction(account, "a", +6), at=NOW + 5 * DAY)
    assert left(account) == {"first cycle": 0, "bought": 46, "second cycle": 9}


def test_what_paid_a_debt_later_is_returned_before_what_paid_at_once(account):
    post(
        top_up(account, 6, "first"),
        call(account, "a", 8),
        top_up(account, 5, "then"),
        correction(account, "a", +4),
    )
    assert left(account) == {"first": 2, "then": 5}


def test_credits_given_back_pay_the_debt_first(account):
    post(top_up(account, 10, "only"), call(account, "a", 12), correction(account, "a", +5))
    assert balance_of(account) == 3
    assert left(account) == {"only": 3}


def test_credits_given_back_after_their_grant_expired_last_as_long_as_a_top_up(account):
    post(top_up(account, 10, "old", expires_at=NOW + DAY), call(account, "a", 10))
    at = datetime(2027, 3, 1, 12, tzinfo=UTC)  # 366 days before the same day of the next year
    post(correction(account, "a", +4), at=at)
    returned = CreditGrant.objects.get(account=account, source=GrantSource.RETURN)
    assert (returned.credits, returned.remaining) == (4, 4)
    assert returned.expires_at == top_up_valid_until(account=account, paid_at=at)
    assert returned.expires_at == at.replace(year=2028)


def test_a_reference_is_posted_once(account):
    assert len(post(top_up(account, 10, "once"), top_up(account, 10, "once"))) == 1
    assert post(top_up(account, 10, "once"), at=NOW + DAY) == []
    assert balance_of(account) == 10


def test_two_accounts_may_use_the_same_reference(account, other_account):
    post(top_up(account, 10, "same"), top_up(other_account, 20, "same"))
    assert (balance_of(account), balance_of(other_account)) == (10, 20)


def test_a_posting_that_breaks_a_constraint_books_nothing_of_the_batch(account):
    with pytest.raises(IntegrityError), transaction.atomic():
        post(top_up(account, 10, "good"), call(account, "a", 5, usage_type="fax"))
    assert not LedgerEntry.objects.filter(account=account).exists()


def test_a_day_is_one_of_the_accounts_time_zone(account):
    late_evening_utc = datetime(2026, 3, 9, 20, 0, tzinfo=UTC)  # 01:30 on the 10th in Kolkata
    post(call(account, "a", 3, at=late_evening_utc))
    assert DailyUsage.objects.get(account=account).day.isoformat() == "2026-03-10"


def test_after_a_change_of_time_zone_the_days_are_those_of_the_new_one(account):
    post(
        top_up(account, 50, "t"),
        call(account, "a", 3, at=datetime(2026, 3, 9, 20, 0, tzinfo=UTC)),
        call(account, "b", 2, at=datetime(2026, 3, 10, 2, 0, tzinfo=UTC)),
        correction(account, "a", -1),
    )
    account.time_zone = "America/New_York"
    account.save()
    ledger.rebuild_daily_usage(account=account)
    days = DailyUsage.objects.filter(account=account, kind=Kind.CALL).order_by("day")
    assert [(d.day.isoformat(), d.calls, d.credits_used) for d in days] == [("2026-03-09", 2, 5)]


def test_entries_refuse_update_and_delete_through_the_orm(account):
    post(top_up(account, 10, "t"))
    entry = LedgerEntry.objects.get(account=account)
    entry.credits = 1_000
    for attempt in (
        entry.save,
        entry.delete,
        LedgerEntry.objects.all().delete,
        lambda: LedgerEntry.objects.update(credits=1),
        lambda: LedgerEntry.objects.bulk_update([entry], ["credits"]),
    ):
        with pytest.raises(AppendOnlyError, match="post a correction"), transaction.atomic():
            attempt()


@pytest.mark.parametrize(
    "sql", ["UPDATE billing_ledgerentry SET credits = 1", "DELETE FROM billing_ledgerentry"]
)
def test_entries_refuse_update_and_delete_in_the_database(account, sql):
    post(top_up(account, 10, "t"))
    with pytest.raises(DatabaseError, match="Cannot"), transaction.atomic():
        connection.cursor().execute(sql)


def test_credits_of_a_named_grant_are_taken_first(account):
    post(
        top_up(account, 10, "soon", expires_at=NOW + DAY),
        top_up(account, 10, "named", expires_at=NOW + 2 * DAY, top_up_id=7),
        refund(account, 12, "refund:named", top_up_id=7, grant_seq=2),
    )
    assert left(account) == {"soon": 8, "named": 0}


def test_posting_nothing_touches_nothing(account):
    assert ledger.post(postings=[], posted_at=NOW) == []
    assert not Balance.objects.filter(account=account).exists()


def test_the_audit_command_is_clean_on_a_clean_ledger(account, capsys):
    adjust(account=account, credits=10, reason="Welcome", reference="1", at=NOW)
    call_command("audit_ledger")
    assert "clean" in capsys.readouterr().out


def test_a_clock_that_is_behind_gives_nothing_back_to_a_grant_whose_expiry_is_booked(account):
    end = NOW + timedelta(days=1)
    ledger.post(postings=[top_up(account, 10, "t", expires_at=end)], posted_at=NOW)
    ledger.post(postings=[call(account, "a", 4)], posted_at=NOW)
    ledger.expire(account_ids=[account.pk], at=end)
    ledger.post(postings=[correction(account, "a", 3)], posted_at=end - timedelta(seconds=1))
    ledger.post(postings=[call(account, "b", 1, at=end)], posted_at=end + timedelta(seconds=1))
    assert list(
        CreditGrant.objects.order_by("id").values_list("source", "credits", "remaining")
    ) == [("top_up", 10, 0), ("return", 3, 2)]


@pytest.mark.parametrize(
    ("table", "columns"),
    [("billing_creditgrant", ["remaining"]), ("billing_balance", ["credits", "last_seq"])],
)
def test_what_every_posting_changes_is_in_no_index(db, table, columns):
    """Else PostgreSQL writes all indexes of the row anew with each posting."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE tablename = %s", [table])
        indexes = [definition for (definition,) in cursor.fetchall()]
    assert indexes
    assert [one for one in indexes for column in columns if re.search(rf"\b{column}\b", one)] == []

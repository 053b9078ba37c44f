"""Values come out of the database as they went in, however they travelled."""

from datetime import UTC, datetime

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from billing.bulk import among, as_array, as_arrays, copy_rows
from billing.models import Account, LedgerEntry

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"))
AT = datetime(2026, 11, 23, 12, 0, 0, 1, tzinfo=UTC)
COLUMNS = ("account_id", "seq", "reference", "paid_by", "occurred_at", "posted_at")
OTHERS = {
    "kind": "plan_credits",
    "credits": 5,
    "balance_after": 5,
    "remarks": "",
    "call_id": "",
    "usage_type": "",
    "agent": "",
    "billed_seconds": 0,
    "billable_us": 0,
    "increment_seconds": 0,
    "call_status": "",
    "plan_name": "",
}


def selected(sql, *parameters):
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall()


class ArraysKeepTheirValues(TestCase):
    @given(st.lists(st.none() | TEXTS | st.sampled_from(["NULL", "", '"', "\\", ",", "{}", " a "])))
    def test_texts(self, texts):
        assert selected("SELECT %s::text[]", as_array(texts)) == [(texts,)]


@pytest.mark.django_db
def test_rows_travel_as_columns_of_any_type():
    rows = [(1, "a", AT, None), (-(10**12), '"', AT, "x")]
    arrays = as_arrays(rows)
    sql = "SELECT * FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[], %s::text[])"
    assert selected(sql, *arrays) == rows


@pytest.mark.django_db
def test_many_ids_are_one_parameter_and_no_ids_no_query(account, django_assert_num_queries):
    ids = range(account.pk, account.pk + 1_000)
    with django_assert_num_queries(1):
        assert list(Account.objects.filter(pk__in=among(ids))) == [account]
    with django_assert_num_queries(0):
        assert list(Account.objects.filter(pk__in=among([]))) == []


def copy_entries(account, references):
    """Copy an entry for each of the references: texts, numbers, instants and what may be null."""
    rows = (
        (account.pk, number, reference, None, AT, AT, *OTHERS.values())
        for number, reference in enumerate(references, start=1)
    )
    copy_rows(LedgerEntry, (*COLUMNS, *OTHERS), rows)


@pytest.mark.django_db
@pytest.mark.parametrize("number", [0, 1, 125, 126, 1_000])
def test_any_number_of_rows_is_copied(account, number):
    copy_entries(account, map(str, range(number)))
    assert LedgerEntry.objects.count() == number


@pytest.mark.django_db
@pytest.mark.parametrize(
    "text",
    ['"', "'", "\\", "\\N", "\\.", "\n", "\r", "\x01", "\x1f", "a,b\tc", "é 😀", "\x01\x1f\n"],
)
def test_a_text_is_copied_as_it_is(account, text):
    copy_entries(account, [f"{text}{n}{text}" for n in range(2)])
    stored = set(LedgerEntry.objects.values_list("reference", flat=True))
    assert stored == {f"{text}0{text}", f"{text}1{text}"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("good", [0, 500])
def test_what_making_the_rows_raises_is_raised_and_nothing_is_stored(account, good):
    def references():
        yield from map(str, range(good))
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        copy_entries(account, references())
    assert not LedgerEntry.objects.exists()

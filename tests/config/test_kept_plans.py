"""Statements that are marked for it are planned once by the server, for each connection."""

import pytest
from django.db import ProgrammingError, connection, transaction

from billing.kept_plans import kept
from config.postgres import base

pytestmark = pytest.mark.django_db

SUM = kept("SELECT sum(n) FROM unnest(%s::bigint[]) AS numbers (n) WHERE n > %s")


def asked(sql, *parameters):
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchone()[0]


def plans():
    """By the end of the statement, how often the server has used the plan that it keeps."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement, generic_plans, custom_plans FROM pg_prepared_statements")
        return {sql.rpartition(" AS ")[2]: used for sql, *used in cursor.fetchall()}


def test_a_marked_statement_is_planned_once_and_answers_each_time():
    before = sum(map(sum, plans().values()))
    assert [asked(SUM, numbers, 1) for numbers in ("{1,2,3}", "{5}", "{}")] == [5, 5, None]
    generic, custom = zip(*plans().values(), strict=True)
    assert (sum(generic) - before, sum(custom)) == (3, 0)


def test_statements_of_other_text_have_plans_of_their_own():
    assert asked(kept("SELECT %s::bigint + 1"), 1) == 2
    assert asked(kept("SELECT %s::bigint + 2"), 1) == 3


def test_a_plan_is_kept_although_the_transaction_is_rolled_back():
    one_more = kept("SELECT %s::bigint * 7")
    with transaction.atomic():
        assert asked(one_more, 6) == 42
        transaction.set_rollback(True)
    assert asked(one_more, 2) == 14


def test_a_plan_is_made_anew_once_the_table_may_have_grown(monkeypatch):
    question = kept("SELECT %s::bigint * 11")
    made_at = (
        "SELECT prepare_time FROM pg_prepared_statements WHERE statement LIKE '%%$1::bigint * 11'"
    )
    assert asked(question, 1) == 11
    first = asked(made_at)
    assert asked(question, 2) == 22
    assert asked(made_at) == first
    monkeypatch.setattr(base, "KEPT_SECONDS", 0)
    assert asked(question, 3) == 33
    assert asked(made_at) > first


def test_after_a_plan_could_not_be_made_anew_the_next_attempt_makes_it(monkeypatch):
    monkeypatch.setattr(base, "KEPT_SECONDS", 0)
    question = kept("SELECT count(*) FROM passing WHERE n = %s::int")
    make = "CREATE TEMPORARY TABLE passing (n int)"
    with connection.cursor() as cursor:
        cursor.execute(make)
        assert asked(question, 1) == 0
        cursor.execute("DROP TABLE passing")
        with pytest.raises(ProgrammingError), transaction.atomic():
            asked(question, 1)
        cursor.execute(make)
        assert asked(question, 1) == 0


def test_a_new_connection_plans_anew():
    other = connection.copy()
    try:
        for _ in range(2):
            with other.cursor() as cursor:
                cursor.execute(SUM, ["{2,3}", 0])
                assert cursor.fetchone() == (5,)
            other.close()
    finally:
        other.close()

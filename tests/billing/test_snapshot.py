"""A snapshot reads as of one instant and writes nothing; what comes after it is as before."""

import pytest
from django.db import InternalError, connection, transaction

from billing.snapshot import snapshot
from tests.factories import AccountFactory

pytestmark = pytest.mark.django_db(transaction=True)


def kind_of_transaction() -> tuple[str, str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('transaction_isolation'),"
            " current_setting('transaction_read_only')"
        )
        isolation, is_read_only = cursor.fetchone()
    return isolation, is_read_only


def test_it_forbids_writing():
    with pytest.raises(InternalError, match="read-only transaction"), snapshot():
        AccountFactory()
    assert kind_of_transaction() == ("read committed", "off")


def test_transactions_after_it_are_as_before():
    with snapshot():
        assert kind_of_transaction() == ("repeatable read", "on")
        with snapshot():
            assert kind_of_transaction() == ("repeatable read", "on")
    assert kind_of_transaction() == ("read committed", "off")
    with transaction.atomic():
        assert kind_of_transaction() == ("read committed", "off")


def test_one_that_asked_nothing_leaves_nothing():
    with snapshot():
        pass
    with transaction.atomic():
        assert kind_of_transaction() == ("read committed", "off")

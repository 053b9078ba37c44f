"""An outage of the database is told from a statement that was at fault."""

import psycopg2
import pytest
from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError

from billing.outage import is_outage


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OperationalError("connection refused"), True),
        (InterfaceError("connection already closed"), True),
        (caused(DatabaseError(), psycopg2.DatabaseError("server closed the connection")), True),
        (caused(IntegrityError(), psycopg2.IntegrityError("duplicate key")), False),
        (DatabaseError("Save with update_fields did not affect any rows."), False),
        (ValueError("not of a database"), False),
        (None, False),
    ],
    ids=["refused", "closed", "broken off", "duplicate", "row gone", "other", "nothing"],
)
def test_what_is_an_outage(error: Exception | None, expected: bool) -> None:
    assert is_outage(error) is expected

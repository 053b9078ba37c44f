"""Whether the database is away: what tells an outage from a statement that was at fault."""

import psycopg2
from django.db import InterfaceError, OperationalError


def is_outage(error: BaseException | None) -> bool:
    """Whether ``error`` says that the database is away, hangs or ended the session.

    A connection that breaks in the middle of an answer is a plain DatabaseError to psycopg2,
    without the code that every error of a server has.
    """
    if isinstance(error, OperationalError | InterfaceError):
        return True
    cause = error.__cause__ if error is not None else None
    return type(cause) is psycopg2.DatabaseError and cause.pgcode is None

"""Reading several things as of one instant."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def snapshot(exported: str = "") -> Iterator[None]:
    """Make all queries inside see the database at the same instant, and forbid writing.

    That of another connection's snapshot, where its ``exported`` name is given. Inside a
    transaction that is under way already, that transaction's view holds instead.
    """
    if connection.in_atomic_block:
        yield
        return
    with transaction.atomic():
        connection.connection.read_snapshot()
        if exported:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION SNAPSHOT %s", [exported])
        yield

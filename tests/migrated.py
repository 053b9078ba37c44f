"""One migrated database for all processes of a test run: made once, and copied by the server.

To migrate takes seconds, which each process took; a copy takes a tenth of one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management import call_command
from django.db import connection

PREFIX = "migrated_"
LOCK = 5_701_283  # any number that is no other lock's


def migrated_database(run: str) -> str:
    """The name of a database that is migrated and empty, and that nobody is connected to.

    The first process of the ``run`` that asks makes it; others wait for that. It stays until the
    first process of the next run.
    """
    name = f"{PREFIX}{run}"
    with connection._nodb_cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])  # until the connection is closed
        cursor.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [PREFIX])
        there = {database for (database,) in cursor.fetchall()}
        if name not in there:
            for other in there:
                cursor.execute(f"DROP DATABASE {connection.ops.quote_name(other)}")
            cursor.execute(f"CREATE DATABASE {connection.ops.quote_name(name)}")
            with _connected_to(name):
                call_command("migrate", verbosity=0, interactive=False)
    return name


@contextmanager
def _connected_to(name: str) -> Iterator[None]:
    settings: dict[str, Any] = connection.settings_dict
    own = settings["NAME"]
    connection.close()
    settings["NAME"] = name
    try:
        yield
    finally:
        connection.close()
        settings["NAME"] = own

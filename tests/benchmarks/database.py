"""A database of their own for benchmarks, which must be the first that they import.

DATABASE_URL names a server on which a database can be created; it is dropped at the end.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

# As in production. Development keeps the text of every statement.
settings.DEBUG = False


@contextmanager
def own_database() -> Iterator[None]:
    """Move the connection to a new, migrated database; drop it afterwards."""
    server = connection.settings_dict["NAME"]
    name = f"benchmark_{os.getpid()}"

    def execute(sql: str) -> None:
        connection.close()
        connection.settings_dict["NAME"] = server
        with connection.cursor() as cursor:
            cursor.execute(sql)
        connection.close()

    execute(f"CREATE DATABASE {name}")
    try:
        connection.settings_dict["NAME"] = name
        call_command("migrate", verbosity=0, skip_checks=True)
        yield
    finally:
        execute(f"DROP DATABASE {name} WITH (FORCE)")

"""Django's PostgreSQL backend with an end to each wait, which the option ``wait_seconds`` sets.

Sites set it to a few seconds (`config.wsgi`), so that a database that hangs costs a visitor a page
that says so. Without it, in commands and workers, no wait ends.

And it has the server keep the plans of statements that are marked for it (`billing.kept_plans`),
and begins transactions that read one snapshot (`billing.snapshot`).
"""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import count
from typing import Any

import psycopg2.extensions
from django.db.backends.postgresql import base

from billing.kept_plans import MARK
from config.postgres.patience import Gate, patience

# A table that was nearly empty when the plan was made may have grown to a million rows since, and
# be read from end to end each time.
KEPT_SECONDS = 2


class PatientConnection(psycopg2.extensions.connection):
    """A connection whose waits end after ``wait_seconds``; None: they do not."""

    wait_seconds: float | None = None

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # By their text: names of the statements that the server has planned, and when it did.
        self._kept: dict[str, tuple[str, float]] = {}
        self._reads_snapshot = False
        self._names = (f"kept_{number}" for number in count(1))

    def wait(self) -> AbstractContextManager[None]:
        """Limit how long this block may wait for the server."""
        if self.wait_seconds is None:
            return nullcontext()
        return patience.limited(self.fileno(), self.wait_seconds)

    def by_kept_plan(self, sql: str, parameters: Sequence[Any]) -> tuple[str, Sequence[Any]]:
        """Return what has the server do ``sql`` by the plan that it keeps of it."""
        name, made_at = self._kept.get(sql, ("", 0.0))
        now = time.monotonic()
        if not name or now - made_at > KEPT_SECONDS:
            # Where the next statement fails (a table is locked, say), the old name is gone.
            self._kept.pop(sql, None)
            forget = f"DEALLOCATE {name};" if name else ""
            name = next(self._names)
            first, *rest = sql.removeprefix(MARK).split("%s")
            numbered = first + "".join(f"${n}{part}" for n, part in enumerate(rest, start=1))
            with self.cursor() as cursor:
                cursor.execute(f"{forget} PREPARE {name} AS {numbered}")
            self._kept[sql] = name, now
        return f"EXECUTE {name} ({', '.join(['%s'] * len(parameters))})", parameters

    def read_snapshot(self) -> None:
        """Have the transaction that begins next read one snapshot and write nothing.

        It says so as it begins: a statement of its own would be one more way to the server.
        """
        self.set_session(isolation_level="repeatable read", readonly=True)
        self._reads_snapshot = True

    def commit(self) -> None:
        """Commit."""
        with self.wait():
            super().commit()
        self._end_snapshot()

    def rollback(self) -> None:
        """Roll back."""
        with self.wait():
            super().rollback()
        self._end_snapshot()

    def _end_snapshot(self) -> None:
        if self._reads_snapshot:
            self.set_session(isolation_level="default", readonly="default")
            self._reads_snapshot = False


class PatientCursor(psycopg2.extensions.cursor):
    """A cursor that waits no longer than its connection allows."""

    connection: PatientConnection

    def execute(self, *args: Any) -> None:
        """Run a statement."""
        if isinstance(args[0], str) and args[0].startswith(MARK):
            args = self.connection.by_kept_plan(*args)
        with self.connection.wait():
            super().execute(*args)

    def executemany(self, *args: Any) -> None:
        """Run a statement for each set of parameters."""
        with self.connection.wait():
            super().executemany(*args)

    def copy_expert(self, *args: Any) -> None:
        """Copy rows in or out."""
        with self.connection.wait():
            super().copy_expert(*args)

    def fetchmany(self, *args: Any) -> list[Any]:
        """Return the next rows; of a cursor in the server, ask for them."""
        with nullcontext() if self.name is None else self.connection.wait():
            return super().fetchmany(*args)


gate = Gate()
patience.on_hang_up = gate.close


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's wrapper, whose connections are patient ones."""

    wait_seconds: float | None = None

    def get_connection_params(self) -> dict[str, Any]:
        """Keep our option from the library, which does not know it."""
        parameters: dict[str, Any] = super().get_connection_params()
        self.wait_seconds = parameters.pop("wait_seconds", None)
        # Else it would be made anew wherever that looks a little cheaper than the one that is kept.
        keep_plans = "-c plan_cache_mode=force_generic_plan"
        parameters["options"] = f"{keep_plans} {parameters.get('options', '')}".rstrip()
        parameters["connection_factory"] = PatientConnection
        parameters["cursor_factory"] = PatientCursor
        return parameters

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Connect, and limit the waits from then on."""
        with nullcontext() if self.wait_seconds is None else gate.passing():
            connection = super().get_new_connection(conn_params)
        connection.wait_seconds = self.wait_seconds
        return connection

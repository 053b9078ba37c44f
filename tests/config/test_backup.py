"""`make backup` and `make restore`: what comes back is what was there, and nothing is lost."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg2
import pytest
from django.apps import apps

from config.local.backup import LEFT_OUT, programs_for
from config.local.refusals import Refused

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.xdist_group("stack")


class Databases:
    """Databases of their own on the server of the tests."""

    def __init__(self) -> None:
        self.server = os.environ["DATABASE_URL"]
        self.names: list[str] = []

    def new(self, *, template: str = "template1") -> str:
        """The address of a new one: empty, or a copy of ``template``."""
        name = f"backup_{uuid4().hex[:8]}"
        self._do(f"CREATE DATABASE {name} TEMPLATE {template}")
        self.names.append(name)
        return urlunsplit(urlsplit(self.server)._replace(path=f"/{name}"))

    def drop(self) -> None:
        for name in self.names:
            self._do(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _do(self, statement: str) -> None:
        connection = psycopg2.connect(self.server)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
        connection.close()


@pytest.fixture(scope="module")
def databases() -> Iterator[Databases]:
    """Databases that are gone afterwards."""
    made = Databases()
    yield made
    made.drop()


def run(url: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        env={
            **os.environ,
            "DATABASE_URL": url,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "FIELD_ENCRYPTION_KEYS": "the-key-of-the-first-site",
            **more,
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def stack(url: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return run(url, "config.local.stack", *arguments, **more)


def shown(url: str) -> Any:
    done = run(url, "tests.config.backed_up", "pages")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def source(
    databases: Databases, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """The database of a company with a past."""
    url = databases.new(template=template_database)
    filled = run(url, "tests.config.backed_up", "fill", str(tmp_path_factory.mktemp("files")))
    assert filled.returncode == 0, filled.stderr
    return url


@pytest.fixture(scope="module")
def kept(source: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its backup."""
    file = tmp_path_factory.mktemp("backups") / "monday.backup"
    done = stack(source, "backup", str(file))
    assert done.returncode == 0, done.stdout
    assert "Keep FIELD_ENCRYPTION_KEYS" in done.stdout
    assert file.stat().st_mode & 0o777 == 0o600
    return file


def tables_in(url: str) -> list[str]:
    connection = psycopg2.connect(url)
    with connection.cursor() as cursor:
        cursor.execute("SELECT schemaname || '.' || tablename FROM pg_tables ORDER BY 1")
        found = [name for (name,) in cursor if not re.match("pg_catalog|information_schema", name)]
    connection.close()
    return found


def test_what_is_restored_elsewhere_is_audited_and_shows_the_same_pages(
    databases: Databases, source: str, kept: Path
) -> None:
    target = databases.new()
    done = stack(target, "restore", str(kept))
    assert done.returncode == 0, done.stdout
    assert "The ledger is clean" in done.stdout
    assert "1 import lost the file" in done.stdout
    assert "FIELD_ENCRYPTION_KEYS" not in done.stdout  # they are the same here
    before, after = shown(source), shown(target)
    different = {name for name, digest in before["pages"].items() if after["pages"][name] != digest}
    # The list of imports says that the file is gone, as it is.
    assert different == {"/a/acme/calls/imports/"}
    assert before["state"] == {"parts": 1, "file_deleted": False, "said": "", "is_seed_kept": 1}
    assert after["state"].pop("said").startswith("The file is not in the backup")
    assert after["state"] == {"parts": 0, "file_deleted": True, "is_seed_kept": 1}

    refused = stack(target, "restore", str(kept))
    assert refused.returncode == 1
    assert "This database is not empty" in refused.stdout
    assert shown(target)["pages"] == after["pages"]


def test_what_a_database_holds_is_replaced_only_when_told_and_lost_keys_are_said(
    databases: Databases, kept: Path
) -> None:
    target = databases.new()
    connection = psycopg2.connect(target)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE ours (id int)")

    in_use = stack(target, "restore", str(kept), "--replace")
    assert in_use.returncode == 1
    assert "other connections use this database" in in_use.stdout
    connection.close()

    refused = stack(target, "restore", str(kept))
    assert refused.returncode == 1
    assert "is not empty (1 tables); nothing was restored" in refused.stdout

    damaged = kept.with_name("damaged.backup")
    damaged.write_bytes(kept.read_bytes()[: kept.stat().st_size // 2])
    for file in (damaged, Path(__file__)):
        broken = stack(target, "restore", str(file), "--replace")
        assert broken.returncode == 1
        assert "pg_restore failed, and nothing was changed" in broken.stdout
    assert tables_in(target) == ["public.ours"]

    # Where the keys are others, it says whose second step nobody can read, and what helps.
    done = stack(target, "restore", str(kept), "--replace", FIELD_ENCRYPTION_KEYS="another-key")
    assert done.returncode == 0, done.stdout
    assert "No key of FIELD_ENCRYPTION_KEYS (or SECRET_KEY) fits the second step of " in done.stdout
    assert "owner@example.com" in done.stdout
    assert "delete these second steps in /admin/" in done.stdout
    assert "fits the secret of Vapi of Acme Voice: what it sends is refused" in done.stdout
    assert "The ledger is clean" in done.stdout
    assert "public.ours" not in tables_in(target)
    assert {name.partition(".")[0] for name in tables_in(target)} == {"public"}


def test_a_restore_that_was_killed_is_undone_by_the_next(databases: Databases, kept: Path) -> None:
    target = databases.new()
    connection = psycopg2.connect(target)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE ours (id int); ALTER SCHEMA public RENAME TO replaced_by_restore;"
            " CREATE SCHEMA public"
        )
    connection.close()
    refused = stack(target, "restore", str(kept))
    assert "is not empty (1 tables); nothing was restored" in refused.stdout
    assert tables_in(target) == ["public.ours"]


def test_a_backup_never_replaces_a_file(source: str, kept: Path) -> None:
    size = kept.stat().st_size
    again = stack(source, "backup", str(kept))
    assert again.returncode == 1
    assert "is there already" in again.stdout
    assert kept.stat().st_size == size


def test_what_is_left_out_are_tables_that_there_are() -> None:
    tables = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}
    assert set(LEFT_OUT) <= tables


def test_a_server_that_is_newer_than_all_programs_is_refused_with_what_to_install() -> None:
    with pytest.raises(Refused, match="apt-get install postgresql-client-999"):
        programs_for(999)

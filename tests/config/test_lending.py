"""`manage.py` beside a running `make run` works on the same servers."""

import json
import os
import shutil
import stat
from pathlib import Path

import pytest

from config.local.lending import borrow, lent

SERVERS = {
    "DATABASE_URL": "postgres:///x",
    "REDIS_URL": "redis://x",
    "SECRET_KEY": "k",
}


@pytest.fixture
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SERVERS:
        monkeypatch.setenv(name, "x")  # so that it is put back afterwards
        monkeypatch.delenv(name)


def test_the_environment_is_known_while_it_runs_and_to_its_owner_only(tmp_path: Path) -> None:
    with lent(tmp_path, {**SERVERS, "HOME": "h"}, [*SERVERS, "EMAIL_URL"]):
        path = tmp_path / "environment.json"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert json.loads(path.read_text())["value"] == SERVERS
    assert not path.exists()


def test_a_command_takes_over_the_environment(tmp_path: Path, unset: None) -> None:
    with lent(tmp_path, SERVERS, SERVERS):
        borrow(tmp_path)
    assert os.environ["DATABASE_URL"] == "postgres:///x"


def test_servers_that_are_named_come_first(
    tmp_path: Path, unset: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres:///mine")
    with lent(tmp_path, SERVERS, SERVERS):
        borrow(tmp_path)
    assert os.environ["DATABASE_URL"] == "postgres:///mine"
    assert "REDIS_URL" not in os.environ


def test_a_copied_directory_lends_nothing_of_the_original(tmp_path: Path, unset: None) -> None:
    original, copy = tmp_path / "original", tmp_path / "copy"
    original.mkdir()
    with lent(original, SERVERS, SERVERS):
        shutil.copytree(original, copy)
        borrow(copy)
    assert "DATABASE_URL" not in os.environ


def test_with_nothing_running_nothing_is_set(tmp_path: Path, unset: None) -> None:
    borrow(tmp_path)
    assert "DATABASE_URL" not in os.environ

"""Waiting for a database that hangs comes to an end."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from django.db import OperationalError, connections

from config.postgres import base
from config.postgres.base import PatientConnection
from config.postgres.patience import CLOSED_SECONDS, Gate, patience


@pytest.fixture
def impatient(django_db_blocker: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A connection of its own to the tests' database that waits for half a second."""
    own_gate = Gate()
    monkeypatch.setattr(base, "gate", own_gate)
    monkeypatch.setattr(patience, "on_hang_up", own_gate.close)
    with django_db_blocker.unblock():
        copy = connections["default"].copy()
        copy.settings_dict = {
            **copy.settings_dict,
            "OPTIONS": {**copy.settings_dict["OPTIONS"], "wait_seconds": 0.5},
        }
        yield copy
        copy.close()
        _wait_for_the_server_to_notice()


def _wait_for_the_server_to_notice() -> None:
    """A session whose client hung up goes on until its statement is over."""
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE %s AND state = 'active'"
    for _ in range(100):
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(sleeping, ["SELECT pg_sleep(4)%"])
            if cursor.fetchone() == (0,):
                return
        time.sleep(0.1)


@pytest.mark.django_db
def test_a_statement_without_an_answer_ends_as_if_the_server_were_gone(impatient: Any) -> None:
    begun = time.monotonic()
    with pytest.raises(OperationalError), impatient.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(4)")
    assert time.monotonic() - begun < 3


@pytest.mark.django_db
def test_a_statement_that_is_answered_in_time_is_left_alone(impatient: Any) -> None:
    with impatient.cursor() as cursor:
        for _ in range(3):
            cursor.execute("SELECT pg_sleep(0.2)")
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


@pytest.mark.django_db
def test_workers_and_commands_wait_as_long_as_it_takes() -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.6)")
    connection = connections["default"].connection
    assert isinstance(connection, PatientConnection)
    assert connection.wait_seconds is None


def test_while_the_server_is_away_only_one_attempt_waits_for_it() -> None:
    gate = Gate()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(psycopg2.OperationalError), gate.passing():
            psycopg2.connect(host="127.0.0.1", port=port, connect_timeout=2)
    begun = time.monotonic()
    with pytest.raises(psycopg2.OperationalError, match="a moment ago"), gate.passing():
        pytest.fail("the gate is closed")
    assert time.monotonic() - begun < CLOSED_SECONDS


def test_the_gate_opens_with_the_first_connection_that_is_made() -> None:
    gate = Gate()
    gate.close()
    gate._closed_until = time.monotonic()
    with gate.passing():
        pass
    with gate.passing(), gate.passing():
        pass

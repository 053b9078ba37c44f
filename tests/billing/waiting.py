"""Races of two threads, without luck: one goes on when the other waits for it."""

from time import monotonic, sleep

from django.db import connection

WAIT_SECONDS = 20
# Other processes of the tests have databases of their own on the same server, and locks there.
WAITING = """
    SELECT count(*) FROM pg_locks
     WHERE NOT granted AND pid IN (
               SELECT pid FROM pg_stat_activity WHERE datname = current_database())
"""


def until_somebody_waits_for_a_lock(*, count: int = 1) -> None:
    give_up = monotonic() + WAIT_SECONDS
    with connection.cursor() as cursor:
        while monotonic() < give_up:
            cursor.execute("SELECT pg_stat_clear_snapshot()")  # a transaction keeps what it saw
            cursor.execute(WAITING)
            (waiting,) = cursor.fetchone()
            if waiting >= count:
                return
            sleep(0.02)
    raise AssertionError("nobody waited")

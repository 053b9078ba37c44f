"""Races of two threads, without luck: one goes on when the other waits for it."""

from time import monotonic, sleep

from django.db import connection

WAIT_SECONDS = 20


def until_somebody_waits_for_a_lock(*, count: int = 1) -> None:
    give_up = monotonic() + WAIT_SECONDS
    with connection.cursor() as cursor:
        while monotonic() < give_up:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            (waiting,) = cursor.fetchone()
            if waiting >= count:
                return
            sleep(0.02)
    raise AssertionError("nobody waited")

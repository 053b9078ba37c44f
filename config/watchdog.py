"""Ends a worker that takes no more work, so that whoever started it starts another one.

A worker of Celery's that has lost its broker may come back connected and consume nothing, for ever.
It lives, so no supervisor would notice; payments and calls would wait until somebody looks.
"""

import logging
import os
import threading
import time
from functools import cache

import redis
from celery.worker import state
from django.conf import settings

logger = logging.getLogger(__name__)

CHECK_SECONDS = 5
IDLE_SECONDS_MAX = 60
# Beyond the time limit, when Celery itself should have ended whatever runs.
BUSY_SECONDS_MAX = settings.CELERY_TASK_TIME_LIMIT + 60


@cache
def watch() -> None:
    """Watch the worker that this process is, in a thread of its own; once, however often asked."""
    threading.Thread(target=_watch, name="watchdog", daemon=True).start()


class Patience:
    """Counts the checks at which tasks waited and none had been taken since the check before.

    Checks, not seconds: a machine that slept has not let anything wait.
    """

    def __init__(self) -> None:
        self._taken = 0
        self._in_vain = 0

    def is_over(self, *, taken: int, waiting: int, is_busy: bool) -> bool:
        """Whether the worker hangs, which has ``taken`` so many tasks since its start."""
        self._in_vain = self._in_vain + 1 if waiting and taken == self._taken else 0
        self._taken = taken
        limit = BUSY_SECONDS_MAX if is_busy else IDLE_SECONDS_MAX
        return self._in_vain * CHECK_SECONDS > limit


def _watch() -> None:
    patience = Patience()
    with redis.Redis.from_url(settings.REDIS_URL, **settings.REDIS_TIMEOUTS) as broker:
        while state.should_stop is None:
            time.sleep(CHECK_SECONDS)
            if patience.is_over(
                taken=sum(state.total_count.values()),
                waiting=_waiting(broker),
                is_busy=bool(state.reserved_requests),
            ):
                logger.critical("Tasks wait, and this worker takes none: it ends, to be restarted.")
                os._exit(1)  # its main thread may hang


def _waiting(broker: redis.Redis) -> int:
    """How many tasks wait in the queue; 0 where the broker does not say."""
    queue = settings.CELERY_BROKER_TRANSPORT_OPTIONS["global_keyprefix"] + "celery"
    try:
        waiting: int = broker.llen(queue)
    except redis.RedisError:
        return 0
    return waiting

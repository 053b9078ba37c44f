"""The cache: in Redis, and empty while Redis is away.

Sign-in alone uses it, to count tries and to note which codes of a second step were used. None of
that may keep people out of their pages: while Redis is away tries are not limited, and a code of a
second step may be given twice while it is valid. The log says so.
"""

import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.redis import RedisCache
from redis import RedisError

# A server that hangs costs a page one time-out, not one for each thing that it asks.
PAUSE_SECONDS = 5

logger = logging.getLogger(__name__)
Answer = TypeVar("Answer")


class SpareableRedisCache(RedisCache):
    """Django's Redis cache, of which what sign-in uses answers without Redis too."""

    _away_until = 0.0

    def add(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        """Store what is not there yet; True where it was not, as in an empty cache."""
        return self._ask(lambda: RedisCache.add(self, key, value, timeout, version), True)

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        """Return what is stored, ``default`` when there is nothing."""
        return self._ask(lambda: RedisCache.get(self, key, default, version), default)

    def set(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> None:
        """Store, where there is something to store it in."""
        self._ask(lambda: RedisCache.set(self, key, value, timeout, version), None)

    def delete(self, key: Any, version: int | None = None) -> bool:
        """Forget; whether there was anything."""
        return self._ask(lambda: RedisCache.delete(self, key, version), False)

    def _ask(self, ask: Callable[[], Answer], otherwise: Answer) -> Answer:
        if time.monotonic() < self._away_until:
            return otherwise
        try:
            return ask()
        except RedisError as error:
            self._away_until = time.monotonic() + PAUSE_SECONDS
            logger.warning("Redis is away, so tries to sign in are not limited: %s", error)
            return otherwise

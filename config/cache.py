"""The cache: kept in Redis, and empty while Redis is away.

Only sign-in uses it, to slow down visitors who ask for very many pages or mails. What keeps
others out, such as the number of wrong passwords, is limited in the database. People must reach
their pages while Redis is away; the log then says that the limits of the cache do not hold.
"""

import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.redis import RedisCache
from redis import RedisError

# A server that hangs costs a page one time-out, not one for each question.
PAUSE_SECONDS = 5

logger = logging.getLogger(__name__)
Answer = TypeVar("Answer")


class OptionalRedisCache(RedisCache):
    """Django's Redis cache; the operations that sign-in uses also answer while Redis is away."""

    _away_until = 0.0

    def add(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        """Store a value under a new key; return whether the key was new, as in an empty cache."""
        return self._ask(lambda: RedisCache.add(self, key, value, timeout, version), True)

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        """Return the stored value, or ``default`` if there is none."""
        return self._ask(lambda: RedisCache.get(self, key, default, version), default)

    def set(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> None:
        """Store a value; do nothing while Redis is away."""
        self._ask(lambda: RedisCache.set(self, key, value, timeout, version), None)

    def delete(self, key: Any, version: int | None = None) -> bool:
        """Delete a key; return whether it existed."""
        return self._ask(lambda: RedisCache.delete(self, key, version), False)

    def _ask(self, ask: Callable[[], Answer], otherwise: Answer) -> Answer:
        if time.monotonic() < self._away_until:
            return otherwise
        try:
            return ask()
        except RedisError as error:
            self._away_until = time.monotonic() + PAUSE_SECONDS
            logger.warning(
                "Redis is away, so requests for links and pages are not limited: %s", error
            )
            return otherwise

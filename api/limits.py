"""How many requests are let in: counted exactly, in Redis, by key and by visitor without a key.

A window begins with its first request and ends a minute later. One atomic script counts, so many
processes together let in as many as one would. While Redis is away everything is let in, and the
log says so: who pays for calls must be able to record them.
"""

import logging
import time
from functools import cache
from typing import Any, NamedTuple

import redis
from django.conf import settings
from django.core.cache import caches

COUNT = """
local used = redis.call('INCR', KEYS[1])
if used == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return {used, redis.call('PTTL', KEYS[1])}
"""
WINDOW_SECONDS = 60
# A server that hangs costs one request a time-out, not each of them.
PAUSE_SECONDS = 5

logger = logging.getLogger(__name__)


class Policy(NamedTuple):
    """At most ``quota`` requests in a window."""

    name: str
    quota: int
    window_seconds: int = WINDOW_SECONDS

    @property
    def header(self) -> str:
        """As the header RateLimit-Policy says it."""
        return f'"{self.name}";q={self.quota};w={self.window_seconds}'


class Counted(NamedTuple):
    """How a window stands after a request: what was used of it, and when a new one begins."""

    policy: Policy
    used: int
    resets_in_seconds: int

    @property
    def is_over(self) -> bool:
        """Whether this request is one too many."""
        return self.used > self.policy.quota

    @property
    def headers(self) -> dict[str, str]:
        """The headers that tell a client how much is left."""
        left = max(0, self.policy.quota - self.used)
        headers = {
            "RateLimit-Policy": self.policy.header,
            "RateLimit": f'"{self.policy.name}";r={left};t={self.resets_in_seconds}',
        }
        if self.is_over:
            headers["Retry-After"] = str(self.resets_in_seconds)
        return headers


def of_key() -> Policy:
    """What one key may ask for."""
    return Policy("key", settings.API_REQUESTS_PER_MINUTE)


def of_visitor() -> Policy:
    """How often one visitor may come without a valid key."""
    return Policy("visitor", settings.API_REFUSALS_PER_MINUTE)


_away_until = 0.0


def count(policy: Policy, who: str) -> Counted | None:
    """Count a request of ``who``; None while Redis is away."""
    global _away_until
    if time.monotonic() < _away_until:
        return None
    try:
        used, left_ms = _script()(
            keys=[caches["default"].make_key(f"{policy.name}:{who}")],
            args=[policy.window_seconds * 1_000],
        )
    except redis.RedisError as error:
        _away_until = time.monotonic() + PAUSE_SECONDS
        logger.warning("Redis is away, so requests to the API are not limited: %s", error)
        return None
    return Counted(policy, used, max(1, -(-left_ms // 1_000)))


@cache
def _script() -> Any:
    client = redis.Redis.from_url(settings.REDIS_URL, **settings.REDIS_TIMEOUTS)
    return client.register_script(COUNT)

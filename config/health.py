"""Answers probes. Reveals nothing else, and needs no page of the site to work.

``/health/live/``: this process answers. A process that does not is to be started again.
``/health/``: it can serve: database and broker work. Traffic stays away while they do not. It also
tells how old the oldest event of a payment or of a source of calls is that no worker has processed:
who watches the site sees by it that workers are behind or away, which is no fault of the process
that answers.
"""

from collections.abc import Callable
from functools import cache

import redis
from django.conf import settings
from django.db import Error, connection
from django.http import HttpRequest, HttpResponseBase, JsonResponse

from billing import clock
from billing.payments.events import oldest_unprocessed
from calls.inbox.draining import oldest_waiting
from config import no_page

PATH = "/health/"
LIVE_PATH = "/health/live/"
TIMEOUT_SECONDS = 3

OK, DOWN, FULL = "ok", "down", "full"


@cache
def _broker() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS
    )


def database_state() -> str:
    """Ask the database for a constant."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            return OK if cursor.fetchone() == (1,) else DOWN
    except Error:
        return DOWN


def broker_state() -> str:
    """Write to the broker: one whose memory is full still answers, but takes no work."""
    try:
        _broker().set(f"{settings.REDIS_KEY_PREFIX}:health", "", ex=60)
    except redis.exceptions.OutOfMemoryError:
        return FULL
    except redis.RedisError:
        return DOWN
    return OK


def oldest_work_seconds() -> int | None:
    """How long the event has waited that came first; 0 where none waits, None if unknown."""
    try:
        waiting = [at for at in (oldest_unprocessed(), oldest_waiting()) if at is not None]
    except Error:
        return None
    now = clock.now()
    return max(0, int((now - min(waiting, default=now)).total_seconds()))


def health() -> JsonResponse:
    """Return 200 when every part works, else 503 with the part that does not."""
    parts = {"database": database_state(), "broker": broker_state()}
    age = oldest_work_seconds() if parts["database"] == OK else None
    return JsonResponse(
        {**parts, "oldest_unprocessed_seconds": age},
        status=200 if set(parts.values()) == {OK} else 503,
        headers=no_page.OF_PROBES,
    )


class HealthMiddleware:
    """Serves probes before the host check and the redirect to HTTPS, which would refuse them."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer a probe, pass everything else on."""
        if request.path_info == LIVE_PATH:
            return JsonResponse({"process": OK}, headers=no_page.OF_PROBES)
        if request.path_info == PATH:
            return health()
        return self.get_response(request)

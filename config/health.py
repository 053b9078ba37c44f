"""Answers /health/: can this process reach its database and its broker? Reveals nothing else."""

from collections.abc import Callable
from functools import cache

import redis
from django.conf import settings
from django.db import Error, connection
from django.http import HttpRequest, HttpResponseBase, JsonResponse

PATH = "/health/"
TIMEOUT_SECONDS = 3


@cache
def _broker() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS
    )


def database_answers() -> bool:
    """Ask the database for a constant."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            return bool(cursor.fetchone() == (1,))
    except Error:
        return False


def broker_answers() -> bool:
    """Ping the broker."""
    try:
        return bool(_broker().ping())
    except redis.RedisError:
        return False


def health() -> JsonResponse:
    """Return 200 when every part answers, else 503 with the part that does not."""
    parts = {"database": database_answers(), "broker": broker_answers()}
    return JsonResponse(
        {name: "ok" if answers else "down" for name, answers in parts.items()},
        status=200 if all(parts.values()) else 503,
        headers={"Cache-Control": "no-store"},
    )


class HealthMiddleware:
    """Serves `PATH` before the host check and the redirect to HTTPS, which would refuse a probe."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer a probe, pass everything else on."""
        if request.path_info == PATH:
            return health()
        return self.get_response(request)

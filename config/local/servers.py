"""The database and the broker of a stack: embedded, unless the environment names your own."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import redis

from config import addresses
from config.environment import Environment, refuse
from config.local.embedded_postgres import forget_sockets, start_postgres
from config.local.embedded_valkey import start_valkey
from config.local.processes import Supervisor


@contextlib.contextmanager
def servers(state: Path, *, durable: bool) -> Iterator[tuple[Supervisor, dict[str, str]]]:
    """Yield a supervisor and an environment with both servers up; stop all at the end."""
    environment = dict(os.environ)
    if environment.get("REDIS_URL"):
        _require_broker()
    supervisor = Supervisor(state)
    supervisor.recover()
    try:
        if not environment.get("DATABASE_URL"):
            environment["DATABASE_URL"] = start_postgres(supervisor, state=state, durable=durable)
        if not environment.get("REDIS_URL"):
            environment["REDIS_URL"] = start_valkey(supervisor, state=state, durable=durable)
        yield supervisor, environment
    finally:
        supervisor.stop()
        forget_sockets(state)


def _require_broker() -> None:
    """Refuse a broker that does not answer: worker and site would wait for it in silence."""
    url = Environment().text("REDIS_URL", "", addresses.redis)
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5) as client:
            client.ping()
    except (redis.RedisError, ValueError, TypeError) as error:  # the last two: its ?option=…
        refuse("REDIS_URL", str(error))

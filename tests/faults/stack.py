"""The real stack for the fault harness: own database, broker, web, worker and beat, to be broken.

Everything lives in one temporary directory, on loopback, and is gone after the run. Only processes
started here are ever signalled, by their own number.
"""

import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType

import psutil
import redis

from config.local.embedded_postgres import forget_sockets, start_postgres
from config.local.embedded_valkey import start_valkey
from config.local.processes import Program, Running, Supervisor, signal_group

ROOT = Path(__file__).resolve().parents[2]
OURS = ("web", "worker", "beat")
START_SECONDS_MAX = 90
NOT_OURS = ("DATABASE_URL", "REDIS_URL", "REDIS_KEY_PREFIX", "EMAIL_URL", "DEBUG", "CI", "SITE_URL")


class Stack:
    """Starts on entering, ends on leaving. ``environment`` is what its processes run with.

    ``keep_logs`` is a directory that the logs of its processes are copied to at the end.
    """

    def __init__(self, *, keep_logs: Path | None = None) -> None:
        self._keep_logs = keep_logs
        self.state = Path(tempfile.mkdtemp(prefix="call-credits-faults-"))
        self.state.chmod(0o755)  # PostgreSQL runs as another user where we are root
        self._supervisor = Supervisor(self.state)
        self._processes: dict[str, Running] = {}
        self.port = _free_port()
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in NOT_OURS},
            "SECRET_KEY": secrets.token_urlsafe(50),
            "ALLOWED_HOSTS": "127.0.0.1",
            "SITE_URL": self.address,
            "EMAIL_URL": "dummymail://",
            "PAYMENT_GATEWAY": "sandbox",
            "SANDBOX_PAYMENTS_ALLOWED": "true",
            "SANDBOX_WEBHOOK_SECRET": secrets.token_urlsafe(32),
            "STATIC_ROOT": str(self.state / "static"),
            "BEAT_SCHEDULE_FILE": str(self.state / "beat-schedule"),
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "LOG_LEVEL": "WARNING",
            "PYTHONUNBUFFERED": "1",
        }

    @property
    def address(self) -> str:
        """Where the site is served."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "Stack":
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._end()

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``manage.py`` in the stack's environment."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    # ── Faults ────────────────────────────────────────────────────────────────────────────────
    def kill(self, name: str) -> None:
        """``kill -9`` a process with all its children, at once."""
        process = self._processes[name]
        signal_group(process.popen.pid, signal.SIGKILL)
        process.popen.wait()

    def kill_child(self, name: str, chance: random.Random) -> None:
        """``kill -9`` one of the children of web or worker; its parent has to notice."""
        children = psutil.Process(self._processes[name].popen.pid).children()
        if children:
            chance.choice(children).kill()

    def stop_database(self, *, crash: bool) -> None:
        """Shut PostgreSQL down: as in a crash (recovery follows), or fast, ending all sessions."""
        process = self._processes["postgres"]
        process.popen.send_signal(signal.SIGQUIT if crash else signal.SIGINT)
        process.popen.wait(START_SECONDS_MAX)

    def flush_broker(self) -> None:
        """Delete everything that the broker has."""
        with redis.Redis.from_url(self.environment["REDIS_URL"]) as broker:
            broker.flushall()

    def start(self, name: str) -> None:
        """Start a process again that was killed or stopped, as it was started before."""
        self._processes[name] = self._supervisor.restart(self._processes[name])

    def dead(self) -> list[str]:
        """The processes that are not running."""
        return [name for name, p in self._processes.items() if p.popen.poll() is not None]

    # ── Start and end ─────────────────────────────────────────────────────────────────────────
    def _start(self) -> None:
        database = start_postgres(self._supervisor, state=self.state, durable=True)
        broker = start_valkey(self._supervisor, state=self.state, durable=True)
        self._processes = {process.name: process for process in self._supervisor.running}
        self.environment |= {"DATABASE_URL": database, "REDIS_URL": broker}
        for command in (["migrate", "--no-input"], ["collectstatic", "--no-input"]):
            done = self.manage(*command, "--verbosity=0")
            if done.returncode:
                raise RuntimeError(f"{command[0]} failed:\n{done.stdout}{done.stderr}")
        celery = [sys.executable, "-m", "celery", "--app=config"]
        gunicorn = [sys.executable, "-m", "gunicorn", "--config=python:config.gunicorn"]
        self._launch("web", [*gunicorn, "config.wsgi"])
        self._launch("worker", [*celery, "worker", "--concurrency=2", "--loglevel=WARNING"])
        self._launch("beat", [*celery, "beat", "--loglevel=WARNING"])
        self.wait_until_healthy()
        if self.dead():
            log = (self.state / f"{self.dead()[0]}.log").read_text(errors="replace")
            raise RuntimeError(f"{self.dead()[0]} does not start:\n{log[-3000:]}")

    def wait_until_healthy(self) -> None:
        """Return once the site answers that database and broker do, or its process has ended."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self._is_healthy() and "web" not in self.dead():
            if time.monotonic() > deadline:
                log = (self.state / "web.log").read_text(errors="replace")
                raise RuntimeError(f"The site does not come up:\n{log[-3000:]}")
            time.sleep(0.2)

    def _is_healthy(self) -> bool:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/health/")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def _launch(self, name: str, command: list[str]) -> None:
        log = self.state / f"{name}.log"
        self._processes[name] = self._supervisor.start(
            Program(name=name, command=command, env=self.environment, log=log, cwd=ROOT)
        )

    def _end(self) -> None:
        self._supervisor.stop()
        forget_sockets(self.state)
        if self._keep_logs:
            self._keep_logs.mkdir(parents=True, exist_ok=True)
            for log in self.state.glob("*.log"):
                shutil.copy(log, self._keep_logs)
        shutil.rmtree(self.state, ignore_errors=True)


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into an exit that cleans up, as Ctrl-C is."""

    def leave(_number: int, _frame: object) -> None:
        raise SystemExit(130)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

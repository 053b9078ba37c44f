"""The real stack for the fault harness: own database, broker, web, worker and beat, to be broken.

Everything lives in one temporary directory, on loopback, and is gone after the run. Only processes
started here are ever signalled, by their own number.
"""

import os
import random
import resource
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from itertools import chain
from pathlib import Path
from types import TracebackType

import psutil
import psycopg2
import redis

from config.local.embedded_postgres import forget_sockets, start_postgres
from config.local.embedded_valkey import start_valkey
from config.local.processes import Program, Running, Supervisor, signal_group

ROOT = Path(__file__).resolve().parents[2]
OURS = ("web", "worker", "beat")
NEEDED = {"postgres", "valkey", "web"}
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

    @contextmanager
    def hanging(self, name: str) -> Iterator[None]:
        """Stop a server and all its children in the middle of whatever they do; they go on after.

        Nothing is refused meanwhile and nothing answered, as by a machine whose disk hangs.
        """
        stopped = self._with_children(name)
        for process in stopped:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        try:
            yield
        finally:
            for process in stopped:
                with suppress(psutil.NoSuchProcess):
                    process.resume()

    @contextmanager
    def full_broker(self) -> Iterator[None]:
        """Leave the broker no memory: it answers, and takes nothing."""
        with redis.Redis.from_url(self.environment["REDIS_URL"]) as broker:
            broker.config_set("maxmemory", 1)
            try:
                yield
            finally:
                broker.config_set("maxmemory", 0)

    @contextmanager
    def locked_table(self, table: str) -> Iterator[None]:
        """Hold a lock on a table that nobody else gets past, as a long migration does."""
        with closing(psycopg2.connect(self.environment["DATABASE_URL"])) as holder:
            holder.cursor().execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            yield

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        """Let no process of the stack write a byte more into a file, as on a full disk.

        By a limit of the size of files, which needs no disk of its own. What a server starts anew
        meanwhile has room again: PostgreSQL recovers, as when somebody makes room.
        """
        try:
            self._limit_file_size(0)
            yield
        finally:
            # Theirs too who were started meanwhile.
            self._limit_file_size(resource.getrlimit(resource.RLIMIT_FSIZE)[0])

    @contextmanager
    def slow_clients(self, number: int) -> Iterator[None]:
        """Send as many requests that never end, and as many that ask and then read nothing."""
        half = b"POST /accounts/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99\r\n\r\na"
        whole = b"GET /static/css/base.css HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 20
        with ExitStack() as open_sockets, suppress(OSError):
            for request in (half, whole) * number:
                client = open_sockets.enter_context(socket.socket())
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client.connect(("127.0.0.1", self.port))
                client.sendall(request)
            yield

    def answer(self, path: str, *, seconds: float) -> tuple[int, float]:
        """The status of a page, 0 for no answer within ``seconds``, and how long it took."""
        begun = time.monotonic()
        connection = HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        try:
            connection.request("GET", path)
            status = connection.getresponse().status
        except (OSError, HTTPException):
            status = 0
        finally:
            connection.close()
        return status, time.monotonic() - begun

    def _limit_file_size(self, size: int) -> None:
        """Limit all but PostgreSQL's first process, which gives what it has to those it starts."""
        of_each = {name: self._with_children(name) for name in self._processes}
        of_each["postgres"] = of_each["postgres"][1:]
        for process in chain.from_iterable(of_each.values()):
            with suppress(psutil.NoSuchProcess, ProcessLookupError):
                _limit_file_size(process, size)

    def _with_children(self, name: str) -> list[psutil.Process]:
        """The process, and then its children."""
        try:
            process = psutil.Process(self._processes[name].popen.pid)
            return [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

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
        """Return once the site answers that database and broker do, or one of them has ended."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self._is_healthy() and not NEEDED & set(self.dead()):
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


def _limit_file_size(process: psutil.Process, size: int) -> None:
    """Set the soft limit, as the process's own user: in a container root may not always."""
    limits = (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1])
    user, group = process.uids().real, process.gids().real
    if user == os.getuid():
        process.rlimit(resource.RLIMIT_FSIZE, limits)
        return
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(group, group, group)
            os.setresuid(user, user, user)
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, limits)
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

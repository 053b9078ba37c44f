"""One command for everything that runs: `python -m config.stack run|test|reset|exec`.

    run            servers, migrations, demo data, then web + worker + beat until Ctrl-C
    test [ARGS]    the test suite on servers of its own, beside a running `run`
    reset          delete the state of `run`
    exec -- CMD    one command with the servers of `test` up and the environment set

State lives in var/ (STATE_DIR moves it). DATABASE_URL and REDIS_URL name servers of your own;
without them embedded ones are started and stopped here.
"""

import contextlib
import errno
import fcntl
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from http.client import HTTPConnection
from pathlib import Path
from types import FrameType
from typing import NoReturn

import redis
from django.core.exceptions import ImproperlyConfigured

from config.environment import Environment
from config.local import browser
from config.local.embedded_postgres import forget_sockets, postgres_home, start_postgres
from config.local.embedded_server import ServerDidNotStart
from config.local.embedded_valkey import start_valkey
from config.local.processes import Program, Supervisor, say
from config.local.running import state_dir, told_to_manage

env = Environment()
BASE_DIR = Path(__file__).resolve().parents[2]
STATE_DIR = state_dir()
MANAGE = (sys.executable, "manage.py")
# Asked in a process of its own, since this one lacks the environment that the settings need.
ASK_SETTINGS = "from config.settings import env; print(*env.asked)"
TEST_SLOTS = 16


class Stopped(Exception):
    """Somebody asked us to stop (Ctrl-C, SIGTERM, the terminal closed)."""


class Refused(Exception):
    """The command cannot do its work; the message says why and what helps."""


def _stop_on_signals() -> None:
    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        # Once: a second Ctrl-C must not interrupt the stopping.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        raise Stopped

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)


@contextlib.contextmanager
def _owned(state: Path) -> Iterator[bool]:
    """Hold the lock of a state directory; yields False when another process holds it."""
    try:
        state.mkdir(parents=True, exist_ok=True)
        lock = (state / "lock").open("a")
    except PermissionError:
        raise  # `main` says what helps
    except OSError as error:
        env.refuse("STATE_DIR", f"{state} cannot be written to ({error.strerror})")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _require_broker(url: str) -> None:
    """Refuse a broker that does not answer: worker and site would wait for it in silence."""
    try:
        with redis.Redis.from_url(
            env.redis("REDIS_URL", url), socket_connect_timeout=5, socket_timeout=5
        ) as client:
            client.ping()
    except (redis.RedisError, ValueError, TypeError) as error:  # the last two: its ?option=…
        env.refuse("REDIS_URL", str(error))


@contextlib.contextmanager
def servers(state: Path, *, durable: bool) -> Iterator[tuple[Supervisor, dict[str, str]]]:
    """Yield a supervisor and an environment with both servers up; stop all at the end."""
    environment = dict(os.environ)
    if environment.get("REDIS_URL"):
        _require_broker(environment["REDIS_URL"])
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


def _step(command: Sequence[str], environment: dict[str, str]) -> str:
    """Run one command to its end, return its output; a failure stops everything."""
    done = subprocess.run(
        command, env=environment, cwd=BASE_DIR, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise Refused(
            _wrong_setting(done.stderr)
            or f"{' '.join(command[1:])} failed:\n{done.stdout}{done.stderr}"
        )
    return done.stdout


def _wrong_setting(stderr: str) -> str:
    """Return the line that says which setting is wrong, if that is what ended a command."""
    match re.findall(r"^[\w.]+\.(\w+): (.+)", stderr, re.MULTILINE)[-1:]:
        case [("ImproperlyConfigured", reason)]:
            return str(reason)
        case [("OperationalError", reason)] if os.environ.get("DATABASE_URL"):
            return f"Environment variable DATABASE_URL: {reason}"
    return ""


# ── run ───────────────────────────────────────────────────────────────────────────────────────
def _secret_key(state: Path) -> str:
    path = state / "secret_key"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(50))
    return path.read_text()


def _require_free_port(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError as error:
            env.refuse("PORT", f"{port} is not open to this user ({error.strerror})")
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                env.refuse("HOST", f"{host!r} is no address of this machine ({error.strerror})")
            raise Refused(
                f"Port {port} is taken ({error.strerror}). Choose another: make run PORT={port + 1}"
            ) from error


def run() -> int:
    """Run the product on this machine until it is asked to stop."""
    host = env.str("HOST", default="127.0.0.1")
    port = env.port("PORT", default=8000)
    state = STATE_DIR
    with _owned(state) as ours:
        if not ours:
            raise Refused(f"Already running: another `make run` uses {state}.")
        Supervisor(state).recover()  # what a crash left over may still hold the port
        _require_free_port(host, port)
        embedded = not os.environ.get("DATABASE_URL")
        with servers(state, durable=True) as (supervisor, environment):
            address = f"http://{'localhost' if host == '127.0.0.1' else host}:{port}"
            defaults = {
                "SECRET_KEY": _secret_key(state),
                "ALLOWED_HOSTS": f"localhost,127.0.0.1,{host}",
                "SITE_URL": address,
                "EMAIL_URL": "consolemail://",
                "PAYMENT_GATEWAY": "sandbox",
                "SANDBOX_PAYMENTS_ALLOWED": "true",
                "STATIC_ROOT": str(state / "static"),
                "BEAT_SCHEDULE_FILE": str(state / "beat-schedule"),
                # Tasks run every few seconds; told of each, nobody would find the sign-ins again.
                "LOG_LEVEL": "WARNING",
            }
            environment = {**defaults, **environment, "HOST": host, "PORT": str(port)}
            environment["PYTHONUNBUFFERED"] = "1"
            # Before anything is done by them: a value that cannot be used stops here.
            read_by_settings = _step((sys.executable, "-c", ASK_SETTINGS), environment).split()
            say("Preparing the database …")
            _step((*MANAGE, "migrate", "--no-input"), environment)
            sign_ins = ""
            # For the embedded database; one of your own gets it only when asked for, hence --force.
            if env.flag("SEED_DEMO", default=embedded):
                _step((*MANAGE, "seed_demo", "--if-empty", "--force"), environment)
                sign_ins = _step((*MANAGE, "seed_demo", "--show-sign-ins"), environment)
            if not env.flag("DEBUG", default=False):  # with DEBUG they are served from the source
                say("Collecting static files …")
                _step((*MANAGE, "collectstatic", "--no-input", "--verbosity=0"), environment)
            celery = (sys.executable, "-m", "celery", "--app=config")
            level = environment["LOG_LEVEL"] or defaults["LOG_LEVEL"]
            gunicorn = (sys.executable, "-m", "gunicorn", "--config=python:config.gunicorn")
            for name, command in {
                "worker": (*celery, "worker", "--concurrency=2", f"--loglevel={level}"),
                "beat": (*celery, "beat", f"--loglevel={level}"),
                "web": (*gunicorn, "config.wsgi"),
            }.items():
                supervisor.start(Program(name=name, command=command, env=environment, cwd=BASE_DIR))
            _wait_until_healthy(host, port, supervisor)
            say(f"\n{sign_ins.rstrip()}\n\n  Ready at {address}   (Ctrl-C stops everything)\n")
            with told_to_manage(state, environment, read_by_settings):
                ended = supervisor.keep_running()
            raise Refused(
                f"{ended.name} ended by itself again and again (exit status"
                f" {ended.popen.returncode}); everything else was stopped too."
                " Its last lines above say why;"
                f" the servers' logs are in {state}."
            )


def _wait_until_healthy(host: str, port: int, supervisor: Supervisor) -> None:
    """Return once the site is healthy, or a process has ended, which the caller then finds."""
    while all(process.popen.poll() is None for process in supervisor.running):
        connection = HTTPConnection(host, port, timeout=5)
        try:
            connection.request("GET", "/health/")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.1)


def reset() -> int:
    """Delete the state of `run`: database, queue, secret key, static files."""
    with _owned(STATE_DIR) as ours:
        if not ours:
            raise Refused(f"`make run` is running on {STATE_DIR}: stop it first (Ctrl-C).")
        Supervisor(STATE_DIR).recover()
        forget_sockets(STATE_DIR)
        home = postgres_home(STATE_DIR)
        for entry in STATE_DIR.iterdir():
            if entry.name in {"lock", "test"}:
                continue
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        if home != STATE_DIR:
            shutil.rmtree(home, ignore_errors=True)
    say("Everything that `make run` kept is deleted; the next start begins anew.")
    return 0


# ── test ──────────────────────────────────────────────────────────────────────────────────────
@contextlib.contextmanager
def _test_servers() -> Iterator[dict[str, str]]:
    """Yield the environment of a test run, on the first set of servers that nobody else uses."""
    for slot in range(TEST_SLOTS):
        state = STATE_DIR / "test" / str(slot)
        with _owned(state) as ours:
            if not ours:
                continue
            with servers(state, durable=False) as (_, environment):
                yield {
                    **environment,
                    # Development values: plain HTTP and static files straight from the source.
                    "DEBUG": "true",
                    "EMAIL_URL": "memorymail://",
                    # Playwright's own event loop runs in the thread of the tests.
                    "DJANGO_ALLOW_ASYNC_UNSAFE": "1",
                    "PYTHONUNBUFFERED": "1",
                }
                return
    raise Refused(f"{TEST_SLOTS} test runs at once are too many: wait for one to end.")


def execute(command: Sequence[str]) -> int:
    """Run one command on the test servers; return its exit status."""
    with _test_servers() as environment:
        # Its own group, so that one Ctrl-C is passed on once and the servers outlast the command.
        child = subprocess.Popen(command, env=environment, cwd=BASE_DIR, start_new_session=True)
        try:
            return child.wait()
        except Stopped:
            os.killpg(child.pid, signal.SIGINT)
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
            raise


def test(arguments: Sequence[str]) -> int:
    """Run the test suite; `arguments` go to pytest."""
    browser.install_if_missing()
    return execute(
        (sys.executable, "-m", "pytest", *(arguments or ("-n", "2", "--dist", "loadgroup")))
    )


def main(arguments: Sequence[str]) -> int:
    """Carry out one command of this module's docstring; return the exit status."""
    _stop_on_signals()
    try:
        match list(arguments):
            case ["run"]:
                return run()
            case ["reset"]:
                return reset()
            case ["test", *rest]:
                return test(rest)
            case ["exec", "--", *command] if command:
                return execute(command)
            case _:
                say(__doc__ or "")
                return 2
    except Stopped:
        say("Stopped.")
        return 0 if list(arguments) == ["run"] else 130
    except (Refused, ImproperlyConfigured, ServerDidNotStart) as error:
        say(f"\n{error}")
        return 1
    except PermissionError as error:
        if error.filename in arguments:  # what `exec` was told to run
            raise
        say(
            f"\nEnvironment variable STATE_DIR: {STATE_DIR} holds what another user made"
            f" ({error.filename}: {error.strerror}). Delete it as that user, or set another one."
        )
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

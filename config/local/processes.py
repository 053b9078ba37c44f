"""Runs several processes as one: starts them, prefixes their output, restarts, stops, recovers.

A record of the running processes stays on disk, so that the next start can end what a killed
supervisor left behind. A Procfile runner cannot do that, and cannot watch the servers that must
be up before the first process starts.
"""

import contextlib
import os
import pwd
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from config.local.notes import Note

GRACE_SECONDS = 20
POLL_SECONDS = 0.1

# A process that ends more often than this within so many seconds will not come up again.
ENDINGS_MAX = 3
ENDINGS_WITHIN_SECONDS = 60
START_AGAIN_AFTER_SECONDS = 1


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run, and the signal that asks it to end in good order.

    Its output goes to `log`, or here after its name. What is `essential` (a database) is stopped
    only after all the others, which use it, have ended.
    """

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    log: Path | None = None
    user: int | None = None
    cwd: Path | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    essential: bool = False


@dataclass(frozen=True)
class Running:
    """A program that was started."""

    program: Program
    popen: subprocess.Popen[bytes]

    @property
    def name(self) -> str:
        """The program's name."""
        return self.program.name


def say(text: str) -> None:
    """Print a line of our own at once, also into a pipe.

    One that can't be written is lost: whoever stops servers must not break off over it.
    """
    with contextlib.suppress(OSError):
        print(text, flush=True)


def signal_group(pid: int, number: signal.Signals) -> None:
    """Signal the process group led by `pid`, if there is one left."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _started_at(pid: int) -> float | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.NoSuchProcess:
        return None


class Supervisor:
    """Owns the processes of one state directory."""

    def __init__(self, state: Path) -> None:
        self.record = Note(state, "processes.json")
        self.running: list[Running] = []

    def recover(self) -> None:
        """End what an earlier supervisor of this directory left running when it was killed."""
        if self.record.is_foreign():
            say("The list of processes was copied from another directory, and is ignored.")
        entries = self.record.read() or []
        for entry in reversed(entries):
            pid, started_at = entry["pid"], entry["started_at"]
            # The same number may belong to another process by now; the start time tells.
            if _started_at(pid) != started_at:
                continue
            say(f"Stopping {entry['name']} (pid {pid}), left over from a start that was killed.")
            os.kill(pid, entry["stop_signal"])
            deadline = time.monotonic() + GRACE_SECONDS
            while _started_at(pid) == started_at and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
            signal_group(pid, signal.SIGKILL)
        self.record.forget()

    def start(self, program: Program) -> Running:
        """Start a program in a process group of its own."""
        process = _launch(program)
        self.running.append(process)
        self._write_record()
        return process

    def restart(self, process: Running) -> Running:
        """Restart a program whose process has ended, after killing the rest of its group."""
        signal_group(process.popen.pid, signal.SIGKILL)
        again = _launch(process.program)
        self.running[self.running.index(process)] = again
        self._write_record()
        return again

    def keep_running(self) -> Running:
        """Restart whatever ends by itself; return the process that ends too often."""
        endings: dict[str, list[float]] = defaultdict(list)
        while True:
            for process in list(self.running):
                status = process.popen.poll()
                if status is None:
                    continue
                now = time.monotonic()
                recent = [at for at in endings[process.name] if now - at < ENDINGS_WITHIN_SECONDS]
                endings[process.name] = [*recent, now]
                if len(recent) >= ENDINGS_MAX:
                    return process
                say(f"{process.name} ended by itself (exit status {status}); starting it again.")
                time.sleep(START_AGAIN_AFTER_SECONDS)
                self.restart(process)
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Ask all processes to end, essential ones last; kill what does not."""
        for essential in (False, True):
            stage = [one for one in self.running if one.program.essential is essential]
            for process in stage:
                # Only the leader: Celery's children would drop their task if they got it too.
                if process.popen.poll() is None:
                    process.popen.send_signal(process.program.stop_signal)
            deadline = time.monotonic() + GRACE_SECONDS
            for process in stage:
                try:
                    process.popen.wait(max(0, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    say(f"{process.name} did not stop within {GRACE_SECONDS} s and was killed.")
                signal_group(process.popen.pid, signal.SIGKILL)
                process.popen.wait()
                self.running = [other for other in self.running if other is not process]
                self._write_record()
        self.record.forget()

    def _write_record(self) -> None:
        entries = [
            {
                "name": process.name,
                "pid": process.popen.pid,
                "started_at": _started_at(process.popen.pid),
                "stop_signal": int(process.program.stop_signal),
            }
            for process in self.running
        ]
        try:
            self.record.write(entries)
        except OSError as error:
            # What runs goes on, and is stopped in order. Only after a crash nobody finds it.
            say(f"The list of processes can't be kept ({error.strerror}).")


def _launch(program: Program) -> Running:
    user = program.user
    with contextlib.ExitStack() as stack:
        output: IO[bytes] | int = subprocess.PIPE
        if program.log is not None:
            output = stack.enter_context(program.log.open("ab"))
        popen = subprocess.Popen(
            program.command,
            env=dict(program.env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Ctrl-C reaches only the supervisor, which then stops all in order.
            start_new_session=True,
            user=user,
            group=None if user is None else pwd.getpwuid(user).pw_gid,
            extra_groups=None if user is None else [],
            cwd=program.cwd,
        )
    process = Running(program, popen)
    if program.log is None:
        threading.Thread(target=_relay, args=(process,), daemon=True).start()
    return process


def _relay(process: Running) -> None:
    output = process.popen.stdout
    if output is None:
        return
    for line in output:
        # On a full disk too, somebody has to read what the process says: it waits for that.
        with contextlib.suppress(OSError):
            sys.stdout.write(f"{process.name:<8}| {line.decode(errors='replace').rstrip()}\n")
            sys.stdout.flush()
    output.close()

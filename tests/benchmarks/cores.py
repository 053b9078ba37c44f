"""Hold processes to half a core, so that two cores do what four slower ones would.

How much four writers gain depends on the cores there are for them and for their server's four
processes. With Linux's control groups (version 1, as root, the server on the same machine).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CPU = Path("/sys/fs/cgroup/cpu")
# Short, so that of two processes that wait for each other none stands still for long.
PERIOD_US = 2_000


def can_hold() -> bool:
    """Whether this machine lets us."""
    return os.access(CPU / "cgroup.procs", os.W_OK)


@contextmanager
def half_a_core(pid: int, *, program: str) -> Iterator[None]:
    """Let the process compute for no more than half of the time.

    Raises LookupError where it is no ``program``, as when the server that named it is elsewhere.
    """
    name = Path(f"/proc/{pid}/comm")
    if not name.exists() or not name.read_text().startswith(program):
        raise LookupError(f"process {pid} of this machine is no {program}: is the server here?")
    groups = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    own = next(path for _, names, path in (g.split(":", 2) for g in groups) if names == "cpu")
    group = CPU / f"benchmark_{pid}"
    group.mkdir()
    try:
        (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
        (group / "cpu.cfs_quota_us").write_text(str(PERIOD_US // 2))
        (group / "cgroup.procs").write_text(str(pid))
        yield
    finally:
        (CPU / own.lstrip("/") / "cgroup.procs").write_text(str(pid))
        group.rmdir()

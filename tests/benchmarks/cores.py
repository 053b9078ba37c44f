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
def half_a_core(*pids: int) -> Iterator[None]:
    """Let each of these processes compute for no more than half of the time."""
    groups = {pid: CPU / f"benchmark_{pid}" for pid in pids}
    try:
        for pid, group in groups.items():
            group.mkdir()
            (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (group / "cpu.cfs_quota_us").write_text(str(PERIOD_US // 2))
            (group / "cgroup.procs").write_text(str(pid))
        yield
    finally:
        for pid, group in groups.items():
            (CPU / "cgroup.procs").write_text(str(pid))
            group.rmdir()

"""The log `security`: who did what, and from where. One JSON object a line.

Never a password, code or token. Refusals are what anybody can cause thousands of, so that of these
only so many a minute are written; the next line says how many were left out.
"""

import logging
import time
from collections import Counter, defaultdict
from threading import Lock
from typing import Any

import structlog

NAME = "security"
MINUTE_SECONDS = 60
# Of each kind of refusal, by each process.
LINES_OF_A_VISITOR_MAX = 20
LINES_MAX = 200

logger = structlog.wrap_logger(
    logging.getLogger(NAME),
    wrapper_class=structlog.stdlib.BoundLogger,
    processors=[
        structlog.stdlib.filter_by_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ],
)


def write(event: str, **facts: Any) -> None:
    """Write one line: ``event`` is in words, ``facts`` are further values."""
    logger.info(event, **facts)


def write_refusal(event: str, *, visitor: str, **facts: Any) -> None:
    """Write that ``visitor``, a network address, was refused; within the bounds of a minute."""
    left_out = _bounds[event].count(visitor, now=time.monotonic())
    if left_out is not None:
        missing = {"left_out_before": left_out} if left_out else {}
        write(event, visitor=visitor, **facts, **missing)


class Bound:
    """How many lines of one kind are written in a minute."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._lines: Counter[str] = Counter()
        self._ends_at = 0.0
        self._left_out = 0

    def count(self, visitor: str, *, now: float) -> int | None:
        """Count a line at ``now``, in seconds; None where it is one too many.

        Else how many were left out before it, in minutes that are over.
        """
        with self._lock:
            if now >= self._ends_at:
                self._lines.clear()
                self._ends_at = now + MINUTE_SECONDS
                left_out, self._left_out = self._left_out, 0
            else:
                left_out = 0
            is_full = self._lines.total() >= LINES_MAX
            if is_full or self._lines[visitor] >= LINES_OF_A_VISITOR_MAX:
                self._left_out += 1
                return None
            self._lines[visitor] += 1
            return left_out


_bounds: defaultdict[str, Bound] = defaultdict(Bound)

"""A progress bar for commands: one line that redraws itself, on a terminal only."""

import sys
import time
from typing import TextIO

WIDTH = 30
REDRAW_SECONDS = 0.1


class ProgressBar:
    """Shows how far a long command is. Silent where ``stream`` is no terminal (cron, a pipe)."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._shows = self._stream.isatty()
        self._drawn_at = 0.0
        self._drawn = 0

    def show(self, label: str, done: int, total: int) -> None:
        """Draw ``done`` of ``total`` (0: nobody knows), at most ten times a second."""
        now = time.monotonic()
        if not self._shows or now - self._drawn_at < REDRAW_SECONDS:
            return
        self._drawn_at = now
        if not total:
            self._write(f"{label} {done:,}")
            return
        share = min(1.0, done / total)
        bar = "█" * int(share * WIDTH)
        self._write(f"{label} {bar:░<{WIDTH}} {share:4.0%}  {done:,}")

    def clear(self) -> None:
        """Remove the bar, so that other output can follow."""
        if self._drawn:
            self._write("")
            self._stream.write("\r")
            self._stream.flush()

    def _write(self, line: str) -> None:
        self._stream.write(f"\r{line:<{self._drawn}}")
        self._stream.flush()
        self._drawn = len(line)

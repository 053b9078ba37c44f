"""The file of rejected lines that an import leaves beside its input."""

import csv
import errno
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TextIO

from calls.importing import RejectedLine

HEADER = ("line", "field", "reason", "text")


class RejectsFile:
    """Writes rejected lines to ``path``, as a CSV with the columns of HEADER.

    It is written under another name, so that an unwritable place is noticed before anything is
    recorded, and takes its own name at the end, only if there are any. Where all lines went in,
    the one that an import before left is removed: its lines are in now, or no longer in the file.
    Entering raises OSError where that can't be.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = 0
        # Of this process alone: another import of the same file may be under way.
        self._unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
        self._file: TextIO | None = None

    def __enter__(self) -> "RejectsFile":
        if self.path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(self.path))
        self._file = self._unfinished.open("w", newline="", encoding="utf-8")
        csv.writer(self._file).writerow(HEADER)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._file is not None
        self._file.close()
        if self.lines:
            self._unfinished.replace(self.path)
        else:
            self._unfinished.unlink()
            if kind is None and self._is_of_an_import_before():
                self.path.unlink()

    def _is_of_an_import_before(self) -> bool:
        try:
            with self.path.open(newline="", encoding="utf-8") as file:
                return tuple(next(csv.reader(file), ())) == HEADER
        except (OSError, ValueError, csv.Error):
            return False

    def write(self, rejected: Iterable[RejectedLine]) -> None:
        """Add lines, and hand them to the operating system at once."""
        assert self._file is not None
        writer = csv.writer(self._file)
        for line in rejected:
            writer.writerow((*line[:3], line.text.rstrip("\r\n")))
            self.lines += 1
        self._file.flush()

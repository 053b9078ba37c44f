"""The file of rejected lines that an import leaves beside its input."""

import csv
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TextIO

from calls.importing import RejectedLine

HEADER = ("line", "field", "reason", "text")


class RejectsFile:
    """Writes rejected lines to ``path``, as a CSV with the columns of HEADER.

    It is written under another name, so that an unwritable place is noticed before anything is
    recorded, and takes its own name at the end, only if there are any. Entering raises OSError
    where that can't be.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = 0
        self._unfinished = path.with_name(f"{path.name}.part")
        self._file: TextIO | None = None

    def __enter__(self) -> "RejectsFile":
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

    def write(self, rejected: Iterable[RejectedLine]) -> None:
        """Add lines, and hand them to the operating system at once."""
        assert self._file is not None
        writer = csv.writer(self._file)
        for line in rejected:
            writer.writerow((*line[:3], line.text.rstrip("\r\n")))
            self.lines += 1
        self._file.flush()

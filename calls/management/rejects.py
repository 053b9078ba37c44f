"""The file of rejected lines that an import leaves beside its input."""

import errno
import fcntl
import glob
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TextIO

from calls.imports.batches import RejectedLine
from calls.imports.rejects import RejectsWriter
from calls.notations.rejected import COLUMNS, PREFIX

BEGINNING_BYTES_MAX = 1_000_000


class RejectsError(Exception):
    """Rejected lines can't be written where they should go: the message names place and reason."""


class RejectsFile:
    """Writes rejected lines to ``path``, so that they can be mended and imported again.

    It is written under another name, so that an unwritable place is noticed before anything is
    recorded, and takes its own name at the end, only if there are any. Where all lines went in,
    the one that an import before left is removed: its lines are in now, or no longer in the file.
    Lines are written as they came, byte by byte. What is there and is no file, such as a pipe or
    /dev/null, is written as it is.

    Entering and writing raise RejectsError where that can't be done.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = 0
        self._target = self._unfinished = path
        self._file: TextIO | None = None
        self._writer: RejectsWriter | None = None

    def __enter__(self) -> "RejectsFile":
        with self._explained():
            self._file = self._opened()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close()
        if self._unfinished == self._target:
            return
        with self._explained():
            if self.lines:
                self._unfinished.replace(self._target)
                return
            self._unfinished.unlink(missing_ok=True)
            if kind is None and self._is_of_an_import_before():
                self._target.unlink()

    def begin(self, writer: RejectsWriter) -> None:
        """Begin as the file does that the lines come from."""
        self._writer = writer
        self._write(writer.beginning)

    def write(self, rejected: Collection[RejectedLine]) -> None:
        """Add lines, and hand them to the operating system at once."""
        if not rejected:
            return
        assert self._writer is not None
        self._write(self._writer.lines(rejected))
        self.lines += len(rejected)

    def _write(self, text: str) -> None:
        assert self._file is not None
        try:
            with self._explained():
                self._file.write(text)
                self._file.flush()
        except RejectsError:
            # Torn, it would pass for the whole: the next import writes all of it anew.
            self.lines = 0
            self._close()
            if self._unfinished != self._target:
                self._unfinished.unlink(missing_ok=True)
            raise

    def _opened(self) -> TextIO:
        self._target = self._unfinished = self.path.resolve()  # a link leads there afterwards too
        if self._target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if self._target.is_file() or not self._target.exists():
            self._remove_what_was_left()
            # Of this process alone: another import of the same file may be under way.
            self._unfinished = Path(f"{self._target}.{os.getpid()}.part")
        file = self._unfinished.open("w", newline="", encoding="utf-8", errors="surrogateescape")
        if self._unfinished != self._target:
            fcntl.flock(file, fcntl.LOCK_EX)  # it is in use as long as that is held
        return file

    def _close(self) -> None:
        assert self._file is not None
        with suppress(OSError):  # what could not be written has been told
            self._file.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RejectsError(f"{self.path}: {error.strerror}.") from error

    def _remove_what_was_left(self) -> None:
        """Remove what imports wrote that were killed: nobody holds its lock any more."""
        parts = f"{glob.escape(self._target.name)}.[0-9]*.part"
        for left in self._target.parent.glob(parts):
            with suppress(OSError), left.open("rb+") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                left.unlink()

    def _is_of_an_import_before(self) -> bool:
        try:
            with self._target.open(encoding="utf-8", errors="replace") as file:
                first = file.readline(BEGINNING_BYTES_MAX)
        except OSError:
            return False
        return PREFIX in first and all(name in first for name in COLUMNS)

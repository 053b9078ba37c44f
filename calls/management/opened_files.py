"""The files that a command is given, open to be read from any place in them."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

STANDARD_INPUT = "-"


@contextmanager
def opened(name: str) -> Iterator[BinaryIO]:
    """Open a file to be read from any place in it: a pipe is kept in a temporary file."""
    is_standard = name == STANDARD_INPUT
    with open(0 if is_standard else name, "rb", closefd=not is_standard) as given:
        if given.seekable():
            yield given
            return
        with tempfile.TemporaryFile() as kept:
            shutil.copyfileobj(given, kept)
            kept.seek(0)
            yield kept


def size_of(file: BinaryIO) -> int:
    """The bytes in ``file``, which stays where it is read."""
    at = file.tell()
    size = file.seek(0, os.SEEK_END)
    file.seek(at)
    return size

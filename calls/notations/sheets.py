"""Excel sheets (.xlsx), made into CSV by a fenced child process.

A sheet that takes too much memory or time, or that crashes the library, ends the child. The
process that asked lives on, with a sentence to show.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from billing.texts import storable
from calls.notations import BadFileError
from calls.notations.layout import Fact

CHILD = Path(__file__).with_name("sheet_child.py")

MEMORY_BYTES_MAX = 1024**3
CPU_SECONDS_MAX = 60
SECONDS_MAX = 120  # in all, where the machine is busy
MOST_ROWS, FIRST, BY_NAME = "most rows", "first", "by name"  # which sheet the child reads

SAID_BYTES_MAX = 64 * 1024
OTHERS_SAID_MAX = 3
COPY_BYTES = 1024 * 1024

TOO_LARGE = (
    "The Excel file is too large or too unusual to be read here. Save the sheet with the records "
    "as CSV, then choose that file."
)


class SheetAsCsv(NamedTuple):
    """A sheet as CSV in UTF-8, in a temporary file, a line a row.

    ``name`` is the sheet's, ``names`` are those of all sheets that may be chosen instead.
    """

    file: BinaryIO
    facts: tuple[Fact, ...]
    name: str
    names: tuple[str, ...]


def csv_of_sheet(file: BinaryIO, *, unpacked_max: int, name: str = "") -> SheetAsCsv:
    """Return the visible sheet ``name`` of the .xlsx ``file``; without one that with most rows.

    Times come as ISO 8601, lengths as h:mm:ss, numbers without exponent where they are whole.
    Raises BadFileError where there is none, or where reading it takes too much.
    """
    plain: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115
    try:
        with tempfile.TemporaryFile() as workbook, tempfile.TemporaryFile() as errors:
            file.seek(0)
            while block := file.read(COPY_BYTES):
                workbook.write(block)
            workbook.seek(0)
            which = BY_NAME if name else MOST_ROWS
            _run(workbook, plain, errors, unpacked_max, (which, name))
            said = _last_said(errors)
            if not said and not name:  # one that takes too much must not stand in another's way
                for one in (workbook, plain, errors):
                    one.seek(0)
                plain.truncate()
                errors.truncate()
                _run(workbook, plain, errors, unpacked_max, (FIRST, ""))
                said = _last_said(errors)
        if "refusal" in said:
            raise BadFileError(storable(said["refusal"]))
        if "sheet" not in said:
            raise BadFileError(TOO_LARGE)
        plain.seek(0)
    except BaseException:
        plain.close()
        raise
    named = storable(said["sheet"][:60])
    told = f"The file is an Excel file; its sheet “{named}” is read."
    if others := said["others"]:
        listed = ", ".join(f"“{storable(other[:60])}”" for other in others[:OTHERS_SAID_MAX])
        more = " …" if len(others) > OTHERS_SAID_MAX else ""
        told = f"{told} Not read: {listed}{more}."
    names = tuple(map(storable, said["visible"]))
    return SheetAsCsv(plain, (Fact("sheet", told),), storable(said["sheet"]), names)


def _run(
    workbook: BinaryIO,
    plain: BinaryIO,
    errors: BinaryIO,
    unpacked_max: int,
    sheet: tuple[str, str],
) -> None:
    limits = (MEMORY_BYTES_MAX, CPU_SECONDS_MAX, unpacked_max, *sheet)
    try:
        subprocess.run(
            # -I: nothing of the environment or of the current directory has a say.
            [sys.executable, "-I", CHILD, *map(str, limits)],
            stdin=workbook,
            stdout=plain,
            stderr=errors,
            env={},
            cwd="/",
            timeout=SECONDS_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BadFileError(TOO_LARGE) from None


def _last_said(errors: BinaryIO) -> dict[str, Any]:
    """Return what the child said last; nothing where it died."""
    size = errors.seek(0, 2)
    errors.seek(max(0, size - SAID_BYTES_MAX))
    lines = errors.read().splitlines()
    try:
        said = json.loads(lines[-1])
    except (IndexError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}

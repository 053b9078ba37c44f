"""Spreadsheets (.xlsx) as CSV, converted by a process that may die of a hostile sheet."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

from billing.texts import storable
from calls.notations import BadFileError
from calls.notations.layout import Fact

PROGRAM = Path(__file__).with_name("sheet_child.py")

MEMORY_BYTES_MAX = 1536 * 1024**2
CPU_SECONDS_MAX = 100
SECONDS_MAX = 240

OTHERS_SAID_MAX = 3

SAVE_AS_CSV = "In your spreadsheet program, save the sheet with the calls as CSV, and choose that."
DIED = f"The spreadsheet is too large to be read, or it is damaged. {SAVE_AS_CSV}"
DAMAGED = f"The spreadsheet can't be read: it is damaged, or protected. {SAVE_AS_CSV}"
TOO_LARGE = (
    "The sheet covers too many cells, perhaps because of a single one far outside of the table. "
    f"{SAVE_AS_CSV}"
)
EMPTY = "The spreadsheet has no visible sheet with values in it."


def as_csv(file: BinaryIO, *, unpacked_max: int) -> tuple[BinaryIO, tuple[Fact, ...]]:
    """Return the first visible sheet with values, as CSV in UTF-8, in a temporary file.

    Dates are written in ISO form, lengths of time as h:mm:ss, both to the millisecond; line numbers
    are those of the rows unless values have several lines. Raises BadFileError where there is no
    such sheet, where the CSV has more than ``unpacked_max`` bytes, and where converting it takes
    more memory or time than a list of calls may.
    """
    with TemporaryDirectory(prefix="sheet-") as folder:
        path, csv_path = Path(folder, "sheet.xlsx"), Path(folder, "rows.csv")
        file.seek(0)
        with path.open("wb") as copy:
            shutil.copyfileobj(file, copy)
        found = _converted(path, csv_path, unpacked_max)
        if found.get("is_empty"):
            raise BadFileError(EMPTY)
        if found.get("is_too_large"):
            raise BadFileError(TOO_LARGE)
        return csv_path.open("rb"), _said(found)


def _converted(path: Path, csv_path: Path, csv_bytes: int) -> Mapping[str, Any]:
    limits = map(str, (MEMORY_BYTES_MAX, CPU_SECONDS_MAX, csv_bytes))
    # Isolated, with an environment that is empty: nothing of ours can leak into it.
    command = [sys.executable, "-I", str(PROGRAM), str(path), str(csv_path), *limits]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=SECONDS_MAX,
            check=False,
            env={},
        )
    except subprocess.TimeoutExpired:
        raise BadFileError(DIED) from None
    if done.returncode == 1:  # an exception: of the library, or because memory ran out
        raise BadFileError(DAMAGED)
    if done.returncode:
        raise BadFileError(DIED)
    found: Mapping[str, Any] = json.loads(done.stdout)
    return found


def _said(found: Mapping[str, Any]) -> tuple[Fact, ...]:
    said = f"The file is a spreadsheet; its sheet “{storable(found['sheet'])}” is read."
    if others := found["others"]:
        named = ", ".join(f"“{storable(other)}”" for other in others[:OTHERS_SAID_MAX])
        more = " …" if len(others) > OTHERS_SAID_MAX else ""
        said += f" Not read: {named}{more}."
    if hidden := found["hidden"]:
        said += f" Hidden sheets are not read ({hidden})."
    facts = [Fact("sheet", said)]
    if found["is_csv"]:
        facts.append(Fact("sheet", "Each row is one cell with separators in it; it was split."))
    return tuple(facts)

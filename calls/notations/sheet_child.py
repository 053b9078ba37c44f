"""A program of its own: reads an .xlsx file from descriptor 0, writes CSV to descriptor 1.

The library that reads sheets takes a sheet into memory as a whole, and a hostile one ends the
process. So it runs fenced: with limits of memory and time that it sets itself, without the
environment of its parent. It imports nothing of ours.

The last line on descriptor 2 is JSON: {"sheet": its name, "others": those not read, "visible":
the names of those that may be chosen}, or
{"refusal": a sentence}. Without such a line it has died.
"""

import contextlib
import csv
import datetime
import json
import resource
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, TextIO

from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
    load_workbook,
)

ROWS_MAX = 1_048_576  # of a sheet, in Excel
COLUMNS_MAX = 2_000
CELLS_MAX = 40_000_000  # what is not used takes memory too
NAMES_MAX = 20
MOST_ROWS, FIRST, BY_NAME = "most rows", "first", "by name"  # as `calls.notations.sheets` says it
SAMPLED_ROWS = 200
SEPARATORS = ",;\t|"
MOST = 0.6

# Serial numbers count days from here, in either of the two date systems.
FIRST_DAYS = {
    1899: datetime.datetime(1899, 12, 31),
    1900: datetime.datetime(1899, 12, 31),
    1904: datetime.datetime(1904, 1, 1),
}
MILLISECOND = datetime.timedelta(milliseconds=1)
NO_TIME = datetime.time()


class SheetRefusedError(Exception):
    """The file holds no sheet that can be read; the message is a sentence for people."""


def main() -> int:
    """Read a sheet within the limits given as arguments: bytes of memory, seconds, bytes out.

    The fourth argument says which sheet: MOST_ROWS, FIRST, or BY_NAME with its name as the fifth.
    """
    memory_bytes, seconds, written_bytes = map(int, sys.argv[1:4])
    which, name = sys.argv[4:6]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(ValueError, OSError):  # not every system can limit memory
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (written_bytes, written_bytes))
    sys.stdout.reconfigure(encoding="utf-8", errors="replace", newline="")  # type: ignore[union-attr]
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("1000")  # where memory runs out, this process ends before any other
    try:
        said: dict[str, Any] = convert(sys.stdin.buffer, sys.stdout, which, name)
    except SheetRefusedError as refused:
        said = {"refusal": str(refused)}
    except PasswordError:
        said = {"refusal": "The sheet is protected by a password. Save it without one."}
    except CalamineError as error:
        said = {"refusal": f"The Excel file is damaged ({str(error)[:200]}). Save it anew."}
    print(json.dumps(said), file=sys.stderr)
    return 0


def convert(file: Any, out: TextIO, which: str, name: str) -> dict[str, Any]:
    """Write a visible sheet as CSV, a line a row."""
    workbook = load_workbook(file)
    sheet, names = _chosen(workbook, which, name)
    if _is_too_large(sheet):
        raise SheetRefusedError(
            f"The sheet “{sheet.name[:60]}” has {sheet.total_height:,} rows and "
            f"{sheet.total_width:,} columns, more than can be read ({ROWS_MAX:,} and "
            f"{COLUMNS_MAX:,}). Save the part with the records as CSV."
        )
    texts = _texts(sheet)
    if _is_csv_inside(sheet):
        for row in texts:
            out.write(f"{row[0]}\n")
    else:
        csv.writer(out, lineterminator="\n").writerows(texts)
    out.flush()
    return {
        "sheet": sheet.name,
        "others": [name for name in names if name != sheet.name],
        "visible": _visible_names(workbook),
    }


def _chosen(workbook: CalamineWorkbook, which: str, name: str) -> tuple[CalamineSheet, list[str]]:
    """Return the sheet, and the names of all that could be read."""
    of_cells = [
        (place, about)
        for place, about in enumerate(workbook.sheets_metadata)
        if about.typ == SheetTypeEnum.WorkSheet
    ]
    best: CalamineSheet | None = None
    damage: CalamineError | None = None
    for place, about in of_cells:
        if about.visible != SheetVisibleEnum.Visible or (which == BY_NAME and about.name != name):
            continue
        try:
            sheet = workbook.get_sheet_by_index(place)
        except CalamineError as error:
            damage = damage or error
            continue
        if best is None or _goes_before(sheet, best):
            best = sheet
        if best.height and which == FIRST:
            break
    if best is None or not best.height:
        raise damage or SheetRefusedError(_nothing_in(workbook, name))
    return best, [one.name for _, one in of_cells][:NAMES_MAX]


def _nothing_in(workbook: CalamineWorkbook, name: str) -> str:
    """Why there is nothing to read; where a sheet was named that there is not, which there are."""
    if not name:
        return "The Excel file has no visible sheet with anything in it."
    names = _visible_names(workbook)
    if name in names:
        return f"The sheet “{name[:60]}” is empty."
    known = ", ".join(f"“{one[:60]}”" for one in names)
    return f"The Excel file has no visible sheet “{name[:60]}”; it has {known or 'none'}."


def _visible_names(workbook: CalamineWorkbook) -> list[str]:
    """The names of the sheets with cells that a person sees."""
    return [
        about.name
        for about in workbook.sheets_metadata
        if about.typ == SheetTypeEnum.WorkSheet and about.visible == SheetVisibleEnum.Visible
    ][:NAMES_MAX]


def _goes_before(sheet: CalamineSheet, other: CalamineSheet) -> bool:
    """Whether a sheet is likelier to hold the records: it can be read, and has more rows."""
    return (_is_readable(sheet), sheet.height) > (_is_readable(other), other.height)


def _is_readable(sheet: CalamineSheet) -> bool:
    return sheet.height > 0 and not _is_too_large(sheet)


def _is_too_large(sheet: CalamineSheet) -> bool:
    cells = sheet.height * sheet.width
    return sheet.total_height > ROWS_MAX or sheet.total_width > COLUMNS_MAX or cells > CELLS_MAX


def _is_csv_inside(sheet: CalamineSheet) -> bool:
    """Whether each row is one cell with all values of a record."""
    if sheet.width != 1:
        return False
    filled = [str(row[0]) for row in islice(sheet.iter_rows(), SAMPLED_ROWS) if row[0]]
    holding = sum(1 for text in filled if any(mark in text for mark in SEPARATORS))
    return holding > MOST * len(filled)


def _texts(sheet: CalamineSheet) -> Iterator[Sequence[str]]:
    with_times = _columns_with_times(sheet)
    for row in sheet.iter_rows():
        yield [
            cell if cell.__class__ is str and "\n" not in cell else _text(cell, place in with_times)
            for place, cell in enumerate(row)
        ]


def _columns_with_times(sheet: CalamineSheet) -> set[int]:
    """Which columns hold dates with times: there a bare date is midnight."""
    seen: Counter[int] = Counter()
    for row in sheet.iter_rows():
        for place, cell in enumerate(row):
            if cell.__class__ is datetime.datetime:
                seen[place] += 1
    return set(seen)


def _text(cell: Any, is_with_time: bool) -> str:
    """Write a cell as it is meant; numbers and times exactly."""
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(cell)
    if isinstance(cell, datetime.datetime):
        if cell.year in FIRST_DAYS:
            return _length(cell - FIRST_DAYS[cell.year])
        return _with_milliseconds(_rounded(cell))
    if isinstance(cell, datetime.date):
        if cell.year in FIRST_DAYS:
            return _length(datetime.datetime.combine(cell, NO_TIME) - FIRST_DAYS[cell.year])
        return f"{cell.isoformat()} 00:00:00" if is_with_time else cell.isoformat()
    if isinstance(cell, datetime.time):
        at = _rounded(datetime.datetime.combine(datetime.date(2000, 1, 1), cell))
        return _with_milliseconds(at).partition(" ")[2]
    if isinstance(cell, datetime.timedelta):
        return _length(cell)
    # One line a row, so that the number of a line is that of its row in the sheet.
    return " ".join(str(cell).splitlines())


def _rounded(at: datetime.datetime) -> datetime.datetime:
    """Round to the millisecond: a serial number is no exacter than that."""
    milliseconds = (at.microsecond + 500) // 1000
    return at.replace(microsecond=0) + milliseconds * MILLISECOND


def _with_milliseconds(at: datetime.datetime) -> str:
    return at.isoformat(sep=" ", timespec="milliseconds" if at.microsecond else "seconds")


def _length(length: datetime.timedelta) -> str:
    """Write a length of time as h:mm:ss, with milliseconds where there are any."""
    milliseconds = round(length / MILLISECOND)
    sign = "-" if milliseconds < 0 else ""
    seconds, milliseconds = divmod(abs(milliseconds), 1000)
    text = f"{sign}{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}.{milliseconds:03}" if milliseconds else text


if __name__ == "__main__":
    sys.exit(main())

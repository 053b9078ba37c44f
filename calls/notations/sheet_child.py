"""A program of its own that writes the rows of an .xlsx file as CSV (see `calls.notations.sheets`).

A hostile sheet may take all memory, or end the process from within the library, so this is a
process that nobody misses: it limits itself, and imports nothing of ours. It gets the path of the
sheet, that of the CSV, and how many bytes of memory, seconds of CPU time and bytes of CSV it may
take; it prints what it found as JSON.
"""

import contextlib
import csv
import json
import re
import resource
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any, TextIO, TypeAlias

Cell: TypeAlias = "str | int | float | bool | time | date | datetime | timedelta"

NAMES_MAX = 20
NAME_LENGTH_MAX = 60

# A sheet of so many cells is no list of calls: what is not used takes memory too.
CELLS_MAX = 40_000_000
ROWS_MAX = 1_048_576  # that any spreadsheet program can write

# Rows that are looked at to see whether their only cells hold lines of CSV.
LOOKED_AT = 200
SEPARATORS = re.compile(r"[,;\t|]")

# Numbers up to this are exact in a sheet; larger ones have lost digits already.
EXACT_MAX = 10**16
DIGITS_MAX = 40

# The days before the first one, by the year in which a date system begins: no call is so old, so
# what is shown as a time of those years is a length of more than a day.
BEGINNINGS = {
    1899: datetime(1899, 12, 31),
    1900: datetime(1899, 12, 31),
    1904: datetime(1904, 1, 1),
}
MILLISECOND = timedelta(milliseconds=1)


def limit_itself(memory_bytes: int, cpu_seconds: int, csv_bytes: int) -> None:
    """Let the system end this process where it takes more, and before any other of its kind."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (csv_bytes, csv_bytes))
    with contextlib.suppress(ValueError, OSError):  # not every system can limit memory
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("1000")


def converted(path: str, csv_path: str) -> dict[str, object]:
    """Write the first visible sheet that is not empty; return what is to be said about it."""
    # Here, so that importing it counts against the limits.
    from python_calamine import CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum  # noqa: PLC0415

    workbook = CalamineWorkbook.from_path(path)
    visible = [
        sheet.name
        for sheet in workbook.sheets_metadata
        if sheet.visible is SheetVisibleEnum.Visible and sheet.typ is SheetTypeEnum.WorkSheet
    ]
    hidden = [sheet.name for sheet in workbook.sheets_metadata if sheet.name not in visible]
    for place, name in enumerate(visible):
        sheet = workbook.get_sheet_by_name(name)
        if sheet.start is None or sheet.height * sheet.width == 0:
            continue
        if sheet.height * sheet.width > CELLS_MAX or sheet.height > ROWS_MAX:
            return {"is_too_large": True}
        first = list(islice(sheet.iter_rows(), LOOKED_AT))
        is_csv = _holds_csv(first)
        with open(csv_path, "w", encoding="utf-8", errors="replace", newline="") as target:
            # Empty rows above are left out by the library, but count: people look for a row by it.
            target.write("\n" * sheet.start[0])
            if is_csv:
                target.writelines(f"{_lines(row[0])}\n" for row in sheet.iter_rows())
            elif mixed := _write(sheet.iter_rows(), target, frozenset()):
                target.seek(sheet.start[0])
                target.truncate()
                _write(sheet.iter_rows(), target, mixed)
        others = [*visible[:place], *visible[place + 1 :]]
        return {
            "sheet": name[:NAME_LENGTH_MAX],
            "others": [other[:NAME_LENGTH_MAX] for other in others[:NAMES_MAX]],
            "hidden": len(hidden),
            "is_csv": is_csv,
        }
    return {"is_empty": True}


def _holds_csv(rows: Sequence[Sequence[Cell]]) -> bool:
    """Whether each row has one cell, and most of the cells have separators in them."""
    filled = [row[0] for row in rows if any(cell != "" for cell in row)]
    if any(cell != "" for row in rows for cell in row[1:]):
        return False
    return 2 * sum(1 for cell in filled if SEPARATORS.search(str(cell))) > len(filled)


def _lines(cell: Cell) -> str:
    return text_of(cell).replace("\r", " ").replace("\n", " ")


def _write(rows: Iterator[list[Cell]], target: TextIO, mixed: frozenset[int]) -> frozenset[int]:
    """Write the rows. ``mixed`` columns hold times with dates: there a bare date is a midnight.

    Returns the columns that turned out to be so, if they were not known to be.
    """
    write = csv.writer(target, lineterminator="\n").writerow
    with_time: set[int] = set()
    without: set[int] = set()
    for row in rows:
        texts = []
        for place, cell in enumerate(row):
            if type(cell) is str:
                texts.append(cell)
                continue
            if type(cell) is datetime:
                with_time.add(place)
            elif type(cell) is date:
                without.add(place)
                if place in mixed:
                    cell = datetime(cell.year, cell.month, cell.day)
            texts.append(text_of(cell))
        if any(texts):
            write(texts)
        else:
            target.write("\n")
    return frozenset(with_time & without) - mixed


def text_of(cell: Cell) -> str:
    """Return a value as it is shown, but dates in ISO form and numbers with all of their digits."""
    return TEXTS[type(cell)](cell)


def _number(number: float) -> str:
    if number == number and abs(number) < EXACT_MAX and number == int(number):
        return str(int(number))
    exact = Decimal(repr(number))
    if not exact.is_finite() or abs(exact.adjusted()) > DIGITS_MAX:
        return repr(number)
    return format(exact, "f").removesuffix(".0")


def _moment(at: datetime) -> str:
    """A sheet counts in days, so seconds are never exact: round to the millisecond."""
    if at.year in BEGINNINGS:
        return _length(at - BEGINNINGS[at.year])
    if not at.microsecond:
        return at.isoformat()
    milliseconds = round(timedelta(microseconds=at.microsecond) / MILLISECOND)
    at = at.replace(microsecond=0) + milliseconds * MILLISECOND
    return at.isoformat(timespec="milliseconds" if at.microsecond else "seconds")


def _day(day: date) -> str:
    if day.year in BEGINNINGS:
        return _moment(datetime(day.year, day.month, day.day))
    return day.isoformat()


def _clock(at: time) -> str:
    return _length(datetime.combine(date.min, at) - datetime.min).zfill(8)


def _length(length: timedelta) -> str:
    """Return h:mm:ss, and milliseconds where there are any."""
    milliseconds = round(length / MILLISECOND)
    sign = "-" if milliseconds < 0 else ""
    seconds, milliseconds = divmod(abs(milliseconds), 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    decimals = f".{milliseconds:03}" if milliseconds else ""
    return f"{sign}{hours}:{minutes:02}:{seconds:02}{decimals}"


TEXTS: Mapping[type, Callable[[Any], str]] = {
    str: str,
    bool: lambda is_true: "TRUE" if is_true else "FALSE",
    int: _number,
    float: _number,
    datetime: _moment,
    date: _day,
    time: _clock,
    timedelta: _length,
}


def main(path: str, csv_path: str, memory_bytes: str, cpu_seconds: str, csv_bytes: str) -> None:
    """Convert, and print what was found."""
    limit_itself(int(memory_bytes), int(cpu_seconds), int(csv_bytes))
    print(json.dumps(converted(path, csv_path)))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Lines of a file on their way in: kept outside of memory, and given back call by call.

A file of any size is held in a private SQLite file in the temporary directory (``TMPDIR``), which
disappears with the process. There all lines about one call come together, however far apart they
stand in the file, so that its last line decides, and a second import finds nothing to change.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

# SQLite keeps this much in memory and the rest in its file.
CACHE_KIB = 32 * 1024


class Repeated(NamedTuple):
    """A call that stands on several lines."""

    call_id: str
    lines: int


class Staging:
    """The lines of one file. Use it as a context manager."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)  # "": a temporary file
        # Nobody needs this file after a crash.
        self._database.executescript(
            f"""
            PRAGMA journal_mode = OFF;
            PRAGMA synchronous = OFF;
            PRAGMA temp_store = FILE;
            PRAGMA cache_size = -{CACHE_KIB};
            CREATE TABLE line (number INTEGER PRIMARY KEY, call_id TEXT, text TEXT NOT NULL);
            BEGIN;
            """
        )

    def __enter__(self) -> "Staging":
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def add(self, lines: Iterable[tuple[int, str | None, str]]) -> None:
        """Keep lines: the number of each, the call it is about (if it says so), and its text."""
        self._database.executemany("INSERT INTO line VALUES (?, ?, ?)", lines)

    def find_repeated(self) -> Repeated | None:
        """Find the calls that stand on several lines; return the one that stands on most.

        To be called once, after the last line was added and before `calls`.
        """
        self._database.executescript(
            """
            CREATE TABLE repeated AS
            SELECT call_id, max(number) AS last, count(*) AS lines
              FROM line WHERE call_id IS NOT NULL GROUP BY call_id HAVING count(*) > 1;
            CREATE UNIQUE INDEX repeated_call_id ON repeated (call_id);
            """
        )
        most = self._database.execute(
            "SELECT call_id, lines FROM repeated ORDER BY lines DESC LIMIT 1"
        ).fetchone()
        return None if most is None else Repeated(*most)

    def calls(self) -> Iterator[list[tuple[int, str]]]:
        """The lines (number, text) of each call together, where the last of them stands."""
        rows = self._database.execute(
            """
            SELECT coalesce(last, number) AS position, number, text
              FROM line LEFT JOIN repeated USING (call_id)
             ORDER BY position, number
            """
        )
        for _, group in groupby(rows, key=itemgetter(0)):
            yield [(number, text) for _, number, text in group]

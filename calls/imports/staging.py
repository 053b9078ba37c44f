"""Lines of a file on their way in: kept outside of memory, and given back call by call.

A file of any size is held in a private SQLite file in the temporary directory (``TMPDIR``), which
disappears with the process. There all lines about one call come together, however far apart they
stand in the file, so that its last line decides, and a second import finds nothing to change.

Texts are kept as bytes, because SQLite takes no lone surrogates, which stand for bytes that are no
text (`calls.notations.delimited`).
"""

import sqlite3
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

# SQLite keeps this much in memory and the rest in its file.
CACHE_KIB = 32 * 1024


class StagedRecord(NamedTuple):
    """A raw record on its way in. ``call_id`` is None where it does not say its call."""

    number: int
    call_id: str | None
    text: str


class _Positioned(NamedTuple):
    """A staged record with the place of its call, as it comes back."""

    position: int
    number: int
    text: str


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
            CREATE TABLE line (number INTEGER PRIMARY KEY, call_id BLOB, text BLOB NOT NULL);
            BEGIN;
            """
        )

    def __enter__(self) -> "Staging":
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def add(self, records: Iterable[StagedRecord]) -> None:
        """Keep ``records``."""
        columns = ", ".join(StagedRecord._fields)
        rows = (
            (
                record.number,
                None if record.call_id is None else _encoded(record.call_id),
                _encoded(record.text),
            )
            for record in records
        )
        self._database.executemany(f"INSERT INTO line ({columns}) VALUES (?, ?, ?)", rows)

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
        if most is None:
            return None
        call_id, lines = most
        return Repeated(_decoded(call_id), lines)

    def calls(self) -> Iterator[list[_Positioned]]:
        """Give the records of each call together, where the last of them stands in the file."""
        rows = self._database.execute(
            f"""
            SELECT {", ".join(_Positioned._fields)}
              FROM (SELECT coalesce(last, number) AS position, number, text
                      FROM line LEFT JOIN repeated USING (call_id))
             ORDER BY position, number
            """
        )
        lines = (_Positioned(position, number, _decoded(text)) for position, number, text in rows)
        for _, call in groupby(lines, key=attrgetter("position")):
            yield list(call)


def _encoded(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def _decoded(stored: bytes) -> str:
    return stored.decode(errors="surrogatepass")

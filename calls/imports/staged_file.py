"""Lines of a file staged in a private SQLite file: the store of the command.

It is in the temporary directory (``TMPDIR``), takes any number of lines in little memory, and
disappears with the process.
"""

import sqlite3
from collections.abc import Iterable, Iterator

from calls.imports.staging import Repeated, Staged, StagedRecord, by_call, decoded, encoded

# SQLite keeps this much in memory and the rest in its file.
CACHE_KIB = 24 * 1024


class StagedFile:
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
            CREATE TABLE line (
                number INTEGER PRIMARY KEY, call_id BLOB, problem TEXT NOT NULL, text BLOB NOT NULL
            );
            BEGIN;
            """
        )
        self._are_calls = False

    def __enter__(self) -> "StagedFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def add(self, records: Iterable[StagedRecord]) -> None:
        """Keep ``records``."""
        rows = (
            (
                record.number,
                None if record.call_id is None else encoded(record.call_id),
                record.problem,
                encoded(record.text),
            )
            for record in records
        )
        self._database.executemany(
            "INSERT INTO line (number, call_id, problem, text) VALUES (?, ?, ?, ?)", rows
        )

    def find_repeated(self, *, are_calls: bool) -> Repeated | None:
        """Find the calls that stand on several lines; return the one that stands on most."""
        self._are_calls = are_calls
        self._database.executescript(
            """
            CREATE TABLE repeated AS
            SELECT call_id, max(number) AS last, count(*) AS lines
              FROM line WHERE call_id IS NOT NULL GROUP BY call_id HAVING count(*) > 1;
            CREATE UNIQUE INDEX repeated_call_id ON repeated (call_id);
            """
        )
        if are_calls:
            self._database.executescript(
                """
                CREATE TABLE equal (number INTEGER PRIMARY KEY, occurrence INTEGER NOT NULL);
                INSERT INTO equal
                SELECT number, row_number() OVER (PARTITION BY call_id ORDER BY number)
                  FROM line JOIN repeated USING (call_id);
                """
            )
        most = self._database.execute(
            "SELECT call_id, lines FROM repeated ORDER BY lines DESC LIMIT 1"
        ).fetchone()
        if most is None:
            return None
        call_id, lines = most
        return Repeated(decoded(call_id), lines)

    def calls(self, *, after: int = -1) -> Iterator[list[Staged]]:
        """Give the records of each call together, in order, from position ``after`` on."""
        found = (
            """
            SELECT number AS position, number, coalesce(occurrence, 1) AS occurrence, problem, text
              FROM line LEFT JOIN equal USING (number)
            """
            if self._are_calls
            else """
            SELECT coalesce(last, number) AS position, number, 1 AS occurrence, problem, text
              FROM line LEFT JOIN repeated USING (call_id)
            """
        )
        rows = self._database.execute(
            f"SELECT * FROM ({found}) WHERE position > ? ORDER BY position, number", [after]
        )
        return by_call(
            Staged(position, number, occurrence, problem, decoded(text))
            for position, number, occurrence, problem, text in rows
        )

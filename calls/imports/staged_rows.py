"""Lines of a file staged in PostgreSQL: the store of workers, which share no disk.

The table is not logged: writing it costs little, and after a crash of the server it is empty. Then
the file is staged again, the same way: the places of its calls are the same.
"""

from collections.abc import Iterable, Iterator

from django.db import connection

from billing.bulk import copy_rows
from calls.imports.staging import Repeated, Staged, StagedRecord, by_call, decoded, encoded
from calls.models import StagedLine

COLUMNS = ("file_import_id", "number", "position", "occurrence", "call_id", "problem", "text")

# Lines that are fetched at a time, and all lines of the last of their calls.
FETCHED = 1_000


class StagedRows:
    """The lines of the file of one import."""

    def __init__(self, file_import_id: int) -> None:
        self._file_import_id = file_import_id

    def is_there(self) -> bool:
        """Whether any line is staged."""
        return StagedLine.objects.filter(file_import_id=self._file_import_id).exists()

    def clear(self) -> None:
        """Forget all lines."""
        StagedLine.objects.filter(file_import_id=self._file_import_id).delete()

    def add(self, records: Iterable[StagedRecord]) -> None:
        """Keep ``records``."""
        copy_rows(
            StagedLine,
            COLUMNS,
            (
                (
                    self._file_import_id,
                    record.number,
                    record.number,
                    1,
                    None if record.call_id is None else _hexadecimal(record.call_id),
                    record.problem,
                    _hexadecimal(record.text),
                )
                for record in records
            ),
        )

    def find_repeated(self, *, are_calls: bool) -> Repeated | None:
        """Find the calls that stand on several lines; return the one that stands on most."""
        ours = "file_import_id = %s AND call_id IS NOT NULL"
        changes = (
            f"""
            UPDATE calls_stagedline SET occurrence = equal.occurrence
              FROM (SELECT number, row_number() OVER (PARTITION BY call_id ORDER BY number)
                           AS occurrence
                      FROM calls_stagedline WHERE {ours}) AS equal
             WHERE file_import_id = %s AND calls_stagedline.number = equal.number
               AND calls_stagedline.position = equal.number AND equal.occurrence > 1
            """
            if are_calls
            else f"""
            UPDATE calls_stagedline SET position = repeated.last
              FROM (SELECT call_id, max(number) AS last
                      FROM calls_stagedline WHERE {ours}
                     GROUP BY call_id HAVING count(*) > 1) AS repeated
             WHERE file_import_id = %s AND calls_stagedline.call_id = repeated.call_id
            """
        )
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                SELECT call_id, count(*) AS lines FROM calls_stagedline
                 WHERE {ours} GROUP BY call_id HAVING count(*) > 1 ORDER BY lines DESC LIMIT 1
                """,
                [self._file_import_id],
            )
            most = cursor.fetchone()
            if most is None:
                return None
            cursor.execute(changes, [self._file_import_id] * 2)
        call_id, lines = most
        return Repeated(decoded(bytes(call_id)), lines)

    def calls(self, *, after: int = -1) -> Iterator[list[Staged]]:
        """Give the records of each call together, in order, from position ``after`` on."""
        while lines := self._fetch(after):
            yield from by_call(lines)
            after = lines[-1].position

    def _fetch(self, after: int) -> list[Staged]:
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                SELECT position, number, occurrence, problem, text FROM calls_stagedline
                 WHERE file_import_id = %s AND position > %s
                 ORDER BY position FETCH FIRST {FETCHED} ROWS WITH TIES
                """,
                [self._file_import_id, after],
            )
            lines = [
                Staged(position, number, occurrence, problem, decoded(bytes(text)))
                for position, number, occurrence, problem, text in cursor.fetchall()
            ]
        lines.sort(key=lambda line: (line.position, line.number))
        return lines


def _hexadecimal(text: str) -> str:
    return f"\\x{encoded(text).hex()}"

"""Many rows at once: PostgreSQL's COPY, and arrays for ``unnest``. Carries values, knows no rules.

Both write values as PostgreSQL's own text, because the way there is what a batch spends most on.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from functools import cache
from itertools import islice
from operator import attrgetter
from types import NoneType
from typing import Any, NamedTuple, TypeAlias, TypeVar, cast

import psycopg2
from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models import Model
from django.db.models.expressions import RawSQL

from billing.kept_plans import kept

Value: TypeAlias = str | int | datetime | date | None
Row = TypeVar("Row", bound=NamedTuple)

# Rows of a chunk. While the server stores one, the next is made: small, so that it starts at once,
# and large enough to be turned into text column by column.
CHUNK_ROWS = 125

# Characters that no text of ours contains, so that values can simply be joined, which is ten times
# as fast as quoting them. Where one does contain them, it is quoted after all.
SEPARATOR = "\x1f"
QUOTE = "\x01"

# An instant in UTC, in two thirds of the time that its own text takes.
IN_UTC = "%04d-%d-%d %d:%d:%d.%06dZ"
parts_of = attrgetter("year", "month", "day", "hour", "minute", "second", "microsecond")


def copy_rows(model: type[Model], columns: Sequence[str], rows: Iterable[Sequence[Value]]) -> None:
    """Append ``rows`` (values in the order of ``columns``) to the table of ``model``.

    The rows may be made as they are asked for: meanwhile the server stores those it has. Making
    them must not ask the database, which is busy; its exceptions propagate. Does nothing if there
    are no rows.

    An empty text in a column that may be null is stored as null.

    Constraints, defaults of the database and triggers apply; defaults of the model do not.
    Raises IntegrityError where a row breaks a constraint.
    """
    stream = _Stream(rows)
    if stream.is_empty:
        return
    with connection.cursor() as cursor, connection.wrap_database_errors:
        try:
            cursor.copy_expert(_copying(model, tuple(columns)), stream)
        except psycopg2.Error:
            if stream.error is not None:  # the server only knows that the rows stopped coming
                raise stream.error from None
            raise


@cache
def _copying(model: type[Model], columns: tuple[str, ...]) -> str:
    quote = connection.ops.quote_name
    fields = {field.column: field for field in model._meta.concrete_fields}
    names = ", ".join(quote(column) for column in columns)
    # None and "" are written alike; this tells the database which of the two is meant.
    never_null = ", ".join(quote(column) for column in columns if not fields[column].null)
    return (
        f"COPY {quote(model._meta.db_table)} ({names}) FROM STDIN (FORMAT csv, "
        f"FORCE_NOT_NULL ({never_null}), DELIMITER '{SEPARATOR}', QUOTE '{QUOTE}')"
    )


def as_arrays(rows: Iterable[Sequence[Value]]) -> list[str]:
    """The columns of ``rows``, each the text of a PostgreSQL array, for ``unnest(%s::type[], …)``.

    The driver would write each value as an expression of its own, which the server takes three
    times as long to read. Needs at least one row.
    """
    return [as_array(column) for column in zip(*rows, strict=True)]


def arrays_of(objects: Sequence[object], *names: str) -> list[str]:
    """The attributes ``names`` of ``objects``, each the text of an array; see `as_arrays`."""
    return [as_array(map(attrgetter(name), objects)) for name in names]


def as_array(values: Iterable[Value]) -> str:
    """``values`` as the text of a PostgreSQL array, for ``%s::type[]``."""
    values = list(values)
    if set(map(type, values)) == {int}:
        return "{" + ",".join(map(str, values)) + "}"
    text = '","'.join(map(str, values))
    if None in values or "\\" in text or text.count('"') != 2 * (len(values) - 1):
        return "{" + ",".join(map(_element, values)) + "}"
    return '{"' + text + '"}'


def read_rows(cursor: CursorWrapper, row: type[Row]) -> list[Row]:
    """All rows that ``cursor`` has found, each as ``row``, a named tuple.

    Raises TypeError where the columns are not named like its fields, in their order.
    """
    columns = tuple(column.name for column in cursor.description)
    if columns != row._fields:
        raise TypeError(f"The columns {columns} are not the fields of {row.__name__}.")
    return list(map(row._make, cursor.fetchall()))


class Statement(NamedTuple):
    """One that writes, with its parameters."""

    sql: str
    parameters: Sequence[Any]


def execute_as_one(statements: Sequence[Statement]) -> None:
    """Run ``statements`` in one go, each of which writes to a table that the others leave alone.

    None sees what another one writes. Does nothing if there are none.
    """
    if not statements:
        return
    parts = ", ".join(f"part_{n} AS ({one.sql})" for n, one in enumerate(statements))
    with connection.cursor() as cursor:
        cursor.execute(
            kept(f"WITH {parts} SELECT"),
            [parameter for one in statements for parameter in one.parameters],
        )


def among(ids: Iterable[int]) -> RawSQL | list[int]:
    """``ids`` for a lookup ``…__in``, as one parameter instead of one each.

    An empty list where there are none: then Django knows the answer without asking.
    """
    array = as_array(ids)
    return RawSQL("SELECT unnest(%s::bigint[])", [array]) if array != "{}" else []


def _element(value: Value) -> str:
    if value is None:
        return "NULL"
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


class _Stream:
    """Rows as a file for COPY to read, made chunk by chunk. ``error``: what making them raised."""

    def __init__(self, rows: Iterable[Sequence[Value]]) -> None:
        self.error: BaseException | None = None
        self._chunks = _chunks_of(rows)
        self._first: str | None = next(self._chunks, "")

    @property
    def is_empty(self) -> bool:
        return self._first == ""

    def read(self, _size: int) -> str:
        """The next chunk, whatever its size: the driver takes any."""
        if self._first is not None:
            first, self._first = self._first, None
            return first
        try:
            return next(self._chunks, "")
        except BaseException as error:
            self.error = error
            raise


def _chunks_of(rows: Iterable[Sequence[Value]]) -> Iterator[str]:
    remaining = iter(rows)
    while chunk := list(islice(remaining, CHUNK_ROWS)):
        yield _as_text(chunk)


def _as_text(rows: Sequence[Sequence[Value]]) -> str:
    # Column by column, because in a column nearly all values are of one type.
    columns = [_as_texts(column) for column in zip(*rows, strict=True)]
    text = "\n".join(map(SEPARATOR.join, zip(*columns, strict=True)))
    if (
        text.count(SEPARATOR) != (len(columns) - 1) * len(rows)
        or text.count("\n") != len(rows) - 1
        or "\r" in text
        or QUOTE in text
    ):
        return "".join(SEPARATOR.join(map(_quoted, row)) + "\n" for row in rows)
    return text + "\n"


def _quoted(value: Value) -> str:
    if isinstance(value, str) and value:
        return QUOTE + value.replace(QUOTE, QUOTE + QUOTE) + QUOTE
    return "" if value is None else str(value)


def _as_texts(values: Sequence[Value]) -> Iterable[str]:
    types = set(map(type, values))
    if types == {str} or all(issubclass(one, str) for one in types):
        return cast(Sequence[str], values)
    if types == {int}:
        return map(str, values)
    if types == {NoneType}:
        return [""] * len(values)
    if types <= {datetime, NoneType}:
        instants = cast(Sequence[datetime | None], values)
        if {at.tzinfo for at in instants if at} <= {UTC}:
            return ["" if at is None else IN_UTC % parts_of(at) for at in instants]
    return ["" if value is None else str(value) for value in values]

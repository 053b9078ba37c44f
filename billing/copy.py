"""Writing many rows at once: PostgreSQL's COPY. Carries values, knows no rules."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import TypeAlias, cast

from django.db import connection
from django.db.models import Model

Value: TypeAlias = str | int | datetime | date | None

# Characters that no text of ours contains, so that values can simply be joined, which is ten times
# as fast as quoting them. Where one does contain them, it is quoted after all.
SEPARATOR = "\x1f"
QUOTE = "\x01"


def copy_rows(model: type[Model], columns: Sequence[str], rows: Sequence[Sequence[Value]]) -> None:
    """Append ``rows`` (values in the order of ``columns``) to the table of ``model``.

    Constraints, defaults of the database and triggers apply; defaults of the model do not.
    Raises IntegrityError where a row breaks a constraint.
    """
    if not rows:
        return
    quote = connection.ops.quote_name
    fields = {field.column: field for field in model._meta.concrete_fields}
    names = ", ".join(quote(column) for column in columns)
    # None and "" are written alike; this tells the database which of the two is meant.
    never_null = ", ".join(quote(column) for column in columns if not fields[column].null)
    table = quote(model._meta.db_table)
    with connection.cursor() as cursor, connection.wrap_database_errors:
        cursor.copy_expert(
            f"COPY {table} ({names}) FROM STDIN (FORMAT csv, FORCE_NOT_NULL ({never_null}), "
            f"DELIMITER '{SEPARATOR}', QUOTE '{QUOTE}')",
            io.StringIO(_as_text(rows)),
        )


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
        quoted = io.StringIO()
        csv.writer(quoted, delimiter=SEPARATOR, quotechar=QUOTE, lineterminator="\n").writerows(
            rows
        )
        return quoted.getvalue()
    return text


def _as_texts(values: Sequence[Value]) -> Iterable[str]:
    types = set(map(type, values))
    if all(issubclass(one, str) for one in types):
        return cast(Sequence[str], values)
    if types <= {int, date, datetime}:
        return map(str, values)
    return [
        value if isinstance(value, str) else "" if value is None else str(value) for value in values
    ]

"""Queries that Django puts together once, and asks as often as it is told to.

Putting a query together takes Django longer than PostgreSQL needs to answer it from an index. What
every page asks is therefore put together once, from the same querysets as anything else, with a
`Parameter` for each value that differs. Carries values, knows no rules.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar, cast

from django.contrib.postgres.expressions import ArraySubquery
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Model, QuerySet, Value
from django.db.models.functions import JSONObject
from django.db.models.sql import Query
from django.db.models.sql.compiler import SQLCompiler

from billing.kept_plans import kept

AnyModel = TypeVar("AnyModel", bound=Model)
Row = TypeVar("Row")


class Parameter(Value):
    """A value that is given when a `Prepared` query is asked; it has the name ``value``."""

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        """Stand in its place."""
        return "%s", [self]


class Prepared(Generic[Row]):
    """The query of the queryset that ``make`` returns, which is called once in each thread.

    >>> memberships = Prepared(lambda: Membership.objects.filter(user=Parameter("user_id")))
    >>> memberships(user_id=user.pk)
    """

    def __init__(
        self, make: Callable[[], QuerySet[Any, Row]], *, plan_is_kept: bool = False
    ) -> None:
        """``plan_is_kept``: the server plans it once for all values; see `billing.kept_plans`."""
        self._make = make
        self._plan_is_kept = plan_is_kept
        self._own = threading.local()

    def __call__(self, **values: Any) -> list[Row]:
        """Ask with these values of its parameters; return all rows. One query."""
        return self._ask(values)

    def between(self, first: int, end: int, **values: Any) -> list[Row]:
        """The same; return the rows from the one at offset ``first`` to before ``end``."""
        return self._ask(values, limits=(end - first, first))

    def _ask(self, values: Mapping[str, Any], limits: tuple[int, ...] = ()) -> list[Row]:
        connection = connections[DEFAULT_DB_ALIAS]
        compiler: _Compiler | None = getattr(self._own, "compiler", None)
        if compiler is None or compiler.connection is not connection:
            queryset = self._make()
            compiler = self._own.compiler = _Compiler(queryset.query, connection, DEFAULT_DB_ALIAS)
            compiler.plan_is_kept = self._plan_is_kept
            queryset._query = _Query.of(queryset.query, compiler)  # type: ignore[attr-defined]
            self._own.queryset = queryset
        compiler.values, compiler.limits = values, limits
        return list(self._own.queryset.all())


class _Compiler(SQLCompiler):
    """Remembers the statement, and fills in the values."""

    values: Mapping[str, Any]
    limits: tuple[int, ...] = ()
    plan_is_kept = False
    _made: tuple[str, Sequence[Any]] | None = None

    def as_sql(
        self, with_limits: bool = True, with_col_aliases: bool = False
    ) -> tuple[str, tuple[Any, ...]]:
        if self._made is None:
            self._made = super().as_sql(with_limits, with_col_aliases)
            if self.plan_is_kept:
                self._made = self._with_constants_in_text(*self._made)
        sql, parameters = self._made
        given = [
            self.values[one.value] if isinstance(one, Parameter) else one for one in parameters
        ]
        if self.limits:
            sql += " LIMIT %s OFFSET %s"
        return sql, (*given, *self.limits)

    def _with_constants_in_text(
        self, sql: str, parameters: Sequence[Any]
    ) -> tuple[str, Sequence[Any]]:
        """The same, with what never differs in its place: a plan is made for less to be given.

        What has a per cent sign would be taken for a parameter, and stays one.
        """
        text, *rest = sql.split("%s")
        given = []
        with self.connection.cursor() as cursor:
            for one, part in zip(parameters, rest, strict=True):
                literal = (
                    "%" if isinstance(one, Parameter) else cursor.mogrify("%s", [one]).decode()
                )
                if "%" in literal:
                    given.append(one)
                    literal = "%s"
                text += literal + part
        return kept(text), given


class _Query(Query):
    """A query, and what it is asked by."""

    own_compiler: _Compiler

    @classmethod
    def of(cls, query: Query, compiler: _Compiler) -> "_Query":
        own = cast(_Query, query.chain(klass=cls))
        own.own_compiler = compiler
        return own

    def get_compiler(self, *args: Any, **options: Any) -> _Compiler:
        return self.own_compiler


# ── Rows within a row ─────────────────────────────────────────────────────────────────────────
def rows_within(queryset: QuerySet) -> ArraySubquery:
    """All rows of ``queryset``, in its order, as one value of another query; see `instances`."""
    columns = {field.attname: field.attname for field in queryset.model._meta.concrete_fields}
    return ArraySubquery(queryset.values(row=JSONObject(**columns)))


def instances(model: type[AnyModel], rows: Sequence[Mapping[str, Any]]) -> list[AnyModel]:
    """What `rows_within` another row were."""
    fields = model._meta.concrete_fields
    names = [field.attname for field in fields]
    return [
        model.from_db(
            DEFAULT_DB_ALIAS, names, [field.to_python(row[field.attname]) for field in fields]
        )
        for row in rows
    ]

"""Statements of our own, for what the desk asks all day: building such a query costs more than running it."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from django.db import connection
from django.db.models import Model

M = TypeVar("M", bound=Model)
Values = Mapping[str, Any] | Sequence[Any]
Row = tuple[Any, ...]


class Result(NamedTuple):
    """What one statement gave: its rows, and the names of their columns."""

    names: list[str]
    rows: list[Row]


def run(statements: str, values: Values) -> list[Result]:
    """Run statements that all give rows, in one go.

    They are one transaction, and each sees what others have committed when it begins.
    """
    results = []
    with connection.cursor() as cursor:
        cursor.execute(statements, values)
        while True:
            results.append(Result([column.name for column in cursor.description], cursor.fetchall()))
            if not cursor.nextset():
                return results


def one(statement: str, values: Values) -> Row | None:
    """Return the first row, None if there is none."""
    (result,) = run(statement, values)
    return result.rows[0] if result.rows else None


def instances(model: type[M], result: Result) -> list[M]:
    """Return the rows that a statement gave of a model's table, each with all of its columns."""
    fields = model._meta.concrete_fields
    places = [result.names.index(str(field.column)) for field in fields]
    names = [field.attname for field in fields]
    return [model.from_db(None, names, [row[place] for place in places]) for row in result.rows]

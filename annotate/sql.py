"""Statements of our own, for what the desk asks all day: building such a query costs more than running it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models import Model

M = TypeVar("M", bound=Model)
Values = Mapping[str, Any] | Sequence[Any]
Row = tuple[Any, ...]


def one(statement: str, values: Values) -> Row | None:
    """Return the first row, None if there is none."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        row: Row | None = cursor.fetchone()
    return row


def last_of(model: type[M], statements: str, values: Values) -> M | None:
    """Run statements in one go, and return the first row of the last as an instance, None without a row.

    They are one transaction, and each sees what others have committed when it begins.
    """
    with connection.cursor() as cursor:
        cursor.execute(statements, values)
        while cursor.nextset():
            pass
        return next(instances(model, cursor), None)


def instances(model: type[M], cursor: CursorWrapper) -> Iterator[M]:
    """Return the rows that a statement gave of a model's table, each with all of its columns."""
    found = [column.name for column in cursor.description]
    places = [found.index(field.column) for field in model._meta.concrete_fields]
    names = [field.attname for field in model._meta.concrete_fields]
    for row in cursor.fetchall():
        yield model.from_db(connection.alias, names, [row[place] for place in places])

"""Rows by the thousand, as an import writes them: COPY on PostgreSQL, plain INSERTs on SQLite.

Model objects take three times as long as INSERTs; INSERTs take PostgreSQL and its driver four times as
long as a COPY in its binary format.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from django.db import connections, models, router
from django.db.backends.base.base import BaseDatabaseWrapper

_LENGTH = re.compile(r"\(\d+\)")


def insert(model: type[models.Model], columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert *rows* in the caller's transaction.

    Args:
        model: Whose table.
        columns: Column names of the model's table, fixed in the code.
        rows: Values in that order; UUIDs, bytes, text, numbers and aware datetimes.

    Raises:
        IntegrityError: A row is there already.
    """
    listed = list(rows)
    if not listed:
        return
    connection = connections[router.db_for_write(model)]
    into = f'"{model._meta.db_table}" ({", ".join(columns)})'  # noqa: SLF001 - as Django documents it
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with (
                connection.wrap_database_errors,
                cursor.copy(f"COPY {into} FROM STDIN (FORMAT BINARY)") as copy,
            ):
                copy.set_types(_types(model, tuple(columns)))
                for row in listed:
                    copy.write_row(row)
        else:
            places = ", ".join(["%s"] * len(columns))
            statement = f"INSERT INTO {into} VALUES ({places})"  # noqa: S608 - names from the code
            cursor.executemany(statement, _adapted(listed, connection))


@cache
def _types(model: type[models.Model], columns: tuple[str, ...]) -> list[str]:
    """The types of columns, as PostgreSQL calls them."""
    connection = connections[router.db_for_write(model)]
    fields = {field.column: field for field in model._meta.fields}  # noqa: SLF001 - as Django documents it
    return [_LENGTH.sub("", str(fields[column].db_type(connection))) for column in columns]


def _adapted(rows: list[Sequence[Any]], connection: BaseDatabaseWrapper) -> list[tuple[Any, ...]]:
    """Write the columns that the database does not take as they are: by column, for most need nothing."""
    columns: list[Iterable[Any]] = list(zip(*rows, strict=True))
    for i, value in enumerate(rows[0]):
        if type(value) is uuid.UUID and not connection.features.has_native_uuid_field:
            columns[i] = [f"{u.int:032x}" for u in columns[i]]
        elif type(value) is datetime:
            columns[i] = [connection.ops.adapt_datetimefield_value(v) for v in columns[i]]
    return list(zip(*columns, strict=True))

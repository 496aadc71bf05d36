"""Plain INSERTs for what an import writes by the thousand: a third of the time of model objects."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db import connection, models


def insert(
    model: type[models.Model], columns: Sequence[str], rows: Iterable[Sequence[Any]], *, again: bool = False
) -> None:
    """Insert *rows* in the caller's transaction.

    Args:
        model: Whose table.
        columns: Column names of the model's table, fixed in the code.
        rows: Values in that order; UUIDs, bytes, text, numbers and aware datetimes.
        again: A row that is there already stays as it is, instead of an error.

    Raises:
        IntegrityError: A row is there already.
    """
    listed = _adapted(list(rows))
    if not listed:
        return
    places = ", ".join(["%s"] * len(columns))
    statement = f'INSERT INTO "{model._meta.db_table}" ({", ".join(columns)}) VALUES ({places})'  # noqa: S608, SLF001 - names from the code
    if again:
        statement += " ON CONFLICT DO NOTHING"
    with connection.cursor() as cursor:
        cursor.executemany(statement, listed)


def _adapted(rows: list[Sequence[Any]]) -> list[tuple[Any, ...]]:
    """Write the columns that the database does not take as they are: by column, for most need nothing."""
    if not rows:
        return []
    columns: list[Iterable[Any]] = list(zip(*rows, strict=True))
    for i, value in enumerate(rows[0]):
        if type(value) is uuid.UUID and not connection.features.has_native_uuid_field:
            columns[i] = [f"{u.int:032x}" for u in columns[i]]
        elif type(value) is datetime:
            columns[i] = [connection.ops.adapt_datetimefield_value(v) for v in columns[i]]
    return list(zip(*columns, strict=True))

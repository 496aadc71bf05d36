"""Writing many rows at once, in one statement where the database has one for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db.backends.base.base import BaseDatabaseWrapper


class Insert:
    """The statement that writes a row, and for PostgreSQL the one that writes columns of them.

    Args:
        table: Its name.
        columns: Names and PostgreSQL types.
        on_conflict: What is done where the row is there already.
    """

    def __init__(self, table: str, columns: Mapping[str, str], on_conflict: str) -> None:
        head = f"INSERT INTO {table} ({', '.join(columns)}) "
        arrays = ", ".join(f"%s::{kind}[]" for kind in columns.values())
        self._row = f"{head} VALUES ({', '.join(['%s'] * len(columns))}) {on_conflict}"
        self._columns = f"{head} SELECT * FROM unnest({arrays}) {on_conflict}"  # noqa: S608 - names of columns

    def execute(self, connection: BaseDatabaseWrapper, rows: Sequence[tuple[str | int, ...]]) -> None:
        """Write *rows*."""
        if not rows:
            return
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":  # as columns: one statement, whatever its length
                cursor.execute(self._columns, [list(column) for column in zip(*rows, strict=True)])
            else:
                cursor.executemany(self._row, rows)

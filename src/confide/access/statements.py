"""Statements in few round trips: each costs more than what it asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

Query = tuple[str, list[Any]]
"""A statement, and its parameters."""

Column = tuple[str, Sequence[Any]]
"""A column of a statement, and its parameters."""


def choose(columns: Sequence[Column], rest: str, parameters: Sequence[Any]) -> Query:
    """Return the statement that selects *columns*; *rest* follows them, and has *parameters*.

    Put together from text, because Django's query builder takes milliseconds where the database takes one.
    """
    values = [value for _, some in columns for value in some]
    return f"SELECT {', '.join(text for text, _ in columns)} {rest}", [*values, *parameters]


def moment_of(value: datetime | str | None) -> datetime | None:
    """Return a moment as a driver gives it, aware UTC: SQLite's has no zone, and may be a text."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value if value is None or value.tzinfo is not None else value.replace(tzinfo=UTC)


def ask(connection: BaseDatabaseWrapper, queries: Sequence[Query]) -> list[list[tuple[Any, ...]]]:
    """Ask one after the other, on PostgreSQL in one round trip, and return the rows of each.

    Each sees what was committed before it began itself, not before the first one began.
    """
    with connection.cursor() as cursor:
        if connection.vendor != "postgresql":
            found = []
            for text, parameters in queries:
                cursor.execute(text, parameters)
                found.append(cursor.fetchall())
            return found
        cursor.execute("; ".join(text for text, _ in queries), [p for _, some in queries for p in some])
        found = [cursor.fetchall()]
        while cursor.nextset():
            found.append(cursor.fetchall())
        return found


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
        self.row = f"{head} VALUES ({', '.join(['%s'] * len(columns))}) {on_conflict}"
        self.columns = f"{head} SELECT * FROM unnest({arrays}) {on_conflict}"  # noqa: S608 - names of columns


Rows = Sequence[tuple[str | int, ...]]


def write(connection: BaseDatabaseWrapper, batches: Sequence[tuple[Insert, Rows]]) -> None:
    """Write the rows of several tables, on PostgreSQL in one round trip, however many there are."""
    batches = [(insert, rows) for insert, rows in batches if rows]
    if not batches:
        return
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            columns = [list(column) for _, rows in batches for column in zip(*rows, strict=True)]
            cursor.execute("; ".join(insert.columns for insert, _ in batches), columns)
            return
        for insert, rows in batches:
            cursor.executemany(insert.row, rows)

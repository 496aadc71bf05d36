"""Statements in few round trips: each costs more than what it asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
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


def as_json(rows: Iterable[Mapping[str, object]]) -> str:
    """One parameter for many rows: a driver looks at each element of an array."""
    return msgspec.json.encode(list(rows)).decode()


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
    """The statement that writes a row, and for PostgreSQL the one that writes many of them, from JSON.

    Args:
        table: Its name.
        columns: Names and PostgreSQL types.
        on_conflict: What is done where the row is there already.
    """

    def __init__(self, table: str, columns: Mapping[str, str], on_conflict: str) -> None:
        head = f"INSERT INTO {table} ({', '.join(columns)}) "
        typed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        self.names = tuple(columns)
        self.row = f"{head} VALUES ({', '.join(['%s'] * len(columns))}) {on_conflict}"
        many = f"SELECT * FROM json_to_recordset(%s::json) AS written({typed})"  # noqa: S608 - names of columns
        self.rows = f"{head} {many} {on_conflict}"


Rows = Sequence[tuple[str | int, ...]]


def write(connection: BaseDatabaseWrapper, batches: Sequence[tuple[Insert, Rows]]) -> None:
    """Write the rows of several tables, on PostgreSQL in one round trip, however many there are."""
    batches = [(insert, rows) for insert, rows in batches if rows]
    if not batches:
        return
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            written = [
                as_json(dict(zip(insert.names, row, strict=True)) for row in rows) for insert, rows in batches
            ]
            cursor.execute("; ".join(insert.rows for insert, _ in batches), written)
            return
        for insert, rows in batches:
            cursor.executemany(insert.row, rows)

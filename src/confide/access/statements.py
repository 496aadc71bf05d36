"""Statements in few round trips: each costs more than what it asks for."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from django.db.backends.base.base import BaseDatabaseWrapper

Query = tuple[str, list[Any]]
"""A statement, and its parameters."""

COMMIT: Final[Query] = ("COMMIT", [])
"""Ends the transaction in the round trip of what it does; Django, which ends it then, finds it ended.

Only for whoever has begun the transaction, and has nothing else to do in it: see ``ask``.
"""

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


def among(
    connection: BaseDatabaseWrapper, column: str, texts: Collection[str] | Collection[int]
) -> tuple[str, Any]:
    """Return a condition and its one parameter: SQLite limits the number of parameters, not their length."""
    if connection.vendor == "postgresql":
        return f"{column} = ANY(%s)", list(texts)
    return f"{column} IN (SELECT value FROM json_each(%s))", json.dumps(list(texts))  # noqa: S608 - a name of ours


def ask(
    connection: BaseDatabaseWrapper,
    queries: Sequence[Query],
    before: Sequence[Query] = (),
    after: Sequence[Query] = (),
) -> list[list[tuple[Any, ...]]]:
    """Ask one after the other, on PostgreSQL in one round trip, and return the rows of each.

    Each sees what was committed before it began itself, not before the first one began. What has no rows
    goes *before* them, or *after* them: there `COMMIT` is the end of the transaction.
    """
    if connection.vendor == "postgresql":
        return _send(connection, [*before, *queries, *after])[len(before) :][: len(queries)]
    with connection.cursor() as cursor:
        for text, parameters in before:
            cursor.execute(text, parameters)
        found = []
        for text, parameters in queries:
            cursor.execute(text, parameters)
            found.append(cursor.fetchall())
        for text, parameters in after:
            cursor.execute(text, parameters)
        return found


def _send(connection: BaseDatabaseWrapper, queries: Sequence[Query]) -> list[list[tuple[Any, ...]]]:
    """Send statements to PostgreSQL in one round trip; it keeps the plans of those that come again.

    Django's own cursors put parameters into the text, so that each statement is read and planned anew: that
    takes longer than what these statements do. Where somebody watches, they see each of them.
    """
    from confide.access.exchange import exchange  # there is no driver where there is no PostgreSQL

    connection.close_if_health_check_failed()
    connection.ensure_connection()
    if connection.execute_wrappers or connection.queries_logged:
        return [_watched(connection, *query) for query in queries]
    with connection.wrap_database_errors:
        return exchange(connection.connection, queries)


def _watched(connection: BaseDatabaseWrapper, text: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(text, parameters)
        return cursor.fetchall() if cursor.description else []


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


def writing(batches: Sequence[tuple[Insert, Rows]]) -> list[Query]:
    """Return the statements that write the rows of several tables on PostgreSQL, one for each table."""
    return [
        (insert.rows, [as_json(dict(zip(insert.names, row, strict=True)) for row in rows)])
        for insert, rows in batches
        if rows
    ]


def write(connection: BaseDatabaseWrapper, batches: Sequence[tuple[Insert, Rows]]) -> None:
    """Write the rows of several tables, on PostgreSQL in one round trip, however many there are."""
    if connection.vendor == "postgresql":
        queries = writing(batches)
        if queries:
            _send(connection, queries)
        return
    with connection.cursor() as cursor:
        for insert, rows in batches:
            if rows:
                cursor.executemany(insert.row, rows)

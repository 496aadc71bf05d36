"""Entries become rows: one statement for many of them, as each database takes them fastest."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from typing import Any, Final, NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper

from confide.access.statements import Query, ask
from confide.audit.models import JournalEntry

COLUMNS: Final = tuple(
    field.name
    for field in JournalEntry._meta.local_fields  # noqa: SLF001 - Django's own way to them
    if field.name not in {"id", "leaf"}
)
"""Of an entry, without its id and its hash; the fields of ``journal.Entry``, in its order."""

LATER: Final = ("device", "relationship")
"""Fields that the first release did not have."""

_INSERT: Final = f"INSERT INTO audit_journalentry ({', '.join((*COLUMNS, 'leaf'))}) "
_ROW: Final = f"({', '.join('?' * (len(COLUMNS) + 1))})"
# SQLite's driver lets go of the interpreter at every row of `executemany`; while it waits to have it back,
# the database is locked. So rows go many at a time, in statements of few lengths.
_SQLITE: Final = {length: f"{_INSERT} VALUES {', '.join([_ROW] * length)}" for length in (64, 8, 1)}
# PostgreSQL takes a batch as one JSON text: the writings that were hashed, each with its leaf. It is
# several times faster than as many parameters.
_TYPES: Final = {"at": "timestamptz", "elements": "jsonb", "version": "integer"}
_PARTS: Final = {
    **{name: f"decode({name}, 'base64')" for name in ("body_sha256", "reason_sealed", "leaf")},
    **{name: f"coalesce({name}, '')" for name in LATER},
}
_POSTGRESQL: Final = (
    _INSERT  # noqa: S608 - names of columns
    + "SELECT "
    + ", ".join(_PARTS.get(name, name) for name in (*COLUMNS, "leaf"))
    + " FROM json_to_recordset(%s::json) AS entry("
    + ", ".join(f"{name} {_TYPES.get(name, 'text')}" for name in (*COLUMNS, "leaf"))
    + ") RETURNING id"
)
_AT: Final = COLUMNS.index("at")
_ELEMENTS: Final = COLUMNS.index("elements")


class Writing(NamedTuple):
    """An entry as it is written: its columns, its elements as JSON, its canonical bytes, and their leaf."""

    values: tuple[Any, ...]
    elements: bytes
    canonical: bytes
    leaf: bytes


def insert(
    connection: BaseDatabaseWrapper,
    writings: Sequence[Writing],
    before: Sequence[Query] = (),
    after: Sequence[Query] = (),
) -> list[int]:
    """Write rows in the caller's transaction; return their ids, in order.

    Args:
        connection: In whose transaction.
        writings: The rows.
        before: Statements that go before them, on PostgreSQL in the same round trip.
        after: Statements that follow them; only PostgreSQL has some.

    Raises:
        DatabaseError: The database refused.
    """
    if connection.vendor == "postgresql":
        [rows] = ask(connection, [(_POSTGRESQL, [_batch(writings)])], before, after)
        return [id_ for (id_,) in rows]
    if before:
        ask(connection, (), before)
    written, start = list(_rows(writings, connection)), 0
    with connection.cursor() as cursor:
        with connection.wrap_database_errors:
            for length, statement in _SQLITE.items():
                while len(written) - start >= length:  # past Django, which would rewrite each placeholder
                    some = list(chain.from_iterable(written[start : start + length]))
                    connection.connection.execute(statement, some)
                    start += length
        cursor.execute("SELECT last_insert_rowid()")
        last = int(cursor.fetchone()[0])  # one writer at a time, so a batch has no gaps
    return list(range(last - len(written) + 1, last + 1))


def _batch(writings: Iterable[Writing]) -> str:
    objects = [b'%s,"leaf":"%s"}' % (each.canonical[:-1], b64encode(each.leaf)) for each in writings]
    return (b"[%s]" % b",".join(objects)).decode()


def _rows(writings: Iterable[Writing], connection: BaseDatabaseWrapper) -> Iterator[list[Any]]:
    moments: dict[datetime, Any] = {}  # a batch has few
    for writing in writings:
        row = [*writing.values, writing.leaf]
        at = row[_AT]
        if at not in moments:
            moments[at] = connection.ops.adapt_datetimefield_value(at)
        row[_AT] = moments[at]
        row[_ELEMENTS] = writing.elements.decode()
        yield row

"""Rows that a database holds otherwise than the journal writes them, so that reports pass them over.

On SQLite any column takes anything: a moment in another writing, or a word as bytes, is read back as the same
and hashed as the same, but no report that asks for it finds it. PostgreSQL has one writing for each value,
but its infinity is a moment that nothing can read.
"""

from __future__ import annotations

from typing import Final

from django.db import router, transaction
from django.db.models import Model

from confide.audit.models import Checkpoint, Cosignature, JournalEntry, Leaf, Opened, Tally

_SECOND: Final = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9]"
_FRACTION: Final = f"{_SECOND}.[0-9][0-9][0-9][0-9][0-9][0-9]"
_MOMENT: Final = (
    f"NOT (at GLOB '{_SECOND}' OR at GLOB '{_FRACTION}') OR at GLOB '*.000000' OR at < '0001-01-02'"
    # Without the fraction: SQLite rounds the last half millisecond of a second up to the next one.
    " OR datetime(substr(at, 1, 19), '+0 days') IS NOT substr(at, 1, 19)"
)
_TWICE: Final = "SELECT count(*) <> count(DISTINCT key) FROM json_each(elements)"
_STRANGE: Final = (
    # A name can be written with escapes, or stand twice: Python takes the last, SQLite the first.
    "SELECT id FROM audit_journalentry"  # noqa: S608 - fixed
    " WHERE id >= coalesce((SELECT entry FROM audit_leaf WHERE position = %s), 0)"
    f" AND (instr(elements, char(92)) > 0 OR CASE WHEN json_valid(elements) THEN ({_TWICE}) ELSE 1 END)"
    " ORDER BY id LIMIT 1"
)
_TYPES: Final = {
    "BinaryField": "blob", "BigAutoField": "integer", "BigIntegerField": "integer",
    "PositiveIntegerField": "integer",
}  # fmt: skip
"""What SQLite keeps for a field; text for all others."""

_TABLES: Final[tuple[type[Model], ...]] = (JournalEntry, Leaf, Checkpoint, Cosignature, Tally, Opened)
_TIMELESS: Final = "at < '0001-01-02T00:00:00Z' OR at >= '9999-12-31T00:00:00Z'"


def find_unreadable() -> str | None:
    """Return which row holds a value of another type, or a moment that is none; None if there is no such row.

    Nothing can be computed from it, or it is not what a report takes it for.

    Raises:
        DatabaseError: The database does not answer.
    """
    for model in _TABLES:
        table = model._meta.db_table  # noqa: SLF001 - Django's own way to them
        types = {
            field.column: _TYPES.get(field.get_internal_type(), "text")
            for field in model._meta.local_fields  # noqa: SLF001
            if field.column
        }
        strange = [f"typeof({name}) <> '{kind}'" for name, kind in types.items()]
        strange += [_MOMENT] if "at" in types else []
        found = _first("sqlite", f"SELECT rowid FROM {table} WHERE {' OR '.join(strange)} LIMIT 1")  # noqa: S608
        if found is None and "at" in types:
            key = "size" if model is Checkpoint else "id"
            found = _first("postgresql", f"SELECT {key} FROM {table} WHERE {_TIMELESS} LIMIT 1")  # noqa: S608
        if found is not None:
            return f"entry with id {found}" if model is JournalEntry else f"row {found} of {table}"
    return None


def find_strange(start: int) -> int | None:
    """Return the id of the first entry on SQLite in another writing than ours; None if there is none.

    Args:
        start: From which place of the tree on.

    Raises:
        DatabaseError: The database does not answer.
    """
    return _first("sqlite", _STRANGE, start)


def _first(vendor: str, question: str, *parameters: int) -> int | None:
    connection = transaction.get_connection(router.db_for_read(JournalEntry))
    if connection.vendor != vendor:
        return None
    with connection.cursor() as cursor:
        cursor.execute(question, parameters or None)
        row = cursor.fetchone()
    return None if row is None else int(row[0])

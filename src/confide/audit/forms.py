"""Rows that a database holds otherwise than the journal writes them, so that reports pass them over.

On SQLite any column takes anything: a moment in another writing, or a word as bytes, is read back as the same
and hashed as the same, but no report that asks for it finds it. PostgreSQL has one writing for each value,
but its infinity is a moment that nothing can read.
"""

from __future__ import annotations

from typing import Final

from django.db import router, transaction

from confide.audit.inserts import COLUMNS
from confide.audit.models import JournalEntry

_TYPES: Final = {"version": "integer", "body_sha256": "blob", "reason_sealed": "blob"}
_SECOND: Final = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9]"
_FRACTION: Final = f"{_SECOND}.[0-9][0-9][0-9][0-9][0-9][0-9]"
_TWICE: Final = "SELECT count(*) <> count(DISTINCT key) FROM json_each(elements)"
_CONDITIONS: Final = (
    *(f"typeof({name}) <> '{_TYPES.get(name, 'text')}'" for name in COLUMNS),
    f"NOT (at GLOB '{_SECOND}' OR at GLOB '{_FRACTION}')",
    "at GLOB '*.000000'",
    # A name can be written with escapes, or stand twice: Python takes the last, SQLite the first.
    "instr(elements, char(92)) > 0",
    f"CASE WHEN json_valid(elements) THEN ({_TWICE}) ELSE 1 END",
)
_STRANGE: Final = (
    "SELECT id FROM audit_journalentry"  # noqa: S608 - names of columns
    " WHERE id >= coalesce((SELECT entry FROM audit_leaf WHERE position = %s), 0)"
    f" AND ({' OR '.join(_CONDITIONS)}) ORDER BY id LIMIT 1"
)


_TIMELESS: Final = (
    "SELECT id FROM audit_journalentry WHERE at < '0001-01-02T00:00:00Z' OR at >= '9999-12-31T00:00:00Z'"
    " ORDER BY id LIMIT 1"
)


def find_timeless() -> int | None:
    """Return the id of the first entry on PostgreSQL whose moment cannot be read; None if there is none.

    Raises:
        DatabaseError: The database does not answer.
    """
    return _first("postgresql", _TIMELESS)


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
        cursor.execute(question, parameters)
        row = cursor.fetchone()
    return None if row is None else int(row[0])

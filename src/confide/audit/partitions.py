"""The journal's months: on PostgreSQL each is a table of its own, made ahead, so that old ones can go.

A default partition takes whatever no month fits: no entry is ever refused. Each partition refuses changes and
TRUNCATE by itself, for a statement may name it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.db import DatabaseError, router, transaction

from confide.audit.models import JournalEntry
from confide.errors import JournalUnavailable

AHEAD: Final = 3
"""Months that are there before they begin."""

TABLE: Final = "audit_journalentry"
DEFAULT: Final = f"{TABLE}_rest"
"""The partition of whatever no month fits."""

_LOCK: Final = 0x6D6F6E746873  # "months": the advisory lock of who makes partitions
_DECEMBER: Final = 12
_MONTH: Final = re.compile(rf"{TABLE}_y(\d{{4}})m(\d{{2}})").fullmatch
_GUARD: Final = (
    "CREATE TRIGGER journal_refuses_truncate BEFORE TRUNCATE ON {}"
    " FOR EACH STATEMENT EXECUTE FUNCTION journal_refuses()"
)


@dataclass(frozen=True, order=True, slots=True)
class Month:
    """A month of the calendar, in UTC."""

    year: int
    month: int

    @property
    def table(self) -> str:
        return f"{TABLE}_y{self.year:04}m{self.month:02}"

    @property
    def start(self) -> datetime:
        return datetime(self.year, self.month, 1, tzinfo=UTC)

    def next(self) -> Month:
        last = self.month == _DECEMBER
        return Month(self.year + last, 1 if last else self.month + 1)


def month_of(at: datetime) -> Month:
    """Return the month of a moment, aware UTC."""
    return Month(at.year, at.month)


def statements(month: Month) -> list[str]:
    """Return what makes a month's partition, in its order; nobody who writes waits for it."""
    bounds = f"FROM ('{month.start:%Y-%m-%d}T00:00:00Z') TO ('{month.next().start:%Y-%m-%d}T00:00:00Z')"
    return [
        f"CREATE TABLE {month.table} (LIKE {TABLE} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)",
        # Attached, not made as a partition: that would lock out those who write.
        f"ALTER TABLE {TABLE} ATTACH PARTITION {month.table} FOR VALUES {bounds}",
        _GUARD.format(month.table),
    ]


def guard(table: str) -> str:
    """Return what makes one partition refuse TRUNCATE."""
    return _GUARD.format(table)


def make_ahead(now: datetime) -> list[Month]:
    """Make the partitions of this month and the next three, where they are missing.

    A month of which there are entries in the default partition already stays there; nothing is lost by that.

    Args:
        now: Aware UTC.

    Returns:
        What was made; nothing where the database has no partitions, or another process is at it.

    Raises:
        JournalUnavailable: The database does not answer.
    """
    connection = transaction.get_connection(router.db_for_write(JournalEntry))
    if connection.vendor != "postgresql":
        return []
    wanted, month = [], month_of(now)
    for _ in range(AHEAD + 1):
        wanted.append(month)
        month = month.next()
    try:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            missing = [each for each in wanted if not _exists(cursor, each.table)]
            if not missing or not _is_parted(cursor):
                return []
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
            if not cursor.fetchone()[0]:
                return []
            made = [each for each in missing if not _has_entries(cursor, each)]
            for each in made:
                for statement in statements(each):
                    cursor.execute(statement)
    except DatabaseError as problem:
        raise JournalUnavailable(f"the journal's months cannot be made ({type(problem).__name__})") from None
    return made


def months() -> list[Month]:
    """Return the months that have a partition of their own, the oldest first; none on SQLite."""
    connection = transaction.get_connection(router.db_for_read(JournalEntry))
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = %s::regclass",
            [TABLE],
        )
        found = (_MONTH(name) for (name,) in cursor.fetchall())
        return sorted(Month(int(each[1]), int(each[2])) for each in found if each)


def unguarded() -> list[str]:
    """Return the partitions that would let an entry be changed; the table itself is looked at elsewhere."""
    connection = transaction.get_connection(router.db_for_read(JournalEntry))
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT i.inhrelid::regclass::text FROM pg_inherits i WHERE i.inhparent = %s::regclass AND 2 >"
            " (SELECT count(*) FROM pg_trigger t WHERE t.tgrelid = i.inhrelid AND t.tgenabled IN ('O', 'A')"
            " AND t.tgname IN ('journal_refuses_change', 'journal_refuses_truncate')) ORDER BY 1",
            [TABLE],
        )
        return [name for (name,) in cursor.fetchall()]


def _exists(cursor: Any, table: str) -> bool:
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [table])
    return bool(cursor.fetchone()[0])


def _is_parted(cursor: Any) -> bool:
    cursor.execute("SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass(%s)", [TABLE])
    row = cursor.fetchone()
    return bool(row and row[0])


def _has_entries(cursor: Any, month: Month) -> bool:
    """Whether the default partition holds entries of a month: then it cannot be attached."""
    cursor.execute(
        f"SELECT EXISTS (SELECT 1 FROM {DEFAULT} WHERE at >= %s AND at < %s)",  # noqa: S608 - a name of ours
        [month.start, month.next().start],
    )
    return bool(cursor.fetchone()[0])

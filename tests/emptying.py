"""Between tests that commit, every table is emptied, past the triggers of the journal; its files go too.

Django would also make its content types and permissions anew each time, which takes longer than most tests;
no test changes them, so they stay.
"""

from __future__ import annotations

import shutil
from typing import Any

from django.conf import settings
from django.db import connections, transaction
from django.test import TransactionTestCase

STAYING = {"django_content_type", "auth_permission"}


def take_over() -> None:
    """Let transactional tests end with :func:`empty`."""
    TransactionTestCase._fixture_teardown = lambda case: empty(*case._databases_names(include_mirrors=False))


def empty(*aliases: str) -> None:
    """Delete every row of these databases."""
    for alias in aliases:
        connection = connections[alias]
        delete = _delete_from_sqlite if connection.vendor == "sqlite" else _delete_from_postgres
        with transaction.atomic(using=alias), connection.cursor() as cursor:
            tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
            filled = _filled(cursor, sorted(set(tables) - STAYING))
            if filled:
                delete(cursor, filled)
    # What was published of a journal that is gone would look like the trace of a database that was put back.
    shutil.rmtree(settings.CONFIG.journal, ignore_errors=True)


def _filled(cursor: Any, tables: list[str]) -> list[str]:
    """Those with a row: a test writes to few."""
    cursor.execute(" UNION ALL ".join(f"SELECT '{t}' WHERE EXISTS (SELECT 1 FROM \"{t}\")" for t in tables))
    return [table for (table,) in cursor.fetchall()]


def _delete_from_sqlite(cursor: Any, tables: list[str]) -> None:
    cursor.execute("SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger'")
    triggers = [(name, sql) for name, table, sql in cursor.fetchall() if table in tables]
    for name, _ in triggers:
        cursor.execute(f'DROP TRIGGER "{name}"')
    for table in tables:
        cursor.execute(f'DELETE FROM "{table}"')
    for _, sql in triggers:
        cursor.execute(sql)


def _delete_from_postgres(cursor: Any, tables: list[str]) -> None:
    # "replica" lets triggers and foreign keys be. TRUNCATE would make new files for each table.
    deletes = "; ".join(f'DELETE FROM "{table}"' for table in tables)
    cursor.execute(f"SET LOCAL session_replication_role = replica; {deletes}")

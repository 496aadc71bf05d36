"""Counts many records on PostgreSQL in two halves at once, of one and the same moment of the database.

PostgreSQL shares out the reading of entries between processes, but not the grouping of a million of them by
patient, which is most of the work. Two connections that see one exported snapshot do, each for one half of
the patients.

Source:
    PostgreSQL 16, 9.27.5, snapshot synchronization functions.
"""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from django.db import connections, transaction

MARK: Final = "/* half */"
"""Where a query of one leg takes which half it is of."""

HOME: Final = "/* home */"
"""Where a query takes the same half of what is joined by patient."""

MANY: Final = 50_000
"""Records from which on two connections are worth it."""

# Of an inequality the planner expects a third of the rows, of an equality one in two hundred.
_HALVES: Final = ("ascii(right({}.patient, 1)) %% 2 < 1", "ascii(right({}.patient, 1)) %% 2 > 0")
_SNAPSHOT: Final = re.compile(r"[0-9A-F-]+")


def count(connection: Any, sql: str, params: tuple[Any, ...]) -> list[tuple[Any, ...]] | None:
    """Run a query whose rows can be added up over the halves.

    Args:
        connection: In a transaction, of which both halves see what was committed at its snapshot.
        sql: With ``MARK`` in each leg.
        params: Its parameters.

    Returns:
        The rows of both halves; None where it is no work for two: few records, another database, or a
        transaction within another one.

    Raises:
        DatabaseError: It does not answer.
    """
    # A snapshot is exported by a transaction that is none within another.
    if connection.vendor != "postgresql" or not connection.in_atomic_block or connection.savepoint_ids:
        return None
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", params)
        plan = cursor.fetchone()[0]
        if _most(plan if isinstance(plan, list) else json.loads(plan)) < MANY:
            return None
        cursor.execute("SELECT pg_export_snapshot()")
        snapshot = str(cursor.fetchone()[0])
    if not _SNAPSHOT.fullmatch(snapshot):
        return None

    def run(half: int) -> list[tuple[Any, ...]]:
        which = _HALVES[half]
        halved = sql.replace(MARK, f" WHERE {which.format('entry')}")
        return _run(connection.alias, snapshot, halved.replace(HOME, f" AND {which.format('home')}"), params)

    with ThreadPoolExecutor(2, thread_name_prefix="half") as pool:
        return [row for rows in pool.map(run, range(2)) for row in rows]


def widen(cursor: Any) -> None:
    """Give the rest of a transaction memory for a million groups; without it they are sorted on the disk.

    Compiling a query that runs once takes longer than it saves.
    """
    if cursor.db.vendor == "postgresql":
        cursor.execute(
            "SELECT set_config('work_mem', '128MB', true), set_config('hash_mem_multiplier', '2', true),"
            " set_config('jit', 'off', true)"
        )


def _run(alias: str, snapshot: str, sql: str, params: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    connection = connections[alias]  # this thread's own
    try:
        with transaction.atomic(using=alias), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
            widen(cursor)
            cursor.execute("SELECT set_config('max_parallel_workers_per_gather', '0', true)")
            cursor.execute(sql, params)
            return list(cursor.fetchall())
    finally:
        connection.close()


def _most(plan: Any) -> int:
    """Return the greatest number of rows that any step of a plan expects."""
    if isinstance(plan, list):
        return max(map(_most, plan), default=0)
    if not isinstance(plan, dict):
        return 0
    inner = max((_most(each) for each in plan.values() if isinstance(each, (dict, list))), default=0)
    return max(int(plan.get("Plan Rows", 0)), inner)

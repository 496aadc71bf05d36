"""Entries by their ids on PostgreSQL, where the journal lies by months.

An id does not tell the month, so whoever looks for one looks into all of them, and to plan that takes longer
than to do it. Ids that lie together are one look into each month; the statement is always the same, and its
plan is kept. As long as nobody has counted a young table, the planner would rather read all of it: OFFSET 0
leaves it nothing but the index.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper

from confide.access.statements import ask

_TOGETHER: Final = 64  # ids that lie no farther apart are read in one go

# Until the transaction ends. What takes so many months for dear is compiled anew each time it is run, for
# seconds: it expects thousands of rows of each, and finds one.
_PLAN: Final = "SELECT set_config('plan_cache_mode', %s, true), set_config('jit', 'off', true)"
_AUTO: Final = (_PLAN, ["auto"])


def runs(ids: Iterable[int]) -> tuple[list[int], list[int]]:
    """Put ids together that lie near each other; return the lowest and the highest of each run."""
    lows: list[int] = []
    highs: list[int] = []
    for id_ in sorted(ids):
        if highs and id_ - highs[-1] <= _TOGETHER:
            highs[-1] = id_
        else:
            lows.append(id_)
            highs.append(id_)
    return lows, highs


def read(
    connection: BaseDatabaseWrapper,
    columns: Sequence[str],
    ids: Iterable[int],
    which: str = "",
    parameters: Sequence[Any] = (),
) -> dict[int, tuple[Any, ...]]:
    """Return rows of the journal by their ids; there may be neighbours among them that were not asked for.

    Args:
        connection: To PostgreSQL.
        columns: Their names; the first is ``id``.
        ids: Whose.
        which: A further condition on columns of ``e``, which begins with AND.
        parameters: Its parameters.
    """
    return {row[0]: row for row in rows(connection, columns, ids, which, parameters)}


def rows(
    connection: BaseDatabaseWrapper,
    columns: Sequence[str],
    ids: Iterable[int],
    which: str = "",
    parameters: Sequence[Any] = (),
) -> list[tuple[Any, ...]]:
    """Return the same as a list: across months, nothing keeps two rows from having one id."""
    named = ", ".join(f"e.{name}" for name in columns)
    text = (
        f"SELECT e.* FROM unnest(%s::bigint[], %s::bigint[]) r (low, high)"  # noqa: S608 - names of columns
        f" CROSS JOIN LATERAL (SELECT {named} FROM audit_journalentry e"
        f" WHERE e.id >= r.low AND e.id <= r.high {which} OFFSET 0) e"
    )
    [found] = ask(connection, [(text, [*runs(ids), *parameters])], [(_PLAN, ["force_generic_plan"])], [_AUTO])
    return found

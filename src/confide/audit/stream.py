"""The journal as a stream: entries by which somebody is seen, in the order of the tree, from a place on."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

import msgspec
from django.db import router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from confide.access.roles import Action
from confide.access.statements import ask
from confide.audit import runs
from confide.audit.journal import Entry
from confide.audit.models import JournalEntry

_COLUMNS: Final = (
    "id", "at", "practice", "actor_kind", "actor", "credential", "role", "action", "purpose", "patient",
    "elements", "outcome", "address", "device", "relationship",
)  # fmt: skip
_SEEING: Final = (Action.READ.value, Action.REVEAL.value, Action.SEARCH.value)
_NAMED: Final = ", ".join(f"e.{name}" for name in _COLUMNS)
_SEEN: Final = "e.action IN (%s, %s, %s) AND e.patient <> ''"
_JOINED: Final = (
    f"SELECT {_NAMED} FROM audit_leaf l JOIN audit_journalentry e ON e.id = l.entry"  # noqa: S608 - columns
    f" WHERE l.position >= %s AND l.position < %s AND {_SEEN} ORDER BY l.position"
)
_PLACES: Final = "SELECT entry FROM audit_leaf WHERE position >= %s AND position < %s ORDER BY position"
_WRITTEN: Final = {
    "sqlite": (
        "SELECT DISTINCT e.practice, e.patient, e.actor FROM json_each(%s) p CROSS JOIN audit_journalentry e"
        " ON e.practice = p.value ->> 0 AND e.patient = p.value ->> 1 WHERE {}"
    ),
    "postgresql": (
        "SELECT DISTINCT e.* FROM json_array_elements(%s::json) p (value)"
        " CROSS JOIN LATERAL (SELECT e.practice, e.patient, e.actor FROM audit_journalentry e"
        " WHERE e.practice = p.value ->> 0 AND e.patient = p.value ->> 1 AND {} OFFSET 0) e"
    ),
}


def connect() -> BaseDatabaseWrapper:
    """Return the connection to the journal."""
    connection: BaseDatabaseWrapper = transaction.get_connection(router.db_for_read(JournalEntry))
    return connection


def size() -> int:
    """Return how many entries have a place."""
    [rows] = ask(connect(), [("SELECT size FROM audit_checkpoint ORDER BY size DESC LIMIT 1", [])])
    return int(rows[0][0]) if rows else 0


def read(begin: int, end: int) -> list[tuple[int, Entry]]:
    """Return ids and entries of the positions from *begin* to before *end*."""
    connection = connect()
    if connection.vendor != "postgresql":
        [rows] = ask(connection, [(_JOINED, [begin, end, *_SEEING])])
        return [(row[0], _entry(row)) for row in rows]
    [found] = ask(connection, [(_PLACES, [begin, end])])
    places = [id_ for (id_,) in found]
    by_id = runs.read(connection, _COLUMNS, places, f"AND {_SEEN}", _SEEING)
    return [(id_, _entry(by_id[id_])) for id_ in places if id_ in by_id]


def written_about(
    patients: Collection[tuple[str, str]], types: Collection[str], since: datetime
) -> dict[tuple[str, str], set[str]]:
    """Return who has written a resource of one of *types* lately, by practice and patient.

    Args:
        patients: The practice and the patient, of each who is asked about.
        types: FHIR types.
        since: Aware UTC.
    """
    connection = connect()
    kinds = ", ".join(["%s"] * len(types))
    # SQLite would rather look through all that a practice did since; the sign keeps it from that index.
    moment_column = "e.at" if connection.vendor == "postgresql" else "+e.at"
    which = f"{moment_column} > %s AND e.action = %s AND e.resource_type IN ({kinds})"
    asked = msgspec.json.encode(list(patients)).decode()
    moment = connection.ops.adapt_datetimefield_value(since)
    [rows] = ask(
        connection,
        [(_WRITTEN[connection.vendor].format(which), [asked, moment, Action.WRITE.value, *types])],
    )
    found: dict[tuple[str, str], set[str]] = {}
    for practice, patient, actor in rows:
        found.setdefault((practice, patient), set()).add(actor)
    return found


_AFTER_ID: Final = _COLUMNS[1:]
_AT: Final = _COLUMNS.index("at")
_ELEMENTS: Final = _COLUMNS.index("elements")


def _entry(row: tuple[Any, ...]) -> Entry:
    told = dict(zip(_AFTER_ID, row[1:], strict=True))
    at, elements = row[_AT], row[_ELEMENTS]
    if isinstance(at, str):  # SQLite
        at = datetime.fromisoformat(at)
    told["at"] = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    told["elements"] = _elements(elements) if isinstance(elements, str | bytes) else elements
    return Entry(**told)


@lru_cache(10_000)
def _elements(written: str | bytes) -> Mapping[str, str]:
    """Many entries show the same; what is returned is shared, and cannot be changed."""
    return MappingProxyType(msgspec.json.decode(written))

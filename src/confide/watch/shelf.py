"""Memories and findings between rows and the watch: what a round needs is read, what it changed is written.

A process keeps what it has read, with its version; another process's change is seen by the version alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

import msgspec
from django.db import router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import QuerySet

from confide.access.statements import among, ask
from confide.vault.keepsakes import Keepsakes
from confide.watch.findings import Code, Finding
from confide.watch.memory import Memory, Norm
from confide.watch.models import Found, Remembered
from confide.watch.thresholds import LOOK
from confide.watch.watch import Watch

_READ: Final = "SELECT position FROM watch_cursor WHERE id = 1"
_ADVANCE: Final = (
    "INSERT INTO watch_cursor (id, position) VALUES (1, %s)"
    " ON CONFLICT (id) DO UPDATE SET position = excluded.position"
)
_REMEMBER: Final = {
    "sqlite": "INSERT INTO watch_remembered (name, version, sealed) VALUES (%s, %s, %s)",
    "postgresql": (
        "INSERT INTO watch_remembered (name, version, sealed)"
        " SELECT * FROM unnest(%s::text[], %s::integer[], %s::bytea[])"
    ),
}
_ANEW: Final = " ON CONFLICT (name) DO UPDATE SET version = excluded.version, sealed = excluded.sealed"

MOST_KEPT: Final = 2000
"""Logins and roles that one process keeps in memory; others are read when they act again."""

_KIND: Final = "memory"
_MEMORY: Final = msgspec.msgpack.Decoder(Memory)
_NORM: Final = msgspec.msgpack.Decoder(Norm)
_encode: Final = msgspec.msgpack.Encoder().encode


def norm_name(practice: str, role: str) -> str:
    """Return under which name what is usual in a role is kept."""
    return f"norm:{practice}:{role}"


class Shelf:
    """What one process has read. One thread at a time uses it.

    Args:
        seals: Opens and seals.
        watch: Takes in what is read.
    """

    def __init__(self, seals: Keepsakes, watch: Watch) -> None:
        self._seals = seals
        self._watch = watch
        self._versions: dict[str, int] = {}

    def fetch(self, owners: Iterable[str], norms: Iterable[tuple[str, str]]) -> int:
        """Let the watch have the newest memories and open findings of *owners*, and the *norms*.

        Returns:
            The position in the journal up to which it was read.

        Raises:
            SealBroken, KeyUnavailable: A memory cannot be opened.
        """
        owners = list(owners)
        roles = {norm_name(*each): each for each in norms}
        self._make_room({*owners, *roles})
        connection = connect()
        names, asked = among(connection, "name", [*owners, *roles])
        whose, whom = among(connection, "owner", owners)
        position, versions, open_ = ask(
            connection,
            [
                (_READ, []),
                (f"SELECT name, version FROM watch_remembered WHERE {names}", [asked]),  # noqa: S608 - ours
                (f"SELECT id FROM watch_found WHERE closed_at IS NULL AND {whose}", [whom]),  # noqa: S608
            ],
        )
        there = dict(versions)
        stale = [n for n in (*owners, *roles) if there.get(n, 0) != self._versions.get(n, 0)]
        for start in range(0, len(stale), 500):
            for row in Remembered.objects.filter(name__in=stale[start : start + 500]):
                data = self._seals.open(_KIND, row.name, bytes(row.sealed))
                if row.name in roles:
                    self._watch.norms[roles[row.name]] = _NORM.decode(data)
                else:
                    self._watch.memories[row.name] = _MEMORY.decode(data)
                self._versions[row.name] = row.version
        ids = [id_ for (id_,) in open_]
        self._watch.open = {
            (row.practice, row.owner, Code(row.code)): finding_of(row)
            for start in range(0, len(ids), 500)
            for row in Found.objects.filter(pk__in=ids[start : start + 500])
        }
        return _position(position)

    def store(
        self, owners: Iterable[str], norms: Iterable[tuple[str, str]], position: int | None = None
    ) -> None:
        """Write what the watch remembers of them now; in the caller's transaction.

        Args:
            owners: Whose memories.
            norms: Practices and roles.
            position: Up to where the journal was read; None leaves that as it is.
        """
        rows = [self._row(owner, _encode(self._watch.memories[owner])) for owner in owners]
        rows += [self._row(norm_name(*each), _encode(self._watch.norms[each])) for each in norms]
        advance = [] if position is None else [(_ADVANCE, [position])]
        connection = connect()
        text = _REMEMBER[connection.vendor] + _ANEW
        if connection.vendor == "postgresql":
            columns = list(map(list, zip(*rows, strict=True)))
            ask(connection, [], [*([(text, columns)] if rows else []), *advance])
            return
        with connection.cursor() as cursor:
            cursor.executemany(text, rows)
        ask(connection, [], advance)

    def _row(self, name: str, data: bytes) -> tuple[str, int, bytes]:
        version = self._versions[name] = self._versions.get(name, 0) + 1
        return name, version, self._seals.seal(_KIND, name, data)

    def _make_room(self, wanted: set[str]) -> None:
        others = [each for each in self._versions if each not in wanted]
        for name in others[: max(len(self._versions) - MOST_KEPT, 0)]:
            del self._versions[name]
            if name.startswith("norm:"):
                _, practice, role = name.split(":", 2)
                self._watch.norms.pop((practice, role), None)
            else:
                self._watch.memories.pop(name, None)


def connect() -> BaseDatabaseWrapper:
    """Return the connection to what the watch keeps."""
    connection: BaseDatabaseWrapper = transaction.get_connection(router.db_for_write(Remembered))
    return connection


def read_position() -> int:
    """Return the position in the journal up to which it was read."""
    [rows] = ask(connect(), [(_READ, [])])
    return _position(rows)


def _position(rows: list[tuple[Any, ...]]) -> int:
    return int(rows[0][0]) if rows else 0


def finding_of(row: Found) -> Finding:
    """Return what a row tells."""
    return Finding(
        row.practice,
        row.owner,
        Code(row.code),
        tuple(row.credentials),
        row.weight,
        row.sentence,
        tuple(row.evidence),
        row.signals,
        row.since,
        row.at,
    )


def write(finding: Finding) -> tuple[Found, bool]:
    """Write a finding that is new or has grown; in the caller's transaction.

    Returns:
        Its row, and whether it is new.
    """
    told = {
        "credentials": list(finding.credentials),
        "weight": finding.weight,
        "sentence": finding.sentence,
        "evidence": list(finding.evidence),
        "signals": finding.signals,
        "since": finding.since,
        "at": finding.at,
    }
    return Found.objects.update_or_create(
        practice=finding.practice, owner=finding.owner, code=finding.code.value, closed_at=None, defaults=told
    )


def waiting(practice: str) -> QuerySet[Found]:
    """Return the findings of a practice that wait for somebody to look at them."""
    return Found.objects.filter(practice=practice, closed_at__isnull=True, weight__gte=LOOK, answer="")


def expire(before: datetime, now: datetime) -> int:
    """Close findings that nobody had to look at and that have not grown since *before*."""
    rows = Found.objects.filter(closed_at__isnull=True, at__lt=before, weight__lt=LOOK)
    return rows.update(closed_at=now)

"""The sequencer: gives committed entries their places in the tree, and signs what came out.

Entries have their ids before they are committed, and some never are; so the order of the tree is given after
commit, by one sequencer at a time. Any process may be it. A round is one transaction: new entries get places,
and a checkpoint is signed over all. A place never changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Any, Final

import msgspec
from django.db import DatabaseError, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from confide.audit import publication
from confide.audit.models import Checkpoint, JournalEntry
from confide.audit.notes import Head, Note, PublicKey, SigningKey
from confide.audit.tiles import Tiles
from confide.cipher.tree import Frontier
from confide.errors import Damaged, JournalUnavailable

AT_ONCE: Final = 20_000
"""Entries that one round takes at most: on SQLite nobody else writes in the meantime."""

_TURN: Final = 0x636F6E66696465  # "confide": the advisory lock of who is the sequencer
_NEWEST: Final = "SELECT size, root, frontier, floor FROM audit_checkpoint ORDER BY size DESC LIMIT 1"
# The second condition on l.entry keeps SQLite from looking through all that there ever was.
_WAITING: Final = (
    " FROM audit_journalentry e WHERE e.id > %s"
    " AND NOT EXISTS (SELECT 1 FROM audit_leaf l WHERE l.entry = e.id AND l.entry > %s)"
)
# As long as nobody has counted a young table, PostgreSQL takes a third of it for more than the floor, and
# would read all of it for each round. OFFSET 0 leaves it nothing but to look up each entry's place; and of
# what lies between two bounds it expects little, so that it takes the index of the ids.
_WITHOUT: Final = (
    " FROM audit_journalentry e LEFT JOIN LATERAL"
    " (SELECT 1 AS found FROM audit_leaf l WHERE l.entry = e.id AND l.entry > %s OFFSET 0) placed ON true"
    " WHERE e.id > %s AND e.id <= 9223372036854775807 AND placed.found IS NULL"
)
_MISSING: Final = {"sqlite": _WAITING, "postgresql": _WITHOUT}
_SOME: Final = f"SELECT e.id, e.leaf, e.practice, e.patient, e.credential{_WITHOUT} ORDER BY e.id LIMIT %s"
# SQLite's driver lets go of the interpreter at every row that it reads or writes, and while this round waits
# to have it back nobody else writes. So all rows come and go as one text.
_AS_ONE: Final = (
    "SELECT json_group_array(json_array(id, hex(leaf), practice, patient, credential))"  # noqa: S608 - fixed
    f" FROM (SELECT e.id, e.leaf, e.practice, e.patient, e.credential{_WAITING} ORDER BY e.id LIMIT %s)"
)
# The highest id that was given so far. One that somebody has chosen himself may be higher.
_GIVEN: Final = {
    "sqlite": "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'audit_journalentry'), 0)",
    "postgresql": "SELECT last_value FROM audit_journalentry_id_seq",
}
# Who is writing entries, or may be: a transaction takes this lock on the table before it takes an id.
_WRITERS: Final = (
    "SELECT virtualtransaction FROM pg_locks WHERE locktype = 'relation'"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND relation = 'audit_journalentry'::regclass AND mode <> 'AccessShareLock'"
    " AND pid IS DISTINCT FROM pg_backend_pid()"
)
_COUNTED: Final = {
    "sqlite": (
        "SELECT key, count FROM audit_tally WHERE kind = %s AND key IN (SELECT value FROM json_each(%s))"
    ),
    "postgresql": (
        "SELECT t.key, t.count FROM audit_tally t WHERE t.kind = %s"
        " AND t.key IN (SELECT json_array_elements_text(%s::json))"
    ),
}
# SQLite takes a WHERE to tell what follows it from the condition of a join.
_COUNTS: Final = {
    "sqlite": (
        "INSERT INTO audit_tally (kind, key, count) SELECT %s, key, value FROM json_each(%s) WHERE true"
        " ON CONFLICT (kind, key) DO UPDATE SET count = excluded.count"
    ),
    "postgresql": (
        "INSERT INTO audit_tally (kind, key, count)"
        " SELECT %s, key, value::bigint FROM json_each_text(%s::json)"
        " ON CONFLICT (kind, key) DO UPDATE SET count = excluded.count"
    ),
}
_PLACES: Final = {
    "sqlite": (
        "INSERT INTO audit_leaf (position, entry, of_patient, of_credential)"
        " SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(%s)"
    ),
    "postgresql": "COPY audit_leaf (position, entry, of_patient, of_credential) FROM STDIN",
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """How far the sequencer is behind.

    Attributes:
        sealed: Entries under the newest checkpoint.
        entries: Committed entries without a place.
        since: When the oldest of them was made; None if there is none.
    """

    sealed: int
    entries: int
    since: datetime | None


@dataclass(frozen=True, slots=True)
class _Unsettled:
    """Ids up to *top* may still be taken by one of *writers*, and by nobody else."""

    top: int
    writers: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Tree:
    frontier: Frontier
    root: bytes
    floor: int

    def head(self) -> Head:
        return Head("", self.frontier.size, self.root)


@dataclass(frozen=True, slots=True)
class _Round:
    start: int
    leaves: list[bytes]
    more: bool


class Sequencer:
    """Seals what was committed. Threads may share one.

    Args:
        signer: Gives the log's signing key; asked when there is something to sign.
        tiles: Where the tree is published.
    """

    def __init__(self, signer: Callable[[], SigningKey], tiles: Tiles) -> None:
        self._signer = signer
        self.tiles = tiles
        self._lock = Lock()
        self._unsettled: _Unsettled | None = None
        self._floor = 0  # as in ``models.Checkpoint``, where this process knows more than is written there

    @property
    def key(self) -> PublicKey:
        """The log's public key, which whoever checks the journal needs.

        Raises:
            KeyUnavailable: The log's signing key cannot be had.
        """
        return self._signer().public

    def seal(self, now: datetime) -> int:
        """Give every committed entry its place, sign, and publish.

        Where another process is at it, only the files are brought up to date.

        Args:
            now: When it is signed, aware UTC.

        Returns:
            How many entries got a place here.

        Raises:
            KeyUnavailable: The log's signing key cannot be had.
            Damaged: The journal is not what was published; nothing was signed.
            JournalUnavailable: The database does not answer.
            Unavailable: The files cannot be written; what was signed is in the database.
        """
        sealed = 0
        with self._lock:
            while (done := self._attempt(now)) is not None:
                sealed += len(done.leaves)
                publication.publish(self.tiles, (done.start, done.leaves))
                if not done.more:
                    return sealed
            publication.publish(self.tiles)
            return sealed

    @staticmethod
    def waiting() -> Waiting:
        """Count what has no place yet.

        Raises:
            Damaged: What is written from now on would never be sealed.
            JournalUnavailable: The database does not answer.
        """
        try:
            with _connection().cursor() as cursor:
                newest = _newest(cursor)
                floor = newest.floor
                _require_above(cursor, cursor.db.vendor, floor)
                missing = _MISSING[cursor.db.vendor]
                cursor.execute(f"SELECT count(*){missing}", [floor, floor])
                (count,) = cursor.fetchone()
                cursor.execute(f"SELECT e.id{missing} ORDER BY e.id LIMIT 1", [floor, floor])
                oldest = cursor.fetchone()
            since = oldest and JournalEntry.objects.filter(pk=oldest[0]).values_list("at", flat=True).first()
        except DatabaseError as problem:
            raise _unavailable(problem) from None
        return Waiting(newest.frontier.size, int(count), since or None)

    def _attempt(self, now: datetime) -> _Round | None:
        """One round; None if there is nothing to do, or another process is at it."""
        connection = _connection()
        try:
            with connection.cursor() as cursor:
                settled = self._settle(connection, cursor)
                floor = self._lowest(_newest(cursor))
                _require_above(cursor, connection.vendor, floor)
                missing = _MISSING[connection.vendor]
                cursor.execute(f"SELECT e.id{missing} ORDER BY e.id LIMIT 1", [floor, floor])
                if cursor.fetchone() is None:
                    self._floor = max(self._floor, settled)
                    return None
            signer = self._signer()  # before the lock, for it may ask a KMS
            with transaction.atomic(using=connection.alias, durable=True), connection.cursor() as cursor:
                if connection.vendor == "postgresql":
                    cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_TURN])
                    if not cursor.fetchone()[0]:
                        return None
                return self._round(connection, cursor, signer, settled, now)
        except DatabaseError as problem:
            self._unsettled, self._floor = None, 0
            with suppress(DatabaseError):
                connection.close()
            raise _unavailable(problem) from None

    def _round(
        self,
        connection: BaseDatabaseWrapper,
        cursor: Any,
        signer: SigningKey,
        settled: int,
        now: datetime,
    ) -> _Round | None:
        before = _newest(cursor)
        publication.refuse_fork(self.tiles, before.head() if before.frontier.size else None)
        floor = self._lowest(before)
        rows = _some(cursor, connection.vendor, floor)
        if not rows:
            return None
        if connection.vendor == "sqlite":  # it has one writer at a time, so the ids are in order
            settled = rows[-1][0]
        floor = max(floor, settled if len(rows) < AT_ONCE else min(settled, rows[-1][0]))
        start = before.frontier.size
        of_patient = [f"{practice}/{patient}" if patient else "" for _, _, practice, patient, _ in rows]
        patients = _counted(cursor, connection.vendor, "p", set(of_patient) - {""})
        credentials = _counted(cursor, connection.vendor, "c", {row[4] for row in rows} - {""})
        places, leaves = _place(rows, of_patient, start, patients, credentials)
        _write(cursor, connection.vendor, places, {"p": patients, "c": credentials})
        frontier = before.frontier.grow(leaves)
        root = frontier.root()
        text = str(Head(signer.name, frontier.size, root))
        Checkpoint.objects.create(
            size=frontier.size,
            at=now,
            root=root,
            frontier=bytes(frontier),
            floor=floor,
            note=str(Note(text, (signer.sign(text),))),
        )
        return _Round(start, leaves, len(rows) == AT_ONCE)

    def _lowest(self, newest: _Tree) -> int:
        return max(newest.floor, self._floor)

    def _settle(self, connection: BaseDatabaseWrapper, cursor: Any) -> int:
        """Return an id up to which all that will ever be committed is committed now; 0 if none is known.

        Whoever may still commit one of the ids up to the highest that can be seen is writing already. When
        all of those are gone, these ids are settled: what is read afterwards is all that there is of them.
        """
        if connection.vendor == "sqlite":
            return 0
        known = self._unsettled
        if known is not None and known.writers & _writers(cursor):
            return 0
        cursor.execute("SELECT coalesce(max(id), 0) FROM audit_journalentry")
        top = min(cursor.fetchone()[0], _given(cursor, connection.vendor))
        self._unsettled = _Unsettled(top, _writers(cursor))  # looked at after the ids
        return 0 if known is None else known.top


def _connection() -> BaseDatabaseWrapper:
    connection: BaseDatabaseWrapper = transaction.get_connection(router.db_for_write(JournalEntry))
    return connection


def _unavailable(problem: DatabaseError) -> JournalUnavailable:
    return JournalUnavailable(f"the journal cannot be sealed now ({type(problem).__name__})")


def _newest(cursor: Any) -> _Tree:
    cursor.execute(_NEWEST)
    row = cursor.fetchone()
    if row is None:
        return _Tree(Frontier(), Frontier().root(), 0)
    return _Tree(Frontier.parse(row[0], bytes(row[2])), bytes(row[1]), row[3])


def _given(cursor: Any, vendor: str) -> int:
    cursor.execute(_GIVEN[vendor])
    return int(cursor.fetchone()[0])


def _require_above(cursor: Any, vendor: str, floor: int) -> None:
    """Require that whatever is written from now on has an id above the floor: else nobody would seal it."""
    if _given(cursor, vendor) < floor:
        raise Damaged(
            "the database gives ids to entries that lie below the checkpoint's floor, so they would never be"
            " sealed: the floor, or the counter of ids, was changed (see docs/operations.md)"
        )


def _some(cursor: Any, vendor: str, floor: int) -> list[tuple[Any, ...]]:
    """Return what a round takes: id, hash, practice, patient and credential of each entry, in order."""
    if vendor != "sqlite":
        cursor.execute(_SOME, [floor, floor, AT_ONCE])
        return list(cursor.fetchall())
    cursor.execute(_AS_ONE, [floor, floor, AT_ONCE])
    (text,) = cursor.fetchone()
    found: list[list[Any]] = msgspec.json.decode(text)
    return sorted((id_, bytes.fromhex(leaf), *whose) for id_, leaf, *whose in found)


def _as_text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _writers(cursor: Any) -> frozenset[str]:
    cursor.execute(_WRITERS)
    return frozenset(row[0] for row in cursor.fetchall())


def _counted(cursor: Any, vendor: str, kind: str, keys: set[str]) -> dict[str, int]:
    """Return how many entries there are already of each key."""
    counts = dict.fromkeys(keys, 0)
    if keys:
        cursor.execute(_COUNTED[vendor], [kind, _as_text(sorted(keys))])
        counts.update(cursor.fetchall())
    return counts


def _place(
    rows: Sequence[tuple[Any, ...]],
    of_patient: Sequence[str],
    start: int,
    patients: dict[str, int],
    credentials: dict[str, int],
) -> tuple[list[tuple[int, int, int, int]], list[bytes]]:
    """Give *rows* their places from *start* on, and count them; return the places and the leaves' hashes."""
    places, leaves = [], []
    for position, (row, whose) in enumerate(zip(rows, of_patient, strict=True), start):
        id_, entry_hash, _, _, credential = row
        n = m = 0
        if whose:
            patients[whose] = n = patients[whose] + 1
        if credential:
            credentials[credential] = m = credentials[credential] + 1
        places.append((position, id_, n, m))
        leaves.append(publication.hash_leaf(bytes(entry_hash), id_, n, m))
    return places, leaves


def _write(
    cursor: Any,
    vendor: str,
    places: Sequence[tuple[int, int, int, int]],
    counts: dict[str, dict[str, int]],
) -> None:
    if vendor == "postgresql":
        with cursor.copy(_PLACES[vendor]) as copy:
            copy.write("".join(f"{p}\t{id_}\t{n}\t{m}\n" for p, id_, n, m in places))
    else:
        cursor.execute(_PLACES[vendor], [_as_text(places)])
    for kind, counted in counts.items():
        if counted:
            cursor.execute(_COUNTS[vendor], [kind, _as_text(counted)])

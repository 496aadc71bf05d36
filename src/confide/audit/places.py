"""Entries in the order of the tree, read from the database some at a time, as they stand there."""

from __future__ import annotations

import json
import struct
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final

from django.db import router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from confide.access.statements import among, ask
from confide.audit import runs
from confide.audit.inserts import COLUMNS
from confide.audit.journal import Line, format_canonical, hash_leaf, line_of
from confide.audit.models import Checkpoint, Cosignature, JournalEntry, Leaf
from confide.audit.publication import hash_leaf as hash_place
from confide.errors import Damaged

AT_ONCE: Final = 900
"""Rows of one question; SQLite takes no more parameters than about a thousand everywhere."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A place in the tree, with the entry that has it.

    Attributes:
        position: Counted from 0.
        id: The entry's.
        of_patient: As in ``models.Leaf``.
        of_credential: As in ``models.Leaf``.
        line: The entry; None if it is not there, stands twice, or cannot be read as one.
    """

    position: int
    id: int
    of_patient: int
    of_credential: int
    line: Line | None

    @property
    def sound(self) -> bool:
        """Is the entry as it was when its hash was written?"""
        return self.line is not None and hash_leaf(self.line.entry) == self.line.leaf

    def hash(self) -> bytes | None:
        """Return the leaf's hash, 32 bytes; None where there is no entry, or its numbers are none."""
        if self.line is None:
            return None
        try:
            return hash_place(self.line.leaf, self.id, self.of_patient, self.of_credential)
        except (struct.error, TypeError):
            return None

    def require(self) -> Line:
        """Return the entry.

        Raises:
            Damaged: It is not there, or cannot be read as one.
        """
        if self.line is None:
            raise Damaged(
                f"entry {self.position} (id {self.id}) of the journal is not there as it was written"
            )
        return self.line

    def write(self, *, whole: bool) -> dict[str, Any]:
        """Return what an export says of it, with the entry itself or only its hash.

        Raises:
            Damaged: There is no entry.
        """
        line = self.require()
        told = {
            "position": self.position,
            "id": self.id,
            "of_patient": self.of_patient,
            "of_credential": self.of_credential,
            "hash": b64encode(line.leaf).decode(),
        }
        return told | {"entry": json.loads(format_canonical(line.entry))} if whole else told


def read(start: int, end: int) -> Iterator[Placed]:
    """Return the places from *start* up to but without *end*, in order; a missing one is left out."""
    while start < end:
        some = list(
            _join(Leaf.objects.filter(position__gte=start, position__lt=end).order_by("position")[:AT_ONCE])
        )
        yield from some
        if len(some) < AT_ONCE:
            return
        start = some[-1].position + 1


def read_about(practice: str, patient: str, end: int) -> Iterator[Placed]:
    """Return the places of all entries about a patient, in the order of the tree."""
    ids = list(
        JournalEntry.objects.filter(practice=practice, patient=patient)
        .order_by("id")
        .values_list("id", flat=True)
    )
    found = [
        placed
        for first in range(0, len(ids), AT_ONCE)
        for placed in _join(Leaf.objects.filter(entry__in=ids[first : first + AT_ONCE], position__lt=end))
    ]
    yield from sorted(found, key=lambda placed: placed.position)


def find(ids: Iterable[int]) -> dict[int, Placed]:
    """Return the places of these entries, by id."""
    wanted = list(ids)
    connection = _connection()
    found: dict[int, Placed] = {}
    for first in range(0, len(wanted), AT_ONCE):
        condition, asked = among(connection, "entry", wanted[first : first + AT_ONCE])
        text = f"SELECT {', '.join(_PLACE)} FROM audit_leaf WHERE {condition}"  # noqa: S608 - names of ours
        [rows] = ask(connection, [(text, [asked])])
        found.update((placed.id, placed) for placed in _with_lines(rows))
    return found


def cosigned(checkpoint: Checkpoint) -> str:
    """Return a checkpoint's note with the cosignatures that it has, the newest of each witness."""
    lines = Cosignature.objects.filter(size=checkpoint.size).order_by("id").values_list("name", "line")
    return checkpoint.note + "".join(dict(lines).values())


def _join(chosen: Any) -> Iterator[Placed]:
    yield from _with_lines(list(chosen.values_list(*_PLACE)))


def _with_lines(places: list[tuple[Any, ...]]) -> Iterator[Placed]:
    lines = _lines([place[1] for place in places])
    for position, id_, of_patient, of_credential in places:
        yield Placed(position, id_, of_patient, of_credential, lines.get(id_))


def _lines(ids: list[Any]) -> dict[Any, Line]:
    """Return the entries that can be read; where one cannot, the others are read one by one."""
    try:
        return {row.pk: line_of(row) for row in _rows(ids)}
    except (ValueError, TypeError, AttributeError):
        return {} if len(ids) == 1 else {key: line for id_ in ids for key, line in _lines([id_]).items()}


def _rows(ids: list[Any]) -> Iterator[Any]:
    """Return rows as tuples: instances of the model take longer than hashing."""
    connection = _connection()
    if connection.vendor != "postgresql":
        chosen = JournalEntry.objects.filter(pk__in=ids).values_list("pk", "leaf", *COLUMNS, named=True)
        yield from chosen.iterator(AT_ONCE)
        return
    rows = runs.rows(connection, ("id", *_NAMED), ids) if ids else []
    found, times = {row[0]: row for row in rows}, Counter(row[0] for row in rows)
    for id_ in ids:
        if times[id_] == 1:  # of two with one id, nobody can say which was sealed
            yield SimpleNamespace(pk=id_, **_read(found[id_]))


def _connection() -> BaseDatabaseWrapper:
    connection: BaseDatabaseWrapper = transaction.get_connection(router.db_for_read(JournalEntry))
    return connection


_PLACE: Final = ("position", "entry", "of_patient", "of_credential")
_NAMED: Final = ("leaf", *COLUMNS)


def _read(row: tuple[Any, ...]) -> dict[str, Any]:
    told = dict(zip(_NAMED, row[1:], strict=True))
    return told | {"elements": json.loads(told["elements"])}

"""Fills a journal fast with the real schema, on PostgreSQL by COPY; hashes, places and checkpoint are right.

Indexes (not the primary key) are made at the end: the same tables, sooner.
"""

from __future__ import annotations

import hashlib
import random
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from benchmarks import LeftOut

if TYPE_CHECKING:
    from confide.wiring import System

CHUNK: Final = 50_000
YEARS: Final = 6
WINDOW: Final = timedelta(days=17)
OF_EACH: Final = 1_000
"""Entries about each patient."""

OPENING: Final = 8
"""Entries that follow each other when a chart is opened: one for each of its resources."""

STAFF: Final = 400
_THIEF: Final = 0.004
"""The part of all entries that one login makes, all in its last seventeen days."""

_FORMS: Final = (
    '{"birth-date":"clear","clinical":"clear","date":"clear","name":"clear"}',
    '{"address":"clear","name":"clear","phone":"clear"}',
    '{"clinical":"clear","date":"clear"}',
    '{"member-id":"clear","name":"clear","ssn":"masked"}',
)
"""As the journal writes them: keys sorted, no blanks."""


class Filler:
    """Makes entries in the order of their moments, and gives each its place in the tree.

    Args:
        practice: The practice's id.
        number: How many.
        end: The moment of the last one, aware UTC.
    """

    def __init__(self, practice: str, number: int, end: datetime) -> None:
        self.practice, self.number, self.end = practice, number, end
        self._dice = random.Random(1)
        self.patients = [self._name() for _ in range(max(20, number // OF_EACH))]
        self.staff = [self._name() for _ in range(STAFF)]
        self.thief = self._name()
        self.step = timedelta(days=365 * YEARS) / number

    def _name(self) -> str:
        return str(uuid.UUID(int=self._dice.getrandbits(128), version=4))

    def rows(self, start: int, end: int) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """Entries *start* to before *end*: each as a line for COPY, and as the sequencer reads it."""
        dice, staff, patients = self._dice.random, self.staff, self.patients
        since, actor, patient = self.end - WINDOW, staff[0], patients[0]
        # All that the thief makes falls into the window, which is a small part of all the time that there is.
        share = _THIEF * 365 * YEARS / WINDOW.days
        for n in range(start, end):
            at = self.end - self.step * (self.number - n)
            if n % OPENING == 0:
                actor = self.thief if at >= since and dice() < share else staff[int(dice() ** 2 * STAFF)]
                patient = patients[int(dice() * len(patients))]
            moment = at.isoformat()
            action, elements = "reveal" if n % 5 == 0 else "read", _FORMS[n % len(_FORMS)]
            thing = f"{n:08x}-0000-4000-8000-{n:012x}"
            credential = f"session:{actor[:8]}{moment[2:10]}"
            canonical = (
                f'{{"action":"{action}","actor":"{actor}","actor_kind":"person","address":"192.0.2.7",'
                f'"at":"{moment[:-6]}Z","body_sha256":"","credential":"{credential}","device":"{actor}",'
                f'"elements":{elements},"outcome":"0","patient":"{patient}","practice":"{self.practice}",'
                f'"purpose":"TREAT","reason_sealed":"","relationship":"appointment","resource_id":"{thing}",'
                f'"resource_type":"Observation","role":"front_desk","version":1}}'
            )
            leaf = hashlib.sha256(b"\x00" + canonical.encode()).digest()
            line = (
                f"{n + 1}\t{moment}\t{self.practice}\tperson\t{actor}\t{credential}\tfront_desk\t{action}\t"
                f"TREAT\t{patient}\t{elements}\tObservation\t{thing}\t1\t\\\\x\t0\t192.0.2.7\t\\\\x\t{actor}\t"
                f"appointment\t\\\\x{leaf.hex()}\n"
            )
            yield line, (n + 1, leaf, self.practice, patient, credential)

    def fill(self, system: System) -> None:
        """Copy everything in; sign one checkpoint over all of it."""
        from django.db import connection

        from confide.audit import partitions
        from confide.audit.models import JournalEntry

        month, last = partitions.month_of(self.end - self.step * self.number), partitions.month_of(self.end)
        there = set(partitions.months())
        indexes = list(JournalEntry._meta.indexes)
        with connection.schema_editor() as editor:
            for index in indexes:
                editor.remove_index(JournalEntry, index)
            while month <= last:
                for statement in partitions.statements(month) if month not in there else ():
                    editor.execute(statement)
                month = month.next()
        self._copy(system)
        with connection.schema_editor() as editor:
            editor.execute("SET LOCAL maintenance_work_mem = '1GB'")
            for index in indexes:
                editor.add_index(JournalEntry, index)
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE audit_journalentry")
            cursor.execute("VACUUM ANALYZE audit_leaf")
            cursor.execute("SELECT id FROM audit_journalentry TABLESAMPLE SYSTEM (1) LIMIT 500")
            some = [id_ for (id_,) in cursor.fetchall()]
        _check(some)

    def _copy(self, system: System) -> None:
        from django.db import connection, transaction

        from confide.audit import sequencer
        from confide.audit.inserts import COLUMNS
        from confide.audit.models import Checkpoint
        from confide.audit.notes import Head, Note
        from confide.cipher.tree import Frontier

        columns = ", ".join(("id", *COLUMNS, "leaf"))
        frontier = Frontier()
        patients, credentials = _Counts(), _Counts()

        def send(lines: tuple[str, ...], places: Any) -> None:
            with transaction.atomic(), connection.cursor() as cursor:
                with cursor.copy(f"COPY audit_journalentry ({columns}) FROM STDIN") as copy:
                    copy.write("".join(lines))
                with cursor.copy(sequencer._PLACES["postgresql"]) as copy:
                    copy.write("".join(f"{p}\t{i}\t{a}\t{b}\n" for p, i, a, b in places))

        with ThreadPoolExecutor(1) as hand:  # the next ones are made while the database takes these
            sent: Future[None] | None = None
            for start in range(0, self.number, CHUNK):
                lines, rows = zip(*self.rows(start, min(start + CHUNK, self.number)), strict=True)
                # The sequencer's own counting and hashing, without its rounds.
                of_patient = [f"{practice}/{patient}" for _, _, practice, patient, _ in rows]
                places, leaves = sequencer._place(rows, of_patient, start, patients, credentials)
                frontier = frontier.grow(leaves)
                if sent is not None:
                    sent.result()
                sent = hand.submit(send, lines, places)
            if sent is not None:
                sent.result()
            hand.submit(lambda: connection.close()).result()  # noqa: PLW0108 - its own connection
        signer = system.sequencer._signer()
        text = str(Head(signer.name, frontier.size, frontier.root()))
        with transaction.atomic(), connection.cursor() as cursor:
            with cursor.copy("COPY audit_tally (kind, key, count) FROM STDIN") as copy:
                for kind, counts in (("p", patients), ("c", credentials)):
                    copy.write("".join(f"{kind}\t{key}\t{count}\n" for key, count in counts.items()))
            cursor.execute("SELECT setval('audit_journalentry_id_seq', %s)", [self.number])
            Checkpoint.objects.create(
                size=frontier.size, at=self.end, root=frontier.root(), frontier=bytes(frontier),
                floor=self.number, note=str(Note(text, (signer.sign(text),))),
            )  # fmt: skip


class _Counts(dict[str, int]):
    def __missing__(self, key: str) -> int:
        return 0


def _check(some: list[int]) -> None:
    """Hash some entries as the journal does: what was copied in must be what it would have written."""
    from confide.audit.journal import hash_leaf, line_of
    from confide.audit.models import JournalEntry

    for row in JournalEntry.objects.filter(pk__in=some):
        line = line_of(row)
        if hash_leaf(line.entry) != line.leaf:
            raise LeftOut("the filler writes hashes that are not the journal's")

"""A small sealed journal, and whoever has the database, the tiles and even the log's key, and changes things.

Used by the suite with a few cases, and by `make drill` with ten thousand.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from confide.audit import places, verdict
from confide.audit.journal import Entry, Journal, hash_leaf
from confide.audit.models import Checkpoint, Cosignature, JournalEntry, Leaf, Tally
from confide.audit.notes import Head, open_note
from confide.audit.publication import hash_leaf as hash_place
from confide.audit.sequencer import Sequencer
from confide.audit.tiles import Tiles
from tests.audit import made

BEGIN = datetime(2026, 3, 2, 9, 1, tzinfo=UTC)
TABLES = ("journalentry", "leaf", "checkpoint", "cosignature", "opened")


class Case:
    """One sealed journal: entries in several rounds, a witness that cosigned some, and its last checkpoints.

    Args:
        folder: For the tiles.
        count: Entries.
    """

    def __init__(self, folder: Path, count: int, chance: random.Random) -> None:
        self.folder = folder / "journal"
        self.tiles = Tiles(self.folder)
        self.kept: list[Head] = []
        sequencer = Sequencer(lambda: made.LOG, self.tiles)
        sizes, done = sorted({*(chance.randrange(1, count) for _ in range(7)), count}), 0
        for nth, size in enumerate(sizes):
            now = BEGIN + timedelta(seconds=size)
            Journal().append([entry(n, chance) for n in range(done, size)])
            sequencer.seal(now)
            done = size
            if nth % 2 or size == count:
                self.cosign(now)
        self.now = BEGIN + timedelta(seconds=count) + 2 * verdict.LATE

    def cosign(self, now: datetime) -> None:
        row = Checkpoint.objects.order_by("-size")[0]
        text = open_note(row.note, [made.LOG.public]).text
        line = made.WITNESS.cosign(text, now)
        Cosignature.objects.create(size=row.size, name=line.name, at=line.at, line=str(line))
        self.kept += verdict.read_heads([f"{row.note}{line}"], made.LOG.public, [made.WITNESS.public])

    def verify(self, now: datetime | None = None) -> verdict.Verdict:
        return verdict.verify(
            made.LOG.public, [made.WITNESS.public], self.tiles, self.kept, now or self.now, patience=0
        )

    def attack(self, kind: str, chance: random.Random) -> str:
        """Change something as *kind* says, verify, put everything back; what was said first, or nothing."""
        copy = self.folder.with_name("copy")
        shutil.copytree(self.folder, copy)
        try:
            with transaction.atomic():
                _ATTACKS[kind](self, chance)
                found = self.verify()
                transaction.set_rollback(True)
        finally:
            shutil.rmtree(self.folder)
            copy.rename(self.folder)
        return f"{found.wrong[0].where}: {found.wrong[0].what}" if found.wrong else ""


def entry(n: int, chance: random.Random) -> Entry:
    told = made.entry(n)
    return Entry(
        at=BEGIN + timedelta(seconds=n, microseconds=chance.randrange(10**6)),
        practice="elm", actor_kind="person", actor=told["actor"], credential=told["credential"],
        role="clinician", action="reveal", purpose="TREAT", patient=told["patient"],
        elements=told["elements"], resource_type="Patient", resource_id=f"r{n}", version=1,
        body_sha256=chance.randbytes(32), outcome="0", address="192.0.2.7",
        reason_sealed=chance.randbytes(40),
    )  # fmt: skip


def drop_triggers() -> None:
    """As an administrator would. In a transaction; it comes back with the rollback."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            for table in TABLES:
                cursor.execute(f"ALTER TABLE audit_{table} DISABLE TRIGGER USER")
            return
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name LIKE 'audit_%'")
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP TRIGGER {name}")


@contextmanager
def no_triggers() -> Iterator[None]:
    """The same where it is committed: they are there again afterwards, for the tests that come next."""
    with connection.cursor() as cursor:
        kept = []
        if connection.vendor == "sqlite":
            cursor.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name LIKE 'audit_%'")
            kept = [sql for (sql,) in cursor.fetchall()]
        drop_triggers()
        yield
        for table in TABLES if connection.vendor == "postgresql" else ():
            cursor.execute(f"ALTER TABLE audit_{table} ENABLE TRIGGER USER")
        for sql in kept:
            cursor.execute(sql)


# The attacks

Attack = Callable[[Case, random.Random], None]


def _some(model: Any, chance: random.Random) -> Any:
    return model.objects.get(pk=chance.choice(list(model.objects.values_list("pk", flat=True))))


def _other(value: Any, chance: random.Random) -> Any:
    if isinstance(value, datetime):
        return value + timedelta(microseconds=chance.choice([-1, 1, 10**9]))
    if isinstance(value, dict):
        return {**value, "ssn": "masked"} if chance.random() < 0.5 or not value else {}
    if isinstance(value, int):
        return (
            max(0, value + chance.choice([1, 2, 500])) if value < 1 else value + chance.choice([-1, 1, 500])
        )
    if isinstance(value, str):
        return f"{value}x"[:36] if chance.random() < 0.5 or not value else value[:-1]
    data = bytearray(value)
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(data)


def edit_entry(_: Case, chance: random.Random) -> None:
    row = _some(JournalEntry, chance)
    fields = [f.name for f in JournalEntry._meta.fields if f.name != "id"]
    name = chance.choice(fields)
    JournalEntry.objects.filter(pk=row.pk).update(**{name: _other(getattr(row, name), chance)})


def edit_and_hash(_: Case, chance: random.Random) -> None:
    row = _some(JournalEntry, chance)
    changed = replace(
        places.line_of(row).entry, **chance.choice([{"actor": "other"}, {"outcome": "8"}, {"elements": {}}])
    )
    JournalEntry.objects.filter(pk=row.pk).update(
        actor=changed.actor, outcome=changed.outcome, elements=changed.elements, leaf=hash_leaf(changed)
    )


def renumber_entry(_: Case, chance: random.Random) -> None:
    row = _some(JournalEntry, chance)
    JournalEntry.objects.filter(pk=row.pk).update(id=10**6 + row.pk)
    if chance.random() < 0.5:
        Leaf.objects.filter(entry=row.pk).update(entry=10**6 + row.pk)


def edit_place(_: Case, chance: random.Random) -> None:
    row = _some(Leaf, chance)
    name = chance.choice(["entry", "of_patient", "of_credential", "position"])
    step = chance.choice([10**6, 10**7]) if name in {"entry", "position"} else chance.choice([1, 2, 500])
    Leaf.objects.filter(pk=row.pk).update(**{name: getattr(row, name) + step})


def edit_checkpoint(_: Case, chance: random.Random) -> None:
    row = _some(Checkpoint, chance)
    name = chance.choice(["root", "frontier", "note"])
    Checkpoint.objects.filter(pk=row.pk).update(**{name: _other(getattr(row, name), chance)})


def move_checkpoint(_: Case, chance: random.Random) -> None:
    row = _some(Checkpoint, chance)
    Checkpoint.objects.filter(pk=row.pk).update(size=row.size + 10**6)


def edit_tally(_: Case, chance: random.Random) -> None:
    row = chance.choice(list(Tally.objects.all()))
    chosen = Tally.objects.filter(kind=row.kind, key=row.key)
    if chance.random() < 0.3:
        chosen.delete()
    else:
        chosen.update(count=row.count + chance.choice([-1, 1]))


def edit_cosignature(_: Case, chance: random.Random) -> None:
    row = _some(Cosignature, chance)
    change = chance.choice(
        [{"line": _other(row.line[:-2], chance) + "\n"}, {"size": row.size + 1}, {"name": "other.example/1"},
         {"at": row.at + timedelta(hours=1)}]
    )  # fmt: skip
    Cosignature.objects.filter(pk=row.pk).update(**change)


def delete_entry(_: Case, chance: random.Random) -> None:
    row = _some(JournalEntry, chance)
    what = chance.choice(["entry", "place", "both", "closed up"])
    place = Leaf.objects.get(entry=row.pk)
    if what != "place":
        JournalEntry.objects.filter(pk=row.pk).delete()
    if what != "entry":
        Leaf.objects.filter(pk=place.pk).delete()
    if what == "closed up":
        for after in Leaf.objects.filter(position__gt=place.position).order_by("position"):
            Leaf.objects.filter(pk=after.pk).update(position=after.position - 1)


def delete_newest(_: Case, chance: random.Random) -> None:
    Checkpoint.objects.filter(pk=Checkpoint.objects.order_by("-size")[0].pk).delete()


def insert_entry(case: Case, chance: random.Random) -> None:
    row = places.line_of(_some(JournalEntry, chance)).entry
    with transaction.atomic():
        (id_,) = Journal().append([replace(row, actor="other")])
        if chance.random() < 0.5:
            JournalEntry.objects.filter(pk=id_).update(id=-id_)
        elif chance.random() < 0.5:
            Leaf.objects.create(position=Leaf.objects.count(), entry=id_, of_patient=1, of_credential=1)


def swap(_: Case, chance: random.Random) -> None:
    one, two = chance.sample(list(Leaf.objects.all()), 2)
    if chance.random() < 0.5:  # two places
        Leaf.objects.filter(pk=one.pk).update(entry=-1)
        Leaf.objects.filter(pk=two.pk).update(entry=one.entry)
        Leaf.objects.filter(pk=one.pk).update(entry=two.entry)
    else:  # two entries
        rows = [JournalEntry.objects.get(pk=each.entry) for each in (one, two)]
        for row, other in zip(rows, (two.entry, one.entry), strict=True):
            row.pk = other
            row.save(force_update=True)


def reorder(_: Case, chance: random.Random) -> None:
    some = list(Leaf.objects.order_by("position"))
    first = chance.randrange(len(some) - 3)
    some = some[first : first + chance.randrange(3, 20)]
    ids = [each.entry for each in some]
    Leaf.objects.filter(pk__in=[each.pk for each in some]).delete()
    for each, id_ in zip(some, ids[1:] + ids[:1], strict=True):
        Leaf.objects.create(
            position=each.position, entry=id_, of_patient=each.of_patient, of_credential=each.of_credential
        )


def forge(case: Case, rows: list[JournalEntry], sizes: list[int]) -> None:
    """Make the whole tree again over *rows* with the log's own key, tiles and all."""
    for model in (Leaf, Checkpoint, Tally, Cosignature):
        model.objects.all().delete()
    counts: dict[Any, int] = {}
    leaves = []
    for position, row in enumerate(rows):
        numbers = []
        for key in (("p", f"{row.practice}/{row.patient}" if row.patient else ""), ("c", row.credential)):
            if key[1]:
                counts[key] = counts.get(key, 0) + 1
            numbers.append(counts[key] if key[1] else 0)
        Leaf.objects.create(position=position, entry=row.pk, of_patient=numbers[0], of_credential=numbers[1])
        leaves.append(hash_place(bytes(row.leaf), row.pk, *numbers))
    Tally.objects.bulk_create(Tally(kind=kind, key=key, count=n) for (kind, key), n in counts.items())
    for size in sizes:
        Checkpoint.objects.create(
            size=size, at=case.now, root=made.fast_root(leaves[:size]), floor=0,
            frontier=b"".join(made.frontier(leaves[:size])), note=made.sign(leaves[:size]),
        )  # fmt: skip
    shutil.rmtree(case.folder)
    case.folder.mkdir()
    made.publish(case.folder, leaves)


def fork(case: Case, chance: random.Random) -> None:
    edit_and_hash(case, chance)
    rows = list(JournalEntry.objects.order_by("id"))
    forge(case, rows, sorted(Checkpoint.objects.values_list("size", flat=True)))


def leave_out(case: Case, chance: random.Random) -> None:
    """A fork in which an entry is missing, or stands twice, or two have changed places."""
    rows = list(JournalEntry.objects.order_by("id"))
    what = chance.choice(["missing", "moved"])
    if what == "missing":
        gone = rows.pop(chance.randrange(len(rows)))
        JournalEntry.objects.filter(pk=gone.pk).delete()
    else:
        rows.append(rows.pop(chance.randrange(len(rows) - 1)))
    forge(case, rows, [len(rows)])


def cut(case: Case, chance: random.Random) -> None:
    """The end is cut off everywhere; what is left fits."""
    rows = list(JournalEntry.objects.order_by("id"))
    size = chance.randrange(1, len(rows))
    JournalEntry.objects.filter(pk__in=[row.pk for row in rows[size:]]).delete()
    forge(case, rows[:size], [size])


def restore(case: Case, chance: random.Random) -> None:
    """An old copy of database and tiles is put back, as it was at one of the checkpoints."""
    sizes = sorted(Checkpoint.objects.values_list("size", flat=True))
    old = chance.randrange(len(sizes) - 1)
    rows = list(JournalEntry.objects.order_by("id"))[: sizes[old]]
    JournalEntry.objects.exclude(pk__in=[row.pk for row in rows]).delete()
    forge(case, rows, sizes[: old + 1])


def cut_rows(_: Case, chance: random.Random) -> None:
    """Only the rows are cut off, as far back as a checkpoint: the tiles stay."""
    size = chance.choice(sorted(Checkpoint.objects.values_list("size", flat=True))[:-1])
    gone = Leaf.objects.filter(position__gte=size)
    JournalEntry.objects.filter(pk__in=list(gone.values_list("entry", flat=True))).delete()
    gone.delete()
    Checkpoint.objects.filter(size__gt=size).delete()
    Cosignature.objects.filter(size__gt=size).delete()


def _files(case: Case) -> list[Path]:
    """The tiles that the newest tree is made of, and the checkpoint."""
    size, found = Leaf.objects.count(), [case.folder / "checkpoint"]
    level = 0
    while size:
        found += [case.tiles.path(level, n) for n in range(size // 256)]
        if size % 256:
            path = case.tiles.path(level, size // 256)
            found.append(path.with_name(f"{path.name}.p") / str(size % 256))
        size //= 256
        level += 1
    return found


def edit_tile(case: Case, chance: random.Random) -> None:
    path = chance.choice(_files(case))
    what = chance.choice(["edit", "delete", "truncate", "append"])
    data = path.read_bytes()
    if what == "delete":
        path.unlink()
    else:
        path.write_bytes(
            {"edit": _other(data, chance), "truncate": data[:-1], "append": data + b"\x00"}[what]
        )


def old_checkpoint(case: Case, chance: random.Random) -> None:
    row = chance.choice(list(Checkpoint.objects.order_by("size"))[:-1])
    (case.folder / "checkpoint").write_text(row.note)


_ATTACKS: dict[str, Attack] = {
    each.__name__: each
    for each in (
        edit_entry, edit_and_hash, renumber_entry, edit_place, edit_checkpoint, move_checkpoint, edit_tally,
        edit_cosignature, delete_entry, delete_newest, insert_entry, swap, reorder, fork, leave_out, cut,
        restore, cut_rows, edit_tile, old_checkpoint,
    )
}  # fmt: skip
KINDS = tuple(_ATTACKS)

"""The journal becomes a tree: each committed entry gets one place, in one order, and a signature over all."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import UTC, datetime

import pytest

from confide.cipher import tree
from confide.errors import Damaged
from tests.practice import NOW

pytestmark = pytest.mark.django_db(transaction=True)
LATER = datetime(2026, 3, 2, 9, 2, tzinfo=UTC)


@pytest.fixture
def key():
    from confide.audit.notes import Kind, SigningKey

    return SigningKey("elm.example/journal", Kind.NOTE, bytes(range(32)))


@pytest.fixture
def sequencer(tmp_path, key):
    return make(tmp_path / "journal", key)


def make(folder, key):
    from confide.audit.sequencer import Sequencer
    from confide.audit.tiles import Tiles

    return Sequencer(lambda: key, Tiles(folder))


def write(count, patients=("p1", "p2", ""), credentials=("s1", "s2", "s3", "")):
    """Append entries in one transaction; their ids."""
    from django.db import transaction

    from confide.audit.journal import Journal

    with transaction.atomic():
        return Journal().append(
            [entry(patients[n % len(patients)], credentials[n % len(credentials)]) for n in range(count)]
        )


def entry(patient="p1", credential="s1", practice="elm"):
    from confide.audit.journal import Entry

    return Entry(
        at=NOW, practice=practice, actor_kind="person", actor="a", credential=credential, role="nurse",
        action="read", purpose="TREAT", patient=patient, elements={"name": "clear"},
    )  # fmt: skip


def require_whole(sequencer, key, taken=None):
    """Everything in the database is in the tree, once, counted, signed and published."""
    from confide.audit.models import Checkpoint, JournalEntry, Leaf, Tally
    from confide.audit.notes import Head, open_note

    entries = {row.pk: row for row in JournalEntry.objects.all()}
    leaves = list(Leaf.objects.order_by("position"))
    assert [leaf.position for leaf in leaves] == list(range(len(entries)))
    assert sorted(leaf.entry for leaf in leaves) == sorted(entries)
    if taken is not None:
        assert set(entries) == set(taken)
    patients, credentials, hashes = Counter(), Counter(), []
    for leaf in leaves:
        row = entries[leaf.entry]
        whose = (row.practice, row.patient)
        patients[whose] += bool(row.patient)
        credentials[row.credential] += bool(row.credential)
        assert leaf.of_patient == (patients[whose] if row.patient else 0)
        assert leaf.of_credential == (credentials[row.credential] if row.credential else 0)
        numbers = struct.pack(">QQQ", row.pk, leaf.of_patient, leaf.of_credential)
        hashes.append(tree.hash_leaf(bytes(row.leaf) + numbers))
    told = {f"{practice}/{patient}": n for (practice, patient), n in patients.items() if n}
    assert dict(Tally.objects.filter(kind="p").values_list("key", "count")) == told
    assert dict(Tally.objects.filter(kind="c").values_list("key", "count")) == +credentials
    nodes = tree.nodes_of(hashes) if hashes else None
    for checkpoint in Checkpoint.objects.order_by("size"):
        head = Head.parse(open_note(checkpoint.note, [key.public]).text)
        assert head == Head(key.name, checkpoint.size, bytes(checkpoint.root))
        assert head.root == tree.root(head.size, nodes)
        frontier = tree.Frontier.parse(checkpoint.size, bytes(checkpoint.frontier))
        assert frontier.root() == head.root
    assert sequencer.tiles.head().size == len(hashes)
    assert sequencer.tiles.note() == checkpoint.note
    published = sequencer.tiles.nodes(len(hashes))
    for level in range(len(hashes).bit_length()):
        for i in range(len(hashes) >> level):
            assert published(level, i) == nodes(level, i)
    return len(hashes)


def test_entries_get_places_in_the_order_of_their_ids(sequencer, key):
    from confide.audit.models import Checkpoint, Leaf

    assert sequencer.seal(NOW) == 0
    assert sequencer.tiles.head() is None
    assert not Checkpoint.objects.exists(), "nothing happened, so there is nothing to sign"
    ids = write(5)
    assert sequencer.waiting().entries == 5
    assert sequencer.waiting().since == NOW
    assert sequencer.seal(LATER) == 5
    assert list(Leaf.objects.order_by("position").values_list("entry", flat=True)) == ids
    assert Checkpoint.objects.get().at == LATER
    ids += write(1) + write(300)
    assert sequencer.seal(LATER) == 301
    assert sequencer.seal(LATER) == 0
    assert sequencer.waiting().entries == 0
    assert list(Leaf.objects.order_by("position").values_list("entry", flat=True)) == ids
    assert require_whole(sequencer, key) == 306


def test_a_round_takes_only_so_many(sequencer, key, monkeypatch):
    from confide.audit import sequencer as module
    from confide.audit.models import Checkpoint

    monkeypatch.setattr(module, "AT_ONCE", 7)
    ids = write(30)
    assert sequencer.seal(NOW) == 30
    assert list(Checkpoint.objects.order_by("size").values_list("size", flat=True)) == [7, 14, 21, 28, 30]
    write(14)
    assert sequencer.seal(NOW) == 14
    assert require_whole(sequencer, key) == len(ids) + 14


def test_places_checkpoints_and_cosignatures_cannot_be_changed(sequencer):
    from django.db import DatabaseError, connection, transaction

    from confide.audit.models import Checkpoint, Cosignature, Leaf

    write(3)
    sequencer.seal(NOW)
    Cosignature.objects.create(size=3, name="w", at=NOW, line="x")
    statements = [
        "UPDATE audit_leaf SET position = 7 WHERE position = 2",
        "DELETE FROM audit_leaf WHERE position = 2",
        "UPDATE audit_checkpoint SET note = ''",
        "DELETE FROM audit_checkpoint",
        "UPDATE audit_cosignature SET line = ''",
        "DELETE FROM audit_cosignature",
    ]
    if connection.vendor == "sqlite":
        statements += [
            "INSERT OR REPLACE INTO audit_leaf SELECT position, 99, 0, 0 FROM audit_leaf WHERE position = 2",
            "INSERT OR REPLACE INTO audit_leaf SELECT 99, entry, 0, 0 FROM audit_leaf WHERE position = 2",
            "INSERT OR REPLACE INTO audit_checkpoint SELECT * FROM audit_checkpoint",
            "INSERT OR REPLACE INTO audit_cosignature SELECT * FROM audit_cosignature",
        ]
    else:
        statements += ["TRUNCATE audit_leaf", "TRUNCATE audit_checkpoint", "TRUNCATE audit_cosignature"]
    for statement in statements:
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            connection.cursor().execute(statement)
    assert (Leaf.objects.count(), Checkpoint.objects.count(), Cosignature.objects.count()) == (3, 1, 1)


class Writer(threading.Thread):
    """Writes in transactions that take their time, and of which some are rolled back."""

    def __init__(self, seed, until, longest=0.03):
        super().__init__()
        self.dice = random.Random(seed)
        self.until = until
        self.longest = longest
        self.ids = []
        self.failed = None

    def run(self):
        from django.db import connection

        try:
            while time.monotonic() < self.until:
                self.write()
        except BaseException as problem:  # noqa: BLE001 - told to the test
            self.failed = problem
        finally:
            connection.close()

    def write(self):
        from django.db import transaction

        from confide.audit.journal import Journal

        dice = self.dice
        try:
            with transaction.atomic():
                time.sleep(dice.random() * self.longest * 0.2)
                ids = []
                for _ in range(dice.randint(1, 3)):
                    ids += Journal().append(
                        [
                            entry(f"p{dice.randint(1, 9)}", f"s{dice.randint(1, 3)}")
                            for _ in range(dice.randint(1, 4))
                        ]
                    )
                    time.sleep(dice.random() * self.longest)
                if dice.random() < 0.3:
                    raise Rolled
        except Rolled:
            return
        self.ids += ids


class Rolled(Exception):
    pass


class Sealer(threading.Thread):
    def __init__(self, sequencer, until):
        super().__init__()
        self.sequencer = sequencer
        self.until = until
        self.sealed = 0
        self.failed = None

    def run(self):
        from django.db import connection

        try:
            while time.monotonic() < self.until:
                self.sealed += self.sequencer.seal(NOW)
                time.sleep(0.01)
        except BaseException as problem:  # noqa: BLE001 - told to the test
            self.failed = problem
        finally:
            connection.close()


def test_whatever_order_they_are_committed_in_none_is_lost_and_none_comes_twice(tmp_path, key):
    """Two sequencers race; writers hold their ids for a while, and give some of them up."""
    from django.db import connection

    from confide.audit.models import Checkpoint, JournalEntry

    until = time.monotonic() + 3
    # Two in one folder, one in another, as on another machine.
    sequencers = [make(tmp_path / "one", key), make(tmp_path / "one", key), make(tmp_path / "two", key)]
    writers = [Writer(seed, until) for seed in range(6)]
    sealers = [Sealer(each, until) for each in sequencers]
    for thread in [*writers, *sealers]:
        thread.start()
    for thread in [*writers, *sealers]:
        thread.join()
        assert thread.failed is None, thread.failed
    for each in sequencers:
        each.seal(LATER)
    taken = [id_ for writer in writers for id_ in writer.ids]
    for each in sequencers:
        require_whole(each, key, taken)
    assert sum(sealer.sealed for sealer in sealers) > 0
    floor = Checkpoint.objects.order_by("-size").first().floor
    if connection.vendor == "postgresql":
        from confide.audit.models import Leaf

        by_position = list(Leaf.objects.order_by("position").values_list("entry", flat=True))
        assert by_position != sorted(by_position), "no transaction was overtaken, so this test shows nothing"
        assert floor < max(taken)
    # Once all is quiet, what is settled is not looked through again.
    write(1)
    sequencers[0].seal(LATER)
    write(1)
    sequencers[0].seal(LATER)
    newest = Checkpoint.objects.order_by("-size").first()
    assert newest.floor >= max(taken)
    assert newest.size == JournalEntry.objects.count()


def test_a_transaction_that_ends_late_is_taken_when_it_ends(sequencer, key):
    """Its ids lie below many that have their places already, and were not there when those were given."""
    from django.db import connection, transaction

    from confide.audit.journal import Journal
    from confide.audit.models import Leaf

    if connection.vendor == "sqlite":
        pytest.skip("not for SQLite: it has one writer at a time")
    started, end = threading.Event(), threading.Event()
    late = []

    def hold():
        try:
            with transaction.atomic():
                late.extend(Journal().append([entry("late")]))
                started.set()
                end.wait(30)
                late.extend(Journal().append([entry("late")]))
        finally:
            connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    started.wait(30)
    for _ in range(4):
        write(3)
        sequencer.seal(NOW)
    end.set()
    holder.join()
    assert sequencer.seal(NOW) == 2
    assert list(Leaf.objects.order_by("position").values_list("entry", flat=True))[-2:] == late
    require_whole(sequencer, key)


def test_files_that_are_missing_or_old_are_made_anew_from_the_database(sequencer, key, tmp_path):
    write(300)
    sequencer.seal(NOW)
    saved = tmp_path / "saved"
    shutil.copytree(sequencer.tiles.folder, saved)
    write(700)
    sequencer.seal(NOW)
    folder = sequencer.tiles.folder

    shutil.rmtree(folder)  # another machine, or an empty disk
    sequencer.seal(NOW)
    require_whole(sequencer, key)

    shutil.rmtree(folder)  # a crash between commit and files, however long ago
    shutil.copytree(saved, folder)
    sequencer.seal(NOW)
    require_whole(sequencer, key)

    shutil.rmtree(folder)  # a crash in the middle of the files: some are there, and some are torn
    shutil.copytree(saved, folder)
    (folder / "tile/0/001.p/44").write_bytes(b"torn")
    sequencer.seal(NOW)
    require_whole(sequencer, key)

    shutil.rmtree(folder)
    shutil.copytree(saved, folder)
    (folder / "tile/0/000").write_bytes(bytes(8192))
    (folder / "tile/0/001.p/44").write_bytes(bytes(44 * 32))
    write(1)
    sequencer.seal(NOW)
    require_whole(sequencer, key)


def test_full_tiles_replace_the_partial_ones(sequencer):
    for count in (100, 100, 56, 1):
        write(count)
        sequencer.seal(NOW)
    folder = sequencer.tiles.folder
    files = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    assert files == [".lock", "checkpoint", "tile/0/000", "tile/0/001.p/1", "tile/1/000.p/1"]
    assert sequencer.tiles.read(0, 0, 100) == sequencer.tiles.read(0, 0)[:3200]
    assert (folder / "checkpoint").stat().st_size
    for level, n, width in [(0, 1, 2), (0, 1, 256), (2, 0, 1), (8, 0, 1), (0, -1, 1), (0, 0, 0), (0, 0, 257)]:
        with pytest.raises(Damaged):
            sequencer.tiles.read(level, n, width)


def test_tiles_lie_where_the_specification_says():
    from confide.audit.tiles import place

    assert place(0, 0) == "tile/0/000"
    assert place(3, 999) == "tile/3/999"
    assert place(0, 1000) == "tile/0/x001/000"
    assert place(0, 1234067) == "tile/0/x001/x234/067"


def test_a_database_that_was_put_back_is_not_signed_again(tmp_path, key):
    from confide.audit.models import Checkpoint
    from tests import emptying

    sequencer = make(tmp_path / "journal", key)
    write(10)
    sequencer.seal(NOW)
    before = sequencer.tiles.note()
    emptying.empty("default")
    for count in (4, 6, 1):  # smaller, of the same size, larger
        write(count, patients=("other",))
        with pytest.raises(Damaged, match="put back from a backup"):
            sequencer.seal(NOW)
        with pytest.raises(Damaged, match="put back from a backup"):
            make(tmp_path / "journal", key).seal(NOW)
    assert not Checkpoint.objects.exists()
    assert sequencer.tiles.note() == before


def test_entries_that_were_changed_are_not_published(sequencer, tmp_path, key):
    from django.db import connection

    write(10)
    sequencer.seal(NOW)
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("DROP TRIGGER journal_refuses_update")
        else:
            cursor.execute("ALTER TABLE audit_journalentry DISABLE TRIGGER ALL")
        cursor.execute(
            "UPDATE audit_journalentry SET leaf = %s WHERE id = (SELECT min(id) FROM audit_leaf l"
            " JOIN audit_journalentry e ON e.id = l.entry)",
            [bytes(32)],
        )
        if connection.vendor == "sqlite":
            cursor.execute(
                "CREATE TRIGGER journal_refuses_update BEFORE UPDATE ON audit_journalentry"
                " BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
            )
        else:
            cursor.execute("ALTER TABLE audit_journalentry ENABLE TRIGGER ALL")
    with pytest.raises(Damaged, match="they were changed"):
        make(tmp_path / "elsewhere", key).seal(NOW)
    assert not (tmp_path / "elsewhere" / "checkpoint").exists()


KILLED = """
import os, sys
import django
django.setup()
from datetime import datetime, UTC
from pathlib import Path
from confide.audit import publication, tiles
from confide.audit.notes import Kind, SigningKey
from confide.audit.sequencer import Sequencer
where = sys.argv[2]
store = tiles._store
def die(*_):
    os.kill(os.getpid(), 9)
def half(files):
    store(files[: len(files) // 2])
    die()
if where == "commit":
    publication.publish = die
elif where == "tiles":
    tiles._store = half
elif where == "checkpoint":
    tiles.Tiles.publish = die
key = SigningKey("elm.example/journal", Kind.NOTE, bytes(range(32)))
Sequencer(lambda: key, tiles.Tiles(Path(sys.argv[1]))).seal(datetime(2026, 3, 2, 9, 1, tzinfo=UTC))
"""


@pytest.mark.parametrize("where", ["commit", "tiles", "checkpoint"])
def test_a_sequencer_that_is_killed_leaves_what_the_next_one_finishes(where, sequencer, key):
    import os

    from tests.server.processes import url

    write(300)
    sequencer.seal(NOW)
    write(900)
    environment = os.environ | {
        "DATABASE_URL": url("default"),
        "KEYS_DATABASE_URL": url("keys"),
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
    }
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(sequencer.tiles.folder), where], env=environment, check=False
    )
    assert done.returncode == -9
    assert sequencer.tiles.head().size == 300
    assert sequencer.waiting().entries == 0, "it had committed"
    write(1)
    assert sequencer.seal(NOW) == 1
    require_whole(sequencer, key)

"""What is older than six years goes into a sealed file that checks by itself; the rest still verifies."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime

import pyrage
import pytest
from django.db import connection
from django.db.transaction import atomic
from pyrage import x25519

from confide.access.models import Practice
from confide.audit import archive, partitions, standalone, verdict
from confide.audit.journal import Journal
from confide.audit.models import JournalEntry, Leaf
from confide.audit.partitions import Month
from confide.audit.sequencer import Sequencer
from confide.audit.tiles import Tiles
from confide.errors import Damaged, Invalid, JournalUnavailable
from tests.audit import made

from .test_journal import ENTRY

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 3, 2, 9, 1, tzinfo=UTC)
OLD = datetime(2019, 5, 4, 12, 0, tzinfo=UTC)
KEYS = standalone.read_keys([str(made.LOG.public)], 1), standalone.read_keys([], 4)


REFUSING = {
    "sqlite": (
        "CREATE TRIGGER refuse BEFORE INSERT ON audit_journalentry BEGIN SELECT RAISE(ABORT, 'no'); END",
        "DROP TRIGGER refuse",
    ),
    "postgresql": (
        "ALTER TABLE audit_journalentry ADD CONSTRAINT refuse CHECK (id < 0) NOT VALID",
        "ALTER TABLE audit_journalentry DROP CONSTRAINT refuse",
    ),
}


class Case:
    """A journal with a year that is old enough, and one that is not."""

    def __init__(self, folder):
        self.folder = folder
        self.journal = Journal()
        self.sequencer = Sequencer(lambda: made.LOG, Tiles(folder / "tiles"))
        self.practice = Practice.objects.create(name="Elm Street")
        self.identity = x25519.Identity.generate()
        if connection.vendor == "postgresql":
            with connection.schema_editor() as editor:
                for statement in partitions.statements(Month(2019, 5)):
                    editor.execute(statement)
        for at, count in ((OLD, 30), (OLD.replace(day=20), 25), (NOW.replace(year=2025), 20)):
            self.write(at, count)

    def write(self, at, count):
        entry = replace(ENTRY, practice=self.practice.pk, at=at)
        with atomic():
            self.journal.append([replace(entry, patient=f"p{n % 3}") for n in range(count)])
        self.sequencer.seal(at)

    def archive(self, name="a", now=NOW):
        segment = archive.plan(now)
        path, recipient = self.folder / name, str(self.identity.to_public())
        return path, archive.write(self.journal, path, segment, recipient, made.LOG.public, now)

    def open(self, path):
        written = self.folder / f"{path.name}.ndjson"
        written.write_bytes(pyrage.decrypt(path.read_bytes(), [self.identity]))
        return written


@pytest.fixture
def case(transactional_db, tmp_path):
    yield Case(tmp_path)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS {Month(2019, 5).table}")


def test_a_segment_is_sealed_checks_by_itself_and_is_an_entry(case):
    path, sha256 = case.archive()
    assert sha256 == hashlib.sha256(path.read_bytes()).digest()
    assert path.stat().st_mode & 0o077 == 0
    assert b"front_desk" not in path.read_bytes()
    opened = case.open(path)
    assert "55 entries are as they were sealed, from 0 to 54" in standalone.check_file(opened, [], KEYS)
    entry = JournalEntry.objects.get(action="journal-archive")
    assert (entry.practice, entry.resource_type, entry.resource_id) == (case.practice.pk, "Archive", "0-55")
    assert bytes(entry.body_sha256) == sha256
    opened.write_text(opened.read_text().replace('"masked"', '"clear"', 1))
    with pytest.raises(standalone.Wrong):
        standalone.check_file(opened, [], KEYS)


def test_the_next_one_begins_where_it_ends(case):
    case.archive()
    with pytest.raises(Invalid, match="nothing is older"):
        archive.plan(NOW)
    later = NOW.replace(year=2032)
    path, _ = case.archive("b", later)
    said = standalone.check_file(case.open(path), [], KEYS)
    assert "from 55 to 74" in said
    assert archive.archived() == 75


def test_six_years_is_the_least(case):
    with pytest.raises(Invalid, match="6 years"):
        archive.plan(NOW, 5)
    assert archive.plan(NOW, 6).end.size == 55
    assert archive.plan(OLD.replace(year=2025, day=10)).end.size == 30


def test_what_is_not_as_it_was_sealed_is_not_archived(case):
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("DROP TRIGGER journal_refuses_update")
        else:
            cursor.execute("ALTER TABLE audit_journalentry DISABLE TRIGGER journal_refuses_change")
        cursor.execute("UPDATE audit_journalentry SET actor = 'somebody else' WHERE patient = 'p1'")
    try:
        with pytest.raises(Damaged, match="entry 1"):
            case.archive()
        assert not (case.folder / "a").exists()
        assert not JournalEntry.objects.filter(action="journal-archive").exists()
    finally:
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                cursor.execute(
                    "CREATE TRIGGER journal_refuses_update BEFORE UPDATE ON audit_journalentry"
                    " BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
                )
            else:
                cursor.execute("ALTER TABLE audit_journalentry ENABLE TRIGGER journal_refuses_change")


def test_without_an_entry_there_is_no_archive(case):
    case.archive()
    with pytest.raises(Invalid, match="already"):
        case.archive(now=NOW.replace(year=2032))
    segment = archive.plan(NOW.replace(year=2032))
    recipient = str(case.identity.to_public())
    with pytest.raises(Invalid, match="age public key"):
        archive.write(case.journal, case.folder / "c", segment, "age1nonsense", made.LOG.public, NOW)
    lines = list(archive.lines(segment))
    assert json.loads(lines[0])["start"] == 55

    refuse, again = REFUSING[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(refuse)
    try:
        with pytest.raises(JournalUnavailable):
            archive.write(case.journal, case.folder / "c", segment, recipient, made.LOG.public, NOW)
    finally:
        with connection.cursor() as cursor:
            cursor.execute(again)
    assert not (case.folder / "c").exists()
    assert not list(case.folder.glob(".*part"))


def test_the_rest_verifies_where_an_archived_month_was_put_away(case):
    """On PostgreSQL an old month can be detached; its places and hashes stay in the tree."""
    case.archive()
    case.sequencer.seal(NOW)
    if connection.vendor != "postgresql":
        pytest.skip("not for SQLite: it has no partitions")
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE audit_journalentry DETACH PARTITION {Month(2019, 5).table}")
    assert JournalEntry.objects.count() == 21
    assert Leaf.objects.count() == 76
    since = OLD.replace(day=21)
    found = verdict.verify(made.LOG.public, [], case.sequencer.tiles, [], NOW, since=since)
    assert (found.start, found.size, found.wrong) == (55, 76, [])
    assert verdict.verify(made.LOG.public, [], case.sequencer.tiles, [], NOW).wrong

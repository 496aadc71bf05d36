"""On PostgreSQL the journal is in months: made ahead, each guarded, and nothing is ever refused or lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import import_module

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

from confide.audit import partitions, runs
from confide.audit.journal import Journal, hash_leaf, line_of
from confide.audit.models import JournalEntry
from confide.audit.partitions import DEFAULT, TABLE, Month

from .conftest import NOW
from .test_journal import ENTRY

pytestmark = pytest.mark.django_db


@pytest.fixture
def postgres(db):
    if connection.vendor != "postgresql":
        pytest.skip("not for SQLite: it has no partitions")


def where(at: datetime) -> str:
    """Append an entry of a moment; return the table that it is in."""
    (id_,) = Journal().append([replace(ENTRY, at=at)])
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT tableoid::regclass::text FROM {TABLE} WHERE id = %s", [id_])
        return str(cursor.fetchone()[0])


def test_months_follow_each_other():
    assert Month(2026, 12).next() == Month(2027, 1)
    assert Month(2026, 1).next() == Month(2026, 2)
    assert Month(2026, 1).table == "audit_journalentry_y2026m01"
    assert Month(2025, 12) < Month(2026, 1)


def test_on_sqlite_there_is_nothing_to_make():
    if connection.vendor == "sqlite":
        assert partitions.make_ahead(NOW) == []
        assert partitions.months() == []
        assert partitions.unguarded() == []


def test_this_month_and_the_next_three_are_there(postgres):
    now = datetime.now(UTC)
    month = partitions.month_of(now)
    there = partitions.months()
    for _ in range(4):
        assert month in there
        assert where(month.start) == month.table
        month = month.next()
    assert partitions.make_ahead(now) == []
    later = now + timedelta(days=40)
    made = partitions.make_ahead(later)
    assert made
    assert set(made) <= set(partitions.months())
    assert partitions.unguarded() == []
    assert where(made[-1].start) == made[-1].table


def test_what_no_month_fits_is_kept_too_and_its_month_stays_there(postgres):
    far = datetime(2199, 12, 31, 23, 59, tzinfo=UTC)
    assert where(far) == DEFAULT
    assert where(datetime(1971, 1, 1, tzinfo=UTC)) == DEFAULT
    made = partitions.make_ahead(far)
    assert Month(2199, 12) not in made
    assert Month(2200, 1) in made
    assert JournalEntry.objects.filter(at=far).exists()


def test_each_partition_refuses_changes_by_itself(postgres):
    table = where(datetime.now(UTC))
    for statement in (
        f"UPDATE {table} SET patient = 'another'",
        f"DELETE FROM {table}",
        f"TRUNCATE {table}",
        f"TRUNCATE {DEFAULT}",
        f"TRUNCATE {TABLE}",
        f"DELETE FROM {TABLE}",
    ):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            connection.cursor().execute(statement)
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER journal_refuses_truncate")
    assert partitions.unguarded() == [table]


def test_the_migration_keeps_every_row_with_its_id_and_hash(postgres):
    """The table as it was before: whole; then parted, in the transaction of this test."""
    state = MigrationExecutor(connection).loader.project_state(("audit", "0006_device_and_relationship"))
    triggers = import_module("confide.audit.migrations.0002_triggers").POSTGRESQL
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {TABLE}")
    with connection.schema_editor(atomic=False) as editor:
        editor.create_model(state.apps.get_model("audit", "JournalEntry"))
        for statement in triggers:
            if statement.startswith("CREATE TRIGGER"):
                editor.execute(statement)
    months = [NOW.replace(year=2024, month=m, day=1 + m) for m in (1, 2, 5)]
    ids = Journal().append([replace(ENTRY, at=at, device="d") for at in (*months, datetime.now(UTC))])
    before = [line_of(row) for row in JournalEntry.objects.order_by("id")]
    with connection.schema_editor(atomic=False) as editor:
        import_module("confide.audit.migrations.0007_months").part(None, editor)
    after = [line_of(row) for row in JournalEntry.objects.order_by("id")]
    assert after == before
    assert [line.id for line in after] == ids
    assert all(hash_leaf(line.entry) == line.leaf for line in after)
    (fresh,) = Journal().append([ENTRY])
    assert fresh == ids[-1] + 1
    assert Month(2024, 1) in partitions.months()
    assert where(months[2]) == Month(2024, 5).table
    assert partitions.unguarded() == []
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {DEFAULT}")
        assert cursor.fetchone()[0] == 0
        indexes = {index.name for index in state.apps.get_model("audit", "JournalEntry")._meta.indexes}
        cursor.execute("SELECT indexname FROM pg_indexes WHERE tablename = %s", [TABLE])
        assert indexes <= {name for (name,) in cursor.fetchall()}


def test_entries_by_id_are_never_compiled(postgres):
    """Over 77 months of 50 million entries that took a second each time, for a look-up of 4 ms."""
    [id_] = Journal().append([ENTRY])
    with transaction.atomic():
        assert list(runs.read(connection, ("id", "practice"), [id_])) == [id_]
        with connection.cursor() as cursor:
            cursor.execute("SHOW jit")
            assert cursor.fetchone() == ("off",)

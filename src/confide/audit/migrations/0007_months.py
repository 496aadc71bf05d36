"""The journal by months on PostgreSQL, and the indexes by which it is asked.

Every row is copied with its id, its moment and its hash; what the tree says of it holds. The old table goes in the
same transaction: all of it happens, or nothing.
"""

from datetime import datetime, timezone
from typing import Any

from django.db import migrations, models
from django.db.migrations.exceptions import IrreversibleError

from confide.audit import partitions
from confide.audit.partitions import AHEAD, DEFAULT, TABLE, month_of

OLD = f"{TABLE}_whole"
INDEXES = {
    "journal_by_patient": "(practice, patient, id)",
    "journal_by_actor": "(practice, actor, id)",
}


def part(apps: Any, schema_editor: Any) -> None:
    """Make a partitioned table in the place of the whole one, with all its rows."""
    if schema_editor.connection.vendor != "postgresql":
        return
    run = schema_editor.execute
    run("DROP TRIGGER journal_refuses_truncate ON audit_journalentry")
    run("DROP TRIGGER journal_refuses_change ON audit_journalentry")
    for name in INDEXES:
        run(f"DROP INDEX {name}")
    run(f"ALTER TABLE {TABLE} RENAME TO {OLD}")
    run(f"ALTER INDEX {TABLE}_pkey RENAME TO {OLD}_pkey")
    run(f"ALTER SEQUENCE {TABLE}_id_seq RENAME TO {OLD}_id_seq")
    run(
        f"CREATE TABLE {TABLE} (LIKE {OLD} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING IDENTITY,"
        f" CONSTRAINT {TABLE}_pkey PRIMARY KEY (id, at)) PARTITION BY RANGE (at)"
    )
    run(f"CREATE TABLE {DEFAULT} PARTITION OF {TABLE} DEFAULT")
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(f"SELECT min(at), max(at), coalesce(max(id), 0) FROM {OLD}")
        first, last, top = cursor.fetchone()
    now = datetime.now(timezone.utc)
    month, end = month_of(min(now, (first or now).astimezone(timezone.utc))), month_of(now)
    for _ in range(AHEAD):
        end = end.next()
    while month <= end:
        for statement in partitions.statements(month):
            run(statement)
        month = month.next()
    run(f"INSERT INTO {TABLE} OVERRIDING SYSTEM VALUE SELECT * FROM {OLD} ORDER BY id")
    run(f"DROP TABLE {OLD}")
    if top:
        run(f"SELECT setval(pg_get_serial_sequence('{TABLE}', 'id'), {int(top)})")
    for name, columns in INDEXES.items():
        run(f"CREATE INDEX {name} ON {TABLE} {columns}")
    run(
        f"CREATE TRIGGER journal_refuses_change BEFORE UPDATE OR DELETE ON {TABLE}"
        " FOR EACH ROW EXECUTE FUNCTION journal_refuses()"
    )
    for table in (TABLE, DEFAULT):
        run(partitions.guard(table))


def stay(apps: Any, schema_editor: Any) -> None:
    """There is no way back to one table: it would be a copy that nobody has checked."""
    if schema_editor.connection.vendor == "postgresql":
        raise IrreversibleError("the journal stays in months")


class Migration(migrations.Migration):
    dependencies = [("audit", "0006_device_and_relationship")]

    operations = [
        migrations.RunPython(part, stay),
        migrations.AddIndex(
            "journalentry", models.Index(fields=["practice", "at"], name="journal_by_time")
        ),
        migrations.AddIndex(
            "journalentry", models.Index(fields=["credential", "at"], name="journal_by_credential")
        ),
        migrations.AddIndex(
            "journalentry",
            models.Index(
                fields=["actor", "at"],
                include=["practice", "credential", "patient", "action", "outcome", "elements"],
                name="journal_scope",
            ),
        ),
    ]

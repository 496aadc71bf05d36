"""Rows of the journal cannot be changed or removed: the database itself refuses."""

from collections.abc import Callable
from typing import Any

from django.db import migrations

SQLITE = [
    "CREATE TRIGGER journal_refuses_update BEFORE UPDATE ON audit_journalentry"
    " BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END",
    "CREATE TRIGGER journal_refuses_delete BEFORE DELETE ON audit_journalentry"
    " BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END",
    # INSERT OR REPLACE deletes without firing the trigger above.
    "CREATE TRIGGER journal_refuses_replace BEFORE INSERT ON audit_journalentry"
    " WHEN EXISTS (SELECT 1 FROM audit_journalentry WHERE id = NEW.id)"
    " BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END",
]
SQLITE_BACK = [
    "DROP TRIGGER journal_refuses_update",
    "DROP TRIGGER journal_refuses_delete",
    "DROP TRIGGER journal_refuses_replace",
]
POSTGRESQL = [
    "CREATE FUNCTION journal_refuses() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN RAISE EXCEPTION 'the journal is append-only' USING ERRCODE = 'integrity_constraint_violation'; END $$",
    "CREATE TRIGGER journal_refuses_change BEFORE UPDATE OR DELETE ON audit_journalentry"
    " FOR EACH ROW EXECUTE FUNCTION journal_refuses()",
    "CREATE TRIGGER journal_refuses_truncate BEFORE TRUNCATE ON audit_journalentry"
    " FOR EACH STATEMENT EXECUTE FUNCTION journal_refuses()",
]
POSTGRESQL_BACK = [
    "DROP TRIGGER journal_refuses_truncate ON audit_journalentry",
    "DROP TRIGGER journal_refuses_change ON audit_journalentry",
    "DROP FUNCTION journal_refuses()",
]


def _run(statements_of: dict[str, list[str]]) -> Callable[[Any, Any], None]:
    def run(apps: Any, schema_editor: Any) -> None:
        for statement in statements_of[schema_editor.connection.vendor]:
            schema_editor.execute(statement)

    return run


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]

    operations = [
        migrations.RunPython(
            _run({"sqlite": SQLITE, "postgresql": POSTGRESQL}),
            _run({"sqlite": SQLITE_BACK, "postgresql": POSTGRESQL_BACK}),
        ),
    ]

"""What keys were used for: written by each process, and never changed or removed."""

from collections.abc import Callable
from typing import Any

from django.db import migrations, models

REFUSED = "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
SQLITE = [
    f"CREATE TRIGGER opened_refuses_update BEFORE UPDATE ON audit_opened {REFUSED}",
    f"CREATE TRIGGER opened_refuses_delete BEFORE DELETE ON audit_opened {REFUSED}",
    "CREATE TRIGGER opened_refuses_replace BEFORE INSERT ON audit_opened"
    f" WHEN EXISTS (SELECT 1 FROM audit_opened WHERE id = NEW.id) {REFUSED}",
]
SQLITE_BACK = [f"DROP TRIGGER opened_refuses_{what}" for what in ("update", "delete", "replace")]
POSTGRESQL = [
    "CREATE TRIGGER opened_refuses_change BEFORE UPDATE OR DELETE ON audit_opened"
    " FOR EACH ROW EXECUTE FUNCTION journal_refuses()",
    "CREATE TRIGGER opened_refuses_truncate BEFORE TRUNCATE ON audit_opened"
    " FOR EACH STATEMENT EXECUTE FUNCTION journal_refuses()",
]
POSTGRESQL_BACK = [f"DROP TRIGGER opened_refuses_{what} ON audit_opened" for what in ("change", "truncate")]


def _run(statements_of: dict[str, list[str]]) -> Callable[[Any, Any], None]:
    def run(apps: Any, schema_editor: Any) -> None:
        for statement in statements_of[schema_editor.connection.vendor]:
            schema_editor.execute(statement)

    return run


class Migration(migrations.Migration):
    dependencies = [("audit", "0007_months")]

    operations = [
        migrations.CreateModel(
            name="Opened",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                ("process", models.CharField(max_length=16)),
                ("kind", models.CharField(max_length=10)),
                ("seals", models.BigIntegerField()),
                ("entries", models.TextField()),
            ],
        ),
        migrations.RunPython(
            _run({"sqlite": SQLITE, "postgresql": POSTGRESQL}),
            _run({"sqlite": SQLITE_BACK, "postgresql": POSTGRESQL_BACK}),
        ),
    ]

"""What was marked as given out stays as it was marked, like everything else that is kept of an incident."""

from typing import Any

from django.db import migrations

TABLE = "notices_publication"
WORDS = "what is kept of an incident is append-only"


def refuse(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            f"CREATE TRIGGER {TABLE}_refuses_change BEFORE UPDATE OR DELETE ON {TABLE}"
            " FOR EACH ROW EXECUTE FUNCTION incidents_refuse()"
        )
        return
    for change in ("UPDATE", "DELETE"):
        schema_editor.execute(
            f"CREATE TRIGGER {TABLE}_refuses_{change.lower()} BEFORE {change} ON {TABLE}"
            f" BEGIN SELECT RAISE(ABORT, '{WORDS}'); END"
        )


def allow(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"DROP TRIGGER {TABLE}_refuses_change ON {TABLE}")
        return
    for change in ("update", "delete"):
        schema_editor.execute(f"DROP TRIGGER {TABLE}_refuses_{change}")


class Migration(migrations.Migration):
    dependencies = [("notices", "0002_publications"), ("incidents", "0002_triggers")]

    operations = [migrations.RunPython(refuse, allow)]

"""What was said, counted, proved and signed of an incident cannot be changed: the database itself refuses.

A frozen scope takes no more rows, and a scope changes once, when it is frozen.
"""

from collections.abc import Callable
from typing import Any

from django.db import migrations

APPENDED = ("happening", "exhibit", "share", "exposed", "match", "assessment")
SCOPED = ("share", "exposed", "match")
WORDS = "what is kept of an incident is append-only"
FROZEN = "the scope is frozen"


def _key(table: str) -> str:
    return "scope" if table == "exposed" else "scope_id"


def _sqlite() -> list[str]:
    made = []
    for table in (*APPENDED, "scope"):
        name = f"incidents_{table}"
        made.append(
            f"CREATE TRIGGER {name}_refuses_delete BEFORE DELETE ON {name}"
            f" BEGIN SELECT RAISE(ABORT, '{WORDS}'); END"
        )
        if table != "scope":
            made.append(
                f"CREATE TRIGGER {name}_refuses_update BEFORE UPDATE ON {name}"
                f" BEGIN SELECT RAISE(ABORT, '{WORDS}'); END"
            )
    made.append(
        "CREATE TRIGGER incidents_scope_refuses_update BEFORE UPDATE ON incidents_scope"
        " WHEN OLD.frozen_at IS NOT NULL OR NEW.id <> OLD.id OR NEW.incident_id <> OLD.incident_id"
        " OR NEW.records <> OLD.records OR NEW.question <> OLD.question OR NEW.states <> OLD.states"
        f" BEGIN SELECT RAISE(ABORT, '{FROZEN}'); END"
    )
    for table in SCOPED:
        made.append(
            f"CREATE TRIGGER incidents_{table}_refuses_frozen BEFORE INSERT ON incidents_{table}"
            f" WHEN EXISTS (SELECT 1 FROM incidents_scope WHERE id = NEW.{_key(table)} AND frozen_at IS NOT NULL)"
            f" BEGIN SELECT RAISE(ABORT, '{FROZEN}'); END"
        )
    return made


def _sqlite_back() -> list[str]:
    kinds: list[tuple[str, tuple[str, ...]]] = [(table, ("delete", "update")) for table in (*APPENDED, "scope")]
    kinds += [(table, ("frozen",)) for table in SCOPED]
    return [f"DROP TRIGGER incidents_{table}_refuses_{kind}" for table, some in kinds for kind in some]


_RAISE = "RAISE EXCEPTION '{}' USING ERRCODE = 'integrity_constraint_violation'"


def _postgresql() -> list[str]:
    made = [
        f"CREATE FUNCTION incidents_refuse() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN {_RAISE.format(WORDS)}; END $$",
        "CREATE FUNCTION incidents_scope_refuses() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF OLD.frozen_at IS NOT NULL OR NEW.id <> OLD.id OR NEW.incident_id <> OLD.incident_id"
        " OR NEW.records <> OLD.records OR NEW.question <> OLD.question OR NEW.states <> OLD.states"
        f" THEN {_RAISE.format(FROZEN)}; END IF; RETURN NEW; END $$",
        "CREATE TRIGGER incidents_scope_refuses_update BEFORE UPDATE ON incidents_scope"
        " FOR EACH ROW EXECUTE FUNCTION incidents_scope_refuses()",
        "CREATE TRIGGER incidents_scope_refuses_delete BEFORE DELETE ON incidents_scope"
        " FOR EACH ROW EXECUTE FUNCTION incidents_refuse()",
    ]
    for table in APPENDED:
        name = f"incidents_{table}"
        made.append(
            f"CREATE TRIGGER {name}_refuses_change BEFORE UPDATE OR DELETE ON {name}"
            " FOR EACH ROW EXECUTE FUNCTION incidents_refuse()"
        )
    for table in SCOPED:
        # Once for all rows of a statement: a million of them are looked at together.
        made += [
            f"CREATE FUNCTION incidents_{table}_refuses_frozen() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" IF EXISTS (SELECT 1 FROM (SELECT DISTINCT {_key(table)} AS id FROM added) AS fresh"
            " JOIN incidents_scope USING (id) WHERE frozen_at IS NOT NULL)"
            f" THEN {_RAISE.format(FROZEN)}; END IF; RETURN NULL; END $$",
            f"CREATE TRIGGER incidents_{table}_refuses_frozen AFTER INSERT ON incidents_{table}"
            " REFERENCING NEW TABLE AS added FOR EACH STATEMENT"
            f" EXECUTE FUNCTION incidents_{table}_refuses_frozen()",
        ]
    return made


def _postgresql_back() -> list[str]:
    made = []
    for table in SCOPED:
        made += [
            f"DROP TRIGGER incidents_{table}_refuses_frozen ON incidents_{table}",
            f"DROP FUNCTION incidents_{table}_refuses_frozen()",
        ]
    made += [f"DROP TRIGGER incidents_{table}_refuses_change ON incidents_{table}" for table in APPENDED]
    made += [
        "DROP TRIGGER incidents_scope_refuses_update ON incidents_scope",
        "DROP TRIGGER incidents_scope_refuses_delete ON incidents_scope",
        "DROP FUNCTION incidents_scope_refuses()",
        "DROP FUNCTION incidents_refuse()",
    ]
    return made


def _run(statements: dict[str, list[str]]) -> Callable[[Any, Any], None]:
    def run(apps: Any, schema_editor: Any) -> None:
        for statement in statements[schema_editor.connection.vendor]:
            schema_editor.execute(statement)

    return run


class Migration(migrations.Migration):
    dependencies = [("incidents", "0001_initial")]

    operations = [
        migrations.RunPython(
            _run({"sqlite": _sqlite(), "postgresql": _postgresql()}),
            _run({"sqlite": _sqlite_back(), "postgresql": _postgresql_back()}),
        ),
    ]

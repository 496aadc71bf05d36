"""The tree over the journal: places, checkpoints and cosignatures cannot be changed or removed either."""

from collections.abc import Callable
from typing import Any

from django.db import migrations, models

# What a row has alone: INSERT OR REPLACE would delete the other without firing a trigger for deletion.
ALONE = {
    "leaf": "position = NEW.position OR entry = NEW.entry",
    "checkpoint": "size = NEW.size",
    "cosignature": "id = NEW.id",
}
SQLITE, SQLITE_BACK, POSTGRESQL, POSTGRESQL_BACK = [], [], [], []
for table, alone in ALONE.items():
    refused = "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
    SQLITE += [
        f"CREATE TRIGGER {table}_refuses_update BEFORE UPDATE ON audit_{table} {refused}",
        f"CREATE TRIGGER {table}_refuses_delete BEFORE DELETE ON audit_{table} {refused}",
        f"CREATE TRIGGER {table}_refuses_replace BEFORE INSERT ON audit_{table}"
        f" WHEN EXISTS (SELECT 1 FROM audit_{table} WHERE {alone}) {refused}",
    ]
    SQLITE_BACK += [f"DROP TRIGGER {table}_refuses_{what}" for what in ("update", "delete", "replace")]
    POSTGRESQL += [
        f"CREATE TRIGGER {table}_refuses_change BEFORE UPDATE OR DELETE ON audit_{table}"
        " FOR EACH ROW EXECUTE FUNCTION journal_refuses()",
        f"CREATE TRIGGER {table}_refuses_truncate BEFORE TRUNCATE ON audit_{table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION journal_refuses()",
    ]
    POSTGRESQL_BACK += [f"DROP TRIGGER {table}_refuses_{what} ON audit_{table}" for what in ("change", "truncate")]


def _run(statements_of: dict[str, list[str]]) -> Callable[[Any, Any], None]:
    def run(apps: Any, schema_editor: Any) -> None:
        for statement in statements_of[schema_editor.connection.vendor]:
            schema_editor.execute(statement)

    return run


class Migration(migrations.Migration):

    dependencies = [
        ('audit', '0002_triggers'),
    ]

    operations = [
        migrations.CreateModel(
            name='Checkpoint',
            fields=[
                ('size', models.BigIntegerField(primary_key=True, serialize=False)),
                ('at', models.DateTimeField()),
                ('root', models.BinaryField()),
                ('frontier', models.BinaryField()),
                ('floor', models.BigIntegerField()),
                ('note', models.TextField()),
            ],
        ),
        migrations.CreateModel(
            name='Leaf',
            fields=[
                ('position', models.BigIntegerField(primary_key=True, serialize=False)),
                ('entry', models.BigIntegerField(unique=True)),
                ('of_patient', models.BigIntegerField()),
                ('of_credential', models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name='Tally',
            fields=[
                ('pk', models.CompositePrimaryKey('kind', 'key', blank=True, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(max_length=1)),
                ('key', models.CharField(max_length=128)),
                ('count', models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name='Cosignature',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('size', models.BigIntegerField()),
                ('name', models.CharField(max_length=200)),
                ('at', models.DateTimeField()),
                ('line', models.TextField()),
            ],
            options={
                'indexes': [models.Index(fields=['size', 'name'], name='cosignature_by_size')],
            },
        ),
        migrations.RunPython(
            _run({"sqlite": SQLITE, "postgresql": POSTGRESQL}),
            _run({"sqlite": SQLITE_BACK, "postgresql": POSTGRESQL_BACK}),
        ),
    ]

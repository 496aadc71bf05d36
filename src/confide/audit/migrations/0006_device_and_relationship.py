"""Entries also say from which device, and why the patient is the person's business.

The columns are added in place: a table that is made anew would lose its triggers. The writing of an entry that
is hashed leaves both out where they are empty, so what was hashed before keeps its hash.
"""

from django.db import migrations, models

COLUMNS = ("device", "relationship")


class Migration(migrations.Migration):
    dependencies = [("audit", "0003_tree")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    f"ALTER TABLE audit_journalentry ADD COLUMN {name} varchar(64) NOT NULL DEFAULT ''",
                    f"ALTER TABLE audit_journalentry DROP COLUMN {name}",
                )
                for name in COLUMNS
            ],
            state_operations=[
                migrations.AddField(
                    "journalentry", name, models.CharField(max_length=64, default="", db_default="")
                )
                for name in COLUMNS
            ],
        ),
    ]

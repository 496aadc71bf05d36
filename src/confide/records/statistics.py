"""What PostgreSQL knows of tables that an import has filled: it plans by it, and looks again a minute later.

Until then it takes a table for as small as it was when it last looked, and reads all of it for what an index
would find at once.
"""

from __future__ import annotations

from typing import Final

from django.apps import apps
from django.db import DatabaseError, connections, router

WRITTEN: Final = ("records", "access", "audit", "vault")
"""The applications whose tables an import writes."""


def renew() -> None:
    """Have PostgreSQL count now. SQLite needs nothing.

    It reads a sample of each table, so it takes seconds whatever is in them. What was imported is there
    whether or not it succeeds.
    """
    for model in (model for label in WRITTEN for model in apps.get_app_config(label).get_models()):
        connection = connections[router.db_for_write(model)]
        if connection.vendor != "postgresql":
            continue
        try:
            with connection.cursor() as cursor:
                cursor.execute(f'ANALYZE "{model._meta.db_table}"')  # noqa: SLF001 - as Django documents it
        except DatabaseError:
            return  # it will look by itself

"""The Django app of this layer."""

from __future__ import annotations

from datetime import UTC, datetime

from django.apps import AppConfig
from django.db import router
from django.db.models.signals import post_migrate


class AuditConfig(AppConfig):
    """The journal."""

    name = "confide.audit"
    label = "audit"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """After a migration the journal's next months are there."""
        post_migrate.connect(_make_months, sender=self)


def _make_months(using: str, **_: object) -> None:
    from confide.audit import partitions
    from confide.audit.models import JournalEntry

    if using == router.db_for_write(JournalEntry):
        partitions.make_ahead(datetime.now(UTC))

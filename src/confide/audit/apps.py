"""The Django app of this layer."""

from __future__ import annotations

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """The journal."""

    name = "confide.audit"
    label = "audit"
    default_auto_field = "django.db.models.BigAutoField"

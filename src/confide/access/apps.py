"""The Django app of this layer."""

from __future__ import annotations

from django.apps import AppConfig


class AccessConfig(AppConfig):
    """Practices, staff, clients, and what each credential has seen."""

    name = "confide.access"
    label = "access"
    default_auto_field = "django.db.models.BigAutoField"

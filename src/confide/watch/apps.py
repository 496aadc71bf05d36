"""The Django app of this layer."""

from __future__ import annotations

from django.apps import AppConfig


class WatchConfig(AppConfig):
    """What the watch remembers, what it has found, and what it still has to tell."""

    name = "confide.watch"
    label = "watch"
    default_auto_field = "django.db.models.BigAutoField"

"""The charts as a Django app."""

from django.apps import AppConfig


class RecordsConfig(AppConfig):
    """Names the app and its tables."""

    name = "confide.records"
    label = "records"
    default_auto_field = "django.db.models.BigAutoField"

"""Incidents as a Django app."""

from django.apps import AppConfig


class IncidentsConfig(AppConfig):
    """Names the app and its tables."""

    name = "confide.incidents"
    label = "incidents"
    default_auto_field = "django.db.models.BigAutoField"

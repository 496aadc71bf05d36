"""Notices as a Django app."""

from django.apps import AppConfig


class NoticesConfig(AppConfig):
    """Names the app and its tables."""

    name = "confide.incidents.notices"
    label = "notices"
    default_auto_field = "django.db.models.BigAutoField"

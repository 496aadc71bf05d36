"""The vault as a Django app."""

from django.apps import AppConfig


class VaultConfig(AppConfig):
    """Names the app and its tables."""

    name = "confide.vault"
    label = "vault"
    default_auto_field = "django.db.models.BigAutoField"

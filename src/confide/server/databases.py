"""Databases: addresses in, Django's settings out; and the router that keeps keys in a store of their own."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from django.apps import apps
from django.db.models import Model

from confide.errors import Misconfigured

PATIENCE: Final = 30
"""Seconds that a writer waits for another one."""

_READ_COMMITTED: Final = 2
"""``psycopg.IsolationLevel.READ_COMMITTED``; the driver is there only where PostgreSQL is used."""

_SQLITE: Final = {
    "timeout": PATIENCE,
    # A transaction that reads first and writes later would fail in the middle, or count what is out of date.
    "transaction_mode": "IMMEDIATE",
    # FULL: with NORMAL an acknowledged write can be lost in a power cut. Nothing goes to temporary files.
    "init_command": (
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
        f"PRAGMA busy_timeout={PATIENCE * 1000}; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-32768"
    ),
}


def parse(url: str) -> dict[str, Any]:
    """Turn a database's address into an entry of Django's ``DATABASES``.

    Args:
        url: ``sqlite:///relative/path``, ``sqlite:////absolute/path`` or
            ``postgres://user:password@host:port/name?sslmode=require``; parts are percent-encoded.

    Raises:
        Misconfigured: It is neither; the message never repeats it, for it may hold a password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Misconfigured("a database address cannot be read (check its port and brackets)") from None
    if parts.scheme == "sqlite":
        path = unquote(parts.path).removeprefix("/")
        if parts.netloc or not path or parts.query or parts.fragment:
            raise Misconfigured("a SQLite address is sqlite:///relative/path or sqlite:////absolute/path")
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": path,
            "CONN_MAX_AGE": 60,  # opening it again for each request takes longer than most questions
            "OPTIONS": dict(_SQLITE),
        }
    if parts.scheme in {"postgres", "postgresql"}:
        name = unquote(parts.path).removeprefix("/")
        if not name:
            raise Misconfigured("a PostgreSQL address needs the database's name after the host")
        options = dict(parse_qsl(parts.query))
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": name,
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": options.pop("host", "") or unquote(parts.hostname or ""),
            "PORT": "" if port is None else str(port),
            "CONN_MAX_AGE": 60,
            "CONN_HEALTH_CHECKS": True,
            # What is asked again is prepared (``access.statements``); Django itself prepares nothing.
            # After its lock, a count reads what others have committed meanwhile, whatever the default is.
            "OPTIONS": {"prepare_threshold": 1, "isolation_level": _READ_COMMITTED, **options},
        }
    raise Misconfigured("a database address begins with sqlite:/// or postgres://")


def parse_keys(url: str) -> dict[str, Any]:
    """Do the same for the store of keys: SQLite overwrites what is deleted there, also in free pages.

    Raises:
        Misconfigured: As ``parse``.
    """
    entry = parse(url)
    if "init_command" in entry["OPTIONS"]:
        entry["OPTIONS"]["init_command"] += "; PRAGMA secure_delete=ON"
    return entry


class KeysRouter:
    """Sends models with the class attribute ``database = "keys"`` to the key store, all others elsewhere.

    Django calls its methods with hints; only ``allow_migrate`` looks at them.
    """

    def db_for_read(self, model: type[Model], **_hints: object) -> str:
        return _home(model)

    def db_for_write(self, model: type[Model], **_hints: object) -> str:
        return _home(model)

    def allow_relation(self, first: Model, second: Model, **_hints: object) -> bool:
        return _home(type(first)) == _home(type(second))

    def allow_migrate(
        self, db: str, app_label: str, model_name: str | None = None, **hints: object
    ) -> bool | None:
        if model_name is None:  # RunSQL and RunPython say where they belong, or belong to the records
            return db == hints.get("database", "default")
        try:
            model = apps.get_model(app_label, model_name)
        except LookupError:  # a model that later migrations removed
            return None
        return db == _home(model)


def settlers(alias: str) -> list[str | None]:
    """Return the labels of the apps that are migrated in the database of this *alias*; None stands for all.

    The key store holds few tables: to run everybody's migrations there, for nothing, was a fifth of ``init``.
    """
    if alias == "default":
        return [None]
    return [app.label for app in apps.get_app_configs() if any(_home(m) == alias for m in app.get_models())]


def _home(model: type[Model]) -> str:
    return "keys" if getattr(model, "database", None) == "keys" else "default"

"""The server as a Django app. It holds the installation's parts, put together once in each process."""

from __future__ import annotations

from threading import Lock
from types import ModuleType
from typing import TYPE_CHECKING, Any

from django.apps import AppConfig, apps
from django.conf import settings

if TYPE_CHECKING:
    from confide.server.config import Config
    from confide.wiring import Log, System


class ServerConfig(AppConfig):
    """Keeps the built system. It is made when first asked for, because that needs the root key."""

    name = "confide.server"
    label = "server"

    def __init__(self, app_name: str, app_module: ModuleType | None) -> None:
        super().__init__(app_name, app_module)
        self._lock = Lock()
        self._system: System | None = None

    def ready(self) -> None:
        """Be told who signs in and out, and when a request begins."""
        from django.contrib.auth.signals import user_logged_in, user_logged_out

        from confide.server import liveness

        liveness.watch()
        user_logged_in.connect(_begin, dispatch_uid="confide.begin")
        user_logged_out.connect(_finish, dispatch_uid="confide.finish")

    def system(self) -> System:
        """Return the parts of this installation.

        Raises:
            KeyUnavailable: The key file is missing or locked.
        """
        with self._lock:
            if self._system is None:
                from confide import wiring

                kms = wiring.open_file_kms(settings.CONFIG.keyring, settings.CONFIG.passphrase)
                self._system = wiring.build(
                    kms,
                    log_of(settings.CONFIG),
                    frozenset(settings.CONFIG.code_systems),
                    policy=settings.CONFIG.watch,
                    index_bytes=settings.CONFIG.index_megabytes << 20,
                )
            return self._system


# Every command starts this app; what signing in takes is loaded where somebody does.


def _begin(sender: object, **signal: Any) -> None:
    from confide.server import keeper

    keeper.begin(sender, **signal)


def _finish(sender: object, **signal: Any) -> None:
    from confide.server import keeper

    keeper.finish(sender, **signal)


def log_of(config: Config) -> Log:
    """Return which tree the journal's is."""
    from confide.wiring import Log

    return Log(config.journal_origin, config.journal)


def system() -> System:
    """Return the parts of this installation, built once in each process."""
    config = apps.get_app_config("server")
    if not isinstance(config, ServerConfig):
        raise TypeError("the app named server is not Confide's")
    return config.system()

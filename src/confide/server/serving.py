"""The server's processes: gunicorn, started from here, with logs that give nobody away."""

from __future__ import annotations

import logging
import os
import signal
import threading
from typing import Any

from django.db import connections
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from confide.errors import ConfideError
from confide.server import logging as log
from confide.server.config import Config

_log = logging.getLogger(__name__)
_GRACE = 20  # seconds for requests under way
_LONGEST_LINE = 8190  # of a request: a FHIR search by GET can be long


class Quiet(Logger):  # type: ignore[misc] # gunicorn has no annotations
    """Gunicorn's logger without handlers of its own: its lines go through Confide's formatter."""

    def setup(self, cfg: Any) -> None:
        """Leave the handlers where settings.LOGGING put them."""
        self.cfg = cfg
        self._access_log_enabled = False
        self.loglevel = logging.WARNING
        self.error_log.handlers.clear()
        self.error_log.propagate = True
        self.error_log.setLevel(self.loglevel)

    def access(self, *_: Any) -> None:
        """Write nothing: addresses hold what was searched for, and the journal knows who saw what."""


class Server(BaseApplication):  # type: ignore[misc] # as above
    """The WSGI application with its options; reads no files and no command line."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        """Take over the options."""
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Load the application, in each worker."""
        from confide.server.wsgi import application

        return application


def serve(config: Config, workers: int = 2, threads: int = 4) -> None:
    """Serve until Ctrl-C or SIGTERM; requests under way are finished.

    Args:
        config: The installation; Django is set up on it.
        workers: Processes, each with identity indexes of its own.
        threads: Requests at once in each.

    Raises:
        Misconfigured: The installation would give itself away: see `Config.check`.
    """
    config.check()
    log.install()
    # A connection that is shared with child processes answers the wrong one.
    connections.close_all()
    try:
        Server(options(config, workers, threads)).run()
    except SystemExit as stopped:
        if stopped.code not in {0, None}:
            raise


def options(config: Config, workers: int, threads: int) -> dict[str, Any]:
    """Return gunicorn's settings."""
    host = f"[{config.host}]" if ":" in config.host else config.host
    return {
        "bind": f"{host}:{config.port}",
        "workers": workers,
        "threads": threads,
        "worker_class": "gthread",
        "preload_app": False,
        "accesslog": None,
        "logger_class": Quiet,
        "loglevel": "warning",
        "control_socket_disable": True,
        "graceful_timeout": _GRACE,
        "timeout": 120,
        "keepalive": 5,
        "limit_request_line": _LONGEST_LINE,
        "proc_name": "confide",
        "when_ready": _be_gentle,
        "post_worker_init": _start_worker,
    }


def _be_gentle(_arbiter: object) -> None:
    """Let Ctrl-C finish requests as SIGTERM does; gunicorn would cut them off."""
    signal.signal(signal.SIGINT, lambda *_: os.kill(os.getpid(), signal.SIGTERM))


def _start_worker(_worker: object) -> None:
    # A terminal sends Ctrl-C to every process; the arbiter tells the workers when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=warm, name="warm", daemon=True).start()


def warm() -> None:
    """Build the identity indexes of all practices, so that the first search does not wait for them."""
    from confide.access.models import Practice
    from confide.server import apps

    try:
        system = apps.system()
        for practice in Practice.objects.values_list("pk", flat=True):
            system.indexes(practice).catch_up()
    except ConfideError as problem:
        _log.warning("the identity indexes are not built yet: %s", problem)
    except Exception as problem:  # noqa: BLE001 - searching builds them, or says why not
        _log.exception("the identity indexes are not built yet", exc_info=problem)
    finally:
        connections.close_all()

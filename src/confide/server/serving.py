"""The server's processes: gunicorn, started from here, with logs that give nobody away."""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

from django.db import connections
from gunicorn import util
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.http import errors as wrong
from gunicorn.http import wsgi
from gunicorn.workers.gthread import ThreadWorker

from confide.errors import ConfideError
from confide.server import ending, sealing, watching
from confide.server import logging as log
from confide.server.config import Config, Ends
from confide.server.headers import HEADERS

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


class Worker(ThreadWorker):  # type: ignore[misc] # as above
    """Answers what is no HTTP itself: gunicorn would repeat the request in its answer."""

    def init_process(self) -> None:
        """Begin to work; what the server is made of is nobody's business."""
        wsgi.Response.default_headers = _without_banner(wsgi.Response.default_headers)
        super().init_process()

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Stop when the requests under way are finished; a stream is finished by that."""
        ending.tell()
        super().handle_exit(sig, frame)

    def handle_error(self, _request: Any, client: Any, _address: Any, error: Exception) -> None:
        """Say what is wrong, and nothing of what came."""
        status, text = next((answer for kind, answer in _ANSWERS.items() if isinstance(error, kind)), _FAILED)
        if status >= 500:
            _log.error("a request failed in the web server", exc_info=error)
        issue = {"severity": "error", "code": "structure", "diagnostics": text}
        body = json.dumps({"resourceType": "OperationOutcome", "issue": [issue]})
        head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nConnection: close\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
        head += "Cache-Control: no-store\r\n"
        head += f"Content-Type: application/fhir+json\r\nContent-Length: {len(body)}\r\n\r\n"
        with suppress(OSError):
            util.write_nonblock(client, (head + body).encode())


def _without_banner(make: Callable[[Any], list[str]]) -> Callable[[Any], list[str]]:
    """Gunicorn has no setting that leaves its name out of every answer."""

    def made(response: Any) -> list[str]:
        return [line for line in make(response) if not line.startswith("Server:")]

    return made


_FAILED = (500, "something went wrong on our side; nothing was changed")
_ANSWERS: dict[type[Exception], tuple[int, str]] = {
    wrong.LimitRequestLine: (414, f"the address is longer than {_LONGEST_LINE} bytes; search by POST"),
    wrong.LimitRequestHeaders: (431, "the headers are too many or too long"),
    wrong.ExpectationFailed: (417, "that expectation cannot be met"),
    wrong.UnsupportedTransferCoding: (501, "a body comes as it is, or in chunks"),
    wrong.ForbiddenProxyRequest: (403, "requests of a proxy are not taken here"),
    wrong.ConfigurationProblem: _FAILED,
    wrong.InvalidResponseHeader: _FAILED,
    wrong.InvalidResponseHeaderName: _FAILED,
    wrong.ParseException: (400, "the request is not HTTP"),
}


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
    return _tls(config) | {
        "bind": f"{host}:{config.port}",
        "workers": workers,
        "threads": threads,
        "worker_class": f"{__name__}.{Worker.__name__}",
        "preload_app": False,
        "accesslog": None,
        "logger_class": Quiet,
        "loglevel": "warning",
        "control_socket_disable": True,
        "graceful_timeout": _GRACE,
        "timeout": 120,
        "keepalive": 5,
        "limit_request_line": _LONGEST_LINE,
        "forwarder_headers": "",  # nobody names another address by a header
        "proc_name": "confide",
        "when_ready": _be_gentle,
        "post_worker_init": _start_worker,
    }


def _tls(config: Config) -> dict[str, Any]:
    """Gunicorn's settings for TLS that ends here; a program may show a certificate, nobody must."""
    if config.tls_certificate is None or config.tls_key is None:
        return {}
    found: dict[str, Any] = {"certfile": str(config.tls_certificate), "keyfile": str(config.tls_key)}
    if config.client_certificates is Ends.HERE:
        found |= {"ca_certs": str(config.tls_authorities), "cert_reqs": ssl.CERT_OPTIONAL}
    return found


def _be_gentle(_arbiter: object) -> None:
    """Let Ctrl-C finish requests as SIGTERM does; gunicorn would cut them off."""
    signal.signal(signal.SIGINT, lambda *_: os.kill(os.getpid(), signal.SIGTERM))


def _start_worker(_worker: object) -> None:
    # A terminal sends Ctrl-C to every process; the arbiter tells the workers when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Django's configuration of the logs, read in the meantime, has set it back.
    logging.getLogger("gunicorn.error").setLevel(logging.WARNING)
    settle()
    threading.Thread(target=warm, name="warm", daemon=True).start()
    threading.Thread(target=sealing.run, name="sealing", daemon=True).start()
    threading.Thread(target=sealing.hand_out, name="outlets", daemon=True).start()
    threading.Thread(target=watching.run, name="watching", daemon=True).start()
    threading.Thread(target=watching.tell, name="notices", daemon=True).start()
    threading.Thread(target=watching.follow, name="residences", daemon=True).start()


def settle() -> None:
    """Leave what is loaded by now, and stays for good, out of every later collection of garbage.

    A collection that looks at all of it stops all requests of the process for as long as dozens of them take.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


_WARMED: Final = 50_000
"""Patients in the indexes that are built at the start."""


def warm() -> None:
    """Build the identity indexes of some practices, so that the first search does not wait for them.

    Of many practices, hardly all are asked within the hour, and to build the rest would take the time of
    those who ask: an index is built in less than half a millisecond for a patient when its practice is asked.
    """
    from confide.access.models import Practice
    from confide.server import apps

    try:
        system = apps.system()
        patients = 0
        for practice in Practice.objects.values_list("pk", flat=True):
            index = system.indexes(practice)
            index.catch_up()
            patients += len(index)
            if patients >= _WARMED:
                break
        settle()
    except ConfideError as problem:
        _log.warning("the identity indexes are not built yet: %s", problem)
    except Exception as problem:  # noqa: BLE001 - searching builds them, or says why not
        _log.exception("the identity indexes are not built yet", exc_info=problem)
    finally:
        connections.close_all()

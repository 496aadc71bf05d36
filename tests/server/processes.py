"""A real server in a process of its own, on the databases of the test that runs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from django.db import connections

from tools.outside import free_port

SERVE = """
import django
django.setup()
from confide.server import config, serving
serving.serve(config.read(), workers=1, threads=4)
"""


def url(alias: str) -> str:
    database: dict[str, Any] = connections[alias].settings_dict
    if connections[alias].vendor == "sqlite":
        return f"sqlite:///{quote(str(database['NAME']))}"
    part = {
        name: quote(str(database[name]), safe="") for name in ("USER", "PASSWORD", "HOST", "PORT", "NAME")
    }
    return f"postgres://{part['USER']}:{part['PASSWORD']}@/{part['NAME']}?host={part['HOST']}&port={part['PORT']}"


@contextmanager
def server(script: str = SERVE, /, **environment: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Start a server; yield its address and process; stop it by Ctrl-C."""
    port = free_port()
    folder = tempfile.TemporaryDirectory(
        prefix="confide-journal-"
    )  # the test's database has a tree of its own
    setting = {
        "CONFIDE_JOURNAL_FOLDER": folder.name,
        "DATABASE_URL": url("default"), "KEYS_DATABASE_URL": url("keys"), "CONFIDE_PORT": str(port),
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
    }  # fmt: skip
    process = subprocess.Popen([sys.executable, "-c", script], env=os.environ | setting | environment)
    try:
        wait(port, process)
        yield f"http://127.0.0.1:{port}", process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(30)
        folder.cleanup()


def wait(port: int, process: subprocess.Popen[bytes], times: int = 300) -> None:
    for _ in range(times):
        assert process.poll() is None, "the server stopped"
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the server does not answer")

"""Whether connections to the database still live is asked every few seconds, not in every request.

Django asks before the first statement of each request: a round trip for nothing, as long as the server is
there. A server that stops or cuts a connection says so on the socket, and that is looked at each time.
"""

from __future__ import annotations

import select
import time
from typing import Any, Final
from weakref import WeakKeyDictionary

from django.core.signals import request_started
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

TRUSTED: Final = 5.0
"""Seconds for which a connection that has answered is not asked again."""

_answered: Final[WeakKeyDictionary[BaseDatabaseWrapper, tuple[object, float]]] = WeakKeyDictionary()


def watch() -> None:
    """Look at the connections of its thread when a request begins."""
    request_started.connect(look, dispatch_uid="confide.liveness")


def look(**_: object) -> None:
    """Trust the connections of this thread that have answered lately; ask the others; close the dead."""
    connection: Any  # what Django keeps there of a connection's health has no annotations
    for connection in connections.all(initialized_only=True):
        raw = connection.connection
        if raw is None or not connection.health_check_enabled or connection.in_atomic_block:
            continue
        asked, when = _answered.get(connection, (None, 0.0))
        if asked is not raw or time.monotonic() - when >= TRUSTED or not _is_quiet(connection):
            if not connection.is_usable():
                connection.close()
                continue
            _answered[connection] = raw, time.monotonic()
        connection.health_check_done = True


def _is_quiet(connection: BaseDatabaseWrapper) -> bool:
    """Tell whether nothing has come that nobody asked for, such as the end of the connection."""
    if connection.connection.closed:  # by us, where an exchange with the server broke off
        return False
    poll = select.poll()
    poll.register(connection.connection.pgconn.socket, select.POLLIN)
    return not poll.poll(0)

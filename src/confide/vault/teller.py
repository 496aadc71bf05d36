"""The connection of those who pay for others, on PostgreSQL: one for the whole process, whoever leads.

PostgreSQL reads, plans and looks up everything anew for each connection. Where thirty threads take turns,
each paying with its own, all of that is done thirty times, and none of it stays at hand.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

_IDLE: Final = 5.0
"""Seconds without use after which the connection is looked at before it is used again."""


class Teller:
    """Lends its connection to one thread at a time; a second one goes on with its own."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._held: BaseDatabaseWrapper | None = None
        self._process = 0
        self._used = 0.0

    @contextmanager
    def lend(self) -> Iterator[None]:
        """Have this thread's default connection be the teller's; where it is SQLite's, its own stays.

        A connection that somebody watches (its statements are counted or wrapped) stays, too.
        """
        own = connections[DEFAULT_DB_ALIAS]
        watched = own.execute_wrappers or own.queries_logged
        if own.vendor != "postgresql" or watched or not self._lock.acquire(blocking=False):
            yield
            return
        try:
            connections[DEFAULT_DB_ALIAS] = self._ready(own)
            yield
        finally:
            connections[DEFAULT_DB_ALIAS] = own
            self._used = time.monotonic()
            self._lock.release()

    def _ready(self, own: BaseDatabaseWrapper) -> BaseDatabaseWrapper:
        """Return the connection, made anew where it is another process's or another database's."""
        held = self._held
        if held is None or self._process != os.getpid() or held.settings_dict != own.settings_dict:
            if held is not None and self._process == os.getpid():
                held.close()
            held = self._held = own.copy()
            held.inc_thread_sharing()
            self._process = os.getpid()
        elif held.errors_occurred or time.monotonic() - self._used > _IDLE:
            held.close_if_unusable_or_obsolete()
        return held

"""Whose turn it is to write, where processes share a SQLite file: who waits is woken.

SQLite itself has whoever finds another writer sleep, for longer and longer, and look again. So who comes anew
goes before who has waited, and the last of them wait many times as long as all the writing takes.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from django.db.backends.base.base import BaseDatabaseWrapper

SUFFIX: Final = "-turn"
"""What the name of the empty file has after the database's."""


@contextmanager
def take_turn(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Wait until no other payer writes, then let the body write; other writers wait as SQLite has them wait.

    Nothing is safer by it, so nothing fails where it cannot be had: SQLite's own lock is what keeps writers
    apart. Who is in a transaction already does not wait here: they hold what the others need.
    """
    name = str(connection.settings_dict["NAME"])
    if connection.vendor != "sqlite" or connection.in_atomic_block or name.startswith((":", "file:")):
        yield
        return
    file = -1
    with suppress(OSError):
        file = os.open(name + SUFFIX, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if file >= 0:
            os.close(file)  # which ends the turn
